"""`python -m edge tune`: every engine of this machine, measured on what must be right, as a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from edge.config import Config
from edge.engines.cache import EngineCache
from edge.engines.candidate import NoEngine
from edge.engines.select import tune
from edge.engines.trials import Trial
from edge.errors import JournalError
from edge.update.site import current_bundle


def tune_config(config: Config, *, rounds: int, as_json: bool) -> None:
    """Measure, remember in the state folder, and print.

    Raises:
        BundleError: the bundle cannot be used, or (NoEngine) no engine may sort with it.
        JournalError: the state folder cannot be written.
    """
    wanted = config.classify
    bundle = current_bundle(config)
    try:
        trials = tune(bundle, threads=wanted.threads, cache=EngineCache(config.engine_cache), rounds=rounds)
    except OSError as error:
        raise JournalError(
            f"state_dir {config.state_dir}: {error.strerror}; name a folder that can be written"
        ) from None
    if as_json:
        print(json.dumps([asdict(trial) for trial in trials]))
    else:
        Console().print(_table(trials))
    if all(trial.why is not None for trial in trials):
        raise NoEngine(f"{bundle.path}: no engine of this machine may sort with it")


def _table(trials: Sequence[Trial]) -> Table:
    table = Table(title="one picture at a time; the first engine is what `engine: auto` takes")
    for name in ("engine", "precision", "off by", "median", "p90", "ratio"):
        table.add_column(name, justify="left" if name in ("engine", "precision") else "right")
    best = trials[0].median_ms
    for trial in trials:
        if trial.median_ms is None or best is None:
            continue
        table.add_row(
            str(trial.candidate), trial.precision, f"{trial.difference:.3f}", f"{trial.median_ms:.1f} ms",
            f"{trial.p90_ms:.1f} ms", f"{trial.median_ms / best:.2f}",
        )  # fmt: skip
    table.caption = "\n".join(trial.why for trial in trials if trial.why is not None)
    table.caption_justify = "left"
    return table
