"""A new model, from its address to the sorting, and back again when it is no good.

    fetch ─► unpack ─► verify ─► keep in the free slot ─► golden test ─► shadow ─► point at it ─► switch ─► confirm
      └──────────┴────────┴──────────────┴───────────────────┴────────────┘            └── no engine: back

A model that is on the bin already begins at its golden test.

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
from typing import Literal, Protocol

from edge.bundle import Bundle, Trust, load_trusted, sha256_of
from edge.captures.capture import Other
from edge.classify import Classifier
from edge.config.update import Update
from edge.decide import Policy
from edge.domain import Engine
from edge.errors import SmartbinError, UpdateError
from edge.faults import Faults
from edge.live import Live
from edge.observers import SortedItem
from edge.payloads import SwitchModelArguments, UpdateArguments, UpdatePayload
from edge.update.asked import Asked, AskedFile
from edge.update.fetch import fetch, forget, forget_upload
from edge.update.shadow import Shadow
from edge.update.slots import Slot, Slots
from edge.update.unpack import unpack

REMEDY = "see the message; the model before sorts on. Ask for the update again, or acknowledge"
CLOSE_S = 5.0
MAX_BYTES = 2 << 30
"""Of an unpacked bundle."""

Step = Literal["fetch", "unpack", "verify", "keep", "golden", "shadow", "point", "switch", "confirm"]
Outcome = Literal["none", "running", "sorts", "same", "failed"]

_log = logging.getLogger(__name__)


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
    publish: told how it goes. dispute: told each item that a model on trial would have sorted or named otherwise.
    at: called before each step; for tests.
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
        dispute: Callable[[SortedItem, Other], None] = lambda item, other: None,
        at: Callable[[Step], None] = lambda step: None,
    ) -> None:
        self._config, self._slots, self._trust, self._model = config, slots, trust, model
        self._faults, self._live, self._candidate, self._publish, self._at = faults, live, candidate, publish, at
        self._dispute = dispute
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._to_use: Bundle | None = None  # for the loop to switch to
        self.shadow: Shadow | None = None
        """The newest trial."""
        self.outcome: Outcome = "none"
        """Of the newest update, switch or rollback since the start; same: what was brought sorts already."""
        self.failed_at: Step | None = None
        self._asked = AskedFile(slots.folder)
        self.told = UpdatePayload(installed_version=self._version, latest_version=self._version, in_progress=False)

    @property
    def busy(self) -> bool:
        """Whether an update is under way."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def _version(self) -> str:
        return self._model.classifier.bundle.manifest.version

    def __enter__(self) -> Updater:
        self._stopping = False
        self._tell()
        if not self._slots.pointer.confirmed:
            self._begin(self._confirm)  # the program ended before the new model was seen to work
        else:
            self._go_on()
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
        asked = Asked(**arguments.model_dump())
        self.check_free()
        self._asked.write(asked)
        self._begin(lambda: self._run(asked))
        return {"installed_version": self._version}

    def switch(self, arguments: SwitchModelArguments) -> dict[str, object]:
        """Begin with a model that is on the bin. Raises UpdateError, BundleError, ConfigError: it cannot sort here."""
        slot = arguments.slot
        if slot == self._slots.pointer.current:
            raise UpdateError(f"{slot}: its model sorts already")
        self.check_free()
        bundle = load_trusted(self._slots.path_of(slot), self._trust)
        self._model.policy(bundle)

        def try_it() -> None:
            self._step("golden", 65, bundle)
            self._adopt(bundle, slot, arguments.shadow_items)

        self._begin(try_it)
        return {"version": bundle.manifest.version}

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
        """For the shadow."""
        with self._changed:
            if self.shadow is not None:
                self.shadow.take(item)
                self._changed.notify_all()

    # The update's thread.

    def _begin(self, work: Callable[[], None]) -> None:
        with self._changed:
            self.check_free()
            self.shadow, self.outcome, self.failed_at = None, "running", None
            self._thread = threading.Thread(target=self._guarded, args=(work,), name="update", daemon=True)
            self._thread.start()

    def check_free(self) -> None:
        """Raises UpdateError when an update is under way."""
        if self.busy:
            raise UpdateError("an update is under way already; wait until it is over")

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

    def _run(self, asked: Asked) -> None:
        bundle = self._brought(asked)
        if bundle is not None:
            self._adopt(bundle, self._slots.free, asked.shadow_items)
            return
        self._forget()
        self._slots.clean()
        self._done("same")

    def _adopt(self, bundle: Bundle, slot: Slot, shadow_items: int | None) -> None:
        """Try it beside the one that sorts, then let it sort."""
        with self._candidate(bundle) as engine:  # its golden test is behind it
            self._try_beside(bundle, engine, shadow_items)
        self._step("point", 90, bundle)
        self._slots.point_at(slot)
        self._forget()
        self._switch(bundle)
        self._confirm()

    def _brought(self, asked: Asked) -> Bundle | None:
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

    def _check_version(self, bundle: Bundle, asked: Asked) -> None:
        new, old = bundle.manifest, self._model.classifier.bundle.manifest
        if not asked.force and _numbers(new.version) <= _numbers(old.version):
            raise UpdateError(
                f"version {new.version} is not newer than {old.version}, which sorts, and an old bundle stays signed "
                "for ever; if it is really wanted, ask with force"
            )

    def _try_beside(self, bundle: Bundle, engine: Engine, shadow_items: int | None) -> None:
        """Let both models look at the next items; only the old one sorts."""
        wanted = self._config.shadow_items if shadow_items is None else shadow_items
        shadow = Shadow(Classifier(bundle, engine), self._model.policy(bundle), wanted, self._dispute)
        with self._changed:
            self.shadow = shadow
        self._step("shadow", 70, bundle)
        while not shadow.over:
            with self._changed:
                if not shadow.over and not self._stopping:
                    self._changed.wait()
            self._check_stopping()
            self._tell("shadow", 70 + 20 * shadow.seen // wanted, bundle)
        shadow.judge(self._config.max_disagreement)

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
        if told != self.told or step is None:
            self.told = told
            self._publish(told)

    def _done(self, outcome: Outcome = "sorts") -> None:
        self.outcome = outcome
        self._tell()
        _log.info("version %s sorts", self._version)

    def _failed(self, reason: str) -> None:
        _log.warning("update failed: %s", reason)
        self.outcome, self.failed_at = "failed", self.told.step
        self._asked.forget()
        if self.told.step != "fetch":  # a download that was cut is gone on with when it is asked for again
            forget(self._slots.folder)
        with suppress(OSError):  # a slot with half a bundle in it would keep room that the disk may need
            self._slots.clean()
        self._faults.report("update_failed", reason, REMEDY)
        failed = UpdatePayload(
            installed_version=self._version, latest_version=self._version, in_progress=False, error=reason
        )
        self.told = failed
        self._publish(failed)

    # What outlasts the program.

    def _forget(self) -> None:
        """What was asked for and what was brought for it are of no more use."""
        self._asked.forget()
        forget(self._slots.folder)

    def _go_on(self) -> None:
        """With the update that the end of the program interrupted, if it may be tried again."""
        try:
            asked = self._asked.again()
        except UpdateError as error:
            self._failed(str(error))
            return
        if asked is not None:
            self._begin(lambda: self._run(asked))
        else:
            forget_upload(self._slots.folder)


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
