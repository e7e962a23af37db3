"""Two models of a bin compared on what people named, in a real browser."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Locator, Page, expect

from edge.bundle import Golden, read_golden, write_golden
from edge.config import load_config
from edge.update.site import slots_of
from tests.browser import browser, open_tab, page, screenshot
from tests.e2e.daemons import ROOT, RunningDaemon, edge, free_port, sim_config
from tests.small_bundle import KEY_PEM, sign_again, vouch_for

__all__ = ["browser", "page"]

SHIPPED = ROOT / "models/resnet50-trashnet"
MANIFEST = json.loads((SHIPPED / "manifest.json").read_bytes())
LABELS: list[str] = MANIFEST["labels"]
OTHERWISE = dict(zip(LABELS, [*LABELS[1:], LABELS[0]], strict=True))
"""What the other model calls what the shipped one calls so."""
PATIENCE_MS = 90_000

pytestmark = pytest.mark.browser


class TwoModels(NamedTuple):
    config: Path
    url: str


def install_other_names(folder: Path) -> None:
    """The bundle that ships, with each label in its neighbour's place: it sees what the other one sees, and errs."""
    shutil.copytree(SHIPPED, folder)
    named = [OTHERWISE[label] for label in LABELS]
    model = (folder / "model.onnx").read_bytes()
    note = json.dumps(LABELS).encode()
    assert model.count(note) == 1
    (folder / "model.onnx").write_bytes(model.replace(note, json.dumps(named).encode()))
    golden = read_golden(folder / "golden.npz")
    write_golden(Golden(golden.images, golden.logits, tuple(named)), folder / "golden.npz")
    (folder / "manifest.json").write_text(json.dumps(MANIFEST | {"version": "9.0.0", "labels": named}))
    for changed in ("model.onnx", "golden.npz"):
        vouch_for(folder, changed)
    sign_again(folder)


@pytest.fixture(scope="module")
def bin_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoModels]:
    """A bin that sorts and keeps all of it, with a second model in slot a."""
    folder = tmp_path_factory.mktemp("teach")
    shutil.copytree(ROOT / "configs/edge/keys", keys := folder / "keys")
    (keys / "workshop.pub.pem").write_bytes(KEY_PEM)
    config = sim_config(
        folder,
        classify={"keys": str(keys)},
        console={"port": (port := free_port())},
        captures={"sample_share": 1.0},
        actuator={"move_timeout_s": 60},
    )
    install_other_names(slots_of(load_config(config)).path_of("a"))
    with RunningDaemon(config, "--console") as daemon:
        daemon.has_told("console: http")
        daemon.has_told("4 ")
        yield TwoModels(config, f"http://127.0.0.1:{port}")


def sure_items(page: Page) -> list[tuple[Locator, str]]:
    """The items shown that the model was very sure of, and what it called them."""
    found = []
    for card in page.locator("#teach-items [data-capture]").all():
        label, sure = card.locator("small").last.inner_text().split(",")[0].rsplit("%")[0].rsplit(" ", 1)
        if int(sure) >= 95:
            found.append((card, label.removesuffix(" over")))
    return found


def test_two_models_are_compared_on_exactly_the_items_that_people_named(page: Page, bin_: TwoModels) -> None:
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    page.route("**/alive", lambda route: route.abort())
    page.goto(bin_.url, timeout=PATIENCE_MS)
    open_tab(page, "Teach")
    expect(page.locator("#teach-items [data-capture]")).not_to_have_count(0)
    page.get_by_role("button", name="Compare two models on what was named").click()
    shown, begin = page.locator("#compare-shown"), page.get_by_role("button", name="Compare", exact=True)
    begin.click()
    expect(shown).to_contain_text("Nobody has named an item yet; there is nothing to compare on.")

    while len(items := sure_items(page)) < 3:  # more are being sorted
        page.get_by_role("button", name="Show what to name next").click()
    for (card, called), right in zip(items, (True, True, False), strict=False):
        card.get_by_role("button", name=(said := called if right else OTHERWISE[called])).click()
        expect(card).to_contain_text(f"Corrected: {said}.")
    begin.click()
    row = page.locator("#comparison tbody tr")
    expect(row.first).to_be_visible()
    expect(page.locator("#comparison thead")).to_contain_text(f"Old, {MANIFEST['version']}")
    expect(page.locator("#comparison thead")).to_contain_text("New, 9.0.0")
    expect(row.nth(0).locator("td")).to_have_text(["67% (2 of 3 items)", "33% (1 of 3 items)", "1", "2", "100%"])
    expect(row.nth(1)).to_contain_text("decided by the new one")
    expect(row.nth(1).locator("td")).to_have_text(["none"])
    screenshot(page, "console-compare")
    page.set_viewport_size({"width": 390, "height": 844})
    page.wait_for_function("document.documentElement.scrollWidth <= 390")

    asked = edge("model", "compare", "config", "a", "--config", bin_.config)
    assert asked.returncode == 0, asked.stderr
    heads, named, _, *_ = asked.stdout.splitlines()
    assert heads.split("  ")[0] == "Items" and f"Old, {MANIFEST['version']}" in heads
    for said in ("all that were named", "67% (2 of 3 items)", "33% (1 of 3 items)", "100%"):
        assert said in named
    same = edge("model", "compare", "a", "a", "--config", bin_.config)
    assert same.returncode == 9 and "choose two models" in same.stderr

    page.get_by_label("New model").click()
    page.get_by_role("option", name="the config's", exact=True).click()
    begin.click()
    expect(shown).to_contain_text("Choose two models.")
