"""The page in a browser."""

from __future__ import annotations

import http.client
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from edge.control import PHOTOGRAPH_LIMIT_BYTES
from edge.domain import Reason
from tests.browser import Page, expect, open_tab, screenshot

from .conftest import StandIn

UPLOAD = "#upload input[type=file]"


@pytest.mark.browser
def test_the_live_tab_shows_the_newest_decision_with_three_bars(
    page: Page, console_url: str, stand_in: StandIn
) -> None:
    page.goto(console_url)
    expect(page.locator("#decision")).to_contain_text("No item yet")
    stand_in.see(item=True, phase="looking")
    stand_in.decide()
    expect(page.locator("#decision")).to_contain_text("Sure enough that it is glass.")
    expect(page.locator("#live-top3 meter")).to_have_count(3)
    expect(page.locator("#live-top3")).to_contain_text("94%")
    expect(page.locator("#status")).to_contain_text("Looking at the item")
    expect(page.get_by_alt_text("The tray from above. An item lies still")).to_be_visible()
    evidence = page.get_by_alt_text("The item with the evidence for glass over it")
    expect(evidence).to_be_hidden()
    page.get_by_label("Show what speaks for it").check()
    expect(evidence).to_be_visible()
    stand_in.decide("residual", (("metal", 0.4), ("glass", 0.3), ("paper", 0.2)), Reason.UNCERTAIN)
    expect(page.locator("#decision")).to_contain_text("Not sure enough that it is metal.")
    expect(page.locator("#live-top3")).to_contain_text("40%")


@pytest.mark.browser
def test_the_tray_is_shown_with_at_least_five_pictures_a_second(
    page: Page, console_url: str, stand_in: StandIn
) -> None:
    stand_in.see(item=True, phase="looking")
    page.goto(console_url)
    expect(page.locator("#tray")).to_contain_text("An item lies still")
    expect(page.locator("#tray-box")).to_be_visible()
    page.wait_for_function(
        """() => {
            const [figure, now] = [document.getElementById("tray-figure"), performance.now()];
            const shown = (window.shown ??= []);
            shown.push([now, Number(figure.dataset.pictures)]);
            const before = shown.find(([at]) => now - at < 1500);
            return now - before[0] > 1000 && (1000 * (shown.at(-1)[1] - before[1])) / (now - before[0]) >= 5;
        }"""
    )
    stand_in.see(item=False, age_s=12)
    expect(page.locator("#tray")).to_contain_text("12 s old")
    expect(page.locator("#tray-box")).to_be_hidden()


@pytest.mark.browser
def test_a_page_says_that_the_daemon_is_down_and_recovers_with_it(
    page: Page, console_url: str, stand_in: StandIn
) -> None:
    stand_in.decide()
    page.goto(console_url)
    expect(page.locator("#tray img")).to_be_visible()
    stand_in.stop()
    expect(page.locator("#daemon-down")).to_contain_text("The bin's daemon does not answer.")
    expect(page.locator("#daemon-down")).to_contain_text("start it with python -m edge run")
    expect(page.locator("#daemon-down")).to_contain_text("This page reconnects by itself.")
    expect(page.locator("#tray img")).to_be_hidden()
    expect(page.locator("#decision")).to_contain_text("No decision")
    stand_in.start()
    expect(page.locator("#daemon-down")).to_have_count(0)
    expect(page.locator("#tray img")).to_be_visible()
    expect(page.locator("#decision")).to_contain_text("Sure enough that it is glass.")


@pytest.mark.browser
def test_an_uploaded_photograph_is_answered(
    page: Page, console_url: str, stand_in: StandIn, photograph: Path, folder: Path
) -> None:
    page.goto(console_url)
    open_tab(page, "Try a photo")
    page.locator(UPLOAD).set_input_files(photograph)
    expect(page.locator("#verdict")).to_contain_text("Accepted. Sure enough that it is glass.")
    expect(page.locator("#photograph-top3 meter")).to_have_count(3)
    expect(page.get_by_alt_text("The photograph with the evidence for glass over it")).to_be_visible()
    assert stand_in.classified == ["bottle.png"]
    page.locator(UPLOAD).set_input_files(photograph.rename(photograph.with_name("second.png")))
    expect(page.locator("#verdict")).to_contain_text("second.png")


