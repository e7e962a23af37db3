"""A bin's models in a folder, an updater with everything round it that is not a model simulated, and archives for it.

As a program, `python -m tests.updates FOLDER URL STEP`: begins an update and ends, as by kill -9, before that step.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from edge.bundle import Bundle, load_trusted
from edge.captures.capture import Other
from edge.classify import Classifier
from edge.clock import ManualClock
from edge.config import Sorting
from edge.config.update import Update
from edge.decide import Policy, site_policy
from edge.domain import Engine
from edge.errors import BundleError, ConfigError
from edge.faults import Faults
from edge.live import Live
from edge.payloads import UpdateArguments, UpdatePayload
from edge.update.slots import Slots
from edge.update.updater import Model, Step, Updater, usable
from tests.patience import PATIENCE
from tests.small_bundle import TRUST, sign_again, write_bundle


class Answers:
    """An engine of any bundle: the logits it is told. Implements `Switchable` too; may_run: bundles it can run."""

    name, precision = "answers", "fp32"

    def __init__(self, logits: tuple[float, float] = (9.0, 0.0)) -> None:
        self.logits = logits
        self.bundle: Bundle | None = None
        self.may_run: Callable[[Bundle], bool] = lambda bundle: True

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        logits = np.tile(np.array(self.logits, np.float32), (len(images), 1))
        return logits, np.tile(logits[:, :, None, None], (1, 1, 4, 4))

    def use(self, bundle: Bundle) -> None:
        self.bundle = bundle

    def wait(self) -> bool:
        return self.bundle is None or self.may_run(self.bundle)


class Bin:
    """What an update meets. published: what it told, newest last. disputed: items a trial saw otherwise."""

    def __init__(self, folder: Path, *, at: Callable[[Step], None] = lambda step: None, **update: Any) -> None:
        self.folder = folder
        shipped = folder / "shipped"
        if not shipped.exists():
            versioned(shipped, "1.0.0")
        self.slots = Slots(folder / "models", shipped)
        self.faults, self.live = Faults(ManualClock()), Live()
        self.live.update(phase="waiting")
        self.engine, self.candidate = Answers(), Answers()
        self.sorting = Sorting(routes={"glass": "glass", "metal": "metal"}, residual="glass")
        self.published: list[UpdatePayload] = []
        self.disputed: list[tuple[int, Other]] = []
        bundle = usable(self.slots, TRUST, self.policy, self.faults)
        self.classifier = Classifier(bundle, cast(Engine, self.engine))
        self.policies: list[Policy] = []
        self.updater = Updater(
            Update(**({"shadow_items": 0} | update)),
            self.slots,
            TRUST,
            Model(self.classifier, self.engine, self.policy, self.policies.append),
            self.faults,
            self.live,
            candidate=self._candidate,
            publish=self.published.append,
            dispute=lambda item, other: self.disputed.append((item.event.seq, other)),
            at=at,
        )

    @property
    def version(self) -> str:
        """Of the model that sorts."""
        return self.classifier.bundle.manifest.version

    def policy(self, bundle: Bundle) -> Policy:
        try:
            return site_policy(self.sorting, bundle.manifest)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def update(self, archive: Path, **arguments: Any) -> str | None:
        """To its end; the error that was told, or None."""
        with self.updater:
            self.updater.update(UpdateArguments(url=archive.as_uri(), **arguments))
            self.finish()
        return self.published[-1].error

    def finish(self) -> None:
        """Let the loop turn until the update's thread has ended."""
        self.until(lambda: not self.updater.busy, meanwhile=self.updater.tend)

    def until(self, wanted: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
        """Wait, in real time, until the update has come so far."""
        for _ in range(int(2_000 * PATIENCE)):
            if wanted():
                return
            meanwhile()
            threading.Event().wait(0.01)
        raise AssertionError(f"it did not come so far: {self.updater.told}")

    def standing(self) -> str:
        return "; ".join(fault.message for fault in self.faults.standing())

    @contextmanager
    def _candidate(self, bundle: Bundle) -> Iterator[Engine]:
        if not self.candidate.may_run(bundle):
            raise BundleError("the golden logits are 3.1 away, 0.001 is allowed")
        yield cast(Engine, self.candidate)


def versioned(folder: Path, version: str, *, seed: int = 0, **changes: Any) -> Path:
    """A small signed bundle of this version."""
    write_bundle(folder, seed=seed)
    document = json.loads((folder / "manifest.json").read_bytes())
    (folder / "manifest.json").write_text(json.dumps(document | {"version": version} | changes))
    sign_again(folder)
    return folder


def packed(folder: Path, archive: Path) -> Path:
    """The bundle's folder as people pack it."""
    mode: Any = "w:gz" if archive.suffix == ".gz" else "w"
    with tarfile.open(archive, mode) as tar:
        tar.add(folder, arcname=folder.name)
    return archive


def loaded(slots: Slots) -> Bundle:
    """What the pointer points at, whole and signed. Raises BundleError."""
    return dataclasses.replace(load_trusted(slots.current, TRUST))


def main() -> None:
    folder, url, last = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

    def at(step: str) -> None:
        if step == last:
            os._exit(9)

    bin_ = Bin(folder, at=at)
    with bin_.updater:
        bin_.updater.update(UpdateArguments(url=url))
        bin_.finish()
    print(threading.active_count())


if __name__ == "__main__":
    main()
