"""What a simulated fleet takes for delivered, lost and twice, and what it is asked."""

from __future__ import annotations

import json
import resource
from collections import Counter
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import cv2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from typer.testing import CliRunner

from edge.__main__ import app
from edge.config import load_config
from edge.errors import ConfigError
from edge.simulate.fleet import command
from edge.simulate.fleet.judge import RECORD, Heard, judge, read_heard
from edge.simulate.fleet.plan import Plan, allow_descriptors, broker_of, sizes
from edge.simulate.fleet.tally import Sent, packet_bytes
from edge.simulate.fleet.trial import Result

SIM = Path(__file__).parents[3] / "configs/edge/sim.yaml"
A, B, C = (uuid4() for _ in range(3))
FINISHED = {A: 1.0, B: 2.0, C: 3.0}
EACH_ONCE = [Heard(A, 1.010, False), Heard(B, 2.020, False), Heard(C, 3.030, False)]
NOTHING = Sent(Counter(), Counter(), 0, 0)


def result(bins: int, heard: list[Heard]) -> Result:
    return Result(
        plan=Plan(bins, 6, 60), connected_after_s=1.0, connecting=NOTHING, sorting=NOTHING, sorting_s=60.0,
        delivery=judge(FINISHED, heard, ()), heard=len(heard), reconnections=0, broker_away_s=None, broker_cpu_s=0.6,
        broker_mib=10.0, own_cpu_s=6.0,
    )  # fmt: skip


def test_events_that_all_came_once_are_delivered_and_none_is_lost() -> None:
    delivery = judge(FINISHED, EACH_ONCE, ())
    assert (delivery.finished, delivery.delivered, delivery.lost, delivery.duplicates) == (3, 3, 0, 0)
    assert delivery.complete
    assert delivery.live_ms == pytest.approx((20, 28, 29.8, 30))
    assert delivery.late_ms is None


def test_an_event_that_the_broker_took_and_nobody_heard_is_lost() -> None:
    delivery = judge(FINISHED, EACH_ONCE[:2], ())
    assert (delivery.delivered, delivery.lost, delivery.unsent) == (2, 1, 0)
    assert not delivery.complete


def test_an_event_that_a_bin_still_has_is_not_lost_and_not_delivered_either() -> None:
    delivery = judge(FINISHED, EACH_ONCE[:2], [C])
    assert (delivery.lost, delivery.unsent) == (0, 1)
    assert not delivery.complete


def test_an_event_that_was_heard_before_its_acknowledgement_came_is_delivered() -> None:
    assert judge(FINISHED, EACH_ONCE, [C]).complete


def test_an_event_that_came_twice_counts_once_and_its_first_arrival_is_its_latency() -> None:
    delivery = judge(FINISHED, [*EACH_ONCE, Heard(C, 9.0, True)], ())
    assert (delivery.delivered, delivery.duplicates, delivery.late) == (3, 1, 0)
    assert delivery.complete
    assert delivery.live_ms is not None and delivery.live_ms[-1] == pytest.approx(30)


def test_what_other_bins_say_does_not_count() -> None:
    assert judge(FINISHED, [*EACH_ONCE, Heard(uuid4(), 5.0, False)], ()) == judge(FINISHED, EACH_ONCE, ())


def test_what_waited_for_the_broker_has_latencies_of_its_own() -> None:
    delivery = judge(FINISHED, [EACH_ONCE[0], Heard(B, 7.0, True), Heard(C, 8.0, True)], ())
    assert delivery.late == 2
    assert delivery.live_ms == pytest.approx((10, 10, 10, 10))
    assert delivery.late_ms is not None and delivery.late_ms[-1] == pytest.approx(5000)


@given(st.lists(st.sampled_from([0, 1, 2])), st.sets(st.sampled_from([0, 1, 2])))
def test_every_event_is_delivered_lost_or_unsent(heard: list[int], waiting: set[int]) -> None:
    ids = list(FINISHED)
    delivery = judge(FINISHED, [Heard(ids[at], 9.0, False) for at in heard], [ids[at] for at in waiting])
    assert delivery.delivered + delivery.lost + delivery.unsent == delivery.finished
    assert delivery.delivered + delivery.duplicates == len(heard)
    assert delivery.complete == (delivery.delivered == delivery.finished)


