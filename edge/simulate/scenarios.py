"""How each fault is caused in the simulated bin, and how it is mended."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.clockwatch import STANDS_S, UNSYNCED_S
from edge.control import ControlClient
from edge.engines.process import WORKER
from edge.observers import SortedItem
from edge.sim.camera_faults import CameraFault
from edge.sim.engine_faults import COMMAND, EngineFault, cause
from edge.sim.lamp import LampFault
from edge.sim.mechanism import MechanismFault, SimulatedCarousel
from edge.simulate import arrange
from edge.simulate.arrange import PLACES, Document
from edge.simulate.bin import SimulatedBin, Site
from edge.simulate.brokers import SayingNo, self_signed

Happening = Callable[[SimulatedBin], None]

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


@contextmanager
def _journal_held(bin_: SimulatedBin) -> Iterator[None]:
    """Another program holds the database, and the bin cannot write to it."""
    with closing(sqlite3.connect(bin_.config.state_dir / "journal.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def _broker_away_for_long(bin_: SimulatedBin) -> Iterator[None]:
    bin_.site.stop_broker()
    bin_.sort(12, 300.0)
    yield
    bin_.site.start_broker()


@contextmanager
def _time_source_away(bin_: SimulatedBin) -> Iterator[None]:
    bin_.clock.steered = False
    bin_.hurry(2 * UNSYNCED_S, until=lambda: "clock_unsynced" in bin_.standing())
    yield
    bin_.clock.steered = True


@contextmanager
def _clock_set(bin_: SimulatedBin) -> Iterator[None]:
    bin_.clock.set_wall_clock(-3 * 86400.0)
    yield


@contextmanager
def _slow_disk(bin_: SimulatedBin) -> Iterator[None]:
    bin_.disk.slow_s = 2.0
    yield
    bin_.disk.slow_s = 0.0


@contextmanager
def _no_folder_for_the_socket(bin_: SimulatedBin) -> Iterator[None]:
    folder = bin_.config.control_socket.parent
    aside = folder.rename(folder.with_suffix(".aside"))
    folder.touch()
    yield
    folder.unlink()
    aside.rename(folder)


@contextmanager
def _captures_in_the_way(bin_: SimulatedBin) -> Iterator[None]:
    """A file stands where the folder was."""
    bin_.sort(1)
    folder = bin_.config.state_dir / "captures"
    aside = folder.rename(folder.with_suffix(".aside"))
    folder.touch()
    bin_.sort(1)
    yield
    folder.unlink()
    aside.rename(folder)


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


@contextmanager
def _update_failing(bin_: SimulatedBin) -> Iterator[None]:
    ControlClient(bin_.config.control_socket).request("update", url="file:///nowhere/model.tar")
    yield


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


SCENARIOS: dict[str, Scenario] = {
    "camera_stale": Scenario(_camera(CameraFault.UNPLUG), 1),
    "camera_frozen": Scenario(_camera(CameraFault.FREEZE), 11),
    "camera_dark": Scenario(_camera(CameraFault.DARKEN), 1),
    "camera_overexposed": Scenario(_camera(CameraFault.OVEREXPOSE), 1),
    "camera_blurred": Scenario(_camera(CameraFault.BLUR), 20),
    "camera_moved": Scenario(_camera(CameraFault.MOVE), 20),
    "camera_garbled": Scenario(_camera(CameraFault.CORRUPT), 20),
    "tray_restless": Scenario(_camera(CameraFault.TEAR), 30, arrange=arrange.impatient),
    "lamp_dead": Scenario(_lamp(LampFault.DEAD), 30, arrange=arrange.lit, ends=120),
    "camera_covered": Scenario(_lamp(LampFault.COVER), 30, arrange=arrange.lit, ends=120),
    "motion_refused": Scenario(_maintenance, 20),
    "stall": Scenario(_mechanism(MechanismFault.STALL), 60),
    "home_lost": Scenario(_steps_lost, 60, arrange=arrange.carousel),
    "mechanism_failed": Scenario(_board_gone, 60, arrange=arrange.on_a_board),
    "jam": Scenario(_mechanism(MechanismFault.UNPOWER), 60),
    "lost_item": Scenario(_items_lost, 60, arrange=arrange.switches(*(("beam", place) for place in PLACES))),
    "chute_blocked": Scenario(_chute_blocked, 20, sorts_on=True, arrange=arrange.switches(("beam", "paper"))),
    "compartment_full": Scenario(_compartment_full, 5, sorts_on=True, arrange=arrange.switches(("full", "paper"))),
    "fill_sensor_failed": Scenario(_no_echo, 30, sorts_on=True, arrange=arrange.ranger),
    "sensor_unsteady": Scenario(_loose_wire, 2, arrange=arrange.switches(("lid", None)), watched_s=2.0),
    "broker_unreachable": Scenario(_broker_away, 10, sorts_on=True, heard=False),
    "broker_refused": Scenario(_broker_saying_no(), 60, sorts_on=True, heard=False),
    "broker_untrusted": Scenario(
        _forged_broker, 60, sorts_on=True, heard=False, arrange=arrange.trusting, ends=None, mend=arrange.without_tls
    ),
    "publish_refused": Scenario(_broker_saying_no(accepts=True), 60, sorts_on=True, heard=False),
    "requests_refused": Scenario(_broker_saying_no(accepts=True), 60, sorts_on=True, heard=False),
    "clock_unsynced": Scenario(_time_source_away, 1, sorts_on=True),
    "clock_jumped": Scenario(_clock_set, 1, sorts_on=True, settle_s=STANDS_S),
    "journal_failed": Scenario(_journal_held, 60, sorts_on=True),
    "journal_slow": Scenario(_slow_disk, 60, sorts_on=True, ends=120),
    "journal_replaced": Scenario(_there_already, 1, sorts_on=True, arrange=arrange.damaged_journal, ends=None),
    "settings_lost": Scenario(_there_already, 1, sorts_on=True, arrange=arrange.damaged_settings, ends=None),
    "events_dropped": Scenario(
        _broker_away_for_long, 60, sorts_on=True, heard=False, arrange=arrange.small_journal, ends=None
    ),
    "update_failed": Scenario(_update_failing, 10, sorts_on=True),
    "engine_fallback": Scenario(
        _there_already, 1, sorts_on=True, arrange=arrange.missing_engine, ends=None, mend=arrange.own_engine
    ),
    "engine_hung": Scenario(_engine(EngineFault.HANG), 60, sorts_on=True, settle_s=MINUTES_OF_ANSWERS_S),
    "engine_died": Scenario(_engine(EngineFault.DIE), 60, sorts_on=True, settle_s=MINUTES_OF_ANSWERS_S),
    "engine_wrong": Scenario(
        _engine(EngineFault.WRONG), 60, sorts_on=True, settle_s=MINUTES_OF_ANSWERS_S,
        engine_command=lambda site: COMMAND,
    ),
    "no_engine": Scenario(_no_engine, 600, engine_command=_engine_unless_flag, ends=3600),
    "control_away": Scenario(_no_folder_for_the_socket, 20, sorts_on=True, arrange=arrange.socket_elsewhere, ends=120),
    "captures_failed": Scenario(_captures_in_the_way, 60, sorts_on=True, arrange=arrange.all_captured, ends=120),
    "observer_failed": Scenario(_observer_failing, 60, sorts_on=True),
    "model_unsigned": Scenario(
        _there_already, 1, sorts_on=True, arrange=arrange.unsigned, ends=None, mend=arrange.signed_again
    ),
    "no_progress": Scenario(_camera(CameraFault.UNPLUG), 120),
}  # fmt: skip
"""Fault code → how it is caused."""
