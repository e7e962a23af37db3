"""The model that ships, as a newer version: switched to while it sorts, gone back from, installed by hand."""

from __future__ import annotations

import base64
import json
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from edge.__main__ import app
from edge.build import open_daemon
from edge.clock import ManualClock
from edge.config import load_config
from edge.control import CommandError, ControlClient, ModelResult
from edge.daemon import Daemon
from edge.payloads import UpdatePayload
from edge.update.site import current_bundle
from edge.update.updater import Updater
from tests.brokers import free_port
from tests.patience import PATIENCE
from tests.small_bundle import KEY_PEM, sign_again
from tests.updates import packed

ROOT = Path(__file__).parents[3]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The simulated bin, which trusts one key more, and has no broker."""
    keys = tmp_path / "keys"
    shutil.copytree(ROOT / "configs/edge/keys", keys)
    (keys / "workshop.pub.pem").write_bytes(KEY_PEM)
    document = yaml.safe_load((ROOT / "configs/edge/sim.yaml").read_text())
    document["state_dir"] = str(tmp_path / "state")
    document["mqtt"] |= {"port": free_port(), "embedded_broker": False}
    document["classify"] |= {"keys": str(keys), "bundle": str(ROOT / "models/resnet50-trashnet")}
    path = tmp_path / "bin.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """The bundle that ships, as version 9.0.0."""
    folder = tmp_path / "new"
    shutil.copytree(ROOT / "models/resnet50-trashnet", folder)
    manifest = json.loads((folder / "manifest.json").read_bytes()) | {"version": "9.0.0"}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    sign_again(folder)
    return packed(folder, tmp_path / "new.tar")


def told(daemon: Daemon, wanted: Callable[[UpdatePayload], bool]) -> None:
    """Let the loop turn, without looking, until `update` says so."""
    for _ in range(int(600 * PATIENCE)):
        update = daemon.publisher._word.update
        if update is not None and wanted(update):
            return
        for chore in daemon._chores:
            if isinstance(chore, Updater):
                chore.tend()
        threading.Event().wait(0.05)
    raise AssertionError(f"{daemon.publisher._word.update} {daemon.faults.standing()}")


def sorts(daemon: Daemon, version: str) -> None:
    """The next item is named by this version of the model."""
    assert daemon.run(max_items=1) == 1
    (event,) = daemon.journal.newest(1)
    assert (event.model.version, event.actuation.outcome) == (version, "CONFIRMED")


def uploaded(client: ControlClient, archive: bytes) -> str:
    """In pieces, as the console sends them; its address."""
    url, side = None, 8 << 20
    for offset in range(0, len(archive), side):
        content = base64.b64encode(archive[offset : offset + side]).decode()
        asked = {"upload": "0" * 32, "total": len(archive), "offset": offset, "content": content}
        url = client.request("model_upload", **asked)["url"]
    assert url is not None
    return str(url)


def test_a_bin_switches_while_it_runs_and_goes_back(config: Path, archive: Path) -> None:
    settings = load_config(config)
    with open_daemon(settings, ManualClock()) as daemon:
        client = ControlClient(settings.control_socket, timeout_s=30 * PATIENCE)
        url = uploaded(client, archive.read_bytes())
        before = client.request("update", url=url, shadow_items=1)["installed_version"]
        told(daemon, lambda update: update.step == "shadow")
        sorts(daemon, before)
        told(daemon, lambda update: not update.in_progress)
        sorts(daemon, "9.0.0")
        assert daemon.state().versions.model == "9.0.0"
        assert client.request("rollback") == {"version": before}
        told(daemon, lambda update: update.installed_version == before and not update.in_progress)
        sorts(daemon, before)
        model = ModelResult.model_validate(client.request("model"))
        assert {bundle.slot: (bundle.version, bundle.signed_by, bundle.current) for bundle in model.bundles} == {
            "config": (before, "smartbin-release-1", True),
            "a": ("9.0.0", "workshop", False),
        }
        assert model.update.outcome == "sorts"
        assert "confusion" in model.bundles[0].pictures and model.bundles[0].metrics
        assert client.request("report_picture", slot="a", name="confusion")["png"]
        for slot, name in (("a", "../manifest"), ("a", "manifest"), ("../config", "confusion")):
            with pytest.raises(CommandError):
                client.request("report_picture", slot=slot, name=name)
        (daemon.config.state_dir / "diagnose").mkdir(exist_ok=True)
        for name in ("../settings.json", "../journal.sqlite", "."):
            with pytest.raises(CommandError, match="pattern"):
                client.request("diagnosis", name=name)
        assert not [fault for fault in daemon.faults.standing() if fault.code != "broker_unreachable"]


def test_without_a_daemon_the_command_line_installs_lists_and_goes_back(config: Path, archive: Path) -> None:
    def model(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["model", *arguments, "--config", str(config)])
        assert done.exit_code == 0, done.output
        return done.stdout

    assert "version 9.0.0 sorts from the next start on" in model("install", archive.as_uri())
    rows = {row["slot"]: row for row in json.loads(model("list", "--json"))}
    assert [(slot, row["role"]) for slot, row in rows.items()] == [("config", "before"), ("a", "sorts")]
    assert rows["a"]["version"] == "9.0.0" and rows["a"]["problem"] is None
    shipped = rows["config"]["version"]
    assert current_bundle(load_config(config)).manifest.version == "9.0.0", "what check, tune and bench look at"
    assert f"version {shipped} sorts" in model("rollback")
    assert f"a       before  {rows['a']['name']} 9.0.0" in model("list")
    done = CliRunner().invoke(app, ["model", "install", "file:///nowhere", "--config", str(config)])
    assert done.exit_code == 4 and "No such file" in done.output
