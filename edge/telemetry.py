"""How the bin does, in numbers: gathered by the loop, told every `mqtt.telemetry_s`."""

from __future__ import annotations

import os
import shutil
from collections import defaultdict, deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from edge.domain import Clock, Outcome
from edge.faults import Faults
from edge.live import Live
from edge.memory import MIB, resident_mib
from edge.payloads import TelemetryPayload

ITEMS = 100
"""So many of the newest items give the latencies."""
STAGES = ("capture", "preprocess", "infer", "decide", "actuate")
THERMAL = Path("/sys/class/thermal")


class Telemetry:
    """Implements `edge.domain.Chore`. For the loop's thread.

    tell: given each payload. depth: events that the broker does not have. engine_pid: of the engine's process, if any.
    state_dir: of whose disk the free room is told. thermal: where Linux tells temperatures.
    """

    def __init__(
        self,
        tell: Callable[[TelemetryPayload], None],
        live: Live,
        faults: Faults,
        clock: Clock,
        *,
        every_s: float,
        depth: Callable[[], int],
        engine_pid: Callable[[], int | None],
        state_dir: Path,
        thermal: Path = THERMAL,
    ) -> None:
        self._tell, self._live, self._faults, self._clock, self._every_s = tell, live, faults, clock, every_s
        self._depth, self._engine_pid, self._state_dir, self._thermal = depth, engine_pid, state_dir, thermal
        self._started_s = self._told_s = clock.monotonic_s()
        self._frames = 0
        self._seq: int | None = None
        self._newest: UUID | None = None
        self._taken_ms: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=ITEMS))

    def tend(self) -> None:
        """Note what is new; tell it when it is time."""
        self._count_frames()
        self._note_item()
        now_s = self._clock.monotonic_s()
        if now_s - self._told_s >= self._every_s:
            self._tell(self._payload(now_s))
            self._told_s, self._frames = now_s, 0

    def _count_frames(self) -> None:
        frame = self._live.snapshot().frame
        if frame is not None:
            self._frames += 0 if self._seq is None else max(0, frame.seq - self._seq)
            self._seq = frame.seq

    def _note_item(self) -> None:
        last = self._live.snapshot().last
        if last is None or last.event.outcome is Outcome.PENDING or last.event.event_id == self._newest:
            return
        self._newest = last.event.event_id
        for stage, taken_ms in last.event.timings_ms.items():
            self._taken_ms[stage].append(taken_ms)

    def _payload(self, now_s: float) -> TelemetryPayload:
        return TelemetryPayload(
            ts=self._clock.utc(),
            uptime_s=round(now_s - self._started_s, 1),
            fps=round(self._frames / (now_s - self._told_s), 2),
            fault_count=len(self._faults.standing()),
            outbox_depth=self._depth(),
            memory_mib=self._memory_mib(),
            disk_free_mib=self._disk_free_mib(),
            **temperatures(self._thermal),
            **self._latencies(),
        )

    def _memory_mib(self) -> float | None:
        engine = self._engine_pid()
        with suppress(OSError):  # the engine has just ended, or this is not Linux
            return round(resident_mib([os.getpid(), *([] if engine is None else [engine])]), 1)
        return None

    def _disk_free_mib(self) -> float | None:
        with suppress(OSError):
            return round(shutil.disk_usage(self._state_dir).free / MIB, 1)
        return None

    def _latencies(self) -> dict[str, Any]:
        return {
            f"{stage}_p{percent}_ms": round(float(np.percentile(self._taken_ms[stage], percent)), 2)
            for stage in STAGES
            if stage in self._taken_ms
            for percent in (50, 95)
        }


def temperatures(thermal: Path = THERMAL) -> dict[str, Any]:
    """Field of the payload → °C, by the kernel's thermal zones; empty where there is none.

    A zone's `type` is the vendor's: cpu-thermal on a Raspberry Pi, CPU-therm or cpu-thermal on a Jetson, x86_pkg_temp
    on a PC. One that is switched off cannot be read, or says something impossible.
    """
    zones: list[tuple[str, float]] = []
    for zone in sorted(thermal.glob("thermal_zone*")):
        with suppress(OSError, ValueError):
            degrees_c = int((zone / "temp").read_text()) / 1000
            if -40 <= degrees_c <= 150:
                zones.append(((zone / "type").read_text().strip().lower(), degrees_c))
    found = {
        "temperature_c": [degrees_c for _, degrees_c in zones],
        "cpu_temperature_c": [degrees_c for name, degrees_c in zones if name.startswith(("cpu", "x86_pkg"))],
        "gpu_temperature_c": [degrees_c for name, degrees_c in zones if name.startswith("gpu")],
    }
    return {field: round(max(degrees_c), 1) for field, degrees_c in found.items() if degrees_c}
