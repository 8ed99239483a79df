"""Find templates and render them."""

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
        None of them exists.
    """
    chosen = os.environ.get(VARIABLE)
    places = [Path(chosen)] if chosen else _default_folders()
    for place in places:
        if (place / "htcondor" / "default.sub.j2").is_file():
            return place
    raise InputError(
        f"no templates in {', '.join(map(str, places))}; install dagmaker again, or set {VARIABLE} to your copy of them"
    )


def _default_folders() -> list[Path]:
    """Possible folders of dagmaker's own templates."""
    root = Path(__file__).resolve().parents[2]
    shared = Path("share") / "dagmaker" / "templates"
    return [root / "templates", root / shared, Path(sys.prefix) / shared, Path(site.getuserbase()) / shared]


def page(template: str, values: Mapping[str, Any]) -> str:
    """Render an HTML page with escaped values; a site's copy of the templates may lack the pages.

    Raises
    ------
    InputError
        The template is missing or broken.
    """
    from jinja2 import TemplateError

    chosen = os.environ.get(VARIABLE)
    places = (*([Path(chosen)] if chosen else []), *_default_folders())
    try:
        return _environment(places, True).get_template(template).render(values)
    except TemplateError as error:
        raise InputError(f"{template}: this template cannot be used: {type(error).__name__}: {error}") from error


@cache
def _environment(places: tuple[Path, ...], html: bool) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(places), autoescape=html, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=not html,
    )  # fmt: skip


def render(names: tuple[str, ...], **values: Any) -> str:
    """Render the first existing template of `names`."""
    from jinja2 import TemplateError

    place = folder() / "htcondor"
    try:
        return _environment((place,), False).select_template(list(names)).render(**values)
    except TemplateError as error:
        where = f"{place / names[0]} (or {names[-1]})"
        raise InputError(f"{where}: this template cannot be used: {type(error).__name__}: {error}") from error
