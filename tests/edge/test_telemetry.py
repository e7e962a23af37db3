"""What the bin says of itself in numbers, and when."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import numpy as np
import pytest

from edge import telemetry as module
from edge.clock import ManualClock
from edge.domain import Box, Frame, Outcome, SortEvent
from edge.faults import Faults
from edge.live import LastItem, Live
from edge.memory import resident_mib
from edge.payloads import TelemetryPayload, json_schemas
from edge.telemetry import ITEMS, Telemetry, temperatures
from tests.brokers import sample_event


class Bin:
    """What is told of a bin, with its parts to hand."""

    def __init__(self, folder: Path, *, depth: Callable[[], int] = lambda: 3) -> None:
        self.clock, self.live, self.told = ManualClock(), Live(), list[TelemetryPayload]()
        self.faults = Faults(self.clock)
        self.telemetry = Telemetry(
            self.told.append,
            self.live,
            self.faults,
            self.clock,
            every_s=60.0,
            depth=depth,
            engine_pid=lambda: None,
            state_dir=folder,
            thermal=folder / "thermal",
        )

    def see(self, seq: int) -> None:
        frame = Frame(np.zeros((2, 2, 3), np.uint8), self.clock.monotonic_s(), seq)
        self.live.update(frame=frame)
        self.telemetry.tend()

    def sort(self, event: SortEvent) -> None:
        pixels = np.zeros((2, 2, 3), np.uint8)
        self.live.update(last=LastItem(event, pixels, Box(0, 0, 2, 2), np.zeros((7, 7), np.float32)))
        self.telemetry.tend()

    def after(self, seconds: float) -> dict[str, Any]:
        """The newest telemetry, so many seconds later."""
        self.clock.advance(seconds)
        self.telemetry.tend()
        document = json.loads(self.told[-1].to_json())
        jsonschema.validate(document, json_schemas()["telemetry"], format_checker=jsonschema.FormatChecker())
        return document  # type: ignore[no-any-return]


@pytest.fixture
def bin_(tmp_path: Path) -> Bin:
    return Bin(tmp_path)


def zone(folder: Path, number: int, kind: str, temp: str) -> None:
    path = folder / f"thermal/thermal_zone{number}"
    path.mkdir(parents=True)
    (path / "type").write_text(f"{kind}\n")
    (path / "temp").write_text(f"{temp}\n")


def test_it_is_told_once_in_its_time(bin_: Bin) -> None:
    for _ in range(150):
        bin_.clock.advance(1.0)
        bin_.telemetry.tend()
    assert [told.uptime_s for told in bin_.told] == [60, 120]


def test_what_has_not_happened_and_what_the_machine_does_not_tell_is_left_out(bin_: Bin) -> None:
    told = bin_.after(60)
    assert not [key for key in told if key.endswith(("_ms", "_c"))]
    assert told["outbox_depth"] == 3 and told["fault_count"] == 0 and told["fps"] == 0


def test_pictures_a_second_are_the_cameras_also_those_that_the_loop_had_no_time_for(bin_: Bin) -> None:
    bin_.see(1000)
    bin_.see(1030)
    bin_.see(1900)
    assert bin_.after(60)["fps"] == 15
    bin_.see(2)  # the camera was opened anew
    bin_.see(302)
    assert bin_.after(60)["fps"] == 5


def test_latencies_are_of_finished_items_each_once(bin_: Bin) -> None:
    for taken_ms in range(1, 102):
        event = replace(sample_event(1), timings_ms={"capture": 1.0, "infer": 1000.0})
        bin_.sort(event)
        done = replace(event, outcome=Outcome.CONFIRMED, timings_ms={"capture": 1.0, "infer": float(taken_ms)})
        bin_.sort(done)
        bin_.telemetry.tend()
    told = bin_.after(60)
    assert ITEMS == 100
    assert told["infer_p50_ms"] == pytest.approx(51.5)
    assert told["infer_p95_ms"] == pytest.approx(96, abs=0.1)
    assert told["capture_p95_ms"] == 1 and "actuate_p50_ms" not in told


def test_faults_that_stand_are_counted(bin_: Bin) -> None:
    bin_.faults.report("jam", "an item lies there", "take it out")
    assert bin_.after(60)["fault_count"] == 1


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what a process holds")
def test_memory_and_room_on_the_disk_are_told(bin_: Bin) -> None:
    told = bin_.after(60)
    assert told["memory_mib"] == pytest.approx(resident_mib([os.getpid()]), rel=0.1)
    assert told["disk_free_mib"] > 0


def test_a_disk_that_does_not_answer_is_left_out(bin_: Bin, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(path: Path) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module.shutil, "disk_usage", usage)
    assert "disk_free_mib" not in bin_.after(60)


def test_the_hottest_zone_of_each_kind_is_told(bin_: Bin, tmp_path: Path) -> None:
    for number, (kind, temp) in enumerate(
        [("CPU-therm", "61234"), ("cpu-thermal", "48000"), ("gpu-thermal", "55500"), ("tj-thermal", "63000")]
    ):
        zone(tmp_path, number, kind, temp)
    told = bin_.after(60)
    assert (told["temperature_c"], told["cpu_temperature_c"], told["gpu_temperature_c"]) == (63.0, 61.2, 55.5)


def test_a_zone_that_is_off_or_says_nonsense_is_left_out(tmp_path: Path) -> None:
    zone(tmp_path, 0, "cpu-thermal", "-274000")
    zone(tmp_path, 1, "gpu-thermal", "")
    assert temperatures(tmp_path / "thermal") == {}


def test_every_number_has_a_description_and_those_with_a_unit_say_it() -> None:
    fields = json_schemas()["telemetry"]["properties"]
    ends = {"_s": "s", "_ms": "ms", "_mib": "MiB", "_c": "°C", "fps": "1/s"}
    for name, field in fields.items():
        assert name == "schema" or field["description"], name
        unit = next((unit for end, unit in ends.items() if name.endswith(end)), None)
        assert field.get("unit") == unit, name
