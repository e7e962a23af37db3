"""Secrets: in no error, no fault, no log line, no diagnose bundle."""

from __future__ import annotations

import json
import logging
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from edge.__main__ import app
from edge.clock import ManualClock
from edge.config import Config, Mqtt, load_config
from edge.config.commented import commented
from edge.diagnose import KEPT, diagnose
from edge.faults import Faults
from edge.mqtt.credentials import read_credentials
from edge.recent_log import LINES, RecentLog
from edge.scrub import know, scrub, scrub_document, scrub_file

SIM = Path(__file__).parents[2] / "configs/edge/sim.yaml"
SECRETS = ("hunter22", "s3cr/et?x", "tok-123456", "Zm9vYmFy", "MIIEvQIBADANBg")
AT = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://admin:hunter22@10.0.0.7/stream is gone",
        "rtsp://admin:s3cr/et?x@10.0.0.7/stream",
        "https://models.example.org/b.tar.gz?X-Signature=tok-123456&expires=9 answered 403",
        "password: hunter22",
        '{"password": "hunter22", "host": "x"}',
        "PASSWORD='hunter22'",
        "Authorization: Bearer tok-123456",
        "api_key=tok-123456;",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nZm9vYmFy\n-----END PRIVATE KEY-----",
        "-----BEGIN EC PRIVATE KEY-----\nMIIEvQIBADANBg",
    ],
)
def test_a_secret_is_blanked_out(text: str) -> None:
    assert not [secret for secret in SECRETS if secret in scrub(text)]


