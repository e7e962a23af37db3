"""The control socket: how the console and the command line talk to the daemon.

A Unix domain socket that only its owner may use (0600), and the members of `control.group` where the config names one
(0660). Every request and every answer is one line of JSON:

    {"id": "7", "cmd": "maintenance", "on": true}  →  {"id": "7", "ok": true, "result": {}}
                                                   or {"id": "7", "ok": false, "error": "…"}

| cmd | arguments | result |
|---|---|---|
| `status` | | `StatusResult` |
| `picture` | `PictureArguments` | `PictureResult` |
| `view` | `ViewArguments` | `ViewResult` |
| `recent` | | `RecentResult` |
| `hardware` | | `HardwareResult` |
| `model` | | `ModelResult` |
| `report_picture` | `ReportPictureArguments` | `ReportPicture` |
| `model_upload` | `ModelUploadArguments` | `ModelUploadResult` |
| `trend` | | `TrendResult` |
| `log` | | `LogResult` |
| `diagnosis` | `DiagnosisArguments` | `DiagnosisFile` |
| `blink_lamp` | | `{}`, after a second without the lamp; only while paused |
| `classify` | `ClassifyArguments` | `ClassifyResult` |
| `maintenance` | `MaintenanceArguments` | `{"mode": …}` |
| `captures` | `CapturesArguments` | `CapturesResult`: those and the following of edge/captures/messages.py |
| `capture_picture` | `CaptureArguments` | `CapturePicture` |
| `capture_correct` | `CorrectArguments` | the `Capture` |
| `capture_delete` | `CaptureArguments` | `{}` |
| `requests` | `RequestsArguments` | `{"requests": […]}`, each with at, via, who, cmd, asked, request_id, response |
| `pause`, `home`, `jog`, … of docs/commands.md | as over MQTT | as over MQTT |
| `record` | | `RecordResult` |
| `restart` | | `{}`, and the program ends when nothing is on its way; only where systemd starts it again |
"""

from __future__ import annotations

from edge.control.client import (
    ControlClient,
)
from edge.control.messages import (
    LINE_LIMIT_BYTES,
    PHOTOGRAPH_LIMIT_BYTES,
    BundleView,
    ClassifyArguments,
    ClassifyResult,
    DiagnosisArguments,
    DiagnosisFile,
    EngineView,
    FillView,
    HardwareResult,
    LogResult,
    MaintenanceArguments,
    MetricsView,
    ModelResult,
    ModelUploadArguments,
    ModelUploadResult,
    ObservationView,
    PictureArguments,
    PictureResult,
    RecentItem,
    RecentResult,
    RecordResult,
    ReportPicture,
    ReportPictureArguments,
    RequestsArguments,
    StatusResult,
    SwitchView,
    TrendResult,
    UpdateView,
    ViewArguments,
    ViewResult,
)
from edge.control.server import (
    CLIENTS_AT_ONCE,
    PEER,
    Command,
    ControlServer,
)
from edge.control.view import (
    jpeg_base64,
    picture_response,
    view_response,
)
from edge.errors import CommandError

__all__ = [
    "CLIENTS_AT_ONCE",
    "LINE_LIMIT_BYTES",
    "PEER",
    "PHOTOGRAPH_LIMIT_BYTES",
    "BundleView",
    "ClassifyArguments",
    "ClassifyResult",
    "Command",
    "CommandError",
    "ControlClient",
    "ControlServer",
    "DiagnosisArguments",
    "DiagnosisFile",
    "EngineView",
    "FillView",
    "HardwareResult",
    "LogResult",
    "MaintenanceArguments",
    "MetricsView",
    "ModelResult",
    "ModelUploadArguments",
    "ModelUploadResult",
    "ObservationView",
    "PictureArguments",
    "PictureResult",
    "RecentItem",
    "RecentResult",
    "RecordResult",
    "ReportPicture",
    "ReportPictureArguments",
    "RequestsArguments",
    "StatusResult",
    "SwitchView",
    "TrendResult",
    "UpdateView",
    "ViewArguments",
    "ViewResult",
    "jpeg_base64",
    "picture_response",
    "view_response",
]
