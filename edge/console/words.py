"""What the bin's codes mean to the person in front of it."""

from __future__ import annotations

from typing import Literal, NamedTuple

Tone = Literal["good", "busy", "bad", "quiet"]


class Said(NamedTuple):
    """A sentence, and whether it is good news."""

    text: str
    tone: Tone


PHASES: dict[str, Said] = {
    "starting": Said("Starting", "busy"),
    "waiting": Said("Ready for the next item", "good"),
    "looking": Said("Looking at the item", "busy"),
    "sorting": Said("Sorting: hands off the tray", "busy"),
    "blocked": Said("Blocked: nothing moves", "bad"),
    "stopped": Said("Stopped", "bad"),
}

TRAY: dict[str, str] = {
    "learning": "Learning what the empty tray looks like",
    "empty": "The tray is empty",
    "motion": "Something moves",
    "settling": "An item is coming to rest",
    "still": "An item lies still",
}

REASONS: dict[str, str] = {
    "CONFIDENT": "Sure enough that it is {label}.",
    "COST": "Most likely {label}, but a mistake there would cost more than residual does.",
    "UNCERTAIN": "Not sure enough that it is {label}.",
    "NOVEL": "Unlike anything the model was trained on; {label} is only the nearest.",
    "MIXED": "Its parts look like different materials; {label} is only the strongest.",
    "FULL": "It is {label}, but the compartment for that is full.",
}

OUTCOMES: dict[str, Said] = {
    "PENDING": Said("Being dropped now", "busy"),
    "CONFIRMED": Said("Dropped; the tray was seen empty", "good"),
    "JAMMED": Said("Jammed: still on the tray after a second try", "bad"),
    "STALLED": Said("Stalled: the mechanism did not finish its movement", "bad"),
    "REFUSED": Said("Not moved: the guard did not allow it", "bad"),
    "LOST": Said("It left the tray and never arrived: look into the chute", "bad"),
    "INTERRUPTED": Said("Unknown: the program ended in the middle of it", "bad"),
}


def phase(code: str) -> Said:
    return PHASES.get(code, Said(code, "quiet"))


def tray(code: str) -> str:
    return TRAY.get(code, code)


def reason(code: str, label: str) -> str:
    return REASONS.get(code, code).format(label=label)


def outcome(code: str) -> Said:
    return OUTCOMES.get(code, Said(code, "quiet"))


def percent(p: float) -> str:
    """A probability as people read it. 0% and 100% are never said of something that is not quite so."""
    if 0 < p < 0.01:
        return "under 1%"
    if 0.99 < p < 1:
        return "over 99%"
    return f"{100 * p:.0f}%"


def duration(seconds: float) -> str:
    """Roughly how long: 8 s, 5 min, 3 h, 2 days."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def items(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def sentence(error: Exception | str) -> str:
    """An error's words with a capital and an end."""
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")
