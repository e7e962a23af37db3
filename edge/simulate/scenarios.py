"""How each fault is caused in the simulated bin, and how it is mended."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.engines.process import WORKER
from edge.observers import SortedItem
from edge.sim.camera_faults import CameraFault
from edge.sim.engine_faults import COMMAND, EngineFault, cause
from edge.sim.lamp import LampFault
from edge.sim.mechanism import MechanismFault, SimulatedCarousel
from edge.simulate.bin import SimulatedBin, Site
from edge.simulate.brokers import SayingNo, self_signed

Document = dict[str, Any]
Happening = Callable[[SimulatedBin], None]

PLACES = ("residual", "paper", "plastic", "metal", "glass")
MINUTES_OF_ANSWERS_S = 660.0


def nothing(_: object) -> None:
    """For what needs no doing."""


@dataclass(frozen=True)
class Scenario:
    """One fault. within_s: simulated seconds in which it must be noticed.

    arrange: changes the config before the start. cause: a context; the fault's cause is gone when it is left.
    sorts_on: items are sorted while it stands; else nothing may move. heard: it can be published while it stands.
    watched_s: how long it stands at least, while items arrive. settle_s: seconds until it is believed again, once
    mended. ends: after so many seconds more the fault is over; None: at the next start, for which `mend` changes the
    config.
    """

    cause: Callable[[SimulatedBin], Any]
    within_s: float
    sorts_on: bool = False
    arrange: Callable[[Document, Site], None] = lambda document, site: None
    heard: bool = True
    ends: float | None = 60.0
    settle_s: float = 0.0
    watched_s: float = 10.0
    mend: Callable[[Document], None] = nothing
    engine_command: Callable[[Site], Sequence[str]] = lambda site: WORKER


def _camera(fault: CameraFault) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def failing(bin_: SimulatedBin) -> Iterator[None]:
        bin_.camera.fault = fault
        yield
        bin_.camera.fault = None

    return failing


def _lamp(fault: LampFault) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def failing(bin_: SimulatedBin) -> Iterator[None]:
        assert bin_.lit is not None
        bin_.lit.fault = fault
        yield
        bin_.lit.fault = None

    return failing


def _mechanism(fault: MechanismFault) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def failing(bin_: SimulatedBin) -> Iterator[None]:
        bin_.hardware.fail(fault)
        yield
        bin_.hardware.fail(None)

    return failing


@contextmanager
def _maintenance(bin_: SimulatedBin) -> Iterator[None]:
    bin_.daemon.safety.maintenance = True
    yield
    bin_.daemon.safety.maintenance = False


@contextmanager
def _steps_lost(bin_: SimulatedBin) -> Iterator[None]:
    mechanism = bin_.hardware.mechanism
    assert isinstance(mechanism, SimulatedCarousel)
    mechanism.slip(300)
    yield


@contextmanager
def _board_gone(bin_: SimulatedBin) -> Iterator[None]:
    boards = bin_.hardware.pins.i2c(1).boards
    board = boards.pop(0x40)
    yield
    boards[0x40] = board


@contextmanager
def _compartment_full(bin_: SimulatedBin) -> Iterator[None]:
    bin_.hardware.set_switch("full", True, "paper")
    yield
    bin_.hardware.set_switch("full", False, "paper")


@contextmanager
def _chute_blocked(bin_: SimulatedBin) -> Iterator[None]:
    bin_.hardware.lose_items = True  # what falls now does not free the beam
    bin_.hardware.set_switch("beam", True, "paper")
    yield
    bin_.hardware.lose_items = False
    bin_.hardware.set_switch("beam", False, "paper")


@contextmanager
def _loose_wire(bin_: SimulatedBin) -> Iterator[None]:
    for _ in range(6):
        for active in (True, False):
            bin_.hardware.set_switch("lid", active)
            bin_.run(0.1)
    yield


@contextmanager
def _items_lost(bin_: SimulatedBin) -> Iterator[None]:
    bin_.hardware.lose_items = True
    yield
    bin_.hardware.lose_items = False


@contextmanager
def _no_echo(bin_: SimulatedBin) -> Iterator[None]:
    ranger = bin_.hardware.rangers["paper"]
    ranger.distance_cm = None
    yield
    ranger.fill(0.0)


@contextmanager
def _broker_away(bin_: SimulatedBin) -> Iterator[None]:
    bin_.site.stop_broker()
    yield
    bin_.site.start_broker()


def _broker_saying_no(**how: Any) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def refusing(bin_: SimulatedBin) -> Iterator[None]:
        bin_.site.stop_broker()
        with SayingNo(bin_.site.port, **how):
            yield
        bin_.site.start_broker()

    return refusing


@contextmanager
def _forged_broker(bin_: SimulatedBin) -> Iterator[None]:
    bin_.site.stop_broker()
    with SayingNo(bin_.site.port, tls=self_signed(bin_.site.folder, "forged")):
        yield
    bin_.site.start_broker()


def _trusting(document: Document, site: Site) -> None:
    document["mqtt"]["tls"] = {"ca_file": str(self_signed(site.folder, "trusted")[0])}


def _without_tls(document: Document) -> None:
    del document["mqtt"]["tls"]


@contextmanager
def _journal_held(bin_: SimulatedBin) -> Iterator[None]:
    """Another program holds the database, and the bin cannot write to it."""
    with closing(sqlite3.connect(bin_.config.state_dir / "journal.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def _damaged_journal(document: Document, _: Site) -> None:
    state_dir = Path(document["state_dir"])
    state_dir.mkdir()
    (state_dir / "journal.sqlite").write_bytes(b"a card that lost its pages " * 400)


@contextmanager
def _broker_away_for_long(bin_: SimulatedBin) -> Iterator[None]:
    bin_.site.stop_broker()
    bin_.sort(12, 300.0)
    yield
    bin_.site.start_broker()


def _small_journal(document: Document, _: Site) -> None:
    document["journal"] = {"max_events": 10}


@contextmanager
def _observer_failing(bin_: SimulatedBin) -> Iterator[None]:
    broken = True

    def take(_: SortedItem) -> None:
        if broken:
            raise OSError("No space left on device")

    bin_.daemon.observers.add("a recorder", take)
    bin_.sort(1)
    yield
    broken = False


def _engine(fault: EngineFault) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def failing(bin_: SimulatedBin) -> Iterator[None]:
        cause(fault, bin_.engine)
        if fault is EngineFault.WRONG:
            bin_.hurry(48 * 3600.0, 1800.0, lambda: "engine_wrong" in bin_.standing())  # to the nightly check
        yield

    return failing


@contextmanager
def _there_already(_: SimulatedBin) -> Iterator[None]:
    yield


def _flag(site: Site) -> Path:
    return site.folder / "no-engine"


@contextmanager
def _no_engine(bin_: SimulatedBin) -> Iterator[None]:
    _flag(bin_.site).touch()
    cause(EngineFault.DIE, bin_.engine)
    yield
    _flag(bin_.site).unlink()


def _engine_unless_flag(site: Site) -> Sequence[str]:
    return ("/bin/sh", "-c", f'test -e "{_flag(site)}" && exit 1; exec "$0" "$@"', *WORKER)


def _missing_engine(document: Document, _: Site) -> None:
    document["classify"]["engine"] = "tensorrt"


def _own_engine(document: Document) -> None:
    document["classify"]["engine"] = "auto"


def _unsigned(document: Document, site: Site) -> None:
    bundle = site.folder / "unsigned"
    shutil.copytree(document["classify"]["bundle"], bundle)
    for signature in bundle.glob("*.sig"):
        signature.unlink()
    document["signed_bundle"] = document["classify"]["bundle"]
    document["classify"] |= {"bundle": str(bundle), "unsigned": "accept"}


def _lit(document: Document, _: Site) -> None:
    document["lamp"] = {"pin": 12}


def _switches(*switches: tuple[str, str | None]) -> Callable[[Document, Site], None]:
    def arrange(document: Document, _: Site) -> None:
        document["switches"] = [
            {"role": role, "pin": pin, "compartment": compartment}
            for pin, (role, compartment) in enumerate(switches, 5)
        ]

    return arrange


def _ranger(document: Document, _: Site) -> None:
    sensor = {"compartment": "paper", "trigger_pin": 20, "echo_pin": 21, "empty_cm": 60, "full_cm": 10, "every_s": 1}
    document["fill"] = [sensor]


def _carousel(document: Document, _: Site) -> None:
    document["actuator"] = {
        "type": "carousel", "pin_factory": "mock", "trapdoor_pin": 17, "step_pin": 22, "direction_pin": 23,
        "enable_pin": 24, "home": {"pin": 25}, "steps_per_turn": 1600,
        "positions": {name: {"at_deg": 36 + 72 * at} for at, name in enumerate(PLACES)},
    }  # fmt: skip


def _on_a_board(document: Document, _: Site) -> None:
    document["actuator"] |= {"tilt_pin": {"channel": 0}, "turn_pin": {"channel": 1}}


def _signed_again(document: Document) -> None:
    document["classify"] |= {"bundle": document.pop("signed_bundle"), "unsigned": "refuse"}


SCENARIOS: dict[str, Scenario] = {
    "camera_stale": Scenario(_camera(CameraFault.UNPLUG), 1),
    "camera_frozen": Scenario(_camera(CameraFault.FREEZE), 11),
    "camera_dark": Scenario(_camera(CameraFault.DARKEN), 1),
    "camera_overexposed": Scenario(_camera(CameraFault.OVEREXPOSE), 1),
    "camera_blurred": Scenario(_camera(CameraFault.BLUR), 20),
    "camera_moved": Scenario(_camera(CameraFault.MOVE), 20),
    "lamp_dead": Scenario(_lamp(LampFault.DEAD), 30, arrange=_lit, ends=120),
    "camera_covered": Scenario(_lamp(LampFault.COVER), 30, arrange=_lit, ends=120),
    "motion_refused": Scenario(_maintenance, 20),
    "stall": Scenario(_mechanism(MechanismFault.STALL), 60),
    "home_lost": Scenario(_steps_lost, 60, arrange=_carousel),
    "mechanism_failed": Scenario(_board_gone, 60, arrange=_on_a_board),
    "jam": Scenario(_mechanism(MechanismFault.UNPOWER), 60),
    "lost_item": Scenario(_items_lost, 60, arrange=_switches(*(("beam", place) for place in PLACES))),
    "chute_blocked": Scenario(_chute_blocked, 20, sorts_on=True, arrange=_switches(("beam", "paper"))),
    "compartment_full": Scenario(_compartment_full, 5, sorts_on=True, arrange=_switches(("full", "paper"))),
    "fill_sensor_failed": Scenario(_no_echo, 30, sorts_on=True, arrange=_ranger),
    "sensor_unsteady": Scenario(_loose_wire, 2, arrange=_switches(("lid", None)), watched_s=2.0),
    "broker_unreachable": Scenario(_broker_away, 10, sorts_on=True, heard=False),
    "broker_refused": Scenario(_broker_saying_no(), 60, sorts_on=True, heard=False),
    "broker_untrusted": Scenario(
        _forged_broker, 60, sorts_on=True, heard=False, arrange=_trusting, ends=None, mend=_without_tls
    ),
    "publish_refused": Scenario(_broker_saying_no(accepts=True), 60, sorts_on=True, heard=False),
    "journal_failed": Scenario(_journal_held, 60, sorts_on=True),
    "journal_replaced": Scenario(_there_already, 1, sorts_on=True, arrange=_damaged_journal, ends=None),
    "events_dropped": Scenario(
        _broker_away_for_long, 60, sorts_on=True, heard=False, arrange=_small_journal, ends=None
    ),
    "engine_fallback": Scenario(
        _there_already, 1, sorts_on=True, arrange=_missing_engine, ends=None, mend=_own_engine
    ),
    "engine_hung": Scenario(_engine(EngineFault.HANG), 60, sorts_on=True, settle_s=MINUTES_OF_ANSWERS_S),
    "engine_died": Scenario(_engine(EngineFault.DIE), 60, sorts_on=True, settle_s=MINUTES_OF_ANSWERS_S),
    "engine_wrong": Scenario(
        _engine(EngineFault.WRONG), 60, sorts_on=True, settle_s=MINUTES_OF_ANSWERS_S,
        engine_command=lambda site: COMMAND,
    ),
    "no_engine": Scenario(_no_engine, 600, engine_command=_engine_unless_flag, ends=3600),
    "observer_failed": Scenario(_observer_failing, 60, sorts_on=True),
    "model_unsigned": Scenario(_there_already, 1, sorts_on=True, arrange=_unsigned, ends=None, mend=_signed_again),
    "no_progress": Scenario(_camera(CameraFault.UNPLUG), 120),
}  # fmt: skip
"""Fault code → how it is caused."""
