"""A page that is watched while it is open: what it says, what it asks for, what does not fit, what is hard to use."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

DESKTOP, PHONE = (1280, 900), (360, 740)
SERIOUS = ("serious", "critical")


@dataclass
class Watched:
    """An open page and what was noticed.

    Attributes
    ----------
    said : list of str
        Errors and warnings of the console, and uncaught exceptions.
    asked : list of str
        Everything that was requested, but for the page itself and what it carries in its own text.
    """

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def too_wide(self) -> float:
        """By how many pixels the page is wider than the window."""
        return float(self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))

    def barriers(self) -> list[str]:
        """What axe finds serious."""
        found: list[dict[str, Any]] = Axe().run(self.page).response["violations"]
        return [
            f"{rule['id']}: {rule['help']}: {rule['nodes'][0]['html'][:120]}"
            for rule in found
            if rule["impact"] in SERIOUS
        ]


@contextmanager
def watched(context: BrowserContext, file: Path, size: tuple[int, int], dark: bool = False) -> Iterator[Watched]:
    """Open a file, and look at everything that happens from its first byte."""
    page = context.new_page()
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
    out = Watched(page)
    page.on("console", lambda message: out.said.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: out.said.append(f"uncaught: {error}"))
    page.on("request", lambda request: _note(out, request.url, file))
    page.goto(file.as_uri(), wait_until="load")
    try:
        yield out
    finally:
        page.close()


def _note(out: Watched, url: str, file: Path) -> None:
    if url.partition("#")[0] != file.as_uri() and not re.match(r"(data|blob):", url):
        out.asked.append(url)
