"""What simulated bins sort: items as the bundle names them and the config routes them, with chance for a network."""

from __future__ import annotations

from datetime import datetime
from random import Random
from uuid import UUID, uuid4

from edge.bundle import Bundle
from edge.config import Config
from edge.domain import Decision, Outcome, Reason, Scored, SortEvent

ENGINE = "onnxruntime-int8"
_UNSURE = 0.7
"""Below this probability an item goes to residual."""


class Items:
    """Makes events. Values are rounded nowhere here: payloads do it."""

    def __init__(self, config: Config, bundle: Bundle, random: Random) -> None:
        self._routes, self._residual = config.sorting.routes, config.sorting.residual
        self._labels, self._model = list(bundle.manifest.labels), bundle.model_id
        self._random = random

    def next(self, boot_id: UUID, seq: int, at: datetime, *, clock_synced: bool) -> SortEvent:
        """One that was decided and has not moved yet."""
        chance = self._random
        first, second, third = chance.sample(self._labels, 3)
        best = chance.betavariate(9, 1)
        rest = (1 - best) * chance.uniform(0.5, 1)
        top3 = (Scored(first, best), Scored(second, rest), Scored(third, 1 - best - rest))
        accepted = best >= _UNSURE
        compartment = self._routes[first] if accepted else self._residual
        reason = Reason.CONFIDENT if accepted else Reason.UNCERTAIN
        right = sum(p for label, p in top3 if self._routes[label] == compartment)
        return SortEvent(
            event_id=uuid4(),
            boot_id=boot_id,
            seq=seq,
            at=at,
            clock_synced=clock_synced,
            top3=top3,
            novelty=chance.uniform(-12, -5),
            decision=Decision(compartment, first, accepted, reason, 1 - right, right),
            outcome=Outcome.PENDING,
            engine=ENGINE,
            model=self._model,
            timings_ms={
                "capture": chance.uniform(2, 8),
                "preprocess": chance.uniform(0.5, 2),
                "infer": chance.uniform(15, 60),
                "decide": chance.uniform(0.05, 0.3),
                "actuate": chance.uniform(700, 1700),
            },
            frame_age_ms=chance.uniform(5, 60),
            sharpness=chance.uniform(80, 300),
            luma=chance.uniform(90, 160),
        )
