"""Every page of the documentation site in a real browser, at the width of a phone and on a desk."""

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext

from tests.browser.watched import DESKTOP, watched

pytestmark = pytest.mark.slow
PHONE = (390, 844)
OUTSIDE = """() => [...document.querySelectorAll("article *")]
    .filter(e => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .filter(e => !e.closest(".table-wrapper, pre"))
    .map(e => e.outerHTML.slice(0, 100))"""
"""What is cut off, unless it lies in a box that scrolls by itself."""


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop", "phone"])
def test_every_page_is_quiet_alone_and_fits(
    browser: BrowserContext, site: Path, size: tuple[int, int], dark: bool
) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 18
    for page in pages:
        with watched(browser, page, size, dark) as seen:
            assert seen.said == [], page.name
            assert [url for url in seen.asked if not url.startswith(site.as_uri())] == [], page.name
            assert seen.too_wide() <= 0, page.name
            assert seen.page.evaluate(OUTSIDE) == [], page.name
            assert seen.barriers() == [], page.name


def test_what_sticks_out_is_seen(browser: BrowserContext, site: Path) -> None:
    with watched(browser, site / "units.html", PHONE) as seen:
        seen.page.evaluate("document.querySelector('article h1').style.minWidth = '700px'")
        assert seen.page.evaluate(OUTSIDE) != []
        seen.page.evaluate("document.querySelector('.table-wrapper').removeAttribute('tabindex')")
        seen.page.evaluate("document.querySelector('.table-wrapper').style.width = '90px'")
        assert any("scrollable" in words for words in seen.barriers())
