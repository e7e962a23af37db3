"""Bad input: a clear message, the documented exit code, no traceback, and nothing lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.brokers import Mosquitto
from tests.e2e.daemons import edge, free_port, sim_config


def failed(done: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """It ended with that code and said those words on stderr, as a person would."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


def test_a_wrong_key_ends_with_3_and_file_line_and_field(tmp_path: Path) -> None:
    config = sim_config(tmp_path, classify={"frmes": 3})
    failed(edge("run", "--config", config), 3, f"{config}:", "classify.frmes: unknown key", "allowed here: bundle")


def test_a_clip_that_is_missing_ends_with_5(tmp_path: Path) -> None:
    config = sim_config(tmp_path, camera={"type": "opencv", "source": "nowhere.mp4"})
    failed(edge("run", "--config", config), 5, "nowhere.mp4")


def test_a_folder_without_photographs_ends_with_5(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    failed(edge("run", "--config", sim_config(tmp_path), "--images", tmp_path / "empty"), 5, "empty")


@pytest.mark.needs_mosquitto
def test_a_broker_that_refuses_ends_with_6_and_its_reason_and_loses_nothing(
    tmp_path: Path, guarded_broker: Mosquitto
) -> None:
    config = sim_config(
        tmp_path, mqtt={"host": guarded_broker.host, "port": guarded_broker.port, "embedded_broker": False}
    )
    done = edge("check", "--config", config)
    failed(done, 6, "ot authori")
    done = edge("run", "--config", config, "--max-items", "1")
    failed(done, 6, "1 events were not taken by the broker", "ot authori", "kept in")


def test_a_broker_that_is_not_there_ends_check_with_6(tmp_path: Path) -> None:
    config = sim_config(tmp_path, mqtt={"embedded_broker": False, "port": free_port()})
    failed(edge("check", "--config", config), 6, "127.0.0.1")


def test_a_corrupt_bundle_ends_with_4(tmp_path: Path, bundle_path: Path) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(bundle_path, bundle)
    model = bundle / "model.onnx"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    config = sim_config(tmp_path, classify={"bundle": str(bundle)})
    failed(edge("run", "--config", config), 4, "model.onnx: sha256", "the file was changed")


def test_an_actuator_without_pins_ends_with_7(tmp_path: Path) -> None:
    picture = tmp_path / "tray.png"
    cv2.imwrite(str(picture), np.full((96, 128, 3), 200, np.uint8))
    camera = {"type": "opencv", "source": str(tmp_path)}
    config = sim_config(tmp_path, actuator={"pin_factory": "lgpio"}, camera=camera)
    failed(edge("run", "--config", config), 7, "pin_factory lgpio")


def test_a_state_folder_that_cannot_be_written_ends_with_8(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    config = sim_config(tmp_path, state_dir=str(tmp_path / "file" / "state"))
    failed(edge("run", "--config", config), 8, "state_dir")


def test_a_daemon_that_does_not_run_ends_ctl_with_9(tmp_path: Path) -> None:
    failed(edge("ctl", "status", "--config", sim_config(tmp_path)), 9, "not running")


def test_a_picture_that_is_not_one_is_named_and_the_rest_is_done(tmp_path: Path) -> None:
    good, bad = tmp_path / "a.png", tmp_path / "b.jpg"
    cv2.imwrite(str(good), np.full((64, 64, 3), 128, np.uint8))
    bad.write_text("not a picture")
    done = edge("classify", "--json", good, bad, tmp_path / "missing.jpg")
    failed(done, 1, f"{bad}: not a picture", f"{tmp_path / 'missing.jpg'}: No such file")
    [line] = done.stdout.splitlines()
    result = json.loads(line)
    assert set(result) == {"path", "top3", "novelty", "accepted"}
    assert result["path"] == str(good)
    assert len(result["top3"]) == 3
    assert all(set(top) == {"label", "p"} for top in result["top3"])


def test_a_wrong_command_line_ends_with_2() -> None:
    failed(edge("run", "--max-items", "0"), 2)
    failed(edge("ctl", "dance"), 2, "there are acknowledge")
