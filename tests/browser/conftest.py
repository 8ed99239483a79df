"""One browser and one finished run for all tests of pages."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, sync_playwright

from tests.browser.chromium import FLAGS, NoChromiumError, ensure
from tests.conftest import unavailable


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    """A headless Chromium with an empty profile; skips (in CI: fails) where there can be none."""
    try:
        program = ensure()
    except NoChromiumError as error:
        unavailable(f"no browser: {error}")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path_factory.mktemp("chromium")), executable_path=program, args=list(FLAGS), headless=True
        )
        yield context
        context.close()


@pytest.fixture(scope="session")
def run(reported_run: Path) -> Path:
    """A small finished run with its report."""
    return reported_run
