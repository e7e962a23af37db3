"""The encrypted connection, against a real Mosquitto with certificates of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from pydantic import ValidationError

from edge.clock import SystemClock
from edge.config import Mqtt
from edge.domain import Outcome
from edge.errors import ConfigError
from edge.faults import Faults
from edge.journal import Journal
from edge.mqtt.client import MqttPublisher, probe
from edge.mqtt.connection import LostError, NoAnswerError, RefusedError, UntrustedError
from tests.brokers import Mosquitto, ScriptedBroker, Watcher, free_port, sample_event
from tests.certificates import LOOPBACK, Authority

UNSAID = "closed the connection without an answer, as one does that does not take this bin's certificate"
"""When the end of the connection overtakes the broker's reason."""

mosquitto_needed = pytest.mark.needs_mosquitto


class Site(NamedTuple):
    """A broker that takes TLS on `port` and plain connections on `plain_port`, and who signed its certificate."""

    port: int
    plain_port: int
    authority: Authority


@pytest.fixture(params=[False], ids=[""])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    """request.param: whether the broker asks for a client's certificate."""
    authority = Authority(tmp_path / "site")
    certificate, key = authority.sign("broker")
    plain_port = free_port()
    lines = [f"cafile {authority.certificate}", f"certfile {certificate}", f"keyfile {key}"]
    lines += [f"require_certificate {str(request.param).lower()}", "allow_anonymous true"]
    broker = Mosquitto(tmp_path, *lines, f"listener {plain_port} {LOOPBACK}")
    yield Site(broker.port, plain_port, authority)
    broker.stop()


asks_for_a_certificate = pytest.mark.parametrize("site", [True], indirect=True, ids=[""])


def reaching(site: Site, **tls: Any) -> Mqtt:
    return Mqtt.model_validate(
        {"host": LOOPBACK, "port": site.port, "tls": {"ca_file": site.authority.certificate, **tls}}
    )


@mosquitto_needed
def test_events_arrive_over_tls(site: Site, tmp_path: Path) -> None:
    clock, count = SystemClock(), 60
    with (
        Watcher(LOOPBACK, site.plain_port) as watching,
        Journal(tmp_path / "journal.db", max_events=1000) as journal,
        MqttPublisher(reaching(site), "test", journal, Faults(clock), clock) as publisher,
    ):
        for _ in range(count):
            event = sample_event(journal.next_seq())
            journal.record(event)
            journal.complete(sample_event(event.seq, outcome=Outcome.CONFIRMED, event_id=event.event_id))
            publisher.wake()
        assert publisher.drain(15) == 0
        watching.wait_until(lambda seen: sum(m.topic == "smartbin/test/classification" for m in seen) == count)


@mosquitto_needed
def test_a_broker_of_another_authority_is_not_spoken_to(site: Site, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").certificate
    with pytest.raises(UntrustedError, match=f"certificate of {LOOPBACK}:{site.port} is not trusted"):
        probe(reaching(site, ca_file=other))


@mosquitto_needed
def test_an_untrusted_broker_is_a_fault_of_its_own_and_never_connected(site: Site, tmp_path: Path) -> None:
    reported = threading.Event()

    class Loud(Faults):
        def report(self, code: str, message: str, remedy: str) -> None:
            super().report(code, message, remedy)
            reported.set()

    other, faults = Authority(tmp_path / "other").certificate, Loud(SystemClock())
    with (
        Journal(tmp_path / "journal.db", max_events=10) as journal,
        MqttPublisher(reaching(site, ca_file=other), "test", journal, faults, SystemClock()) as publisher,
    ):
        assert reported.wait(15)
        assert [fault.code for fault in faults.standing()] == ["broker_untrusted"]
        assert "mqtt.tls.ca_file" in faults.standing()[0].remedy
        assert not publisher.connected


@mosquitto_needed
def test_a_broker_under_another_name_than_its_certificates_is_not_spoken_to(site: Site) -> None:
    with pytest.raises(UntrustedError, match="Hostname mismatch"):
        probe(reaching(site).model_copy(update={"host": "localhost"}))


@mosquitto_needed
@asks_for_a_certificate
def test_a_bin_with_a_certificate_is_let_in(site: Site) -> None:
    certificate, key = site.authority.sign("demo")
    probe(reaching(site, cert_file=certificate, key_file=key))


@mosquitto_needed
@asks_for_a_certificate
def test_a_bin_without_a_certificate_is_refused_with_the_reason(site: Site) -> None:
    with pytest.raises((RefusedError, NoAnswerError), match=f"TLS alert: certificate required|{UNSAID}"):
        probe(reaching(site))


@mosquitto_needed
@asks_for_a_certificate
def test_a_bin_with_a_certificate_of_another_authority_is_refused_with_the_reason(site: Site, tmp_path: Path) -> None:
    certificate, key = Authority(tmp_path / "other").sign("demo")
    with pytest.raises((RefusedError, NoAnswerError), match=f"TLS alert: unknown ca|{UNSAID}"):
        probe(reaching(site, cert_file=certificate, key_file=key))


@mosquitto_needed
def test_a_broker_that_hangs_up_on_tls_is_said_to_speak_none(site: Site) -> None:
    with pytest.raises(LostError, match=f"cannot reach a broker that speaks TLS at {LOOPBACK}:{site.plain_port}"):
        probe(reaching(site).model_copy(update={"port": site.plain_port}))


def test_a_server_that_answers_in_plain_text_is_said_to_speak_no_tls() -> None:
    with (
        ScriptedBroker(lambda level: b"HTTP/1.0 400 Bad Request") as server,
        pytest.raises(LostError, match="does not answer as a TLS server"),
    ):
        probe(Mqtt.model_validate({"port": server.port, "tls": {}}))


def test_the_settings_of_the_documentation_are_valid() -> None:
    text = (Path(__file__).parents[3] / "docs" / "mqtt.md").read_text(encoding="utf-8")
    example = text.split("## Passwords and encryption")[1].split("\n\n    ")[1].split("\n\n")[0]
    settings = yaml.safe_load("    " + example)
    assert Mqtt.model_validate(settings["mqtt"]).tls is not None


def test_every_file_is_named_that_cannot_be_used(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "site")
    certificate, key = authority.sign("demo")
    _, other_key = authority.sign("other")
    locked, locked_key = authority.sign("locked", passphrase=b"secret")
    text, missing = tmp_path / "note.txt", tmp_path / "missing.pem"
    text.write_text("no certificate")
    for tls, said in (
        ({"ca_file": missing}, f"mqtt.tls.ca_file: {missing}: No such file"),
        ({"ca_file": text}, f"mqtt.tls.ca_file: {text}: "),
        ({"cert_file": missing, "key_file": key}, f"mqtt.tls.cert_file: {missing}: No such file"),
        ({"cert_file": certificate, "key_file": missing}, f"mqtt.tls.key_file: {missing}: No such file"),
        ({"cert_file": certificate, "key_file": other_key}, "key values mismatch"),
        ({"cert_file": locked, "key_file": locked_key}, "without a passphrase"),
    ):
        with pytest.raises(ConfigError) as caught:
            probe(Mqtt.model_validate({"port": 1, "tls": tls}))
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"tls": {"cert_file": "demo.pem"}}, "cert_file and key_file belong together"),
        ({"tls": {}, "embedded_broker": True}, "the embedded broker does not speak TLS"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Mqtt.model_validate(settings)
