"""A headless Chromium for tests, and screenshots of the console for the documentation.

Fixtures for a conftest: `from tests.browser import browser, page`. The browser is the one that $CHROMIUM names, or
/usr/bin/chromium; where neither exists, or Playwright is not installed, the tests that ask for it are skipped.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

try:
    from playwright.sync_api import Browser, Page, expect, sync_playwright
except ImportError:  # the bin's own requirements do not name it: everything but the browser is tested all the same
    Browser = Page = expect = sync_playwright = None

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
WAIT_MS = 30_000
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a webcam that shows a test picture, and no question whether it may
    "--use-fake-ui-for-media-stream",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium a module: it must be gone before another module runs an event loop of its own."""
    if sync_playwright is None:
        pytest.skip("Playwright is not installed; pip install -r requirements-dev.txt")
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}; install one or name it in CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page, with patience for a busy machine."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.set_default_timeout(WAIT_MS)
    expect.set_options(timeout=WAIT_MS)
    yield page
    context.close()


def open_tab(page: Page, tab: str) -> None:
    """Show one of the console's tabs: "Live" or "Try a photo"."""
    page.get_by_role("tab", name=tab).click()


def screenshot(page: Page, name: str) -> None:
    """Save the page as NAME.png into the folder that $SMARTBIN_SCREENSHOTS names; without it, do nothing.

    SMARTBIN_SCREENSHOTS=docs/images python -m pytest tests/e2e
    """
    folder = os.environ.get("SMARTBIN_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
