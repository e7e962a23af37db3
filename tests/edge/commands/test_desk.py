"""What comes on `request/<cmd>`: done once, in time, for those who may; anything else is refused with its reason."""

from __future__ import annotations

import gc
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.errors import CommandError, MotionRefused
from edge.journal import Journal
from edge.payloads import COMMANDS, Arguments, CompartmentArguments, ResponsePayload
from edge.requests import Desk, Incoming, Registry, RequestLog
from edge.requests import log as log_module
from edge.requests.desk import BURST, MAX_BYTES, WAITING
from tests.patience import PATIENCE


class Bench:
    """A desk with a few commands that note what they were asked, a journal's database, and what was answered."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.path = folder / "journal.sqlite"
        with Journal(self.path, max_events=10):
            pass
        self.done: list[tuple[str, Any]] = []
        self.answers: list[tuple[str, ResponsePayload]] = []
        self._changed = threading.Condition()
        self.hold = threading.Event()
        self.hold.set()
        self.restart()

    def restart(self) -> None:
        actions = {"home": self.home, "pause": self.pause, "jog": self.jog}
        self.log = RequestLog(self.path, self.clock)
        self.registry = Registry(actions, self.log)
        self.desk = Desk(self.registry, self.clock, self._respond)

    def home(self, arguments: Arguments) -> dict[str, Any]:
        self.hold.wait(10)
        self.done.append(("home", arguments))
        return {"at": len(self.done)}

    def pause(self, arguments: Arguments) -> dict[str, Any]:
        self.done.append(("pause", arguments))
        return {}

    def jog(self, arguments: CompartmentArguments) -> dict[str, Any]:
        raise MotionRefused(f"not moving to {arguments.compartment}: the lid is open")

    def _respond(self, cmd: str, response: ResponsePayload) -> None:
        with self._changed:
            self.answers.append((cmd, response))
            self._changed.notify_all()

    def document(self, **fields: Any) -> dict[str, Any]:
        return {"id": "a", "ttl_s": 30, "ts": self.clock.utc().isoformat(), **fields}

    def send(self, cmd: str, document: Any, *, retained: bool = False, authenticated: bool = True) -> None:
        payload = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.desk.take(Incoming(cmd, payload, retained, authenticated, claim="the test"))

    def ask(self, cmd: str, document: Any, **how: bool) -> ResponsePayload:
        """Send, and wait for the next answer."""
        before = len(self.answers)
        self.send(cmd, document, **how)
        answered, response = self.wait(before + 1)[before]
        assert answered == cmd
        return response

    def wait(self, number: int) -> list[tuple[str, ResponsePayload]]:
        """Wait until there were so many answers."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.answers) >= number, 10 * PATIENCE), self.answers
            return list(self.answers)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    with made.desk:
        yield made


def error_of(response: ResponsePayload) -> str:
    assert not response.ok and response.error is not None
    return response.error


def test_a_request_is_done_and_answered_under_its_id(bench: Bench) -> None:
    response = bench.ask("home", bench.document(id="x-1"))
    assert (response.id, response.ok, response.error, response.result) == ("x-1", True, None, {"at": 1})
    assert bench.done == [("home", Arguments())]


def test_the_same_id_again_gets_the_same_answer_and_nothing_is_done(bench: Bench) -> None:
    first = bench.ask("home", bench.document())
    bench.clock.advance(3600)  # even when it has expired meanwhile
    assert bench.ask("home", bench.document(ts="2026-01-01T00:00:00Z")) == first
    assert len(bench.done) == 1


def test_the_same_id_is_known_after_a_restart(bench: Bench) -> None:
    first = bench.ask("home", bench.document())
    bench.desk.__exit__()
    bench.restart()
    with bench.desk:
        assert bench.ask("home", bench.document()) == first
    assert len(bench.done) == 1


def test_what_a_restart_cut_off_is_not_done_again(bench: Bench) -> None:
    bench.log.begin(log_module.Entry("mqtt", "somebody", "home", "{}", "a"))  # and then the power went
    bench.restart()
    with bench.desk:
        assert "the program ended while this was being done" in error_of(bench.ask("home", bench.document()))
    assert bench.done == []


