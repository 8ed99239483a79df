"""What the theme leaves out for those who have a keyboard and no mouse, or a screen reader and no screen.

A box that scrolls by itself (code, a wide table) can be reached with the tab key; a caption of the menu, which says
that it is a heading, says of which level.
"""

from typing import Any

from sphinx.application import Sphinx

AFTER_THE_THEME = 900
MENDED = (
    ("<pre>", '<pre tabindex="0">'),
    ('<div class="table-wrapper', '<div tabindex="0" class="table-wrapper'),
    ('role="heading"', 'role="heading" aria-level="2"'),
)


def setup(app: Sphinx) -> dict[str, bool]:
    """Mend the parts of a page just before they are put together."""
    app.connect("html-page-context", _mend, priority=AFTER_THE_THEME)
    return {"parallel_read_safe": True}


def _mend(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: object) -> None:  # noqa: ARG001
    for part in ("body", "furo_navigation_tree"):
        for found, better in MENDED:
            if context.get(part):
                context[part] = context[part].replace(found, better)