@pytest.mark.browser
def test_two_models_answer_side_by_side_on_a_desktop_and_on_a_phone(
    page: Page, console_url: str, stand_in: StandIn, photograph: Path
) -> None:
    page.goto(console_url)
    open_tab(page, "Try a photo")
    page.get_by_label("Another model beside it").click()
    page.get_by_role("option", name="resnet50-trashnet 0.4.0 (slot a)").click()
    page.locator(UPLOAD).set_input_files(photograph)
    expect(page.locator("#agreement")).to_have_text("They differ: glass or plastic.")
    expect(page.locator("#beside article")).to_have_count(2)
    expect(page.get_by_alt_text("The evidence for plastic, by resnet50-trashnet 0.4.0")).to_be_visible()
    screenshot(page, "console-two-models")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    screenshot(page, "console-two-models-phone")


@pytest.mark.browser
def test_a_file_that_is_no_picture_gets_a_message_and_the_next_one_an_answer(
    page: Page, console_url: str, stand_in: StandIn, broken_file: Path, photograph: Path
) -> None:
    page.goto(console_url)
    open_tab(page, "Try a photo")
    page.locator(UPLOAD).set_input_files(broken_file)
    expect(page.locator("#verdict")).to_contain_text("Not a picture that can be read")
    expect(page.locator("#verdict")).to_contain_text("Broken.jpg")
    expect(page.locator("#pictures img")).to_have_count(0)
    page.locator(UPLOAD).set_input_files(photograph)
    expect(page.locator("#verdict")).to_contain_text("Accepted.")


@pytest.mark.browser
def test_a_photograph_that_is_too_large_gets_a_message(
    page: Page, console_url: str, stand_in: StandIn, tmp_path: Path
) -> None:
    large = tmp_path / "large.jpg"
    large.write_bytes(bytes(PHOTOGRAPH_LIMIT_BYTES + 1))
    page.goto(console_url)
    open_tab(page, "Try a photo")
    page.locator(UPLOAD).set_input_files(large)
    expect(page.locator("#verdict")).to_contain_text("the most is 12 MB")


@pytest.mark.browser
def test_a_photograph_without_a_daemon_gets_a_message(page: Page, console_url: str, photograph: Path) -> None:
    page.goto(console_url)
    open_tab(page, "Try a photo")
    page.locator(UPLOAD).set_input_files(photograph)
    expect(page.locator("#verdict")).to_contain_text("The daemon is not running")


@pytest.mark.browser
def test_the_page_asks_no_host_but_its_own(page: Page, console_url: str, stand_in: StandIn, photograph: Path) -> None:
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    stand_in.see(item=True, phase="waiting")
    for compartment in ("paper", "plastic", "glass"):
        stand_in.decide(compartment)
    page.goto(console_url)
    expect(page.locator("#live-top3 meter")).to_have_count(3)
    expect(page.get_by_alt_text("The item as it was classified")).to_be_visible()
    open_tab(page, "Try a photo")
    page.locator(UPLOAD).set_input_files(photograph)
    expect(page.locator("#pictures img")).to_have_count(2)
    page.wait_for_load_state("load")
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(console_url).netloc}
    assert errors == []


@pytest.mark.browser
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1200, 800)])
def test_nothing_sticks_out_of_the_screen(
    page: Page, console_url: str, stand_in: StandIn, width: int, height: int
) -> None:
    stand_in.decide()
    page.set_viewport_size({"width": width, "height": height})
    page.goto(console_url)
    expect(page.get_by_alt_text("The item as it was classified")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(
    "path",
    ["/gradio_api/file=/etc/passwd", "/gradio_api/file=../../../../etc/passwd", "/file=/etc/passwd", "/../etc/passwd"],
)
def test_no_file_of_the_machine_is_served(console_url: str, stand_in: StandIn, path: str) -> None:
    address = urlsplit(console_url)
    connection = http.client.HTTPConnection(address.netloc, timeout=30)  # sends the path as it is
    connection.request("GET", path)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    assert b"root:" not in content and answer.status in (403, 404)


def test_another_host_name_does_not_reach_the_page(console_url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(console_url).netloc, timeout=30)
    connection.request("GET", "/", headers={"Host": "evil.example"})
    assert connection.getresponse().status == 421
    connection.close()


@pytest.mark.browser
def test_a_bin_without_a_lamp_has_no_button_for_it(page: Page, console_url: str, stand_in: StandIn) -> None:
    page.goto(console_url)
    open_tab(page, "Hardware")
    expect(page.get_by_role("button", name="Acknowledge")).to_be_visible()
    expect(page.get_by_role("button", name="Blink the lamp")).to_have_count(0)
