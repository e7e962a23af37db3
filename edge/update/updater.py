"""A new model, from its address to the sorting, and back again when it is no good.

    fetch ─► unpack ─► verify ─► keep in the free slot ─► golden test ─► shadow ─► point at it ─► switch ─► confirm
      └──────────┴────────┴──────────────┴───────────────────┴────────────┘            └── no engine: back

Until the pointer is written the old model sorts, and nothing of it was touched; from then on the new one does, and a
bin that is switched off in between starts with it. Everything before it is asked for again after a restart, from what
was downloaded on. One thread, "update", does the slow part; the switch itself is a chore, made between two items.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pydantic import Field, ValidationError

from edge.bundle import Bundle, Trust, load_trusted, sha256_of
from edge.classify import Classifier
from edge.config.update import Update
from edge.decide import Policy, decide
from edge.domain import Engine
from edge.errors import JournalError, SmartbinError, UpdateError
from edge.faults import Faults
from edge.live import Live
from edge.observers import SortedItem
from edge.payloads import UpdateArguments, UpdatePayload
from edge.settings import write_whole
from edge.update.fetch import fetch, forget
from edge.update.slots import Slots
from edge.update.unpack import unpack

REMEDY = "see the message; the model before sorts on. Ask for the update again, or acknowledge"
ATTEMPTS = 3
"""Starts of the program with one update under way; after that it is given up: it may be what ends the program."""
CLOSE_S = 5.0
MAX_BYTES = 2 << 30
"""Of an unpacked bundle."""

Step = Literal["fetch", "unpack", "verify", "keep", "golden", "shadow", "point", "switch", "confirm"]

_log = logging.getLogger(__name__)


class _Asked(UpdateArguments):
    """models/asked.json: the update under way."""

    attempts: int = Field(1, ge=1)


class Switchable(Protocol):
    """An engine that can be told to run another bundle: `edge.engines.supervised.SupervisedEngine`."""

    def use(self, bundle: Bundle) -> None: ...

    def wait(self) -> bool: ...


@dataclass
class Model:
    """What sorts, to be exchanged: classifier, its engine, and how the sorter gets a policy.

    policy: of a bundle, for this site. Raises ConfigError when the bundle does not fit the site.
    """

    classifier: Classifier
    engine: Switchable
    policy: Callable[[Bundle], Policy]
    use_policy: Callable[[Policy], None]

    def use(self, bundle: Bundle) -> None:
        """Between two items only."""
        policy = self.policy(bundle)
        self.classifier.bundle = bundle
        self.engine.use(bundle)
        self.use_policy(policy)


class Updater:
    """Implements `edge.domain.Chore`. A context manager: when entered, what a restart interrupted goes on.

    candidate: opens an engine for a bundle in a process of its own, held against the golden set.
    publish: told how it goes. at: called before each step; for tests.
    """

    def __init__(
        self,
        config: Update,
        slots: Slots,
        trust: Trust,
        model: Model,
        faults: Faults,
        live: Live,
        *,
        candidate: Callable[[Bundle], AbstractContextManager[Engine]],
        publish: Callable[[UpdatePayload], None],
        at: Callable[[Step], None] = lambda step: None,
    ) -> None:
        self._config, self._slots, self._trust, self._model = config, slots, trust, model
        self._faults, self._live, self._candidate, self._publish, self._at = faults, live, candidate, publish, at
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._to_use: Bundle | None = None  # for the loop to switch to
        self._shadow: Classifier | None = None
        self._shadow_policy: Policy | None = None
        self._seen = self._disagreed = 0
        self._shadow_failed: str | None = None
        self._told = UpdatePayload(installed_version=self._version, latest_version=self._version, in_progress=False)

    @property
    def busy(self) -> bool:
        """Whether an update is under way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def _version(self) -> str:
        return self._model.classifier.bundle.manifest.version

    @property
    def _asked_path(self) -> Path:
        return self._slots.folder / "asked.json"

    def __enter__(self) -> Updater:
        self._stopping = False
        self._tell()
        if not self._slots.pointer.confirmed:
            self._begin(self._confirm)  # the program ended before the new model was seen to work
        elif (asked := self._interrupted()) is not None:
            self._begin(lambda: self._run(asked))
        return self

    def __exit__(self, *exc: object) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=CLOSE_S)  # one that waits for a server is left behind
            self._thread = None

    # What people ask.

    def update(self, arguments: UpdateArguments) -> dict[str, object]:
        """Begin. `update` tells how it goes. Raises UpdateError when one is under way."""
        asked = _Asked(**arguments.model_dump())
        self._check_free()
        try:
            self._remember(asked)
        except OSError as error:
            raise JournalError(f"{self._asked_path}: {error.strerror or error}; make room") from None
        self._begin(lambda: self._run(asked))
        return {"installed_version": self._version}

    def rollback(self) -> dict[str, object]:
        """The model before sorts again, from the next item on. Raises UpdateError when there is none."""
        pointer = self._slots.pointer
        if pointer.previous is None:
            raise UpdateError("there is no model before this one")
        bundle = load_trusted(self._slots.path_of(pointer.previous), self._trust)
        self._model.policy(bundle)

        def go_back() -> None:
            self._slots.back()
            self._switch(bundle)
            if not self._model.engine.wait():
                raise UpdateError(f"{bundle.manifest.version}: no engine of this machine runs it any more")
            self._done()

        self._begin(go_back)
        return {"version": bundle.manifest.version}

    # The loop's thread, and the observer's.

    def tend(self) -> None:
        """Switch, when a model is ready and no item lies on the tray."""
        if self._to_use is None:  # asked without the lock, which `take` holds while the new model thinks
            return
        with self._changed:
            if self._to_use is None or self._live.snapshot().phase == "looking":
                return
            self._model.use(self._to_use)
            self._to_use = None
            self._changed.notify_all()

    def take(self, item: SortedItem) -> None:
        """In shadow: would the new model have sorted this item elsewhere?"""
        with self._changed:
            shadow, policy = self._shadow, self._shadow_policy
            if shadow is None or policy is None:
                return
            try:
                prediction = shadow.predict(shadow.prepare([look.pixels for look in item.looks]))
            except SmartbinError as error:
                self._shadow_failed = str(error)
            else:
                self._seen += 1
                self._disagreed += decide(prediction, policy).compartment != item.event.decision.compartment
            self._changed.notify_all()

    # The update's thread.

    def _begin(self, work: Callable[[], None]) -> None:
        with self._changed:
            self._check_free()
            self._thread = threading.Thread(target=self._guarded, args=(work,), name="update", daemon=True)
            self._thread.start()

    def _check_free(self) -> None:
        if self.busy:
            raise UpdateError("an update is under way already; `update` tells how it goes")

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except _Stopped:
            pass  # it goes on after the next start
        except (SmartbinError, OSError) as error:
            self._failed(str(error) if isinstance(error, SmartbinError) else f"{error.strerror or error}")
        except Exception as error:  # noqa: BLE001 - a bug in an update must not end without a word
            _log.exception("the update failed")
            self._failed(f"a bug, {type(error).__name__}: {error}")

    def _run(self, asked: _Asked) -> None:
        bundle = self._brought(asked)
        if bundle is not None:
            with self._candidate(bundle) as engine:  # its golden test is behind it
                self._try_beside(bundle, engine, asked)
            self._step("point", 90, bundle)
            self._slots.point_at(self._slots.free)
            self._forget()
            forget(self._slots.folder)
            self._switch(bundle)
            self._confirm()
        else:
            self._forget()
            self._done()

    def _brought(self, asked: _Asked) -> Bundle | None:
        """The new bundle, checked, in the free slot; None when it is the one that sorts already."""
        self._step("fetch", 0)
        archive = fetch(asked.url, self._slots.folder, self._config, self._fetched)
        self._step("unpack", 50)
        if asked.sha256 not in (None, found := sha256_of(archive)):
            raise UpdateError(f"the archive's sha256 is {found}, asked for was {asked.sha256}")
        staging = self._slots.make_room()
        unpack(archive, staging, max_bytes=MAX_BYTES)
        self._step("verify", 55)
        bundle = load_trusted(staging, self._trust)
        if bundle.model_id == self._model.classifier.bundle.model_id and not asked.force:
            return None
        self._check_version(bundle, asked)
        self._model.policy(bundle)
        self._step("keep", 60, bundle)
        slot = self._slots.keep(staging)
        bundle = load_trusted(self._slots.path_of(slot), self._trust)
        self._step("golden", 65, bundle)
        return bundle

    def _check_version(self, bundle: Bundle, asked: _Asked) -> None:
        new, old = bundle.manifest, self._model.classifier.bundle.manifest
        if not asked.force and _numbers(new.version) <= _numbers(old.version):
            raise UpdateError(
                f"version {new.version} is not newer than {old.version}, which sorts, and an old bundle stays signed "
                "for ever; if it is really wanted, ask with force"
            )

    def _try_beside(self, bundle: Bundle, engine: Engine, asked: _Asked) -> None:
        """Let both models look at the next items; only the old one sorts."""
        wanted = self._config.shadow_items if asked.shadow_items is None else asked.shadow_items
        self._step("shadow", 70, bundle)
        with self._changed:
            self._seen, self._disagreed, self._shadow_failed = 0, 0, None
            self._shadow_policy, self._shadow = self._model.policy(bundle), Classifier(bundle, engine)
        try:
            self._watch(bundle, wanted)
        finally:
            with self._changed:
                self._shadow = None
        if wanted and self._disagreed > self._config.max_disagreement * self._seen:
            raise UpdateError(
                f"version {bundle.manifest.version} would have put {self._disagreed} of {self._seen} items elsewhere; "
                f"update.max_disagreement is {self._config.max_disagreement:g}"
            )

    def _watch(self, bundle: Bundle, wanted: int) -> None:
        seen = 0
        while seen < wanted:
            with self._changed:
                if self._seen == seen and self._shadow_failed is None:
                    self._changed.wait()
                self._check_stopping()
                if self._shadow_failed is not None:
                    raise UpdateError(f"version {bundle.manifest.version} failed in shadow: {self._shadow_failed}")
                seen = self._seen
            self._tell("shadow", 70 + 20 * min(seen, wanted) // wanted, bundle)

    def _switch(self, bundle: Bundle) -> None:
        self._step("switch", 92, bundle)
        with self._changed:
            self._to_use = bundle
            self._changed.wait_for(lambda: self._to_use is None or self._stopping)
            self._check_stopping()

    def _confirm(self) -> None:
        """The engine for the new model answers, or the old model comes back."""
        bundle = self._model.classifier.bundle
        self._step("confirm", 95, bundle)
        if self._model.engine.wait():
            self._slots.confirm()
            self._faults.clear("update_failed")
            self._done()
            return
        self._check_stopping()
        slot = self._slots.drop()
        self._switch(load_trusted(self._slots.path_of(slot), self._trust))
        raise UpdateError(f"version {bundle.manifest.version}: no engine of this machine could run it; went back")

    def _fetched(self, have: int, total: int | None) -> None:
        self._check_stopping()
        self._tell("fetch", 50 * have // total if total else 0)

    def _step(self, step: Step, percent: int, bundle: Bundle | None = None) -> None:
        self._check_stopping()
        self._at(step)
        self._tell(step, percent, bundle)

    def _check_stopping(self) -> None:
        if self._stopping:
            raise _Stopped

    def _tell(self, step: Step | None = None, percent: int | None = None, bundle: Bundle | None = None) -> None:
        latest = bundle.manifest.version if bundle is not None else self._version
        told = UpdatePayload(
            installed_version=self._version, latest_version=latest, in_progress=step is not None,
            update_percentage=percent, step=step,
        )  # fmt: skip
        if told != self._told or step is None:
            self._told = told
            self._publish(told)

    def _done(self) -> None:
        self._tell()
        _log.info("version %s sorts", self._version)

    def _failed(self, reason: str) -> None:
        _log.warning("update failed: %s", reason)
        self._forget()
        if self._told.step != "fetch":  # a download that was cut is gone on with when it is asked for again
            forget(self._slots.folder)
        with suppress(OSError):  # a slot with half a bundle in it would keep room that the disk may need
            self._slots.clean()
        self._faults.report("update_failed", reason, REMEDY)
        failed = UpdatePayload(
            installed_version=self._version, latest_version=self._version, in_progress=False, error=reason
        )
        self._told = failed
        self._publish(failed)

    # What outlasts the program.

    def _remember(self, asked: _Asked) -> None:
        self._slots.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(self._asked_path, asked.to_json().encode())

    def _forget(self) -> None:
        with suppress(OSError):
            self._asked_path.unlink()

    def _interrupted(self) -> _Asked | None:
        """The update that the end of the program interrupted, if it may be tried again."""
        try:
            asked = _Asked.model_validate_json(self._asked_path.read_bytes())
        except (OSError, ValidationError):
            return None
        if asked.attempts >= ATTEMPTS:
            self._failed(f"the program ended {ATTEMPTS} times while it was updating; given up")
            return None
        asked = asked.model_copy(update={"attempts": asked.attempts + 1})
        with suppress(OSError):
            self._remember(asked)
        return asked


class _Stopped(Exception):
    """The program ends."""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def usable(slots: Slots, trust: Trust, fits: Callable[[Bundle], object], faults: Faults) -> Bundle:
    """At the start: the bundle that sorts, or the one before it when that cannot be used, which is a fault.

    Raises:
        BundleError, ConfigError: the bundle that the config names cannot be used either.
    """
    while slots.pointer.current != "config":
        try:
            bundle = load_trusted(slots.current, trust)
            fits(bundle)
            return bundle
        except (SmartbinError, OSError) as error:
            _log.warning("%s", error)
            faults.report("update_failed", f"{error}; went back to the model before", REMEDY)
            try:
                slots.drop()
            except OSError:  # nothing can be written; the next start finds the same
                break
    bundle = load_trusted(slots.path_of("config"), trust)
    fits(bundle)
    return bundle
