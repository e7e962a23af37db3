"""The console in a real browser, on the real daemon with its real model: each tab, on a desktop and on a phone.

SMARTBIN_SCREENSHOTS=docs/images python -m pytest tests/e2e/test_console.py
"""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import cv2
import pytest
from playwright.sync_api import Page, expect

from edge.domain import Box
from tests.browser import browser, open_tab, page, screenshot
from tests.e2e.daemons import ROOT, RunningDaemon, edge, free_port, sim_config
from tests.small_bundle import KEY_PEM, sign_again
from tests.updates import packed

__all__ = ["browser", "page"]

SHIPPED = json.loads((ROOT / "models/resnet50-trashnet/manifest.json").read_bytes())
FOOTAGE = ROOT / "edge/sim/footage"
PATIENCE_MS = 90_000
SWITCHES = [
    {"role": "lid", "pin": 5, "active_when_closed": True},
    {"role": "estop", "pin": 6, "active_when_closed": True},
]
LAMP = {"pin": 25}
FILL = [{"compartment": "glass", "trigger_pin": 23, "echo_pin": 24, "empty_cm": 60, "full_cm": 10, "every_s": 2}]

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bin that sorts, with its console."""
    folder = tmp_path_factory.mktemp("console")
    shutil.copytree(ROOT / "configs/edge/keys", keys := folder / "keys")
    (keys / "workshop.pub.pem").write_bytes(KEY_PEM)
    config = sim_config(
        folder,
        classify={"keys": str(keys)},
        console={"port": (port := free_port())},
        mqtt={"telemetry_s": 2},
        captures={"sample_share": 1.0},
        actuator={"move_timeout_s": 60},  # a busy machine is no stall
        switches=SWITCHES,
        fill=FILL,
        lamp=LAMP,
    )
    with RunningDaemon(config, "--console") as daemon:
        daemon.has_told("console: http")  # it listens
        daemon.has_told("1 ")  # the first item is sorted
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def shown(page: Page, url: str) -> Iterator[Page]:
    """The page. No request of it may go to any other host, whatever the test does."""
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    page.route("**/alive", lambda route: route.abort())  # on a busy machine the page would load itself anew meanwhile
    page.goto(url, timeout=PATIENCE_MS)
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    expect(page.locator("#tray img")).to_be_visible()
    yield page
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(url).netloc}


def on_a_phone(page: Page, name: str) -> None:
    """The same page on a phone, in the dark: nothing sticks out."""
    page.set_viewport_size({"width": 390, "height": 844})
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    fading = "document.getAnimations().some((each) => each instanceof CSSTransition)"
    page.wait_for_function(f"!{fading}")
    screenshot(page, name)


def choose(page: Page, label: str, option: str) -> None:
    """One of a dropdown's options."""
    page.get_by_label(label, exact=True).click()
    page.get_by_role("option", name=option, exact=True).click()


def item_of_the_clip(label: str, folder: Path) -> Path:
    """A photograph of the clip's first item of a class, cropped as the bin would."""
    chapters = json.loads((FOOTAGE / "chapters.json").read_text())
    item = next(item for item in chapters["items"] if item["label"] == label)
    clip = cv2.VideoCapture(str(FOOTAGE / "tray.mp4"))
    for _ in range(item["still"][0] + 1):
        read, bgr = clip.read()
        assert read
    clip.release()
    box = Box(*item["box"]).grown(0.2, bgr.shape[:2])
    path = folder / f"{label}.png"
    cv2.imwrite(str(path), box.cut(bgr))
    return path


def test_the_live_tab_shows_tray_decision_evidence_levels_and_the_last_items(shown: Page) -> None:
    expect(shown.locator("#decision")).to_contain_text("the tray was seen empty")
    expect(shown.locator("#live-top3")).to_contain_text("%")
    expect(shown.locator("#status [data-compartment=glass]")).to_contain_text("glass")
    expect(shown.get_by_role("img", name="% full")).to_be_visible()
    shown.get_by_label("Show what speaks for it").check()
    expect(shown.locator("#item img.heat")).to_be_visible()
    expect(shown.locator("#strip li")).not_to_have_count(0)
    screenshot(shown, "console-live")
    on_a_phone(shown, "console-live-phone")