def test_an_id_is_for_one_request(bench: Bench) -> None:
    bench.ask("home", bench.document())
    assert "was used for another request" in error_of(bench.ask("pause", bench.document()))
    assert len(bench.done) == 1


def test_a_repetition_while_it_is_being_done_waits_for_the_one_answer(bench: Bench) -> None:
    bench.hold.clear()
    bench.send("home", bench.document())
    bench.send("home", bench.document())
    bench.send("pause", bench.document(id="b"))
    bench.hold.set()
    assert [response.id for _, response in bench.wait(2)] == ["a", "b"]
    assert [cmd for cmd, _ in bench.done] == ["home", "pause"]


def test_an_expired_request_is_refused_with_both_clocks(bench: Bench) -> None:
    sent = bench.document(ttl_s=10)
    bench.clock.advance(11)
    assert "expired: sent 11 s ago, ttl_s is 10; the bin's clock says 2026-01-01T00:00:11Z" in error_of(
        bench.ask("home", sent)
    )
    assert bench.done == []


def test_a_request_that_waited_too_long_for_its_turn_is_refused(bench: Bench) -> None:
    bench.hold.clear()
    bench.send("home", bench.document())
    bench.send("home", bench.document(id="b", ttl_s=5))
    bench.clock.advance(6)
    bench.hold.set()
    assert "expired" in error_of(bench.wait(2)[1][1])
    assert [cmd for cmd, _ in bench.done] == ["home"]


def test_a_request_from_the_future_is_refused(bench: Bench) -> None:
    ahead = (bench.clock.utc() + timedelta(minutes=5)).isoformat()
    assert "300 s in the future" in error_of(bench.ask("home", bench.document(ts=ahead)))


def test_a_retained_request_is_refused_and_its_clearing_is_no_request(bench: Bench) -> None:
    assert "retained" in error_of(bench.ask("home", bench.document(), retained=True))
    bench.send("home", b"", retained=True)
    assert len(bench.answers) == 1
    assert bench.done == []


def test_what_moves_needs_a_broker_that_the_bin_logs_in_to(bench: Bench) -> None:
    said = error_of(bench.ask("home", bench.document(), authenticated=False))
    assert "mqtt.username" in said
    assert bench.done == []
    assert bench.ask("pause", bench.document(), authenticated=False).ok, "stopping is for everybody"


def test_a_refusal_leaves_the_id_free_for_later(bench: Bench) -> None:
    bench.ask("home", bench.document(), authenticated=False)
    assert bench.ask("home", bench.document()).ok


def test_what_the_guard_refuses_is_told_in_its_own_words(bench: Bench) -> None:
    assert "the lid is open" in error_of(bench.ask("jog", bench.document(compartment="glass")))


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 5000, "not JSON"),
        (b"[]", "expected a JSON object, found list"),
        (b"{}", "home: id: Field required; ttl_s: Field required; ts: Field required"),
        (b'{"id": "a", "ttl_s": 30}', "ts: Field required"),
        (b'{"id": "a", "ttl_s": NaN, "ts": "2026-01-01T00:00:00Z"}', "ttl_s"),
        (b'{"id": "a", "ttl_s": 30, "ts": "2026-01-01T00:00:00Z", "x": 1}', "x: Extra inputs"),
        (b"x" * (MAX_BYTES + 1), f"{MAX_BYTES + 1} bytes, the most is {MAX_BYTES}"),
    ],
)
def test_what_is_not_a_request_is_refused_with_its_reason(bench: Bench, payload: bytes, said: str) -> None:
    assert said in error_of(bench.ask("home", payload))
    assert bench.done == []


def test_an_unknown_command_is_told_which_there_are(bench: Bench) -> None:
    assert "there are home, jog, pause" in error_of(bench.ask("format", bench.document()))


