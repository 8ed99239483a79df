"""The report and its interactive map in a real browser: quiet, alone, as wide as the window, and usable by all."""

import hashlib
from pathlib import Path

import healpy
import numpy as np
import pytest
from playwright.sync_api import BrowserContext

from dagmaker.cli import main
from dagmaker.status import status_page
from tests import test_dagmaker_status_page
from tests.browser.watched import DESKTOP, PHONE, watched
from worker.base import rng
from worker.report import interactive
from worker.rundir import layout

pytestmark = pytest.mark.slow
PAGES = (layout.REPORT, interactive.FILE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop", "phone"])
def test_a_page_is_quiet_alone_and_fits(
    browser: BrowserContext, run: Path, page: Path, size: tuple[int, int], dark: bool
) -> None:
    with watched(browser, run / page, size, dark) as seen:
        if page == interactive.FILE:
            seen.page.wait_for_selector("body[data-ready]")
        for i in range(seen.page.locator("details").count()):
            seen.page.locator("details").nth(i).evaluate("e => e.open = true")
        assert seen.said == []
        assert seen.asked == []
        assert seen.too_wide() <= 0
        assert seen.barriers() == []


BAD = """<html lang="en"><head><title>bad</title></head><body><main><h1>bad</h1>
<p style="color:#bbb;background:#fff">pale</p><img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=">
<div style="width:3000px">wide</div><script>console.warn("hm")</script><script>throw Error("oh")</script>
<script src="http://127.0.0.1:9/x.js"></script></main></body></html>"""


def test_a_bad_page_is_caught(browser: BrowserContext, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text(BAD)
    with watched(browser, tmp_path / "bad.html", PHONE) as seen:
        assert seen.asked == ["http://127.0.0.1:9/x.js"]
        assert "warning: hm" in seen.said
        assert any("oh" in words for words in seen.said)
        assert seen.too_wide() > 1000
        assert {words.partition(":")[0] for words in seen.barriers()} == {"color-contrast", "image-alt"}


@pytest.mark.parametrize(("size", "dark"), [(DESKTOP, True), (PHONE, False)], ids=["desktop", "phone"])
def test_the_status_page_is_quiet_alone_and_fits(
    browser: BrowserContext, tmp_path: Path, size: tuple[int, int], dark: bool
) -> None:
    built = test_dagmaker_status_page.large(tmp_path / "run", 2000)
    assert main(["status", str(built.run), "--html"]) == 0
    with watched(browser, built.run / status_page.FILE, size, dark) as seen:
        assert seen.page.locator("rect").count() > 20
        assert seen.page.locator(".cause").count() >= 2
        assert seen.page.locator("#again").is_checked()
        seen.page.locator("#again").uncheck()
        seen.page.reload()
        assert not seen.page.locator("#again").is_checked()
        assert (seen.said, seen.asked) == ([], [])
        assert seen.too_wide() <= 0
        assert seen.barriers() == []


def test_the_report_leads_to_the_map_and_back(browser: BrowserContext, run: Path) -> None:
    with watched(browser, run / layout.REPORT, DESKTOP) as seen:
        seen.page.click("a[href='skymap.html']")
        seen.page.wait_for_selector("body[data-ready]")
        assert "synthetic data, scrambled sky" in seen.page.title()
        seen.page.click("a[href='index.html']")
        assert seen.page.locator("h2#method").count() == 1


def test_the_map_tells_the_values_of_the_pixel_under_the_pointer(browser: BrowserContext, run: Path) -> None:
    values = np.load(run / layout.map_file(16))
    with watched(browser, run / interactive.FILE, DESKTOP) as seen:
        seen.page.wait_for_selector("body[data-ready]")
        box = seen.page.locator("#sky").bounding_box()
        assert box is not None
        told = 0
        for x, y in ((0.5, 0.5), (0.3, 0.4), (0.62, 0.7), (0.5, 0.2), (0.02, 0.05)):
            pixel = seen.page.evaluate("([x, y]) => skymap.pixelAt(x, y)", [x * box["width"], y * box["height"]])
            seen.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            words = seen.page.locator("#tip").text_content() or ""
            if pixel < 0:
                assert words == ""
                continue
            theta, phi = healpy.pix2ang(16, pixel)
            assert words.startswith(f"RA {np.degrees(phi):.2f}°, dec {90 - np.degrees(theta):+.2f}°".replace("-", "−"))
            scanned = np.isfinite(values[1, pixel])
            assert (f"TS {values[1, pixel]:.2f}" in words) if scanned else words.endswith(": not scanned")
            told += int(scanned)
        assert told == 4


def test_a_point_of_the_screen_is_the_point_of_the_sky(browser: BrowserContext, run: Path) -> None:
    """The page's own quick look-up of a pixel, and the whole way from the screen, against healpy."""
    u = rng.uniforms(rng.key(5, "test"), rng.OTHER, 0, 8000).reshape(2, -1)
    z, phi = 2 * u[0] - 1, 2 * np.pi * u[1]
    with watched(browser, run / interactive.FILE, DESKTOP) as seen:
        seen.page.wait_for_selector("body[data-ready]")
        ours = seen.page.evaluate(
            "a => a.map(([z, phi]) => skymap.pixelOf(z, phi))", np.column_stack([z, phi]).tolist()
        )
        assert ours == healpy.ang2pix(16, np.arccos(z), phi).tolist()
        centre = seen.page.evaluate("() => skymap.pixelAt(sky.clientWidth / 2 - 0.1, sky.clientHeight / 2 - 0.1)")
        assert healpy.pix2ang(16, centre, lonlat=True) == pytest.approx((180, 0), abs=4)
        left = seen.page.evaluate("() => skymap.pixelAt(sky.clientWidth / 4, sky.clientHeight / 2 - 0.1)")
        assert 250 < healpy.pix2ang(16, left, lonlat=True)[0] < 290  # right ascension grows to the left


def test_click_keys_and_buttons(browser: BrowserContext, run: Path) -> None:
    values = np.load(run / layout.map_file(16))
    hottest = int(np.nanargmax(values[0]))
    with watched(browser, run / interactive.FILE, PHONE) as seen:
        page = seen.page
        page.wait_for_selector("body[data-ready]")
        page.click("button[data-spot='0']")
        assert f"−log₁₀ p {values[0, hottest]:.2f}" in page.inner_text("#chosen")
        zoomed = page.evaluate("({...skymap.view})")
        assert zoomed["k"] > 2
        assert (zoomed["ra"], zoomed["dec"]) == pytest.approx(healpy.pix2ang(16, hottest, lonlat=True))
        page.locator("#sky").focus()
        page.keyboard.press("0")
        assert page.evaluate("skymap.view.k") == 1
        box = page.locator("#sky").bounding_box()
        assert box is not None
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.move(*middle)
        page.mouse.down()
        page.mouse.move(middle[0] + 60, middle[1], steps=6)
        page.mouse.up()
        assert page.evaluate("skymap.view.ra") > 200  # the sky went right, so its left part came in
        page.mouse.wheel(0, -600)
        page.wait_for_function("skymap.view.k > 1.5")
        before = page.locator("#sky").screenshot()
        page.check("input[name=layer][value='3']")
        assert page.locator("#sky").screenshot() != before
        page.mouse.click(*middle)
        assert page.inner_text("#chosen").startswith("RA ")
        assert seen.said == []


def test_what_the_page_carries_is_what_its_table_says() -> None:
    folder = interactive.template.folder() / "vendor"
    table = (folder / "README.md").read_text(encoding="utf-8")
    for name in interactive.SCRIPTS[:3]:
        raw = (folder.parent / name).read_bytes()
        assert f"`{hashlib.sha256(raw).hexdigest()}`" in table
        assert b"</script" not in raw