def test_a_photograph_is_named_as_the_model_names_it(shown: Page, tmp_path: Path) -> None:
    photograph = item_of_the_clip("metal", tmp_path)
    [line] = edge("classify", "--json", photograph).stdout.splitlines()
    assert json.loads(line)["top3"][0]["label"] == "metal", "the model itself names this one rightly"
    open_tab(shown, "Try a photo")
    shown.locator("#upload input[type=file]").set_input_files(photograph)
    expect(shown.locator("#photograph-top3")).to_contain_text("metal")
    expect(shown.locator("#verdict")).to_contain_text("metal")
    expect(shown.locator("#why")).to_contain_text("Sure enough?")
    expect(shown.locator("#costs")).to_contain_text("goes there")
    screenshot(shown, "console-photograph")
    shown.get_by_role("button", name="Try a sample").click()
    expect(shown.locator("#verdict")).to_contain_text("sample 1 of")
    expect(shown.get_by_alt_text("The photograph as uploaded")).to_be_visible()
    on_a_phone(shown, "console-photograph-phone")


def test_a_webcam_takes_a_photograph_that_is_tried_too(shown: Page) -> None:
    open_tab(shown, "Try a photo")
    shown.get_by_role("button", name="Webcam").click()
    webcam = shown.locator("#webcam-image")
    webcam.get_by_text("Click to Access Webcam").click()
    shown.wait_for_function("document.querySelector('#webcam-image video')?.videoWidth > 0")
    webcam.get_by_label("capture photo").click()
    expect(shown.locator("#photograph-top3")).to_contain_text("%")
    expect(shown.locator("#why")).to_contain_text("Sure enough?")


JOGGED = re.compile("Moved as for glass\\.|An item is being sorted")


def test_the_mechanism_is_tried_by_hand_and_only_as_the_guard_allows(shown: Page) -> None:
    open_tab(shown, "Hardware")
    said = shown.locator("#hardware-said")
    expect(shown.locator("#sensors")).to_contain_text("lid (pin 5)")
    expect(shown.locator("#guard [data-move=glass]")).to_be_visible()
    shown.get_by_role("button", name="Pause").click()
    expect(shown.locator("#mode")).to_have_text("Paused: sorts nothing")
    shown.get_by_role("button", name="glass").click()
    expect(said).to_contain_text("Refused: jog glass")
    expect(said).to_contain_text("Not armed")
    shown.get_by_role("button", name="Arm for 60 s").click()
    expect(shown.locator("#armed")).to_contain_text("s left")
    shown.get_by_role("button", name="Guided self-test").click()
    expect(shown.locator("#trial")).to_contain_text("the golden logits are reproduced")
    shown.get_by_role("button", name="glass").click()
    expect(said).to_contain_text(JOGGED)
    while "being sorted" in said.inner_text():  # the last item before the pause: wait, as it says
        shown.get_by_role("button", name="glass").click()
        expect(said).to_contain_text(JOGGED)
    expect(said).to_contain_text("Moved as for glass.")
    expect(shown.locator("#trial")).to_contain_text("steps open")
    screenshot(shown, "console-hardware")
    shown.get_by_role("button", name="Wiring").click()
    expect(shown.locator("#wiring-picture")).to_contain_text("GPIO 5 (pin 29)")
    on_a_phone(shown, "console-hardware-phone")
    shown.get_by_role("button", name="Resume sorting").click()
    expect(shown.locator("#mode")).to_have_text("Sorting")


