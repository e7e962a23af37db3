"""How each fault is caused in the simulated bin: contexts; the cause is gone when one is left."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from edge.clockwatch import UNSYNCED_S
from edge.control import ControlClient
from edge.engines.process import WORKER
from edge.observers import SortedItem
from edge.sim.camera_faults import CameraFault
from edge.sim.engine_faults import EngineFault, cause
from edge.sim.lamp import LampFault
from edge.sim.mechanism import MechanismFault, SimulatedCarousel
from edge.simulate.bin import SimulatedBin, Site
from edge.simulate.brokers import SayingNo, self_signed


def camera(fault: CameraFault) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def failing(bin_: SimulatedBin) -> Iterator[None]:
        bin_.camera.fault = fault
        yield
        bin_.camera.fault = None

    return failing


def lamp(fault: LampFault) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def failing(bin_: SimulatedBin) -> Iterator[None]:
        assert bin_.lit is not None
        bin_.lit.fault = fault
        yield
        bin_.lit.fault = None

    return failing


def mechanism(fault: MechanismFault) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def failing(bin_: SimulatedBin) -> Iterator[None]:
        bin_.hardware.fail(fault)
        yield
        bin_.hardware.fail(None)

    return failing


@contextmanager
def maintenance(bin_: SimulatedBin) -> Iterator[None]:
    bin_.daemon.safety.maintenance = True
    yield
    bin_.daemon.safety.maintenance = False


@contextmanager
def steps_lost(bin_: SimulatedBin) -> Iterator[None]:
    mechanism = bin_.hardware.mechanism
    assert isinstance(mechanism, SimulatedCarousel)
    mechanism.slip(300)
    yield


@contextmanager
def board_gone(bin_: SimulatedBin) -> Iterator[None]:
    boards = bin_.hardware.pins.i2c(1).boards
    board = boards.pop(0x40)
    yield
    boards[0x40] = board


@contextmanager
def compartment_full(bin_: SimulatedBin) -> Iterator[None]:
    bin_.hardware.set_switch("full", True, "paper")
    yield
    bin_.hardware.set_switch("full", False, "paper")


@contextmanager
def chute_blocked(bin_: SimulatedBin) -> Iterator[None]:
    bin_.hardware.lose_items = True  # what falls now does not free the beam
    bin_.hardware.set_switch("beam", True, "paper")
    yield
    bin_.hardware.lose_items = False
    bin_.hardware.set_switch("beam", False, "paper")


@contextmanager
def loose_wire(bin_: SimulatedBin) -> Iterator[None]:
    for _ in range(6):
        for active in (True, False):
            bin_.hardware.set_switch("lid", active)
            bin_.run(0.1)
    yield


@contextmanager
def items_lost(bin_: SimulatedBin) -> Iterator[None]:
    bin_.hardware.lose_items = True
    yield
    bin_.hardware.lose_items = False


@contextmanager
def no_echo(bin_: SimulatedBin) -> Iterator[None]:
    ranger = bin_.hardware.rangers["paper"]
    ranger.distance_cm = None
    yield
    ranger.fill(0.0)


@contextmanager
def broker_away(bin_: SimulatedBin) -> Iterator[None]:
    bin_.site.stop_broker()
    yield
    bin_.site.start_broker()


def broker_saying_no(**how: Any) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def refusing(bin_: SimulatedBin) -> Iterator[None]:
        bin_.site.stop_broker()
        with SayingNo(bin_.site.port, **how):
            yield
        bin_.site.start_broker()

    return refusing


@contextmanager
def forged_broker(bin_: SimulatedBin) -> Iterator[None]:
    bin_.site.stop_broker()
    with SayingNo(bin_.site.port, tls=self_signed(bin_.site.folder, "forged")):
        yield
    bin_.site.start_broker()


@contextmanager
def journal_held(bin_: SimulatedBin) -> Iterator[None]:
    """Another program holds the database, and the bin cannot write to it."""
    with closing(sqlite3.connect(bin_.config.state_dir / "journal.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def broker_away_for_long(bin_: SimulatedBin) -> Iterator[None]:
    bin_.site.stop_broker()
    bin_.sort(12, 300.0)
    yield
    bin_.site.start_broker()


@contextmanager
def time_source_away(bin_: SimulatedBin) -> Iterator[None]:
    bin_.clock.steered = False
    bin_.hurry(2 * UNSYNCED_S, UNSYNCED_S / 2, until=lambda: "clock_unsynced" in bin_.standing())
    yield
    bin_.clock.steered = True


@contextmanager
def clock_set(bin_: SimulatedBin) -> Iterator[None]:
    bin_.clock.set_wall_clock(-3 * 86400.0)
    yield


@contextmanager
def slow_disk(bin_: SimulatedBin) -> Iterator[None]:
    bin_.disk.slow_s = 2.0
    yield
    bin_.disk.slow_s = 0.0


@contextmanager
def no_folder_for_the_socket(bin_: SimulatedBin) -> Iterator[None]:
    folder = bin_.config.control_socket.parent
    aside = folder.rename(folder.with_suffix(".aside"))
    folder.touch()
    yield
    folder.unlink()
    aside.rename(folder)


@contextmanager
def captures_in_the_way(bin_: SimulatedBin) -> Iterator[None]:
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
def observer_failing(bin_: SimulatedBin) -> Iterator[None]:
    broken = True

    def take(_: SortedItem) -> None:
        if broken:
            raise OSError("No space left on device")

    bin_.daemon.observers.add("a recorder", take)
    bin_.sort(1)
    yield
    broken = False


@contextmanager
def update_failing(bin_: SimulatedBin) -> Iterator[None]:
    ControlClient(bin_.config.control_socket).request("update", url="file:///nowhere/model.tar")
    yield


def engine(fault: EngineFault) -> Callable[[SimulatedBin], Any]:
    @contextmanager
    def failing(bin_: SimulatedBin) -> Iterator[None]:
        cause(fault, bin_.engine)
        if fault is EngineFault.WRONG:
            bin_.hurry(48 * 3600.0, 1800.0, lambda: "engine_wrong" in bin_.standing())  # to the nightly check
        yield

    return failing


@contextmanager
def there_already(_: SimulatedBin) -> Iterator[None]:
    yield


def flag(site: Site) -> Path:
    return site.folder / "no-engine"


@contextmanager
def no_engine(bin_: SimulatedBin) -> Iterator[None]:
    flag(bin_.site).touch()
    cause(EngineFault.DIE, bin_.engine)
    yield
    flag(bin_.site).unlink()


def engine_unless_flag(site: Site) -> Sequence[str]:
    return ("/bin/sh", "-c", f'test -e "{flag(site)}" && exit 1; exec "$0" "$@"', *WORKER)
