"""The engine beside the one that sorts: one at most, whatever it is for, so that memory has a bound."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge.bundle import Bundle, load_trusted
from edge.classify import Classifier
from edge.config import Config
from edge.domain import Engine
from edge.engines.process import WORKER
from edge.errors import CommandError
from edge.update.site import candidate_engine, slots_of, trust_of
from edge.update.slots import Slot

GENTLY = ("nice", "-n", "10")
"""For what may wait: of a busy core the sorting gets nine tenths."""


class Beside:
    """Safe to use from any thread. command: starts an engine's process."""

    def __init__(self, config: Config, command: Sequence[str] = WORKER) -> None:
        self._config, self._command = config, command
        self._one = threading.Lock()

    @contextmanager
    def candidate(self, bundle: Bundle) -> Iterator[Engine]:
        """For an update: waits until a photograph that is being tried has its answer. Raises as candidate_engine."""
        with self._one, candidate_engine(self._config, bundle, self._command) as engine:
            yield engine

    @contextmanager
    def classifier(self, slot: Slot) -> Iterator[Classifier]:
        """Another of the bin's models, to try a photograph with; gone afterwards.

        Raises:
            CommandError: the second engine is in use. BundleError: the model cannot be used on this machine.
        """
        if not self._one.acquire(blocking=False):
            raise CommandError("a second model is in use already, by an update or another photograph; try again later")
        try:
            bundle = load_trusted(slots_of(self._config).path_of(slot), trust_of(self._config))
            with candidate_engine(self._config, bundle, (*GENTLY, *self._command)) as engine:
                yield Classifier(bundle, engine)
        finally:
            self._one.release()