BRIGHTNESS = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 16, height: 16 });
  const drawn = canvas.getContext("2d");
  drawn.drawImage(document.getElementById("tray-picture"), 0, 0, 16, 16);
  const rgba = drawn.getImageData(0, 0, 16, 16).data;
  return rgba.reduce((sum, value, at) => sum + (at % 4 < 3 ? value : 0), 0) / (3 * 16 * 16);
}"""
NOTED = f"""() => {{
  window.levels = [];
  const note = () => window.levels.push(({BRIGHTNESS})());
  document.getElementById("tray-picture").addEventListener("load", note);
}}"""


def test_the_tray_darkens_when_a_technician_blinks_the_lamp_and_is_light_again(shown: Page, url: str) -> None:
    open_tab(shown, "Hardware")
    said = shown.locator("#hardware-said")
    shown.get_by_role("button", name="Blink the lamp").click()
    expect(said).to_contain_text("Refused: blink the lamp")
    expect(said).to_contain_text("give pause first")
    shown.get_by_role("button", name="Pause").click()
    expect(shown.locator("#mode")).to_have_text("Paused: sorts nothing")

    tray = shown.context.new_page()  # a second page, to look on
    tray.set_default_timeout(PATIENCE_MS)
    tray.route("**/alive", lambda route: route.abort())
    tray.goto(url, timeout=PATIENCE_MS)
    expect(tray.locator("#tray-seen")).to_have_text("An item lies still")  # nothing else darkens the picture now
    tray.evaluate(NOTED)
    tray.wait_for_function("window.levels.length > 2")
    lit = tray.evaluate("Math.min(...window.levels)")
    for _ in range(5):  # on a busy machine a second may pass between two pictures
        shown.get_by_role("button", name="Blink the lamp").click()
        expect(said).to_contain_text("Did you see it?")
        if tray.evaluate("Math.min(...window.levels)") < 0.7 * lit:
            break
        shown.get_by_role("button", name="Pause").click()
        expect(said).to_contain_text("Paused.")
    assert tray.evaluate("Math.min(...window.levels)") < 0.7 * lit
    tray.wait_for_function(f"window.levels.at(-1) > {0.9 * lit}")
    tray.close()
    shown.get_by_role("button", name="Resume sorting").click()
    expect(shown.locator("#mode")).to_have_text("Sorting")


def test_health_is_plotted_the_log_filtered_and_the_diagnose_bundle_downloaded(shown: Page) -> None:
    open_tab(shown, "Health")
    expect(shown.locator("#facts")).to_contain_text("onnxruntime")
    for name in ("Inference", "Memory", "Outbox", "Free disk"):
        expect(shown.locator(f"#plots [data-plot='{name}'] svg")).to_be_visible()
    with shown.expect_download(timeout=PATIENCE_MS) as downloading:
        shown.get_by_role("button", name="Download the diagnose bundle").click()
    assert downloading.value.suggested_filename.startswith("demo-")
    with zipfile.ZipFile(downloading.value.path()) as bundle:
        assert "state.json" in bundle.namelist()
    shown.get_by_label("Log lines with").fill("no line has this in it")
    expect(shown.locator("#log")).to_contain_text("No such line")
    shown.get_by_label("Log lines with").fill("")
    expect(shown.locator("#log pre")).to_be_visible()
    screenshot(shown, "console-health")
    on_a_phone(shown, "console-health-phone")


def test_an_item_is_corrected_with_a_click_and_exported(shown: Page) -> None:
    open_tab(shown, "History")
    shown.get_by_role("button", name="Show the newest").click()
    item = shown.locator("[data-capture]").first
    expect(item.locator("img")).to_be_visible()
    shown.wait_for_function("document.querySelector('[data-capture] img').naturalWidth > 0")
    item.get_by_role("button", name="glass").click()
    expect(item).to_contain_text("Corrected: glass.")
    screenshot(shown, "console-history")
    on_a_phone(shown, "console-history-phone")
    shown.get_by_role("button", name="Accuracy in the field").click()
    expect(shown.locator("#field-figures")).to_contain_text("of 1)")
    expect(shown.locator("#field-confusion")).to_contain_text("glass")
    expect(shown.get_by_role("img", name="Reliability")).to_be_visible()
    shown.set_viewport_size({"width": 1200, "height": 900})
    shown.emulate_media(color_scheme="light")
    screenshot(shown, "console-field")
    with shown.expect_download(timeout=PATIENCE_MS) as downloading:
        shown.get_by_role("button", name="Download what was corrected").click()
    with zipfile.ZipFile(downloading.value.path()) as archive:
        [file] = [name for name in archive.namelist() if name.startswith("glass/")]
        [line] = archive.read("provenance.jsonl").decode().splitlines()
    told = json.loads(line)
    assert (told["file"], told["correction"]["label"]) == (file, "glass")


def test_the_history_is_filtered_by_time_confidence_and_outcome(shown: Page) -> None:
    open_tab(shown, "History")
    shown.get_by_role("button", name="More filters").click()
    shown.get_by_label("Sure less than (%)").fill("1")
    expect(shown.locator("#history-items")).to_contain_text("Nothing kept is like that.")
    shown.get_by_label("Sure less than (%)").fill("100")
    expect(shown.locator("[data-capture]")).not_to_have_count(0)
    choose(shown, "Outcome", "Jammed: still on the tray after a second try")
    expect(shown.locator("#history-items")).to_contain_text("Nothing kept is like that.")
    choose(shown, "Outcome", "any")
    expect(shown.locator("[data-capture]")).not_to_have_count(0)
    shown.get_by_label("From").fill("soon")
    shown.get_by_label("From").press("Enter")
    expect(shown.locator("#history-items")).to_contain_text(
        "From: expected 2026-11-29 or 2026-11-29 14:05, found 'soon'."
    )
    on_a_phone(shown, "console-history-filters-phone")


def test_what_teaches_most_is_named_with_a_click_and_the_bar_grows(shown: Page) -> None:
    open_tab(shown, "Teach")
    item = shown.locator("#teach-items [data-capture]").first
    expect(item).to_contain_text("random sample")
    item.get_by_role("button", name="metal").click()
    expect(item).to_contain_text("Corrected: metal.")
    expect(shown.get_by_role("progressbar", name="metal: 1 of 10")).to_be_visible()
    screenshot(shown, "console-teach")
    on_a_phone(shown, "console-teach-phone")
    named = item.get_attribute("data-capture")
    shown.get_by_role("button", name="Pass these over").click()
    expect(shown.locator(f"#teach-items [data-capture='{named}']")).to_have_count(0)


def archive_of(folder: Path, version: str, *, signed: bool = True) -> Path:
    """The bundle that ships, as another version, packed as people pack it."""
    shutil.copytree(ROOT / "models/resnet50-trashnet", folder)
    (folder / "manifest.json").write_text(json.dumps(SHIPPED | {"version": version}))
    if signed:
        sign_again(folder)
    else:
        (folder / "manifest.sig").unlink()
    return packed(folder, folder.with_suffix(".tar"))


def send(page: Page, *, items: int) -> None:
    """Upload the archive that was chosen, to be watched for so many items."""
    page.get_by_role("button", name="Upload and try it").click()
    page.get_by_label("Items that both models name").fill(str(items))
    page.get_by_role("button", name="Yes").click()


def pressed(page: Page, name: str) -> None:
    """One of the hardware tab's buttons; then back to the model."""
    open_tab(page, "Hardware")
    page.get_by_role("button", name=name).click()
    expect(page.locator("#mode")).to_have_text("Paused: sorts nothing" if name == "Pause" else "Sorting")
    open_tab(page, "Model")


