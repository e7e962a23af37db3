"""Every topic of a bin with what is on it: the one source of the documentation, the schemas and all dashboards.

`python -m edge.mqtt.catalogue` prints the table of docs/mqtt.md.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from pydantic import BaseModel, RootModel

from edge.payloads import (
    COMMANDS,
    AlertPayload,
    AvailabilityPayload,
    CountPayload,
    EventPayload,
    ImagePayload,
    PercentPayload,
    ResponsePayload,
    StatePayload,
    TelemetryPayload,
    UpdatePayload,
    request_class,
)


class Channel(NamedTuple):
    """A topic below `smartbin/<bin_id>/`. `<…>` in its path stands for one level.

    payload: what its messages are: JSON, or bare text or bytes where it is a RootModel. what, when: in words, Markdown.
    """

    path: str
    payload: type[BaseModel]
    retained: bool
    what: str
    when: str
    qos: int = 1

    @property
    def bare(self) -> bool:
        return issubclass(self.payload, RootModel)

    @property
    def content_type(self) -> str:
        if issubclass(self.payload, ImagePayload):
            return "image/jpeg"
        return "text/plain" if self.bare else "application/json"

    @property
    def pattern(self) -> str:
        """A subscription to this topic of all bins."""
        return "smartbin/+/" + re.sub(r"<\w+>", "+", self.path)

    def takes(self, path: str) -> bool:
        """Whether `path`, a topic without `smartbin/<bin_id>/`, is one of these."""
        return re.fullmatch("[^/]+".join(map(re.escape, re.split(r"<\w+>", self.path))), path) is not None


CHANGED = "on every connection, and when it changes"

CHANNELS = (
    Channel(
        "availability",
        AvailabilityPayload,
        retained=True,
        what="`online` or `offline`",
        when="`online` on every connection, `offline` on a clean exit, and by last will when the bin dies or its "
        "network does",
    ),
    Channel("state", StatePayload, retained=True, what="JSON, [below](#state)", when=CHANGED),
    Channel(
        "classification",
        EventPayload,
        retained=False,
        what="JSON, [below](#an-event)",
        when="once for each sorted item, when it is known how the sorting ended",
    ),
    Channel(
        "classification/last",
        EventPayload,
        retained=True,
        what="the same JSON",
        when="with each live event; never with a historical one",
    ),
    Channel(
        "alert/<code>",
        AlertPayload,
        retained=True,
        what="JSON, [below](#alerts); empty when it is over",
        when="when a fault begins, changes its message, or is over; on every connection",
    ),
    Channel("compartment/<c>/count", CountPayload, retained=True, what="a bare number", when=CHANGED),
    Channel(
        "compartment/<c>/fill",
        PercentPayload,
        retained=True,
        what="a bare number, %, of compartments with a fill sensor",
        when=CHANGED,
    ),
    Channel(
        "compartment/<c>/purity",
        PercentPayload,
        retained=True,
        what="a bare number, %, of compartments with items",
        when=CHANGED,
    ),
    Channel(
        "telemetry",
        TelemetryPayload,
        retained=False,
        what="JSON, [below](#telemetry)",
        when="every `mqtt.telemetry_s` while connected",
        qos=0,
    ),
    Channel("update", UpdatePayload, retained=True, what="JSON, [below](#update)", when=CHANGED),
    Channel(
        "image/last",
        ImagePayload,
        retained=True,
        what="a JPEG of the tray region; empty where `mqtt.publish_image` is off, as it is unless the config says so",
        when="with each item; on every connection",
        qos=0,
    ),
    Channel(
        "response/<cmd>",
        ResponsePayload,
        retained=False,
        what="JSON, [below](#requests)",
        when="once for each `request/<cmd>`, whatever becomes of it",
    ),
)


REQUESTS = tuple(
    Channel(f"request/{cmd}", request_class(cmd), retained=False, what="JSON", when=kind.does)
    for cmd, kind in COMMANDS.items()
)
"""What is said to the bin; never retained."""


def channel_of(path: str) -> Channel:
    """The channel of a topic without `smartbin/<bin_id>/`.

    Raises:
        LookupError: there is none.
    """
    for channel in CHANNELS:
        if channel.takes(path):
            return channel
    raise LookupError(f"no topic {path!r}; there are {', '.join(channel.path for channel in CHANNELS)}")


def scalar_type(node: dict[str, Any]) -> str | None:
    """string, integer, number or boolean: what a field is by its JSON Schema, when it is not null; None: several."""
    types = {option.get("type") for option in node.get("anyOf", [node])} - {"null"}
    return next(iter(types)) if len(types) == 1 and types <= {"string", "integer", "number", "boolean"} else None


def markdown() -> str:
    """The table of docs/mqtt.md, a row for each topic."""
    rows = [("topic", "payload", "retained", "QoS", "when"), ("---",) * 5]
    rows += [(f"`{c.path}`", c.what, "yes" if c.retained else "no", str(c.qos), c.when) for c in CHANNELS]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    print(markdown(), end="")
