"""Find templates and render them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from worker.base.errors import InputError
from worker.base.template_folders import VARIABLE, chosen, own

if TYPE_CHECKING:
    from jinja2 import Environment


def folder() -> Path:
    """The templates' folder: $DAGMAKER_TEMPLATES, the source tree's, or the installed one.

    Raises
    ------
    InputError
        None of them exists.
    """
    places = chosen() or own()
    for place in places:
        if (place / "htcondor" / "default.sub.j2").is_file():
            return place
    raise InputError(
        f"no templates in {', '.join(map(str, places))}; install dagmaker again, or set {VARIABLE} to your copy of them"
    )


def page(template: str, values: Mapping[str, Any]) -> str:
    """Render an HTML page with escaped values; a site's copy of the templates may lack the pages.

    Raises
    ------
    InputError
        The template is missing or broken.
    """
    from jinja2 import TemplateError

    places = (*chosen(), *own())
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