@pytest.mark.parametrize(
    "text",
    [
        "mqtt.password_file: /etc/smartbin/mqtt-password: No such file or directory",
        "check mqtt.username, mqtt.password_file and mqtt.tls.cert_file",
        "cannot reach a broker at broker.example.org:8883: Connection refused",
        "mail me@example.org, or see https://example.org/docs",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert scrub(text) == text


def test_a_password_that_was_read_is_blanked_out_wherever_it_turns_up(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    read_credentials(Mqtt(username="bin", password_file=file))
    assert scrub("the library says: login 'correct horse battery' failed") == "the library says: login '***' failed"
    know("abc")
    assert scrub("an abc of words") == "an abc of words", "too short to be looked for"


@pytest.mark.parametrize("password", ["demo", "glass", "1883", "true", 'so "quoted": {well}', "- # &*!"])
def test_a_password_that_is_a_word_of_the_config_too_leaves_the_config_valid_and_as_it_was(password: str) -> None:
    know(password)
    plain = load_config(SIM).model_dump(mode="json", by_alias=True, exclude_unset=True)
    pipeline = f"rtspsrc location=rtsp://camera user-pw={password} ! decodebin"
    camera = {"type": "gstreamer", "pipeline": pipeline, "width_px": 640, "height_px": 480}
    config = Config.model_validate(plain | {"camera": camera, "actuator": plain["actuator"] | {"pin_factory": "lgpio"}})
    shown = yaml.safe_load(commented(config, "A heading", scrub_document))
    assert shown["camera"].pop("pipeline") == "rtspsrc location=rtsp://camera user-pw=*** ! decodebin"
    assert shown["sorting"] == plain["sorting"]
    assert (shown["bin_id"], shown["mqtt"]["port"], shown["mqtt"]["embedded_broker"]) == ("demo", 1883, True)
    Config.model_validate(shown | {"camera": camera})


def test_a_document_is_scrubbed_by_its_names_and_stays_what_it_is() -> None:
    know("auto")
    told = {"mode": "auto", "password": "auto", "steps": [{"mqtt-token": "a"}], "said": "no auto here", "n": 1}
    clean = {"mode": "auto", "password": "***", "steps": [{"mqtt-token": "***"}], "said": "no *** here", "n": 1}
    assert json.loads(scrub_file("state.json", json.dumps(told))) == clean
    assert yaml.safe_load(scrub_file("setup.yaml", yaml.safe_dump(told))) == clean
    lines = scrub_file("events.jsonl", f"{json.dumps(told)}\n{json.dumps({'mode': 'auto'})}\n").splitlines()
    assert [json.loads(line) for line in lines] == [clean, {"mode": "auto"}]
    assert yaml.safe_load(scrub_file("setup.yaml", "password: 20261129\nn: 1\n")) == {"password": "***", "n": 1}
    assert scrub_file("log.txt", "mode: auto") == "mode: ***"
    assert scrub_file("setup.yaml", "# was auto\nmode: auto\n") == "mode: auto\n", "a comment may hold anything"
    assert scrub_file("setup.yaml", "# was on\nmode: off\n") == "# was on\nmode: off\n"
    assert scrub_file("state.json", '{"broken": auto') == '{"broken": ***'


def test_a_fault_and_a_log_line_have_none() -> None:
    faults, log = Faults(ManualClock()), RecentLog()
    faults.report("jam", "rtsp://a:hunter22@h/ hangs", "see https://h/?token=tok-123456")
    (fault,) = faults.standing()
    assert (fault.message, fault.remedy) == ("rtsp://***@h/ hangs", "see https://h/?***")
    try:
        raise ValueError("password=hunter22")
    except ValueError:
        logging.getLogger("test").addHandler(log)
        logging.getLogger("test").exception("failed at rtsp://a:hunter22@h/")
        logging.getLogger("test").removeHandler(log)
    assert "ValueError: password=***" in log.text() and "hunter22" not in log.text()
    for number in range(LINES + 5):
        log.handle(logging.makeLogRecord({"msg": f"line {number}", "levelno": logging.INFO}))
    assert log.text().count("\n") == LINES


def test_the_diagnose_bundle_has_what_an_engineer_needs_and_no_secret(tmp_path: Path) -> None:
    config = load_config(SIM)
    camera = {"type": "opencv", "source": "rtsp://admin:hunter22@10.0.0.7/stream?token=tok-123456"}
    settings = type(config).model_validate(
        config.model_dump(mode="json", by_alias=True)
        | {
            "camera": camera,
            "state_dir": str(tmp_path),
            "actuator": {**config.actuator.model_dump(mode="json"), "pin_factory": "lgpio"},
        }
    )
    (tmp_path / "settings.json").write_text('{"mode": "paused"}')
    written = diagnose(settings, AT, {"state.json": lambda: '{"password": "hunter22"}'})
    assert written.path.stat().st_mode & 0o077 == 0
    with zipfile.ZipFile(written.path) as bundle:
        parts = {name: bundle.read(name).decode() for name in bundle.namelist()}
    assert {"config.json", "versions.json", "machine.json", "log.txt", "events.jsonl", "state.json"} <= parts.keys()
    assert not [name for name, text in parts.items() for secret in SECRETS if secret in text]
    assert json.loads(parts["config.json"])["bin_id"] == "demo", "scrubbed, it is JSON still"
    assert parts["settings.json"] == '{"mode": "paused"}'


def test_a_part_that_cannot_be_had_leaves_the_others_and_old_bundles_go(tmp_path: Path) -> None:
    config = load_config(SIM).model_copy(update={"state_dir": tmp_path})
    (tmp_path / "journal.sqlite").write_bytes(b"no database " * 400)
    for minute in range(KEPT + 2):
        written = diagnose(config, AT + timedelta(minutes=minute))
    with zipfile.ZipFile(written.path) as bundle:
        assert "not to be had" in bundle.read("events.jsonl").decode()
        assert "smartbin" in json.loads(bundle.read("versions.json"))
    assert len(list((tmp_path / "diagnose").iterdir())) == KEPT


def test_diagnose_works_on_the_command_line_while_no_daemon_runs(tmp_path: Path) -> None:
    config = tmp_path / "bin.yaml"
    config.write_text(SIM.read_text().replace("var/sim", str(tmp_path / "state")))
    done = CliRunner().invoke(app, ["diagnose", "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert zipfile.is_zipfile(done.stdout.strip().splitlines()[-1])


def test_an_error_on_the_command_line_has_no_secret(tmp_path: Path) -> None:
    config = tmp_path / "bin.yaml"
    config.write_text(SIM.read_text() + "\nrtsp://admin:hunter22@10.0.0.7/: 1\n")
    done = CliRunner().invoke(app, ["check", "--config", str(config)])
    assert done.exit_code == 3
    assert "hunter22" not in done.output and "rtsp://***@10.0.0.7" in done.output
