"""The configurations that ship for Mosquitto, each run by one, with the paths and ports of the test."""

from __future__ import annotations

import contextlib
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from tests.brokers import PASSWORD, Mosquitto, Watcher, free_port
from tests.certificates import LOOPBACK, Authority

pytestmark = pytest.mark.needs_mosquitto

ROOT = Path(__file__).parents[3]
CONFIGS = ROOT / "configs" / "mosquitto"
USERS = ("dashboard", "operator")


class Site:
    """A Mosquitto with smartbin.conf, and with bridge.conf where `central` is given."""

    def __init__(self, folder: Path, central: Site | None = None) -> None:
        self.folder = folder
        self.authority = Authority(folder)
        self.authority.sign("broker")
        self.tls_port = free_port()
        shutil.copy(CONFIGS / "acl", folder)
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        for user in USERS:
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, PASSWORD], check=True, capture_output=True)
        lines = self._lines("smartbin.conf", {"listener 8883": f"listener {self.tls_port} {LOOPBACK}"})
        lines = [line for line in lines if line != "listener 1883 127.0.0.1"]  # Mosquitto opens the tests' own instead
        if central is not None:
            shutil.copy(central.authority.certificate, folder / "central-ca.pem")
            for file in central.authority.sign("site-bridge"):
                shutil.copy(file, folder)
            lines += self._lines("bridge.conf", {"central.example.org:8883": f"{LOOPBACK}:{central.tls_port}"})
        self.broker = Mosquitto(folder, *lines)

    def _lines(self, name: str, changes: dict[str, str]) -> list[str]:
        text = (CONFIGS / name).read_text(encoding="utf-8").replace("/etc/mosquitto/smartbin", str(self.folder))
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        return text.splitlines()

    def bin(self, name: str) -> Client:
        """A client with that bin's certificate, connected."""
        certificate, key = self.authority.sign(name)
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        client.tls_set(str(self.authority.certificate), str(certificate), str(key), tls_version=ssl.PROTOCOL_TLS_CLIENT)
        client.connect(LOOPBACK, self.tls_port)
        client.loop_start()
        return client


@contextlib.contextmanager
def running(site: Site) -> Iterator[Site]:
    try:
        yield site
    finally:
        site.broker.stop()


def refused(client: Client, topic: str) -> bool:
    """Whether the broker refuses a message on `topic` (QoS 1, MQTT 5: it says so)."""
    answers: SimpleQueue[tuple[int, Any]] = SimpleQueue()
    client.on_publish = lambda _client, _data, mid, reason, _properties: answers.put((mid, reason))
    wanted = client.publish(topic, "x", qos=1).mid
    mid, reason = answers.get(timeout=15)
    assert mid == wanted
    return bool(reason.is_failure)


def test_a_bin_may_speak_for_itself_alone(tmp_path: Path) -> None:
    with running(Site(tmp_path / "site")) as site:
        client = site.bin("bin-1")
        try:
            assert not refused(client, "smartbin/bin-1/state")
            assert not refused(client, "homeassistant/sensor/smartbin_bin-1/fill/config")
            assert refused(client, "smartbin/bin-2/state")
            assert refused(client, "homeassistant/sensor/smartbin_bin-2/fill/config")
            assert refused(client, "elsewhere")
        finally:
            client.disconnect()
            client.loop_stop()


def test_a_dashboard_sees_every_bin_and_changes_none(tmp_path: Path) -> None:
    with (
        running(Site(tmp_path / "site")) as site,
        Watcher(LOOPBACK, site.broker.port, user="dashboard") as watching,
    ):
        client = site.bin("bin-1")
        client.publish("smartbin/bin-1/state", "said", qos=1)
        watching.wait_for_payload("smartbin/bin-1/state", "said")
        client.disconnect()
        client.loop_stop()
        asking = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        asking.username_pw_set("dashboard", PASSWORD)
        asking.connect(LOOPBACK, site.broker.port)
        asking.loop_start()
        assert refused(asking, "smartbin/bin-1/request/home")
        asking.disconnect()
        asking.loop_stop()


def test_a_bridge_hands_on_what_was_said_while_the_central_broker_was_away(tmp_path: Path) -> None:
    with (
        running(Site(tmp_path / "central")) as central,
        running(Site(tmp_path / "site", central)) as site,
    ):
        client = site.bin("bin-1")
        try:
            with Watcher(LOOPBACK, central.broker.port, user="dashboard") as watching:
                site.broker.wait_for_log("Received CONNACK on connection", "the bridge to stand")
                client.publish("smartbin/bin-1/count", "1", qos=1).wait_for_publish(15)
                watching.wait_for_payload("smartbin/bin-1/count", "1")
                central.broker.stop()
                client.publish("smartbin/bin-1/count", "2", qos=1).wait_for_publish(15)
                central.broker.restart()
                watching.wait_for_payload("smartbin/bin-1/count", "2")
        finally:
            client.disconnect()
            client.loop_stop()


def test_what_is_asked_at_the_central_broker_reaches_the_bin(tmp_path: Path) -> None:
    with (
        running(Site(tmp_path / "central")) as central,
        running(Site(tmp_path / "site", central)) as site,
        Watcher(LOOPBACK, site.broker.port, user="dashboard") as watching,
    ):
        site.broker.wait_for_log("Received SUBACK", "the bridge to have subscribed")
        asked = ["mosquitto_pub", "-h", LOOPBACK, "-p", str(central.broker.port), "-u", "operator", "-P", PASSWORD]
        topic = "smartbin/bin-1/request/home"
        subprocess.run([*asked, "-q", "1", "-t", topic, "-m", "please"], check=True, capture_output=True)
        watching.wait_for_payload(topic, "please")


def test_the_certificates_of_the_documentation_are_good_for_the_strictest_check(tmp_path: Path) -> None:
    section = (ROOT / "docs" / "mqtt.md").read_text(encoding="utf-8").split("## A broker for a site")[1]
    commands = section[section.index("    openssl req") : section.index("`ca.pem`, `broker.pem`")]
    subprocess.run(["sh", "-e", "-c", commands], cwd=tmp_path, check=True, capture_output=True)
    check = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.pem", "broker.pem", "bin-7.pem"]
    subprocess.run(check, cwd=tmp_path, check=True, capture_output=True)
    names = subprocess.run(
        ["openssl", "x509", "-in", "bin-7.pem", "-noout", "-subject"], cwd=tmp_path, check=True, capture_output=True
    ).stdout.decode()
    assert names.replace(" ", "").strip() == "subject=CN=bin-7"
