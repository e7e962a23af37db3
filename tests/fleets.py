"""Bins that publish and do nothing else: real publishers and journals, with items, levels and faults made up."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from edge import __version__
from edge.clock import SystemClock
from edge.config import Mqtt
from edge.domain import Outcome, Scored
from edge.fault_table import BY_CODE
from edge.faults import Faults
from edge.journal import SteadyJournal
from edge.mqtt.client import MqttPublisher
from edge.payloads import FaultPayload, StatePayload, VersionsPayload
from tests.brokers import sample_event

COMPARTMENTS = ("glass", "metal", "paper", "plastic", "residual")


class PublishingBin:
    """One of them. A context manager: it is on line while entered."""

    def __init__(self, name: str, site: str, port: int, folder: Path) -> None:
        self.name, self.site = name, site
        clock = SystemClock()
        self.faults = Faults(clock)
        self._stack = ExitStack()
        self._journal = SteadyJournal(
            folder / name / "journal.db", max_events=1000, max_in_memory=100, faults=self.faults, clock=clock
        )
        config = Mqtt(host="127.0.0.1", port=port)
        self._publisher = MqttPublisher(config, name, self._journal, self.faults, clock, compartments=COMPARTMENTS)

    def __enter__(self) -> PublishingBin:
        self._stack.enter_context(self._journal)
        self._stack.enter_context(self._publisher)
        self.tell()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def tell(self, *codes: str, phase: str = "waiting") -> None:
        """The state, with these faults."""
        now = datetime.now(timezone.utc)
        faults = [
            FaultPayload(code=code, since=now, message=BY_CODE[code].means, remedy=BY_CODE[code].person_does)
            for code in codes
        ]
        self._publisher.set_state(
            StatePayload(
                phase="blocked" if faults else phase,
                mode="auto",
                faults=faults,
                versions=VersionsPayload(program=__version__, model="0.3.0"),
                engine="onnxruntime-int8",
                site=self.site,
                residual="residual",
            )
        )

    def fill(self, compartment: str, percent: int) -> None:
        self._publisher.set_fill(compartment, percent)

    def sort(self, compartment: str, p_right: float, outcome: Outcome = Outcome.CONFIRMED) -> None:
        """One item, from the decision to the broker."""
        event = sample_event(self._journal.next_seq(), compartment)
        label, other = ("trash", "glass") if compartment == "residual" else (compartment, "trash")
        top3 = (Scored(label, p_right), Scored(other, 1.0 - p_right))
        decision = replace(event.decision, label=label, p_right=p_right)
        event = replace(event, at=datetime.now(timezone.utc), top3=top3, decision=decision)
        self._journal.record(event)
        self._journal.complete(replace(event, outcome=outcome))
        assert self._publisher.drain(20) == 0, self.faults.standing()
