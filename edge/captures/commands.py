"""What the control socket is asked about captures. Who may open it may see, correct and delete them."""

from __future__ import annotations

import base64
from collections import Counter
from dataclasses import fields
from typing import Any

from edge.captures.capture import Correction
from edge.captures.entry import CaptureFilter
from edge.captures.field import figures_of
from edge.captures.messages import (
    CaptureArguments,
    CapturePicture,
    CapturesArguments,
    CapturesResult,
    CorrectArguments,
    FieldArguments,
    TeachArguments,
    TeachItem,
    TeachResult,
)
from edge.captures.store import CaptureStore
from edge.captures.teach import ENOUGH, named_by_label, teach_next, why_of
from edge.control.server import PEER, Command
from edge.domain import Clock
from edge.errors import CommandError


def capture_commands(store: CaptureStore, clock: Clock, *, enabled: bool) -> dict[str, Command]:
    """By name. They run on the control socket's threads; where the disk fails, the answer says so."""

    def captures(arguments: dict[str, Any]) -> dict[str, Any]:
        asked = CapturesArguments.model_validate(arguments)
        wanted = CaptureFilter(**{field.name: getattr(asked, field.name) for field in fields(CaptureFilter)})
        found = store.list(wanted, asked.limit)
        return CapturesResult(
            captures=found, total=len(store), total_mb=store.size_bytes / 1_000_000, enabled=enabled
        ).to_dict()

    def capture_picture(arguments: dict[str, Any]) -> dict[str, Any]:
        capture, jpeg = store.read(CaptureArguments.model_validate(arguments).event_id)
        return CapturePicture(capture=capture, jpeg=base64.b64encode(jpeg).decode("ascii")).to_dict()

    def capture_correct(arguments: dict[str, Any]) -> dict[str, Any]:
        asked = CorrectArguments.model_validate(arguments)
        said = None
        if asked.label is not None:
            said = Correction(label=asked.label, by=asked.by or PEER.get()[:80], at=clock.utc())
        return store.correct(asked.event_id, said).model_dump(mode="json", by_alias=True)

    def capture_delete(arguments: dict[str, Any]) -> dict[str, Any]:
        store.delete(CaptureArguments.model_validate(arguments).event_id)
        return {}

    def capture_figures(arguments: dict[str, Any]) -> dict[str, Any]:
        asked = FieldArguments.model_validate(arguments)
        wanted = CaptureFilter(since=asked.since, version=asked.version)
        return figures_of(store.entries(), wanted, sampled=asked.sampled).to_dict()

    def capture_teach(arguments: dict[str, Any]) -> dict[str, Any]:
        asked = TeachArguments.model_validate(arguments)
        entries, skip = store.entries(), {*asked.skip}
        open_ = teach_next(entries)
        whys = {entry.event_id: why_of(entry) for entry in open_}
        wanted = store.captures((entry for entry in open_ if entry.event_id not in skip), asked.limit)
        return TeachResult(
            items=[TeachItem(capture=capture, why=whys[capture.event_id]) for capture in wanted],
            open=Counter(whys.values()),
            named=dict(named_by_label(entries)),
            enough=ENOUGH,
        ).to_dict()

    commands = (captures, capture_picture, capture_correct, capture_delete, capture_figures, capture_teach)
    return {command.__name__: _disk_may_fail(command) for command in commands}


def _disk_may_fail(command: Command) -> Command:
    def asked(arguments: dict[str, Any]) -> dict[str, Any]:
        try:
            return command(arguments)
        except OSError as error:
            raise CommandError(f"the disk of the captures fails: {error.strerror or error}") from None

    return asked
