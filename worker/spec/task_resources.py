"""Requests of the processes of one kind of task: a table in the spec and in the profile of a site."""

import difflib
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from worker.base.task_rows import ROWS
from worker.spec.fields import Model, Whole, refuse


def _one_line(text: str) -> str:
    """Refuse a value of a submit command with a line break, which would start another command."""
    if not text.strip() or not text.isprintable():
        refuse(("", f"found {text!r:.60}; must be one line of text"))
    return text


Line = Annotated[str, AfterValidator(_one_line)]


class TaskResources(Model):
    """Keys that are left out are set by the rest of the spec and the site."""

    request_memory_mb: Annotated[Whole, Field(ge=100)] | None = None
    request_disk_mb: Annotated[Whole, Field(ge=10)] | None = None
    requirements: Line | None = None
    container_image: Line | None = None


def known_tasks(table: Any) -> Any:
    """Refuse names that are no tasks of a plan."""
    if isinstance(table, dict):
        faults = []
        for name in table:
            if name not in ROWS:
                close = difflib.get_close_matches(str(name), list(ROWS), n=1, cutoff=0.6)
                meant = f"; did you mean '{close[0]}'?" if close else ";"
                faults.append((str(name), f"unknown task{meant} tasks are {', '.join(ROWS)}"))
        refuse(*faults)
    return table


TaskTable = Annotated[dict[str, TaskResources], BeforeValidator(known_tasks)]