def test_an_answer_never_goes_to_a_topic_that_a_request_made_up(bench: Bench) -> None:
    for name in ("a/b", "a+", "#", "\0", "x" * 200, "ü", ""):
        bench.send(name, b"{}")
    assert {cmd for cmd, _ in bench.answers} == {"unknown"}


def test_more_than_the_limit_is_refused_and_one_command_leaves_the_others_theirs(bench: Bench) -> None:
    for number in range(BURST):
        bench.send("pause", bench.document(id=f"p{number}", x=1))
    assert "too many requests" in error_of(bench.ask("pause", bench.document(id="late")))
    assert bench.ask("home", bench.document(id="h")).ok
    bench.clock.advance(1.0)
    assert bench.ask("pause", bench.document(id="later")).ok


def test_no_more_wait_than_there_is_room_for(bench: Bench) -> None:
    bench.hold.clear()
    bench.send("home", bench.document(id="first"))
    for number in range(WAITING + 1):
        bench.clock.advance(1.0)
        bench.send("pause", bench.document(id=f"p{number}"))
    assert "requests wait already" in error_of(bench.ask("pause", bench.document(id="too-many")))
    bench.hold.set()


def test_who_asked_what_is_written_down_refused_or_not(bench: Bench) -> None:
    bench.ask("home", bench.document())
    bench.ask("jog", bench.document(id="b", compartment="glass"))
    bench.ask("home", bench.document(id="c"), authenticated=False)
    newest = bench.log.newest(10)
    assert [(row["cmd"], row["request_id"]) for row in newest] == [("home", None), ("jog", "b"), ("home", "a")]
    assert newest[2]["via"] == "mqtt"
    assert newest[2]["who"] == "somebody at the broker (logged in to), says it is 'the test'"
    assert [json.loads(row["response"])["ok"] for row in newest] == [False, False, True]
    assert newest[1]["asked"] == '{"compartment": "glass"}'


def test_the_table_is_bounded(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    log = RequestLog(bench.path, bench.clock, max_rows=10)
    for number in range(60):
        log.refused(log_module.Entry("mqtt", "somebody", "home", str(number)), "{}")
    rows = log.newest(1000)
    assert 10 <= len(rows) <= 60
    assert (rows[0]["asked"], rows[-1]["asked"]) == ("59", "40")


def test_without_a_disk_requests_are_done_all_the_same_and_known_from_memory(bench: Bench) -> None:
    for file in bench.path.parent.iterdir():
        file.unlink()
    first = bench.ask("home", bench.document())
    assert first.ok and bench.ask("home", bench.document()) == first
    assert len(bench.done) == 1
    assert not bench.path.exists(), "only the journal makes its file"


def test_the_journal_opens_with_the_table_in_it(bench: Bench) -> None:
    bench.ask("home", bench.document())
    with Journal(bench.path, max_events=10) as journal:
        assert journal.depth() == 0
    with sqlite3.connect(bench.path) as db:
        assert db.execute("SELECT count(*) FROM requests").fetchone() == (1,)
    db.close()


def test_a_command_without_a_kind_is_a_mistake_of_the_program(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(ValueError, match="no such commands"):
        Registry({"explode": bench.home}, bench.log)
    with pytest.raises(CommandError, match="home: more: Extra inputs"):
        bench.registry.ask("home", {"more": 1}, Incoming("home", b"", False, True).caller)


# Whatever anybody sends.

values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=6,
)
near = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "b", "a b", "", "x" * 65, 7, None]),
        "ttl_s": st.sampled_from([30, 0, -1, 1e9, "30", None, float("inf")]),
        "ts": st.sampled_from(["2026-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "now", 0, None]),
        "compartment": st.sampled_from(["glass", "", "../..", "x" * 50, 3]),
        "more": values,
    },
)
well_formed = b'{"id": "v", "ttl_s": 3600, "ts": "2026-01-01T00:00:00Z"}'
payloads = st.one_of(
    st.just(well_formed),
    st.binary(max_size=64),
    near.map(json.dumps).map(str.encode),
    values.map(json.dumps).map(str.encode),
)
messages = st.tuples(
    st.sampled_from(["home"] * 4 + ["jog", "format", "", "#", "\0", "hom\u00e9"]),
    payloads,
    st.booleans(),
    st.booleans(),
)


