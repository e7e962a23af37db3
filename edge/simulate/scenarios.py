"""Each fault of the table: what causes it in the simulated bin, what the bin must do, and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from edge.clockwatch import STANDS_S
from edge.engines.process import WORKER
from edge.sim.camera_faults import CameraFault
from edge.sim.engine_faults import COMMAND, EngineFault
from edge.sim.lamp import LampFault
from edge.sim.mechanism import MechanismFault
from edge.simulate import arrange, causes
from edge.simulate.arrange import PLACES, Document
from edge.simulate.bin import SimulatedBin, Site

MINUTES_OF_ANSWERS_S = 660.0
RETRY_S = 60.0
"""How often a socket and a folder that could not be made are tried."""


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


SCENARIOS: dict[str, Scenario] = {
    "camera_stale": Scenario(causes.camera(CameraFault.UNPLUG), 1),
    "camera_frozen": Scenario(causes.camera(CameraFault.FREEZE), 11),
    "camera_dark": Scenario(causes.camera(CameraFault.DARKEN), 1),
    "camera_overexposed": Scenario(causes.camera(CameraFault.OVEREXPOSE), 1),
    "camera_blurred": Scenario(causes.camera(CameraFault.BLUR), 20),
    "camera_moved": Scenario(causes.camera(CameraFault.MOVE), 20),
    "camera_garbled": Scenario(causes.camera(CameraFault.CORRUPT), 20),
    "tray_restless": Scenario(causes.camera(CameraFault.TEAR), 30, arrange=arrange.impatient),
    "lamp_dead": Scenario(causes.lamp(LampFault.DEAD), 30, arrange=arrange.lit, ends=120),
    "camera_covered": Scenario(causes.lamp(LampFault.COVER), 30, arrange=arrange.lit, ends=120),
    "motion_refused": Scenario(causes.maintenance, 20),
    "stall": Scenario(causes.mechanism(MechanismFault.STALL), 60),
    "home_lost": Scenario(causes.steps_lost, 60, arrange=arrange.carousel),
    "mechanism_failed": Scenario(causes.board_gone, 60, arrange=arrange.on_a_board),
    "jam": Scenario(causes.mechanism(MechanismFault.UNPOWER), 60),
    "lost_item": Scenario(causes.items_lost, 60, arrange=arrange.switches(*(("beam", place) for place in PLACES))),
    "chute_blocked": Scenario(causes.chute_blocked, 20, sorts_on=True, arrange=arrange.switches(("beam", "paper"))),
    "compartment_full": Scenario(
        causes.compartment_full, 5, sorts_on=True, arrange=arrange.switches(("full", "paper"))
    ),
    "fill_sensor_failed": Scenario(causes.no_echo, 30, sorts_on=True, arrange=arrange.ranger),
    "sensor_unsteady": Scenario(causes.loose_wire, 2, arrange=arrange.switches(("lid", None)), watched_s=2.0),
    "broker_unreachable": Scenario(causes.broker_away, 10, sorts_on=True, heard=False),
    "broker_refused": Scenario(causes.broker_saying_no(), 60, sorts_on=True, heard=False),
    "broker_untrusted": Scenario(
        causes.forged_broker, 60, sorts_on=True, heard=False, arrange=arrange.trusting, ends=None,
        mend=arrange.without_tls,
    ),
    "publish_refused": Scenario(causes.broker_saying_no(accepts=True), 60, sorts_on=True, heard=False),
    "requests_refused": Scenario(causes.broker_saying_no(accepts=True), 60, sorts_on=True, heard=False),
    "clock_unsynced": Scenario(causes.time_source_away, 1, sorts_on=True),
    "clock_jumped": Scenario(causes.clock_set, 1, sorts_on=True, settle_s=STANDS_S),
    "journal_failed": Scenario(causes.journal_held, 60, sorts_on=True),
    "journal_slow": Scenario(causes.slow_disk, 60, sorts_on=True, ends=120),
    "journal_replaced": Scenario(causes.there_already, 1, sorts_on=True, arrange=arrange.damaged_journal, ends=None),
    "settings_lost": Scenario(causes.there_already, 1, sorts_on=True, arrange=arrange.damaged_settings, ends=None),
    "events_dropped": Scenario(
        causes.broker_away_for_long, 60, sorts_on=True, heard=False, arrange=arrange.small_journal, ends=None
    ),
    "update_failed": Scenario(causes.update_failing, 10, sorts_on=True),
    "engine_fallback": Scenario(
        causes.there_already, 1, sorts_on=True, arrange=arrange.missing_engine, ends=None, mend=arrange.own_engine
    ),
    "engine_hung": Scenario(causes.engine(EngineFault.HANG), 60, sorts_on=True, settle_s=MINUTES_OF_ANSWERS_S),
    "engine_died": Scenario(causes.engine(EngineFault.DIE), 60, sorts_on=True, settle_s=MINUTES_OF_ANSWERS_S),
    "engine_wrong": Scenario(
        causes.engine(EngineFault.WRONG), 60, sorts_on=True, settle_s=MINUTES_OF_ANSWERS_S,
        engine_command=lambda site: COMMAND,
    ),
    "no_engine": Scenario(causes.no_engine, 600, engine_command=causes.engine_unless_flag, ends=3600),
    "control_away": Scenario(
        causes.no_folder_for_the_socket, 20, sorts_on=True, arrange=arrange.socket_elsewhere, settle_s=RETRY_S
    ),
    "captures_failed": Scenario(
        causes.captures_in_the_way, 60, sorts_on=True, arrange=arrange.all_captured, settle_s=RETRY_S
    ),
    "observer_failed": Scenario(causes.observer_failing, 60, sorts_on=True),
    "model_unsigned": Scenario(
        causes.there_already, 1, sorts_on=True, arrange=arrange.unsigned, ends=None, mend=arrange.signed_again
    ),
    "no_progress": Scenario(causes.camera(CameraFault.UNPLUG), 120),
}  # fmt: skip
"""Fault code → how it is caused."""
