"""A bin's models by its config: where they are, which sorts, and an engine to try one in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from edge.bundle import Bundle, Trust, load_trusted, read_trust, self_test
from edge.config import Config
from edge.domain import Engine
from edge.engines.process import WORKER, EngineLost, EngineProcess
from edge.errors import BundleError
from edge.update.slots import Slots


def current_bundle(config: Config) -> Bundle:
    """The bundle that sorts, by a signature that this bin trusts; the config's where an update's cannot be used.

    Raises:
        BundleError: neither can be used.
    """
    slots, trust = slots_of(config), trust_of(config)
    if slots.pointer.current != "config":
        try:
            return load_trusted(slots.current, trust)
        except BundleError:
            pass  # the daemon goes back from it at its start, and says so
    return load_trusted(config.classify.bundle, trust)


def slots_of(config: Config) -> Slots:
    """Where this bin's models are."""
    return Slots(config.state_dir / "models", config.classify.bundle)


def trust_of(config: Config) -> Trust:
    """Whose bundles this bin takes. Raises BundleError: a key cannot be read."""
    return read_trust(config.classify.keys, config.classify.unsigned)


@contextmanager
def candidate_engine(config: Config, bundle: Bundle, command: Sequence[str] = WORKER) -> Iterator[Engine]:
    """The first engine, in a process of its own, that runs the bundle and reproduces its golden logits.

    Raises:
        BundleError: there is none.
    """
    wanted, reasons = config.classify, list[str]()

    def process() -> EngineProcess:
        return EngineProcess(bundle, config.engine_cache, timeout_s=wanted.timeout_s, command=command)

    with process() as first:
        order = first.order(wanted.engine, wanted.threads)
    for kind in order:
        with process() as opened:
            try:
                opened.open(kind, wanted.open_timeout_s)
                self_test(opened, bundle.golden, bundle.tolerance_of(opened.precision))
            except (BundleError, EngineLost) as error:
                reasons.append(str(error))
                continue
            yield opened
            return
    raise BundleError(f"{bundle.path}: no engine of this machine may sort with it: {'; '.join(reasons)}")
