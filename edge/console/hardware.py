"""The hardware tab: what the bin feels, what its guard says, and moving by hand. Nothing goes round the guard."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr
from pydantic import ValidationError

from edge.config import Config
from edge.console import words
from edge.console.page import card, trouble
from edge.console.parts import QUIET, html, may_only_look
from edge.console.wiring import picture
from edge.control import CommandError, ControlClient, HardwareResult, SwitchView
from edge.errors import SmartbinError

ARM_S = 60.0
TICK_S = 1.0

_MODES = {
    "auto": words.Said("Sorting", "good"),
    "paused": words.Said("Paused: sorts nothing", "busy"),
    "maintenance": words.Said("Maintenance: nothing moves", "bad"),
}
_SWITCHES = {
    "lid": ("closed", "open"),
    "estop": ("released", "pressed"),
    "hand": ("no hand", "a hand is there"),
    "full": ("not full", "full"),
    "beam": ("free", "broken"),
}


class Trial:
    """The guided self-test: what the bin tried by itself, and what a person has worked since."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._steps: list[dict[str, Any]] | None = None
        self._seen: dict[str, set[bool]] = {}
        self._jogged: set[str] = set()

    def begin(self, steps: list[dict[str, Any]]) -> None:
        with self._lock:
            self._steps, self._seen, self._jogged = steps, {}, set()

    def saw(self, switches: list[SwitchView]) -> None:
        with self._lock:
            for switch in switches:
                self._seen.setdefault(switch.name, set()).add(switch.active)

    def moved(self, compartment: str) -> None:
        with self._lock:
            self._jogged.add(compartment)

    def shown(self, bin_id: str, now: HardwareResult) -> str:
        """The list to work through, ticked as far as it is done."""
        with self._lock:
            if self._steps is None:
                return ""
            lines = [(bool(step["ok"]), str(step["name"]), str(step["found"])) for step in self._steps]
            lines += [
                (len(self._seen.get(each.name, ())) == 2, each.name, "work it once, and let it go")
                for each in now.switches
            ]
            lines += [(name in self._jogged, f"compartment {name}", "jog it once") for name in now.forbidden]
        left = sum(not done for done, _, _ in lines)
        verdict = "Passed" if not left else f"{words.items(left, 'step')} open"
        rows = "".join(
            f'<li class="{"done" if done else "open"}"><b>{"✓" if done else "○"}<span class="sr"> '
            f"{'done' if done else 'open'}</span></b> {escape(name)} <span>{escape(found)}</span></li>"
            for done, name, found in lines
        )
        return (
            f'<div class="card {"busy" if left else "good"}" id="trial">'
            f'<p class="kicker">Self-test of {escape(bin_id)}<time></time></p>'
            f'<p class="headline">{verdict}</p><ul class="steps">{rows}</ul>'
            '<button type="button" data-print>Print</button></div>'
        )


def hardware_tab(config: Config, client: ControlClient) -> gr.Timer:
    """The tab; the timer that keeps it live runs while it is open."""
    trial = Trial()
    state = html("", "hardware-state")
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            said = html("", "hardware-said")
            with gr.Row():
                pause, resume = _button("Pause", "pause"), _button("Resume sorting", "resume")
            with gr.Row():
                arm, home = _button(f"Arm for {ARM_S:.0f} s", "arm", "primary"), _button("Home", "home")
            with gr.Row():
                lamp = _button("Blink the lamp", "lamp", visible=config.lamp is not None)
                acknowledge = _button("Acknowledge", "acknowledge")
            html("<h2>Jog: as for an item for this compartment</h2>", "jog-heading")
            with gr.Row(elem_id="jog"):
                jogs = {name: _button(name, f"jog-{name}") for name in sorted(config.actuator.positions)}
            test = _button("Guided self-test", "self-test")
            tested = html("", "self-test-result")
        with gr.Column(scale=1, min_width=300):
            guard = html("", "guard")
            sensors = html("", "sensors")
    with gr.Accordion("Wiring", open=False, elem_id="wiring"):
        html(picture(config), "wiring-picture")
    live = [state, guard, sensors, tested]
    timer = gr.Timer(TICK_S, active=False)

    def look() -> list[Any]:
        return _live(client, trial, config.bin_id)

    timer.tick(look, None, live, **QUIET)

    def does(button: gr.Button, what: str, done: str, cmd: str, after: Callable[[], None], **arguments: Any) -> None:
        def press(request: gr.Request) -> list[Any]:
            if may_only_look(request):
                return [_NOT_ALLOWED, *[gr.skip() for _ in live]]
            return [_done(client, what, done, cmd, after, arguments), *look()]

        button.click(press, None, [said, *live], show_progress="minimal", api_visibility="private")

    def nothing() -> None:
        pass

    does(pause, "pause", "Paused. Items wait on the tray.", "pause", nothing)
    does(resume, "resume", "Sorting again.", "resume", nothing)
    does(arm, "arm", f"Armed for {ARM_S:.0f} seconds: keep your hands out.", "arm", nothing, for_s=ARM_S)
    does(home, "home", "Homed.", "home", nothing)
    does(lamp, "blink the lamp", "The lamp was out for a second. Did you see it?", "blink_lamp", nothing)
    does(acknowledge, "acknowledge", "Acknowledged.", "acknowledge", nothing)
    for name, button in jogs.items():
        moved = lambda name=name: trial.moved(name)  # noqa: E731
        does(button, f"jog {name}", f"Moved as for {name}.", "jog", moved, compartment=name)

    def run_test(request: gr.Request) -> list[Any]:
        if may_only_look(request):
            return [_NOT_ALLOWED, *[gr.skip() for _ in live]]
        try:
            trial.begin(list(client.request("self_test")["steps"]))
        except (SmartbinError, KeyError, TypeError) as error:
            return [trouble("The self-test did not run", words.sentence(error)), *look()]
        return [card("good", "Self-test", "Now work each switch, and jog each compartment."), *look()]

    test.click(run_test, None, [said, *live], show_progress="minimal", api_visibility="private")
    return timer


