"""Where the templates are, and how a text is made from one."""

import os
import site
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.errors import InputError

if TYPE_CHECKING:
    from jinja2 import Environment

VARIABLE = "DAGMAKER_TEMPLATES"


def folder() -> Path:
    """The templates' folder: $DAGMAKER_TEMPLATES, the source tree's, or the installed one.

    Raises
    ------
    InputError
        There is none of them.
    """
    chosen = os.environ.get(VARIABLE)
    root = Path(__file__).resolve().parent.parent
    shared = Path("share") / "dagmaker" / "templates"
    places = (
        [Path(chosen)]
        if chosen
        else [root / "templates", root / shared, Path(sys.prefix) / shared, Path(site.getuserbase()) / shared]
    )
    for place in places:
        if (place / "htcondor" / "default.sub.j2").is_file():
            return place
    raise InputError(
        f"no templates in {', '.join(map(str, places))}; install dagmaker again, or set {VARIABLE} to your copy of them"
    )


@cache
def _environment(place: Path) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(place),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(names: tuple[str, ...], **values: Any) -> str:
    """The text of the first template of `names` that exists."""
    from jinja2 import TemplateError

    place = folder() / "htcondor"
    try:
        return _environment(place).select_template(list(names)).render(**values)
    except TemplateError as error:
        where = f"{place / names[0]} (or {names[-1]})"
        raise InputError(f"{where}: this template cannot be used: {type(error).__name__}: {error}") from error
