"""A real Node-RED imports the flow that ships, and its page shows live bins and asks things of them.

Not among the tests by itself: it needs Node.js and what package.json here names. `make test-node-red` brings them.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from edge.dashboards.asyncapi import asyncapi
from edge.dashboards.node_red import BROKER, node_red
from edge.payloads import request_class
from tests.brokers import Mosquitto, Watcher, free_port
from tests.browser import Page, expect, screenshot
from tests.fleets import COMPARTMENTS, PublishingBin

INSTALLED = Path(os.environ["SMARTBIN_NODE_RED"]).resolve()
"""The folder where npm has installed it."""

pytestmark = [pytest.mark.needs_mosquitto, pytest.mark.browser]


@pytest.fixture
def bins(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[dict[str, PublishingBin]]:
    """Four at two sites: one that is jammed, one with a full compartment."""
    with ExitStack() as stack:
        sites = {"hall-1": "station", "hall-2": "station", "canteen": "campus", "library": "campus"}
        bins = {
            name: stack.enter_context(PublishingBin(name, site, mosquitto.port, tmp_path))
            for name, site in sites.items()
        }
        for number, bin_ in enumerate(bins.values()):
            for step, compartment in enumerate(COMPARTMENTS):
                bin_.fill(compartment, 8 + (23 * number + 17 * step) % 60)
                bin_.sort(compartment, 0.9 + 0.01 * step)
        bins["hall-2"].tell("jam")
        bins["canteen"].fill("paper", 96)
        bins["canteen"].tell("compartment_full")
        yield bins


@pytest.fixture
def dashboard(mosquitto: Mosquitto, tmp_path: Path) -> Iterator[str]:
    """The address of the page, as the flow makes it."""
    home, port = tmp_path / "node-red", free_port()
    home.mkdir()
    flow = json.loads(node_red())
    next(node for node in flow if node["id"] == BROKER)["port"] = str(mosquitto.port)
    (home / "flows.json").write_text(json.dumps(flow))
    settings = {"uiHost": "127.0.0.1", "uiPort": port, "flowFile": "flows.json", "credentialSecret": False}
    (home / "settings.js").write_text(f"module.exports = {json.dumps(settings)};\n")
    (home / "package.json").write_text((INSTALLED / "package.json").read_text())
    (home / "node_modules").symlink_to(INSTALLED / "node_modules")
    program = INSTALLED / "node_modules/node-red/red.js"
    log = tmp_path / "node-red.log"
    with log.open("w") as output:
        process = subprocess.Popen(["node", str(program), "-u", str(home)], stdout=output, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for_flows(process, log)
        with urllib.request.urlopen(f"{address}/flows", timeout=10) as answer:
            imported = {node["id"] for node in json.load(answer)}
        assert imported == {node["id"] for node in flow}
        yield f"{address}/dashboard/fleet"
    finally:
        process.terminate()
        process.wait(20)
    said = log.read_text()
    assert "[error]" not in said, said
    assert "Waiting for missing types" not in said, said


def wait_for_flows(process: subprocess.Popen[bytes], log: Path) -> None:
    until_s = time.monotonic() + 60
    while "Started flows" not in log.read_text():
        assert process.poll() is None and time.monotonic() < until_s, log.read_text()
        time.sleep(0.2)


def test_the_page_shows_every_bin_and_what_happens_to_it(
    bins: dict[str, PublishingBin], dashboard: str, page: Page
) -> None:
    page.goto(dashboard)
    for name in bins:
        expect(page.locator(f"tr[data-bin={name}]")).to_contain_text(
            "blocked" if name in ("hall-2", "canteen") else "waiting"
        )
    expect(page.locator("tr[data-bin=hall-2] .fault")).to_contain_text("jam")
    expect(page.locator("tr[data-bin=canteen] .level .high")).to_have_count(1)
    station = page.locator("table.sites tr", has_text="station").locator("td")
    expect(station).to_have_text(["station", "2", "0", "1", "0", "10", "8.5 %"])
    screenshot(page, "node-red-fleet")
    bins["library"].sort("glass", 0.99)
    expect(page.locator("tr[data-bin=library]")).to_contain_text("glass 99.0 %")
    bins["hall-2"].tell()
    expect(page.locator("tr[data-bin=hall-2] .fault")).to_have_count(0)
    bins["hall-1"].__exit__()
    expect(page.locator("tr[data-bin=hall-1]")).to_contain_text("off line")


def test_a_button_sends_a_request_that_the_bin_takes(
    bins: dict[str, PublishingBin], dashboard: str, mosquitto: Mosquitto, page: Page
) -> None:
    with Watcher(mosquitto.host, mosquitto.port, "smartbin/+/request/#") as watcher:
        page.goto(dashboard)
        for button, cmd in (("Pause", "pause"), ("Acknowledge", "acknowledge")):
            page.locator("tr[data-bin=hall-2] button", has_text=button).click()
            request = watcher.wait_for(lambda message, cmd=cmd: message.topic == f"smartbin/hall-2/request/{cmd}")
            assert not request.retained
            request_class(cmd).model_validate_json(request.payload)


PARSE = """
const { Parser } = require("@asyncapi/parser");
let text = "";
process.stdin.on("data", (part) => { text += part; });
process.stdin.on("end", async () => {
  const { document, diagnostics } = await new Parser().parse(text);
  for (const found of diagnostics) if (found.severity < 2) console.log(found.message, found.path.join("."));
  console.log(document ? "read" : "not read");
});
"""


def test_the_schema_is_an_asyncapi_document_to_its_own_parser() -> None:
    done = subprocess.run(
        ["node", "-e", PARSE], cwd=INSTALLED, input=asyncapi(), capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["read"]
