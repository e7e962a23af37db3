"""The form of the setup tab, filled with what is set up. All of it can be typed: nothing needs a mouse."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from edge.config import Costs, FlapPosition, Mqtt, Sorting
from edge.config.mqtt import Tls
from edge.config.section import Section
from edge.config.setup import SetMqtt
from edge.console.page import card, trouble
from edge.console.words import sentence
from edge.setup.messages import SetupResult

NAMES = {
    "presence": "where the tray is",
    "actuator": "the compartments",
    "sorting": "what goes where",
    "mqtt": "the broker",
}
_CORNERS = ("left", "top", "right", "bottom")


def form_of(now: SetupResult, compartments: Sequence[str], defaults: Sorting) -> str:
    """The whole form. compartments: of the config file, for a mechanism whose gates are pins."""
    setup = now.setup
    names = sorted(setup.actuator.positions) if setup.actuator else sorted(compartments)
    return (
        f'<form id="setup-form" data-was="{escape(now.was)}" autocomplete="off">{_notes(now)}'
        + _step(1, "The tray", _tray(setup.presence.region if setup.presence else (0.0, 0.0, 1.0, 1.0)))
        + _step(2, "The compartments", _compartments(now, names))
        + _step(3, "What goes where", _sorting(setup.sorting or defaults, now, names))
        + _step(4, "The broker", _broker(setup.mqtt or SetMqtt(host="127.0.0.1", port=1883)))
        + _step(5, "Check and write", _write(now))
        + _step(6, "Restart", _restart(now))
        + "</form>"
    )


def written(changed: Iterable[str], waits: Iterable[str]) -> str:
    """What came of it: what holds now, and what at the next start."""
    said, waiting = list(changed), list(waits)
    if not said:
        return card("busy", "Nothing has changed", "What is set up is what stands here.")
    now = [NAMES[each] for each in said if each not in waiting]
    text = f"Holds from the next item on: {', '.join(now)}. " if now else ""
    if waiting:
        text += f"Holds after the next start: {', '.join(NAMES[each] for each in waiting)}. {RESTART}"
    return card("busy" if waiting else "good", "Written", text)


RESTART = "Restart the bin: below, where it is a service; started by hand, end it with Ctrl-C and start it again."


def _notes(now: SetupResult) -> str:
    notes = ""
    if now.unfit:
        notes += trouble("What was set up is not used", f"{now.unfit}. The config file alone holds.")
    if now.waits:
        waiting = ", ".join(NAMES[each] for each in now.waits)
        notes += card("busy", f"Waits for the next start: {waiting}", RESTART)
    over = ", ".join(NAMES[each] for each in now.over)
    said = f"Set up here, before the config file: {over}." if over else "All as the config file says."
    return f'{notes}<p class="fine" id="setup-over">{escape(said)}</p>'


def _step(number: int, title: str, content: str) -> str:
    return f'<fieldset class="step"><legend><b>{number}</b> {escape(title)}</legend>{content}</fieldset>'


def _tray(region: Sequence[float]) -> str:
    fields = "".join(
        _number(f"region.{corner}", f"{corner.capitalize()}, %", 100 * share, low=0, high=100)
        for corner, share in zip(_CORNERS, region, strict=True)
    )
    return (
        "<p>Draw a frame round the tray, by mouse or finger: only what lies in it is looked at. "
        "Or type it, in percent of the picture's width and height.</p>"
        '<div class="region" id="region"><img alt="The tray, as the camera sees it" draggable="false">'
        '<i aria-hidden="true"></i></div>'
        f'<div class="row">{fields}<button type="button" data-setup="picture">New picture</button>'
        '<button type="button" data-setup="whole">Whole picture</button></div>'
    )


def _compartments(now: SetupResult, names: Sequence[str]) -> str:
    turn, low, high = ("Carousel", 0, 359.9) if now.mechanism == "carousel" else ("Chute", -90, 90)
    key = "at_deg" if now.mechanism == "carousel" else "turn_deg"
    trial = (
        "<p>Try: the mechanism moves as for an item, past the same guard as always, to where it points now; "
        "an angle that was changed moves after the next start.</p>"
        '<div class="row"><button type="button" data-setup="arm">Pause, and arm for 60 s</button>'
        '<button type="button" data-setup="resume">Resume sorting</button></div>'
        '<div class="said" id="setup-moved"></div>'
    )
    positions = now.setup.actuator.positions if now.setup.actuator else None
    if positions is None:
        rows = "".join(f"<li>{escape(name)} {_try(name)}</li>" for name in names)
        return f'<p>Each has a gate on pins of its own, as the config file says.</p><ul id="gates">{rows}</ul>{trial}'
    rows = "".join(
        _position(name, position.turn_deg if isinstance(position, FlapPosition) else position.at_deg, turn, low, high)
        for name, position in sorted(positions.items())
    )
    return (
        f'<div id="positions" data-key="{key}">{rows}</div>'
        f"<template>{_position('', 0.0, turn, low, high)}</template>"
        f'<div class="row"><button type="button" data-setup="add">Add a compartment</button></div>{trial}'
    )


def _position(name: str, degrees: float, turn: str, low: float, high: float) -> str:
    of = f" of {name}" if name else " of the new compartment"
    called = _text("position.name", f"Name{of}", name, pattern="[a-z0-9-]{1,40}", required=True, short="Name")
    where = _number("position.degrees", f"{turn}{of}, degrees", degrees, low=low, high=high, short=f"{turn}, degrees")
    remove = f'<button type="button" data-setup="remove" aria-label="Remove{escape(of)}">Remove</button>'
    return f'<div class="row position">{called}{where}{_try(name)}{remove}</div>'


def _try(name: str) -> str:
    if not name:
        return ""
    return f'<button type="button" data-setup="jog" data-name="{escape(name)}">Try {escape(name)}</button>'


def _sorting(sorting: Sorting, now: SetupResult, names: Sequence[str]) -> str:
    routes = "".join(
        _select(f"route.{label}", label, [(name, name) for name in names], sorting.routes.get(label, ""))
        for label in now.labels
    )
    costs = sorting.costs
    into = "".join(
        _number(f"into.{name}", f"Wrong in {name}", costs.into.get(name), low=0, high=1000, needed=False)
        for name in names
    )
    promises = sorted({*now.promises, *([sorting.max_contamination] if sorting.max_contamination else [])})
    shares = [("", "as the model's own thresholds have it"), *((str(each), f"{100 * each:g}%") for each in promises)]
    least = _number("min_probability", "Least sure, %", 100 * sorting.min_probability, low=0, high=100)
    kept = "" if sorting.max_contamination is None else str(sorting.max_contamination)
    return (
        f'<div class="row" id="routes" role="group" aria-label="Compartment of each label">{routes}'
        f"{_select('residual', 'Unsure, novel, mixed', [(name, name) for name in names], sorting.residual)}</div>"
        f'<div class="row">{least}{_select("max_contamination", "Wrong among the sorted", shares, kept)}</div>'
        f'<p class="fine">Least sure {_of(Sorting, "min_probability")}. Wrong among the sorted: '
        "what share of what is sorted by itself may be wrong, as the model promises it.</p>"
        f'<details><summary>Costs</summary><p class="fine">{escape(Costs.__doc__ or "")} Wrong: '
        f"{_of(Costs, 'wrong')}. To residual: {_of(Costs, 'residual')}. A compartment without a number: as wrong.</p>"
        f'<div class="row">{_number("wrong", "Wrong", costs.wrong, low=0, high=1000)}'
        f"{_number('to_residual', 'To residual', costs.residual, low=0, high=1000)}</div>"
        f'<div class="row" id="into">{into}</div></details>'
    )


def _broker(mqtt: SetMqtt) -> str:
    tls = mqtt.tls
    files = "".join(
        _text(f"tls.{name}", label, getattr(tls, name) if tls else None, hint=_of(Tls, name))
        for name, label in (
            ("ca_file", "Authority's certificate"),
            ("cert_file", "The bin's certificate"),
            ("key_file", "The bin's key"),
        )
    )
    return (
        f'<div class="row">{_text("host", "Address", mqtt.host, required=True)}'
        f"{_number('port', 'Port', mqtt.port, low=1, high=65535, step=1)}"
        f"{_check('embedded_broker', 'The broker in the bin itself', mqtt.embedded_broker)}</div>"
        f'<div class="row">{_text("username", "User", mqtt.username)}'
        f"{_text('password_file', 'File with the password', mqtt.password_file, hint=_of(Mqtt, 'password_file'))}</div>"
        f'<div class="row">{_check("tls", "Encrypted (TLS)", tls is not None)}</div><div class="row">{files}</div>'
        '<p class="fine">Passwords and keys stay in their files on the bin; here stand the files\' names.</p>'
        '<div class="row"><button type="button" data-setup="broker">Test the broker</button></div>'
        '<div class="said" id="setup-broker"></div>'
    )


def _write(now: SetupResult) -> str:
    idle = "" if now.undoable else " disabled"
    return (
        "<p>All of it is checked as a start of the bin checks it, before anything is written.</p>"
        '<div class="row"><button class="first">Check and write</button>'
        f'<button type="button" data-setup="undo"{idle}>Undo the last change</button>'
        '<button type="button" data-setup="again">Discard what was typed</button>'
        '<a href="setup/bin.yaml" download>Download the config, with comments</a></div>'
    )


def _restart(now: SetupResult) -> str:
    if now.by_hand is not None:
        return f'<p id="setup-by-hand">{escape(sentence(now.by_hand))}</p>'
    return (
        "<p>The bin ends when no item is on its way and nothing moves, with the mechanism neutral, and is started "
        "again by systemd: about half a minute without a bin. What is set up and every event is kept.</p>"
        '<div class="row"><button type="button" data-setup="restart">Restart the bin</button></div>'
    )


def _of(section: type[Section], field: str) -> str:
    return escape(section.model_fields[field].description or "")


def _field(label: str, control: str, attributes: str, *, hint: str = "", short: str = "", content: str = "") -> str:
    """A control below what it is called. short: as it is shown where the row says the rest."""
    named = f'aria-label="{escape(label)}"' + (f' aria-description="{hint}"' if hint else "")
    end = f"{content}</{control}>" if content else ""
    return f'<label class="field"><span>{escape(short or label)}</span><{control} {named} {attributes}>{end}</label>'


def _number(
    name: str,
    label: str,
    value: float | None,
    *,
    low: float,
    high: float,
    step: int | str = "any",
    needed: bool = True,
    short: str = "",
) -> str:
    shown = "" if value is None else f"{round(value, 4):.10g}"
    limits = {"name": escape(name), "min": low, "max": high, "step": step, "value": shown}
    attributes = " ".join(f'{key}="{each}"' for key, each in limits.items()) + (" required" if needed else "")
    return _field(label, "input", f'type="number" inputmode="decimal" {attributes}', short=short)


def _text(
    name: str, label: str, value: object, *, pattern: str = "", required: bool = False, hint: str = "", short: str = ""
) -> str:
    shown = "" if value is None else escape(str(value))
    more = (f' pattern="{pattern}"' if pattern else "") + (" required" if required else "")
    attributes = f'type="text" name="{name}" value="{shown}" spellcheck="false"{more}'
    return _field(label, "input", attributes, hint=hint, short=short)


def _select(name: str, label: str, options: Sequence[tuple[str, str]], chosen: str) -> str:
    rows = "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(shown)}</option>'
        for value, shown in options
    )
    return _field(label, "select", f'name="{escape(name)}"', content=rows)


def _check(name: str, label: str, on: bool) -> str:
    checked = " checked" if on else ""
    return f'<label class="toggle"><input type="checkbox" name="{name}"{checked}> {escape(label)}</label>'
