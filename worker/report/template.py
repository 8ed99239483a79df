"""Find and render the templates of the page."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from worker.base.errors import InputError
from worker.base.template_folders import VARIABLE, chosen, own

PAGE = "index.html.j2"


def folder() -> Path:
    """The report's templates: below $DAGMAKER_TEMPLATES, the source tree's, or the installed ones.

    Raises
    ------
    InputError
        No templates are found.
    """
    # A copy of a site may have submit files only; then our templates of the page are used.
    places = [*chosen(), *own()]
    for place in places:
        if (place / "report" / PAGE).is_file():
            return place / "report"
    raise InputError(
        f"no report/{PAGE} in {', '.join(map(str, places))}; install dagmaker again, or set {VARIABLE} to a folder of "
        "templates"
    )


def text(name: str) -> str:
    """Text of a file beside the templates, without rendering.

    Raises
    ------
    InputError
        It cannot be read.
    """
    place = folder() / name
    try:
        return place.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{place}: cannot be read ({error.strerror}); install dagmaker again") from error


def literal(text: object) -> str:
    r"""Return a text for Markdown, shown as it is written: a name may hold what begins a table cell, a link, or HTML.

    Examples
    --------
    >>> literal("<b> a|b [x](y)")
    '\\<b\\> a\\|b \\[x\\](y)'
    """
    return re.sub(r"([\\`*_\[\]<>|$])", r"\\\1", str(text))


def render(name: str, values: dict[str, Any]) -> str:
    """Render a template; values in HTML are escaped.

    Raises
    ------
    InputError
        The template is broken, or uses an unknown variable.
    """
    place = folder()
    environment = Environment(
        loader=FileSystemLoader(place),
        autoescape=lambda of: of is None or of.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["literal"] = literal
    try:
        return environment.get_template(name).render(values)
    except TemplateError as error:
        raise InputError(f"{place / name}: this template cannot be used: {type(error).__name__}: {error}") from error
