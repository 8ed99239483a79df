"""Where the templates are, and how a text is made from one."""

import os
import site
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.base.errors import InputError

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
    places = [Path(chosen)] if chosen else _ours()
    for place in places:
        if (place / "htcondor" / "default.sub.j2").is_file():
            return place
    raise InputError(
        f"no templates in {', '.join(map(str, places))}; install dagmaker again, or set {VARIABLE} to your copy of them"
    )


def _ours() -> list[Path]:
    """Where dagmaker's own templates may be."""
    root = Path(__file__).resolve().parents[2]
    shared = Path("share") / "dagmaker" / "templates"
    return [root / "templates", root / shared, Path(sys.prefix) / shared, Path(site.getuserbase()) / shared]


def page(template: str, values: Mapping[str, Any]) -> str:
    """The text of a page; what is put into it is escaped. A site's copy of the templates need not have the pages.

    Raises
    ------
    InputError
        If the template is not there or broken.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

    chosen = os.environ.get(VARIABLE)
    places = [*([Path(chosen)] if chosen else []), *_ours()]
    environment = Environment(
        loader=FileSystemLoader(places),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        return environment.get_template(template).render(values)
    except TemplateError as error:
        raise InputError(f"{template}: this template cannot be used: {type(error).__name__}: {error}") from error


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
