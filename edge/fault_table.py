"""Every fault there is, by code: the table of docs/faults.md, which `python -m edge.fault_table` prints.

A fault that is not here cannot be reported. To add one: a `Kind` below, the table in docs/faults.md printed anew.
"""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """One kind of fault, in Markdown. acknowledge: it stands until a person has acknowledged it.

    stops: something is wrong with the bin, and it sorts nothing while it stands.
    """

    code: str
    means: str
    bin_does: str
    person_does: str
    acknowledge: bool = False
    stops: bool = False


KINDS = (
    Kind(
        "camera_stale",
        "the camera gives no fresh frame, or is not there: the message says why",
        "classifies nothing, moves nothing, reopens the camera",
        "checks the camera's cable and power",
        stops=True,
    ),
    Kind(
        "camera_frozen",
        "fresh frames arrive, and every pixel has been the same for `camera_condition.frozen_s`",
        "classifies nothing, moves nothing",
        "unplugs the camera and plugs it in again; restarts a network camera",
        stops=True,
    ),
    Kind(
        "camera_dark",
        "almost all of the tray is darker than `camera_condition.dark_level`",
        "classifies nothing, moves nothing",
        "sees that the lamp is lit and that nothing covers the lens",
        stops=True,
    ),
    Kind(
        "camera_overexposed",
        "more of the tray is white than `camera_condition.overexposed_share`",
        "classifies nothing, moves nothing",
        "keeps sunlight off the tray; sets the camera's exposure to automatic",
        stops=True,
    ),
    Kind(
        "camera_blurred",
        "the empty tray's fine structure is gone where its coarse one is in place",
        "classifies nothing, moves nothing",
        "cleans or focuses the lens",
        stops=True,
    ),
    Kind(
        "camera_moved",
        "the tray is not where it was learnt, or nothing of it shows for `camera_condition.lost_s`",
        "classifies nothing, moves nothing",
        "puts the camera back, or `python -m edge ctl learn-empty` to keep the new place",
        stops=True,
    ),
    Kind(
        "camera_garbled",
        "the pictures show no tray, and nothing in them stays from one to the next for `camera_condition.view_s`: "
        "noise, one colour, a covered lens",
        "classifies nothing, moves nothing",
        "uncovers the lens; checks the camera's plug, cable and network; restarts it",
        stops=True,
    ),
    Kind(
        "tray_restless",
        "for `presence.restless_s` the tray was neither empty nor did an item lie still on it",
        "classifies nothing, moves nothing; sorts by itself once it is at rest",
        "looks at the live view: something that moves in `presence.region`, a lamp that flickers, broken pictures",
        stops=True,
    ),
    Kind(
        "lamp_dead",
        "put out for a moment, the lamp (`lamp` in the config) makes no difference, and the tray shows all the same",
        "sorts on if the tray is as bright as when it was learnt; else classifies nothing, moves nothing; looks again "
        "every minute",
        "replaces the lamp; checks its wiring; `python -m edge ctl learn-empty` to sort by the light that is left",
    ),
    Kind(
        "camera_covered",
        "the picture is dark, whether the lamp is lit or not",
        "classifies nothing, moves nothing; looks again every minute",
        "uncovers the lens; if it is free, the lamp is dead in a dark room",
        stops=True,
    ),
    Kind(
        "motion_refused",
        "an item waits, and a condition of the guard is not met: the message says which "
        "(lid open, hand, e-stop, maintenance, residual full, duty limit, not homed, not acknowledged)",
        "leaves the item where it is",
        "makes the condition true",
    ),
    Kind(
        "stall",
        "a movement did not finish in `actuator.move_timeout_s`",
        "closes the mechanism, forgets its home position, moves nothing more",
        "clears the mechanism, then `python -m edge ctl acknowledge`",
        acknowledge=True,
        stops=True,
    ),
    Kind(
        "home_lost",
        "the carousel's home switch is not where it should be, or never closes: the motor lost steps, has no power, "
        "is blocked, or was turned by hand",
        "closes the mechanism, forgets its home position, moves nothing more",
        "looks what blocks it, checks motor and switch, then `python -m edge ctl acknowledge`",
        acknowledge=True,
        stops=True,
    ),
    Kind(
        "mechanism_failed",
        "a part of the mechanism cannot be driven: a servo board does not answer or lost power; the message says which",
        "closes what it still can, forgets its home position, moves nothing more",
        "checks the part that the message names, then `python -m edge ctl acknowledge`",
        acknowledge=True,
        stops=True,
    ),
    Kind(
        "jam",
        "the mechanism moved twice for an item, and the camera still sees it: it sticks, or nothing really moved",
        "closes the mechanism, forgets its home position, moves nothing more",
        "takes the item out, checks the servos' supply, then `python -m edge ctl acknowledge`",
        acknowledge=True,
        stops=True,
    ),
    Kind(
        "lost_item",
        "an item left the tray and never passed the beam of its chute",
        "closes the mechanism, forgets its home position, moves nothing more",
        "looks into the chute, checks the beam, then `python -m edge ctl acknowledge`",
        acknowledge=True,
        stops=True,
    ),
    Kind(
        "chute_blocked",
        "the beam of a chute has been broken for 5 s; the message names the compartments",
        "sorts what belongs there to residual, with reason `FULL`",
        "takes out what hangs in the chute, checks the beam",
    ),
    Kind(
        "compartment_full",
        "a compartment is full, by its switch or its level; the message names all that are",
        "sorts what belongs there to residual, with reason `FULL`; with residual full, moves nothing",
        "empties it",
    ),
    Kind(
        "fill_sensor_failed",
        "three measurements in a row brought no echo; the message names the compartments",
        "sorts on with the last level known",
        "checks the sensor's wires and what hangs in front of it",
    ),
    Kind(
        "sensor_unsteady",
        "a switch or beam changed eight times within 5 s, which nobody does by hand; the message says which",
        "takes it for active (lid open, e-stop pressed, hand there, full) until it has been steady for 5 s",
        "checks its wires and plug",
    ),
    Kind(
        "broker_unreachable",
        "nothing answers on the broker's host and port",
        "sorts on; keeps every event in the journal and sends it later",
        "starts the broker, checks the network",
    ),
    Kind(
        "broker_refused",
        "the broker refused the connection; the message gives its reason",
        "sorts on; keeps every event in the journal and sends it later",
        "checks `mqtt.username`, `mqtt.password_file` and `mqtt.tls.cert_file`",
    ),
    Kind(
        "broker_untrusted",
        "the broker's certificate is not trusted: of another authority or name, or out of date",
        "sorts on; keeps every event in the journal and sends it later; tells the broker nothing, the password neither",
        "checks `mqtt.tls.ca_file`, `mqtt.host`, the bin's clock",
    ),
    Kind(
        "publish_refused",
        "the broker accepted the connection and refuses a topic",
        "sorts on; keeps every event in the journal and sends it later",
        "lets the bin's user write to `smartbin/<bin_id>/#`",
    ),
    Kind(
        "clock_unsynced",
        "nothing has set the machine's clock for five minutes, since the start or since it last was",
        "sorts on; events carry `clock_synced` false; the nightly engine check is made every 36 h; deletes nothing "
        "because of its age",
        "lets the machine reach a time server; where there is none, gives it a clock chip with a battery and sets "
        "`clock.time_source` to false",
    ),
    Kind(
        "clock_jumped",
        "the machine's clock was set by two seconds or more; the message says by how much",
        "sorts on; what stands keeps its age; for an hour, while this stands, deletes nothing because of its age",
        "nothing, if somebody set the clock; else looks what sets it; what was dated before is off by as much",
    ),
    Kind(
        "requests_refused",
        "the broker does not let the bin subscribe to `smartbin/<bin_id>/request/+`",
        "sorts and publishes on; hears no requests",
        "lets the bin's user read that topic on the broker",
    ),
    Kind(
        "journal_failed",
        "the disk does not take the journal: full, read-only, failing",
        "sorts on and publishes; keeps the newest `journal.max_in_memory` events in memory, tries the disk every 10 s, "
        "writes down what waits; what waits is lost if the bin is switched off",
        "makes room; sees that the disk is sound and not mounted read-only; that no other daemon uses `state_dir`",
    ),
    Kind(
        "journal_slow",
        "the disk took more than a second for a commit of the journal",
        "sorts on, and each item waits for the disk; it is over after six quick commits in a row",
        "replaces the memory card or disk: this is how one begins to fail; sees that nothing else keeps it busy",
    ),
    Kind(
        "journal_replaced",
        "the journal's file was damaged",
        "sets it aside under the name in the message, starts a new one that goes on from its numbers; what the old "
        "one held and the broker had not acknowledged is not sent",
        "replaces the memory card or disk if it happens again; it stands until the next start",
    ),
    Kind(
        "settings_lost",
        "`settings.json` in `state_dir`, what was set while the bin ran, cannot be read; or `setup.yaml` there, what "
        "was set up, does not go with the config file any more",
        "sorts as the config file says; without `settings.json` in mode `auto`, and keeps that file beside as "
        "`settings.json.damaged`",
        "sets mode and threshold again, or writes the setup again; looks after the disk",
    ),
    Kind(
        "events_dropped",
        "the broker was away for so long that the journal reached `journal.max_events` (or, while the disk takes "
        "nothing, `journal.max_in_memory`) and deleted its oldest events",
        "sorts on",
        "brings the broker back, and the disk; it stands until the next start",
    ),
    Kind(
        "update_failed",
        "a model update could not be fetched, was not what it should be, or did not pass its trial; or a model that an "
        "update brought cannot be used any more",
        "sorts on with the model before",
        "sees the message; asks for the update again, or acknowledges",
        acknowledge=True,
    ),
    Kind(
        "engine_fallback",
        "the engine that should run the network is missing, does not reproduce the golden pictures, or failed twice",
        "sorts with the next best engine that does",
        "`python -m edge tune`; the message has each engine's reason",
    ),
    Kind(
        "engine_hung",
        "the engine gave no answer to a picture within `classify.timeout_s`",
        "starts it anew, holds it against the golden pictures, asks again: the item stays on the tray",
        "nothing, if it happens once; else another engine (`python -m edge tune`), more memory or cooling; it is over "
        "after ten minutes of answers",
    ),
    Kind(
        "engine_died",
        "the engine's process ended, or the engine failed; the message has the signal or the engine's own words",
        "starts it anew, holds it against the golden pictures, asks again: the item stays on the tray",
        "nothing, if it happens once; else another engine (`python -m edge tune`) or more memory; it is over after ten "
        "minutes of answers",
    ),
    Kind(
        "engine_wrong",
        "the running engine no longer reproduces the golden pictures, which it must each night "
        "(`classify.selftest_hour`)",
        "starts it anew; one that stays wrong makes way for the next engine",
        "if it comes back, has the machine's memory tested; it is over after ten minutes of answers",
    ),
    Kind(
        "no_engine",
        "not one engine of this machine can run the bundle and reproduce its golden pictures",
        "classifies nothing, moves nothing, tries all of them again, after ten seconds at first and ten minutes later",
        "the message has each engine's reason: installs one, or copies the bundle again",
        stops=True,
    ),
    Kind(
        "control_away",
        "the control socket cannot be made, or somebody deleted it and it cannot be made again",
        "sorts on; neither the console nor `python -m edge ctl` reach it; tries again every minute",
        "sees that the disk under `control.socket` (or `state_dir`) is sound and may be written",
    ),
    Kind(
        "captures_failed",
        "the disk takes no pictures, or has less than `journal.reserve_mb` left",
        "sorts on and journals; keeps no pictures, tries again every minute",
        "makes room, or lowers `captures.budget_mb`; sees that the disk is sound",
    ),
    Kind(
        "observer_failed",
        "what keeps or shows finished items beside the sorting failed, or could not keep up; the message says which "
        "part and why",
        "sorts on; that part misses the items that came meanwhile",
        "sees what the message says: a full or failing disk, usually",
    ),
    Kind(
        "model_unsigned",
        "nobody whom this bin trusts vouches for its model, and `classify.unsigned: accept` lets it sort all the same",
        "sorts with it",
        "signs it (`python -m export sign`), names the key in `classify.keys`, takes `unsigned: accept` away",
    ),
    Kind(
        "no_progress",
        "loop, camera, engine or outbox worked and then stood still for three quarters of the watchdog's time; "
        "the message says which",
        "stops pinging systemd, which restarts the program; the flap is put neutral in between",
        "nothing, if it happens once; else looks at the other faults and the log",
        stops=True,
    ),
)

BY_CODE = {kind.code: kind for kind in KINDS}
ACKNOWLEDGED = tuple(kind.code for kind in KINDS if kind.acknowledge)
"""The faults that `python -m edge ctl acknowledge` ends."""
STOPPING = frozenset(kind.code for kind in KINDS if kind.stops)
"""The faults that need somebody before the bin sorts again."""


def markdown() -> str:
    """The table, a row for each fault."""
    head = "| code | what it means | what the bin does | what a person does |\n|---|---|---|---|\n"
    return head + "".join(f"| `{kind.code}` | {' | '.join(kind[1:4])} |\n" for kind in KINDS)


if __name__ == "__main__":
    print(markdown(), end="")
