"""The setup tab in a real browser: a bin set up by mouse, by finger and by keyboard, tried, undone, and started again.

SMARTBIN_SCREENSHOTS=docs/images python -m pytest tests/e2e/test_console_setup.py
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, Locator, Page, expect

from edge.config import Config
from tests.browser import browser, open_tab, page, screenshot
from tests.e2e.daemons import RunningDaemon, free_port, sim_config

__all__ = ["browser", "page"]

PATIENCE_MS = 90_000

pytestmark = pytest.mark.browser


class SetUpBin:
    """A simulated bin with its console, and where it keeps what is set up."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        actuator = {"move_timeout_s": 60}  # a busy machine is no stall
        self.config = sim_config(folder, console={"port": self.port}, actuator=actuator)
        self.written = folder / "state" / "setup.yaml"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture(scope="module")
def bin_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SetUpBin]:
    made = SetUpBin(tmp_path_factory.mktemp("setup"))
    with RunningDaemon(made.config, "--console") as daemon:
        daemon.has_told("console: http")  # it listens
        yield made


def opened(page: Page, bin_: SetUpBin) -> Locator:
    """The setup form."""
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.route("**/alive", lambda route: route.abort())  # on a busy machine the page would load itself anew meanwhile
    page.goto(bin_.url, timeout=PATIENCE_MS)
    more = page.get_by_role("button", name="More tabs")
    expect(page.get_by_role("tab", name="Live")).to_be_visible()
    if more.is_visible():  # on a phone
        more.click()
        page.locator(".overflow-dropdown").get_by_role("button", name="Setup").click()
    else:
        open_tab(page, "Setup")
    form = page.locator("#setup-form")
    expect(form).to_be_visible()
    return form


def corners(page: Page) -> list[float]:
    return [float(page.get_by_label(f"{side}, %").input_value()) for side in ("Left", "Top", "Right", "Bottom")]


def box_of(view: Locator) -> dict[str, float]:
    view.scroll_into_view_if_needed()
    view.locator("img").evaluate("image => image.decode()")
    box = view.bounding_box()
    assert box is not None
    return dict(box)


def moved_as_for(page: Page, form: Locator, compartment: str) -> None:
    """Try it, as often as the bin says that it is at an item or that the tray is not still."""
    said = page.locator("#setup-moved")
    until_s = time.monotonic() + PATIENCE_MS / 1000
    while time.monotonic() < until_s:
        form.get_by_role("button", name="Pause, and arm for 60 s").click()
        expect(said).to_contain_text("Keep your hands out")
        form.get_by_role("button", name=f"Try {compartment}").click()
        expect(said).to_contain_text(re.compile("Moved|Refused"))
        if "Moved" in said.inner_text():
            break
    expect(said).to_contain_text(f"Moved as for {compartment}")


def test_a_bin_is_set_up_by_mouse_and_keyboard_tried_and_undone(page: Page, bin_: SetUpBin) -> None:
    form = opened(page, bin_)
    box = box_of(page.locator("#region"))
    page.mouse.move(box["x"] + 0.1 * box["width"], box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.8 * box["height"], steps=4)
    page.mouse.up()
    assert corners(page) == pytest.approx([10, 20, 90, 80], abs=0.5)
    form.get_by_label("Left, %").fill("12.5")
    form.get_by_label("cardboard", exact=True).select_option("plastic")
    form.get_by_label("Least sure, %").fill("85")

    form.get_by_role("button", name="Try glass").click()
    expect(page.locator("#setup-moved")).to_contain_text("Jog is for a bin that is paused")
    moved_as_for(page, form, "glass")
    form.get_by_role("button", name="Resume sorting").click()
    expect(page.locator("#setup-moved")).to_contain_text("Sorting again")

    form.get_by_label("The broker in the bin itself").uncheck()
    form.get_by_label("Port", exact=True).fill(str(free_port()))
    form.get_by_role("button", name="Test the broker").click()
    expect(page.locator("#setup-broker")).to_contain_text("Cannot reach a broker")
    form.get_by_label("The broker in the bin itself").check()
    expect(form.get_by_label("The broker in the bin itself")).to_be_checked()

    open_tab(page, "Health")
    open_tab(page, "Setup")
    assert form.get_by_label("Left, %").input_value() == "12.5", "what was typed is still there"
    form.get_by_role("button", name="Check and write").click()
    expect(page.locator("#setup-said")).to_contain_text("Holds from the next item on: what goes where")
    expect(page.locator("#setup-said")).to_contain_text("Holds after the next start: where the tray is, the broker")
    expect(page.locator("#setup-over")).to_contain_text("where the tray is, what goes where, the broker")
    said = yaml.safe_load(bin_.written.read_text())
    assert said["presence"]["region"][0] == 0.125
    assert (said["sorting"]["routes"]["cardboard"], said["sorting"]["min_probability"]) == ("plastic", 0.85)
    assert said["mqtt"]["embedded_broker"], said
    expect(form.get_by_label("The broker in the bin itself")).to_be_checked()
    assert "# the tray in the picture" in bin_.written.read_text()
    box_of(page.locator("#region"))  # the picture has come
    screenshot(page, "console-setup")

    with page.expect_download() as downloading:
        form.get_by_role("link", name="Download the config, with comments").click()
    whole = yaml.safe_load(downloading.value.path().read_text())
    assert Config.model_validate(whole).presence.region[0] == 0.125

    form.get_by_role("button", name="Undo the last change").click()
    expect(page.locator("#setup-over")).to_contain_text("All as the config file says")
    assert form.get_by_label("cardboard", exact=True).input_value() == "paper"


def test_a_finger_draws_the_tray_on_a_phone_in_the_dark_and_what_does_not_fit_is_refused(
    browser: Browser, bin_: SetUpBin
) -> None:
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True, color_scheme="dark"
    )
    page = context.new_page()
    form = opened(page, bin_)
    box = box_of(page.locator("#region"))
    touch = page.context.new_cdp_session(page)
    for kind, across, down in (("Start", 0.2, 0.3), ("Move", 0.5, 0.5), ("Move", 0.7, 0.9), ("End", 0, 0)):
        point = {"x": box["x"] + across * box["width"], "y": box["y"] + down * box["height"]}
        touch.send(
            "Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": [] if kind == "End" else [point]}
        )
    page.wait_for_function("document.getElementsByName('region.right')[0].value < 80")
    assert corners(page) == pytest.approx([20, 30, 70, 90], abs=0.6)
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    screenshot(page, "console-setup-phone")

    form.get_by_label("Right, %").fill("5")
    form.get_by_role("button", name="Check and write").click()
    expect(page.locator("#setup-said")).to_contain_text("Not written")
    expect(page.locator("#setup-said")).to_contain_text("is not left of")
    form.get_by_role("button", name="Whole picture").click()
    assert corners(page) == [0, 0, 100, 100]

    form.get_by_label("Name of glass").fill("bottles")
    form.get_by_label("Name of glass").blur()
    assert form.get_by_label("glass", exact=True).input_value() == "bottles", "what was routed there follows"
    form.get_by_role("button", name="Remove of metal").click()
    assert form.get_by_label("metal", exact=True).input_value() == "", "somebody has to choose anew"
    context.close()
