"""Changes to a simulated bin's config before its start: what a scenario needs to be there, or wrong."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge.simulate.bin import Site
from edge.simulate.brokers import self_signed

Document = dict[str, Any]

PLACES = ("residual", "paper", "plastic", "metal", "glass")


def impatient(document: Document, _: Site) -> None:
    document["presence"] = {"restless_s": 15}


def trusting(document: Document, site: Site) -> None:
    document["mqtt"]["tls"] = {"ca_file": str(self_signed(site.folder, "trusted")[0])}


def without_tls(document: Document) -> None:
    del document["mqtt"]["tls"]


def damaged_journal(document: Document, _: Site) -> None:
    state_dir = Path(document["state_dir"])
    state_dir.mkdir()
    (state_dir / "journal.sqlite").write_bytes(b"a card that lost its pages " * 400)


def damaged_settings(document: Document, _: Site) -> None:
    state_dir = Path(document["state_dir"])
    state_dir.mkdir()
    (state_dir / "settings.json").write_bytes(b"\0" * 512)


def small_journal(document: Document, _: Site) -> None:
    document["journal"] = {"max_events": 10}


def socket_elsewhere(document: Document, site: Site) -> None:
    document["control"]["socket"] = str(site.folder / "run" / "control.sock")


def all_captured(document: Document, _: Site) -> None:
    document["captures"]["sample_share"] = 1.0
    document["journal"]["reserve_mb"] = 0


def missing_engine(document: Document, _: Site) -> None:
    document["classify"]["engine"] = "tensorrt"


def own_engine(document: Document) -> None:
    document["classify"]["engine"] = "auto"


def unsigned(document: Document, site: Site) -> None:
    bundle = site.folder / "unsigned"
    shutil.copytree(document["classify"]["bundle"], bundle)
    for signature in bundle.glob("*.sig"):
        signature.unlink()
    document["signed_bundle"] = document["classify"]["bundle"]
    document["classify"] |= {"bundle": str(bundle), "unsigned": "accept"}


def lit(document: Document, _: Site) -> None:
    document["lamp"] = {"pin": 12}


def switches(*switches: tuple[str, str | None]) -> Callable[[Document, Site], None]:
    def arrange(document: Document, _: Site) -> None:
        document["switches"] = [
            {"role": role, "pin": pin, "compartment": compartment}
            for pin, (role, compartment) in enumerate(switches, 5)
        ]

    return arrange


def ranger(document: Document, _: Site) -> None:
    sensor = {"compartment": "paper", "trigger_pin": 20, "echo_pin": 21, "empty_cm": 60, "full_cm": 10, "every_s": 1}
    document["fill"] = [sensor]


def carousel(document: Document, _: Site) -> None:
    document["actuator"] = {
        "type": "carousel", "pin_factory": "mock", "trapdoor_pin": 17, "step_pin": 22, "direction_pin": 23,
        "enable_pin": 24, "home": {"pin": 25}, "steps_per_turn": 1600,
        "positions": {name: {"at_deg": 36 + 72 * at} for at, name in enumerate(PLACES)},
    }  # fmt: skip


def on_a_board(document: Document, _: Site) -> None:
    document["actuator"] |= {"tilt_pin": {"channel": 0}, "turn_pin": {"channel": 1}}


def signed_again(document: Document) -> None:
    document["classify"] |= {"bundle": document.pop("signed_bundle"), "unsigned": "refuse"}