def _button(text: str, elem_id: str, variant: Any = "secondary", *, visible: bool = True) -> gr.Button:
    return gr.Button(text, elem_id=elem_id, variant=variant, min_width=120, visible=visible)


_NOT_ALLOWED = trouble("For technicians", "Viewers may look only; log in as a technician.")


def _done(
    client: ControlClient, what: str, done: str, cmd: str, after: Callable[[], None], arguments: dict[str, Any]
) -> str:
    """Give one command, and say what came of it."""
    try:
        client.request(cmd, **arguments)
    except CommandError as error:
        return trouble(f"Refused: {what}", words.sentence(error))
    except SmartbinError as error:
        return trouble("The bin's daemon does not answer", words.sentence(error))
    after()
    return card("good", done, "")


def _live(client: ControlClient, trial: Trial, bin_id: str) -> list[str]:
    try:
        now = HardwareResult.model_validate(client.request("hardware"))
    except ValidationError:
        return [trouble("Another version", "The daemon is of another version; restart the console."), "", "", ""]
    except SmartbinError as error:
        return [trouble("The bin's daemon does not answer", words.sentence(error)), "", "", ""]
    trial.saw(now.switches)
    return [state_of(now), guard_of(now), sensors_of(now), trial.shown(bin_id, now)]


def state_of(now: HardwareResult) -> str:
    """Mode, whether armed, whether homed."""
    mode = _MODES.get(now.mode, words.Said(now.mode, "quiet"))
    pills = [f'<span class="pill {mode.tone}" id="mode">{escape(mode.text)}</span>']
    armed = f"Armed: {now.armed_s:.0f} s left" if now.armed_s else "Not armed"
    pills.append(f'<span class="pill {"bad" if now.armed_s else "quiet"}" id="armed">{armed}</span>')
    pills.append(f'<span class="pill quiet">{"Homed" if now.homed else "Not homed"}</span>')
    if now.latched:
        pills.append(f'<span class="pill bad">To be acknowledged: {escape(now.latched)}</span>')
    return f'<div class="status"><div class="pills">{"".join(pills)}</div></div>'


def guard_of(now: HardwareResult) -> str:
    """What the guard says of each movement now."""
    said = {"home": now.homing, **now.forbidden}
    rows = "".join(
        f'<tr data-move="{escape(move)}"><th scope="row">{escape(move)}</th>'
        f'<td class="{"bad" if reasons else "good"}">'
        f"{escape('; '.join(reasons)) if reasons else 'allowed'}</td></tr>"
        for move, reasons in said.items()
    )
    return f"<h2>What the guard says</h2><table><tbody>{rows}</tbody></table>"


def sensors_of(now: HardwareResult) -> str:
    """Every sensor, as it is now."""
    rows = []
    for each in now.switches:
        text = "changes too often to be believed" if each.unsteady else _SWITCHES[each.role][each.active]
        rows.append((each.name, text, each.active or each.unsteady))
    for name, fill in now.fill.items():
        if fill.percent is not None:
            rows.append((f"level of {name}", f"{fill.percent:.0f}%", fill.full))
    if not rows:
        return "<h2>Sensors</h2><p>The config names none.</p>"
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td class="{"bad" if bad else "good"}">{escape(text)}</td></tr>'
        for name, text, bad in rows
    )
    return f"<h2>Sensors</h2><table><tbody>{body}</tbody></table>"
