"""What people and programs may ask of the bin, whichever way they ask.

    control socket (console, ctl) ──────────────────────────────────► Registry ─► Actions ─► guard, sorter, settings …
    MQTT request/<cmd> ─► Desk: expired? repeated? too many? trusted? ─┘   └────► RequestLog: who asked what

    registry.py   one way to each command, for all callers: arguments checked, who asked written down
    actions.py    what the commands do
    self_test.py, snapshot.py  two of them
    desk.py       what comes over MQTT, where anybody may send anything, and twice
    limit.py      how often
    log.py        the table in the journal's database

docs/commands.md has the commands. None of them goes round the guard.
"""

from __future__ import annotations

from edge.requests.desk import Desk, Incoming
from edge.requests.log import RequestLog
from edge.requests.registry import Caller, Registry

__all__ = ["Caller", "Desk", "Incoming", "Registry", "RequestLog"]
