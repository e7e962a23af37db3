"""Rules 1, 2, 3 and 5, and the last look before a movement: whatever happens in whatever order, at whatever moment.

Hypothesis makes up what happens: lids, hands, e-stops, jams, full compartments, cameras that fail, disks that fill,
slow machines, restarts, technicians; between two cycles, and in the middle of a movement. tests/test_rules_bite.py
breaks the rules on purpose and expects this test to fail.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from edge.domain import Outcome
from edge.errors import HardwareError, JournalError, StaleFrame, UnfitFrame
from tests.invariants.bin_world import BEAMS, COMPARTMENTS, CONFIG, RESIDUAL, BrokenInvariant, Ledger, SmallBin, World

STEPS = 100_000
STEPS_A_RUN = 400

# An item is sorted after about ten waits, and a movement is some 200 of them.
waits = st.integers(1, 20) | st.integers(1, 250)
happenings = st.sampled_from(
    [
        ("lid_closed", False), ("lid_closed", True), ("estop_released", False), ("estop_released", True),
        ("opening_clear", False), ("opening_clear", True), ("maintenance", True), ("maintenance", False),
        ("hand", True), ("hand", False),
        ("stuck", True), ("stuck", False), ("astray", True), ("astray", False),
        ("camera", "unfit"), ("camera", "unplugged"), ("camera", "good"), ("disk_full", True), ("disk_full", False),
        ("slowness", 8.0), ("slowness", 1.0), ("full", frozenset()), ("full", frozenset({"glass"})),
        ("full", frozenset({RESIDUAL})), ("full", frozenset({"paper", "metal"})), ("item", None),
    ]
)  # fmt: skip


class Motion(RuleBasedStateMachine):
    """A bin, and everything that may happen to it. steps: of all runs together."""

    steps = 0
    outcomes: Counter[Outcome] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.ledger = Ledger(self.world)
        self.bin = SmallBin(self.world, self.ledger)

    def teardown(self) -> None:
        self.bin.close()

    @rule(cycles=st.integers(1, 6))
    def cycle(self, cycles: int) -> None:
        for _ in range(cycles):
            try:
                event = self.bin.sorter.cycle()
            except StaleFrame:
                self.bin.live.update(observation=None)
                event = None
            except UnfitFrame:
                event = None
            except JournalError:
                self.restart()
                return
            self.world.sleep(1.0 / CONFIG.loop_hz)
            if event is not None:
                self.judge_event(event)

    def judge_event(self, event: Any) -> None:
        Motion.outcomes[event.outcome] += 1
        if self.ledger.events[event.event_id].outcome is not event.outcome:
            raise BrokenInvariant("an event ended otherwise than the journal says")
        if event.outcome is Outcome.CONFIRMED and self.world.facts.item is not None:
            raise BrokenInvariant("an item that lies there was confirmed")
        target = event.decision.compartment
        passed_s = self.world.passed_s.get(target, -1.0)
        if event.outcome is Outcome.CONFIRMED and target in BEAMS and passed_s < self.ledger.recorded_s:
            raise BrokenInvariant("an item was confirmed that passed no beam")
        if event.outcome in (Outcome.JAMMED, Outcome.STALLED, Outcome.LOST) and not self.bin.guard.latched:
            raise BrokenInvariant(f"{event.outcome.value} does not wait for a person")

    @precondition(lambda self: self.world.facts.item is None)
    @rule(label=st.sampled_from(COMPARTMENTS), unsure=st.booleans())
    def put_item(self, label: str, unsure: bool) -> None:
        self.world.facts.item = label
        self.bin.oracle.unsure = unsure

    @rule(what=happenings)
    def happen(self, what: tuple[str, Any]) -> None:
        self.world.set(*what)

    @rule(item=st.sampled_from(COMPARTMENTS), unsure=st.booleans(), trouble=st.none() | st.tuples(waits, happenings))
    def sort_an_item(self, item: str, unsure: bool, trouble: tuple[int, tuple[str, Any]] | None) -> None:
        """All is well, an item comes, and at some moment, perhaps, something happens."""
        self.all_is_well()
        self.world.facts.item, self.bin.oracle.unsure = item, unsure
        if trouble is not None:
            self.world.soon.append((trouble[0], *trouble[1]))
        self.cycle(16)

    def all_is_well(self) -> None:
        for fact, value in (
            ("lid_closed", True), ("estop_released", True), ("opening_clear", True), ("maintenance", False),
            ("hand", False), ("stuck", False), ("astray", False),
            ("camera", "good"), ("disk_full", False), ("slowness", 1.0), ("full", frozenset()),
        ):  # fmt: skip
            self.world.set(fact, value)
        self.world.soon.clear()
        self.bin.guard.acknowledge()
        self.world.facts.item = None
        self.cycle(4)

    @rule(what=happenings, waits=waits)
    def happen_soon(self, what: tuple[str, Any], waits: int) -> None:
        self.world.soon.append((waits, *what))

    @rule()
    def acknowledge(self) -> None:
        self.bin.guard.acknowledge()

    @rule(where=st.sampled_from([*COMPARTMENTS, "nowhere", None]), home_first=st.booleans())
    def move_by_hand(self, where: str | None, home_first: bool) -> None:
        """A technician, over the control socket: the guard stands in front of it too."""
        self.bin.by_hand = True
        try:
            if home_first:
                self.bin.guard.home()
            if where is not None:
                self.bin.guard.deliver(where)
        except HardwareError:
            pass
        finally:
            self.bin.by_hand = False

    @rule()
    def restart(self) -> None:
        self.bin.close()
        self.ledger.recover()
        self.bin = SmallBin(self.world, self.ledger)

    @invariant()
    def the_flap_is_closed_and_let_go(self) -> None:
        Motion.steps += 1
        self.bin.check_rest()


@pytest.mark.timeout(900)
def test_no_forbidden_motion_in_a_hundred_thousand_steps() -> None:
    Motion.steps, Motion.outcomes = 0, Counter()
    while Motion.steps < STEPS:
        runs = max(1, (STEPS - Motion.steps) // STEPS_A_RUN)
        run_state_machine_as_test(
            Motion,
            settings=settings(
                max_examples=runs,
                stateful_step_count=STEPS_A_RUN,
                suppress_health_check=list(HealthCheck),
                deadline=None,
            ),
        )
    assert set(Motion.outcomes) == set(Outcome) - {Outcome.PENDING}, "each way to end was met"
