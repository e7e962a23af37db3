"""The health tab: plots of telemetry, the log with its filter, the diagnose bundle."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from edge.console.health import diagnosis, log_of, plots_of
from edge.console.plot import plot
from edge.control import ControlClient, ControlServer, DiagnosisArguments
from edge.payloads import TelemetryPayload
from edge.trend import KEPT, SHOWN, Trend

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
LOG = ["10:00 INFO edge.daemon: ready", "10:01 WARNING edge.camera: stale", "10:02 ERROR edge.journal: <disk> full"]


def sample(minute: int, **more: float) -> TelemetryPayload:
    at = START + timedelta(minutes=minute)
    return TelemetryPayload(ts=at, uptime_s=60.0 * minute, fps=9.5, fault_count=0, outbox_depth=3, **more)


def test_what_is_measured_is_plotted_and_what_is_not_is_left_out() -> None:
    shown = plots_of([sample(minute, memory_mib=200.0 + minute, infer_p50_ms=24.0) for minute in range(5)])
    for title in ("Inference", "Memory", "Outbox", "Pictures"):
        assert f'data-plot="{title}"' in shown
    assert "Temperature" not in shown
    assert "now 204 MiB" in shown
    assert "No numbers yet" in plots_of([])


def test_a_line_has_a_gap_where_nothing_was_known() -> None:
    times = [START + timedelta(minutes=minute) for minute in range(4)]
    drawn = plot("T", "°C", times, {"": [40.0, None, 42.0, 41.0]})
    assert drawn.count("M") - drawn.count('"M0 100H360"') == 2
    assert plot("T", "°C", times, {"": [None] * 4}) == ""


def test_a_day_of_telemetry_is_kept_and_thinned_with_the_newest_always_there() -> None:
    trend = Trend()
    for minute in range(KEPT + 100):
        trend.add(sample(minute))
    samples = trend.samples()
    assert len(samples) <= SHOWN
    assert samples[-1].uptime_s == 60.0 * (KEPT + 99)
    assert samples[0].uptime_s >= 60.0 * 100
    assert Trend().samples() == []


@pytest.mark.parametrize(
    ("text", "level", "first", "count"),
    [
        ("", "all", "10:02", "3 of 3 lines"),
        ("CAMERA", "all", "10:01", "1 of 3 lines"),
        ("", "warnings and errors", "10:02", "2 of 3 lines"),
        ("", "errors", "10:02", "1 of 3 lines"),
    ],
)
def test_the_log_is_filtered_newest_first(text: str, level: str, first: str, count: str) -> None:
    shown = log_of(LOG, text, level)
    assert count in shown
    assert shown.split('"Log">')[1].startswith(first)
    assert "<disk>" not in shown


def test_a_filter_that_nothing_passes_says_so() -> None:
    assert "No such line" in log_of(LOG, "lidar", "all")


def test_the_diagnose_bundle_comes_over_the_socket_by_its_name(tmp_path: Path) -> None:
    asked: list[str] = []

    def diagnosis_file(arguments: dict[str, object]) -> dict[str, object]:
        asked.append(DiagnosisArguments.model_validate(arguments).name)
        return {"name": asked[0], "content": base64.b64encode(b"zip").decode()}

    made = {"path": "/state/diagnose/demo-20260101T000000Z.zip", "bytes": 3, "sha256": ""}
    with ControlServer(tmp_path / "c.sock", {"diagnose": lambda _: made, "diagnosis": diagnosis_file}):
        assert diagnosis(ControlClient(tmp_path / "c.sock")) == ("demo-20260101T000000Z.zip", b"zip")


@pytest.mark.parametrize("name", ["../settings.json", "a/b-20260101T000000Z.zip", "journal.sqlite", ""])
def test_no_other_file_is_given_as_a_diagnose_bundle(name: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        DiagnosisArguments(name=name)
