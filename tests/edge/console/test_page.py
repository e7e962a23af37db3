"""What the page says, in plain words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.console import words
from edge.console.page import LivePage, down_page, photograph, trouble, verdict
from edge.console.watch import Feed, Watch
from edge.control import ClassifyResult, ControlClient, ControlServer, FillView
from edge.domain import Outcome, Reason, TrayState

from .conftest import StandIn, as_result, tray


def rendered(stand_in: StandIn) -> LivePage:
    return Watch(ControlClient(stand_in.path), ManualClock()).look()[0]


def test_every_code_has_words() -> None:
    assert set(words.REASONS) == {reason.value for reason in Reason}
    assert set(words.OUTCOMES) == {outcome.value for outcome in Outcome}
    assert set(words.TRAY) == {state.value for state in TrayState}
    assert set(words.PHASES) == {"starting", "waiting", "looking", "sorting", "blocked", "stopped"}


@pytest.mark.parametrize(
    ("p", "said"),
    [(0, "0%"), (0.004, "under 1%"), (0.0149, "1%"), (0.5, "50%"), (0.99, "99%"), (0.9999, "over 99%"), (1, "100%")],
)
def test_a_probability_never_says_more_than_it_knows(p: float, said: str) -> None:
    assert words.percent(p) == said


@pytest.mark.parametrize(("seconds", "said"), [(3.2, "3 s"), (300, "5 min"), (7200, "2 h"), (3 * 86400, "3 days")])
def test_a_duration_is_said_roughly(seconds: float, said: str) -> None:
    assert words.duration(seconds) == said


def test_before_the_first_frame_and_item_the_page_says_so(folder: Path) -> None:
    started = StandIn(folder / "started.sock")
    started.start()
    page = rendered(started)
    started.stop()
    assert "No item yet" in page.decision
    assert (page.top3, page.item, page.banner) == ({}, "", "")


def test_a_decision_is_told_with_reason_and_outcome(stand_in: StandIn) -> None:
    stand_in.decide("residual", (("metal", 0.41), ("glass", 0.4)), Reason.UNCERTAIN, Outcome.JAMMED)
    page = rendered(stand_in)
    for text in ("residual", "metal", "41%", "Not accepted.", "Not sure enough that it is metal.", "Jammed"):
        assert text in page.decision
    assert page.top3 == {"metal": 0.41, "glass": 0.4}
    assert "data:image/jpeg" in page.item


def test_a_compartment_is_shown_with_count_level_and_whether_it_is_full(stand_in: StandIn) -> None:
    stand_in.decide("glass")
    stand_in.fill = {"glass": FillView(percent=93.4, full=True), "paper": FillView(percent=None, full=False)}
    status = rendered(stand_in).status
    assert "<span>glass</span> <b>1</b>" in status and 'aria-label="93% full"' in status and ">full<" in status
    assert "<span>paper</span> <b>0</b></li>" in status


def test_the_strip_shows_the_last_ten_items_newest_first(stand_in: StandIn) -> None:
    for number in range(12):
        stand_in.decide(
            "residual" if number == 11 else "glass", outcome=Outcome.JAMMED if number == 11 else Outcome.CONFIRMED
        )
    strip = rendered(stand_in).strip
    assert re.findall(r'data-seq="(\d+)"', strip) == [str(seq) for seq in range(12, 2, -1)]
    assert strip.count("data:image/jpeg") == 10
    assert "Jammed" in strip.split("</li>")[0] and "residual" in strip.split("</li>")[0]


def test_a_picture_is_asked_for_once_for_many_browsers_and_grows_old(stand_in: StandIn, folder: Path) -> None:
    clock = ManualClock()
    feed = Feed(ControlClient(folder / "control.sock"), clock, min_interval_s=0.1)
    first = feed.newest()
    assert first is not None and first is feed.newest()
    clock.advance(0.11)
    second = feed.newest()
    assert second is not None and second.seq == first.seq + 1
    when_it_came_s = feed.age_s(second)
    clock.advance(3.0)
    assert feed.age_s(second) == pytest.approx(when_it_came_s + 3.0)
    stand_in.stop()
    assert feed.newest() is None


def test_a_fault_is_told_with_its_remedy_until_it_is_over(stand_in: StandIn) -> None:
    stand_in.faults.report("jam", "The glass compartment is jammed.", "Clear it, then acknowledge.")
    banner = rendered(stand_in).banner
    assert "The glass compartment is jammed." in banner and "Clear it, then acknowledge." in banner
    stand_in.faults.clear("jam")
    assert rendered(stand_in).banner == ""


def test_a_broker_that_is_down_is_told_with_what_waits(stand_in: StandIn) -> None:
    assert "Broker connected" in rendered(stand_in).status
    stand_in.broker, stand_in.outbox = "down", 1
    status = rendered(stand_in).status
    assert "Broker down" in status and "1 event waiting" in status


def test_only_what_changed_has_a_new_version(stand_in: StandIn) -> None:
    before = rendered(stand_in).versions()
    stand_in.broker = "down"
    after = rendered(stand_in).versions()
    assert [old == new for old, new in zip(before, after, strict=True)] == [True, False, True, True, True, True]


def test_what_the_daemon_says_cannot_become_markup(stand_in: StandIn) -> None:
    evil = '<img src=x onerror="x()">'
    stand_in.faults.report("jam", evil, evil)
    stand_in.decide(evil, ((evil, 0.9),))
    page = rendered(stand_in)
    shown = [*(part for part in (page.banner, page.status, page.decision, page.item, page.strip)), trouble(evil, evil)]
    shown += [verdict(evil, as_result(evil)), photograph(tray(item=True), as_result(evil)), down_page(evil).banner]
    assert "&lt;img src=x" in page.strip
    for html in shown:
        assert "<img src=x" not in html
        assert 'onerror="x' not in html


def test_the_daemon_is_asked_once_for_many_browsers(stand_in: StandIn, folder: Path) -> None:
    clock = ManualClock()
    watch = Watch(ControlClient(folder / "control.sock"), clock, min_interval_s=0.3)
    first, beat = watch.look()
    assert watch.look() == (first, beat)
    clock.advance(0.31)
    assert watch.look()[1] == beat + 1


def test_a_daemon_of_another_version_is_named_as_the_trouble(tmp_path: Path) -> None:
    with ControlServer(tmp_path / "c.sock", {"status": lambda _: {"state": "fine"}, "view": lambda _: {}}):
        page, _ = Watch(ControlClient(tmp_path / "c.sock"), ManualClock()).look()
    assert "it is of another version" in page.banner


def test_a_verdict_tells_name_label_and_reason() -> None:
    result = ClassifyResult.model_validate(
        {
            "top3": [{"label": "paper", "p": 0.62}],
            "novelty": -1.5,
            "novelty_limit": -2.0,
            "compartment": "residual",
            "belongs": 0.62,
            "min_probability": 0.7,
            "costs": {"paper": 0.38, "residual": 0.3},
            "accepted": False,
            "reason": "NOVEL",
            "evidence": [[1.0]],
            "latency_ms": 20.0,
        }
    )
    said = verdict("shoe.jpg", result)
    for text in (
        "shoe.jpg",
        "paper",
        "62%",
        "Not accepted.",
        "Unlike anything",
        "−1.5",
        "→</span> residual",
        "at least 70%",
        "0.38",
    ):
        assert text in said