def test_a_signed_model_is_uploaded_watched_beside_the_old_one_switched_to_and_gone_back_from(
    shown: Page, tmp_path: Path
) -> None:
    open_tab(shown, "Model")
    sorts = shown.locator("[data-slot=config]")
    expect(sorts).to_contain_text("sorts, on onnxruntime-int8")
    sorts.get_by_text("Report and model card").click()
    expect(sorts).to_contain_text("Macro F1")
    shown.wait_for_function("document.querySelector('img[src$=\"config/confusion.png\"]')?.naturalWidth > 0")
    screenshot(shown, "console-model")
    on_a_phone(shown, "console-model-phone")

    shown.set_viewport_size({"width": 1200, "height": 900})
    shown.emulate_media(color_scheme="light")
    said, update = shown.locator("#bundle-said"), shown.locator("#model-update")
    shown.get_by_label("Archive").set_input_files(archive_of(tmp_path / "signed", "9.0.0"))
    shown.get_by_role("button", name="Upload and try it").click()
    shown.get_by_role("button", name="Not now").click()
    expect(said).to_have_text("Not uploaded.")
    pressed(shown, "Pause")  # so that the shadow lasts
    send(shown, items=2)
    expect(update).to_contain_text("Watching")
    expect(update).to_contain_text("0 of 2 items named by both")
    screenshot(shown, "console-model-shadow")
    pressed(shown, "Resume sorting")
    expect(update).to_contain_text("Version 9.0.0 sorts")
    expect(update).to_contain_text("2 of 2 items named by both")
    expect(shown.locator("[data-slot=a]")).to_contain_text("signed by workshop")

    sorts.get_by_role("button", name="Roll back to this one").click()
    expect(shown.locator("#model-beside")).to_be_hidden()
    shown.get_by_role("button", name="Yes").click()
    expect(update).to_contain_text(f"Version {SHIPPED['version']} sorts")

    shown.get_by_label("Archive").set_input_files(archive_of(tmp_path / "unsigned", "9.1.0", signed=False))
    send(shown, items=0)
    expect(update).to_contain_text("nobody vouches")
    expect(update).to_contain_text("What to do.")
    expect(sorts).to_contain_text("sorts, on")