@given(st.lists(messages, min_size=1, max_size=30))
@settings(max_examples=60)
def test_whatever_comes_from_nobody_who_is_trusted_or_retained_is_refused_with_an_answer(sent: list[Any]) -> None:
    """Each message has one or the other, so that none may be done; and each has its answer, but for clearings."""
    clock, answers = ManualClock(), list[ResponsePayload]()
    done: list[str] = []

    def act(arguments: Arguments) -> dict[str, Any]:
        done.append("done")
        return {}

    registry = Registry({"home": act, "jog": act}, RequestLog(Path("/nowhere/journal"), clock))
    desk = Desk(registry, clock, lambda cmd, response: answers.append(response))
    with desk:
        for cmd, payload, retained, authenticated in sent:
            before = len(answers)
            desk.take(Incoming(cmd, payload, retained or authenticated, authenticated))
            assert len(answers) - before == (bool(payload) or not (retained or authenticated))
            clock.advance(1.0)
    assert done == []
    assert all(answer.error and not answer.ok for answer in answers)


class NoDisk(RequestLog):
    """Writes nothing down: the disk would take longer than what is tried here."""

    def _write(self, statement: str, values: tuple[object, ...]) -> int | None:
        return None

    def _read(self, query: str, values: tuple[object, ...]) -> list[Any]:
        return []


HOSTILE = (
    b"", b"\x00" * 100, b"{", b"[" * 4000, b"null", b"1e999999", b'{"id": "\\ud800"}', b"9" * 5000, b"x" * 20_000,
    b'{"id": "a", "ttl_s": 30, "ts": "1970-01-01T00:00:00Z"}',  # expired
    b'{"id": "a", "ttl_s": 30, "ts": "9999-12-31T23:59:59+00:00"}',
    b'{"id": "a", "ttl_s": 30, "ts": "0001-01-01T00:00:00+23:59"}',
    b'{"id": "a", "ttl_s": 30, "ts": "2026-01-01T00:00:00Z", "compartment": {"$ne": 1}}',
    b'{"id": "\'; DROP TABLE requests; --", "ttl_s": 30, "ts": "2026-01-01T00:00:00Z"}',
)  # fmt: skip


def test_a_hundred_thousand_hostile_requests_move_nothing_and_leave_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    clock, refused, done = ManualClock(), [0], list[str]()

    def respond(cmd: str, response: ResponsePayload) -> None:
        assert not response.ok and response.error
        refused[0] += 1

    def act(arguments: Arguments) -> dict[str, Any]:
        done.append("moved")
        return {}

    desk = Desk(Registry(dict.fromkeys(COMMANDS, act), NoDisk(Path("/nowhere"), clock)), clock, respond)
    names = [*COMMANDS, "format", "../etc", "x" * 500]
    valid = json.dumps({"id": "ok", "ttl_s": 30, "ts": clock.utc().isoformat()}).encode()
    objects, sent = list[int](), 0
    with desk:
        for n in range(100_000):
            if n % 20_000 == 0:
                gc.collect()
                objects.append(len(gc.get_objects()))
            clock.advance(0.05 if n % 10_000 < 2_000 else 0.003)  # at times so slow that nothing is too much
            hostile, cmd, retained, authenticated = HOSTILE[n % len(HOSTILE)], names[n % len(names)], n % 7 == 0, n % 2
            if n % 11 == 0:  # well formed, from nobody who is trusted, or retained
                hostile, cmd, retained, authenticated = valid, "home", n % 2 == 0, False
            sent += not (retained and not hostile)
            desk.take(Incoming(cmd, hostile, retained, bool(authenticated)))
    assert refused[0] == sent and done == []
    assert max(objects[1:]) < objects[1] + 500, "nothing is kept of what was refused"