def test_a_record_that_is_only_half_written_waits_for_its_other_half(tmp_path: Path) -> None:
    whole = RECORD.pack(A.bytes, 1.5, True)
    (tmp_path / "heard").write_bytes(whole + whole[:7])
    assert read_heard(tmp_path / "heard") == [Heard(A, 1.5, True)]


@pytest.mark.parametrize(("heard", "code"), [(EACH_ONCE, 0), (EACH_ONCE[1:], 1)])
def test_the_command_fails_when_an_event_was_lost_and_writes_what_it_found(
    heard: list[Heard], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "OwnMosquitto", FakeMosquitto)
    monkeypatch.setattr(command, "run", lambda plan, broker, tell: replace(result(plan.bins, heard), plan=plan))
    report, plot = tmp_path / "report.json", tmp_path / "plot.png"
    arguments = ["simulate", "--bins", "5,10", "--report", str(report), "--plot", str(plot)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == code, done.output
    written = json.loads(report.read_text())
    assert [size["plan"]["bins"] for size in written["sizes"]] == [5, 10]
    assert written["sizes"][0]["delivery"]["lost"] == 3 - len(heard)
    image = cv2.imread(str(plot))
    assert image is not None and image.shape[1] == 960


class FakeMosquitto:
    """None at all."""

    port, pid = 1, 1

    def __enter__(self) -> FakeMosquitto:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--bins", "5", "--items", "10"], 2, "give one of"),
        (["--bins", "5;6"], 3, "50,100,250"),
        (["--bins", "0"], 3, "one process plays 1 to"),
        (["--bins", "5", "--rate", "31"], 3, "a bin sorts 0 to 30 items a minute"),
        (["--bins", "5", "--seconds", "10", "--restart-broker-after", "10"], 3, "all is over after --seconds 10"),
        (["--bins", "5", "--broker", "here"], 3, "expected mosquitto, or mqtt://host:port"),
        (["--bins", "5", "--broker", "mqtt://bin:secret@here"], 3, "mqtt.password_file"),
        (["--bins", "5", "--broker", "mqtt://here", "--restart-broker-after", "5"], 3, "started here"),
        (["--bins", "5", "--report", "/nowhere/at/all.json"], 3, "--report: no folder /nowhere/at"),
        (["--bins", "5", "--broker", "mqtt://127.0.0.1:1"], 6, "cannot reach a broker"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_starts(arguments: list[str], code: int, said: str) -> None:
    done = CliRunner().invoke(app, ["simulate", *arguments])
    assert done.exit_code == code
    assert said in done.output
    assert "secret" not in done.output


def test_sizes_are_numbers_with_commas_between() -> None:
    assert sizes("50,100") == [50, 100]


def test_a_broker_with_tls_is_trusted_as_the_config_says() -> None:
    config = load_config(SIM)
    assert broker_of(config, "mqtt://a.example").port == 1883
    assert broker_of(config, "mqtt://a.example").tls is None
    encrypted = broker_of(config, "mqtts://a.example")
    assert (encrypted.port, encrypted.host, encrypted.embedded_broker) == (8883, "a.example", False)
    assert encrypted.tls is not None


def test_too_low_a_limit_of_open_files_is_told_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    monkeypatch.setattr(resource, "setrlimit", lambda which, limits: raised.append(limits))
    allow_descriptors(500)
    assert raised == []
    allow_descriptors(1000)
    assert raised == [(1200, 4096)]
    with pytest.raises(ConfigError, match=r"4,000 bins need 4,200 open files, and this process may have 4,096"):
        allow_descriptors(4000)


@pytest.mark.parametrize("payload", ["", "x", "x" * 126, "x" * 127, "x" * 20_000])
@pytest.mark.parametrize("qos", [0, 1])
def test_a_packet_is_as_long_as_paho_makes_it(payload: str, qos: int, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
    monkeypatch.setattr(client, "_sock", object())  # as if it were connected
    made: list[bytes] = []
    monkeypatch.setattr(client, "_packet_queue", lambda kind, packet, *rest: made.append(bytes(packet)))
    client._send_publish(1, b"smartbin/a/state", payload.encode(), qos)
    assert len(made[0]) == packet_bytes("smartbin/a/state", payload, qos)