TABS = ("Live", "Try a photo", "Hardware", "Health", "History", "Teach", "Model", "Setup")
CONTROLS = {
    "button",
    "checkbox",
    "combobox",
    "link",
    "listbox",
    "radio",
    "slider",
    "spinbutton",
    "switch",
    "tab",
    "textbox",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_each_tab_is_opened_by_keyboard_alone_and_every_control_has_a_name(shown: Page, scheme: Any) -> None:
    shown.emulate_media(color_scheme=scheme)
    for tab in TABS:
        shown.keyboard.press("Home")
        tabbed_to(shown, tab)
        shown.keyboard.press("Enter")
        expect(shown.get_by_role("tab", name=tab, exact=True)).to_have_attribute("aria-selected", "true")
        assert nameless(shown) == [], tab
        assert unreached(shown) == [], tab


def tabbed_to(page: Page, tab: str) -> None:
    """Press Tab until the tab has the focus, as somebody without a mouse does."""
    for _ in range(300):
        page.keyboard.press("Tab")
        if (
            page.evaluate("document.activeElement.getAttribute('role') + document.activeElement.innerText.trim()")
            == f"tab{tab}"
        ):
            return
    raise AssertionError(f"the tab {tab} is not reached by keyboard")


def nameless(page: Page) -> list[str]:
    """What a screen reader can only call a button, or a field."""
    tree = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    return [
        node["role"]["value"]
        for node in tree["nodes"]
        if not node["ignored"]
        and node["role"]["value"] in CONTROLS
        and not node.get("name", {}).get("value", "").strip()
    ]


def unreached(page: Page) -> list[str]:
    """Visible controls that do not get the focus however often Tab is pressed. Of radio buttons one does, by design."""
    page.evaluate(
        """() => {
          window.controls = new Set([...document.querySelectorAll("button, input, select, textarea, a[href]")].filter(
            (each) => each.checkVisibility({ visibilityProperty: true }) && !each.disabled && each.type !== "radio" &&
              each.offsetParent !== null && !each.closest("[aria-hidden=true]")));
          document.activeElement.blur();
        }"""
    )
    for _ in range(400):  # the page may grow meanwhile
        page.keyboard.press("Tab")
        if page.evaluate("window.controls.delete(document.activeElement) && window.controls.size === 0"):
            break
    return list(
        page.evaluate(
            "[...window.controls].filter((each) => each.isConnected).map((each) => each.outerHTML.slice(0, 200))"
        )
    )
