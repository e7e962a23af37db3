"""The console in a real browser, on the real daemon with its real model."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest
from playwright.sync_api import Page, expect

from edge.domain import Box
from tests.browser import browser, open_tab, page, screenshot
from tests.e2e.daemons import ROOT, RunningDaemon, edge, free_port, sim_config

__all__ = ["browser", "page"]

FOOTAGE = ROOT / "edge/sim/footage"
PATIENCE_MS = 90_000


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


@pytest.mark.browser
def test_the_console_shows_decisions_and_names_an_uploaded_photograph(tmp_path: Path, page: Page) -> None:
    config = sim_config(tmp_path, console={"port": (port := free_port())})
    with RunningDaemon(config, "--console") as daemon:
        daemon.wait_for("1 ")  # the first item is sorted
        page.goto(f"http://127.0.0.1:{port}", timeout=PATIENCE_MS)
        expect(page.locator("#decision")).to_contain_text("the tray was seen empty", timeout=PATIENCE_MS)
        expect(page.locator("#live-top3")).to_contain_text("%", timeout=PATIENCE_MS)
        expect(page.locator("#tray img")).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_label("Show what speaks for it").check()
        expect(page.locator("#item img.heat")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator("#strip li")).not_to_have_count(0, timeout=PATIENCE_MS)
        screenshot(page, "console-live")

        photograph = item_of_the_clip("metal", tmp_path)
        [line] = edge("classify", "--json", photograph).stdout.splitlines()
        assert json.loads(line)["top3"][0]["label"] == "metal", "the model itself names this one rightly"
        open_tab(page, "Photograph")
        page.locator("#upload input[type=file]").set_input_files(photograph)
        expect(page.locator("#photograph-top3")).to_contain_text("metal", timeout=PATIENCE_MS)
        expect(page.locator("#verdict")).to_contain_text("metal", timeout=PATIENCE_MS)
        screenshot(page, "console-photograph")
