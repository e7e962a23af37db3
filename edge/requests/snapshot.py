"""`capture`: the tray as it is now, kept as a picture on the bin, because somebody asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edge.camera.view import cut_region
from edge.daemon import Daemon
from edge.disk import check_room, free_bytes
from edge.errors import CommandError, JournalError
from edge.jpeg import jpeg_of, shrunk
from edge.settings import write_whole

KEPT = 20
"""Pictures kept; the oldest go first."""
QUALITY, SIDE_PX = 90, 1280


def keep_snapshot(daemon: Daemon) -> dict[str, Any]:
    """Write the newest frame's tray region to `snapshots` in state_dir.

    Raises:
        CommandError: there is no fresh frame. JournalError: the disk does not take it.
    """
    frame = daemon.live.snapshot().frame
    age_s = None if frame is None else daemon.clock.monotonic_s() - frame.captured_s
    oldest_s = daemon.config.max_frame_age_s + 1.0 / daemon.config.loop_hz
    if frame is None or age_s is None or age_s > oldest_s:
        raise CommandError("the camera gives no fresh frame now; see the faults that stand")
    picture, _ = shrunk(cut_region(frame.rgb, daemon.config.presence.region), SIDE_PX)
    jpeg = jpeg_of(picture, QUALITY)
    folder = daemon.config.state_dir / "snapshots"
    path = folder / f"{daemon.clock.utc():%Y%m%dT%H%M%S%fZ}.jpg"
    try:
        _write(path, jpeg, daemon.config.journal.reserve_mb)
    except OSError as error:
        raise JournalError(f"{path}: {error.strerror or error}; make room, or see that it is writable") from None
    return {"path": str(path), "bytes": len(jpeg), "width": picture.shape[1], "height": picture.shape[0]}


def _write(path: Path, jpeg: bytes, reserve_mb: int) -> None:
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    check_room(free_bytes(folder), reserve_mb, len(jpeg))
    write_whole(path, jpeg)
    for old in sorted(folder.glob("*.jpg"))[:-KEPT]:
        old.unlink()
