"""A stand-in for the daemon: the real control server over a real `Live`, fed with synthetic pictures."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import cv2
import numpy as np
import pytest
import yaml

from edge.actuators.guard import Safety
from edge.bundle.preprocess import decode
from edge.clock import SystemClock
from edge.control import (
    BundleView,
    ClassifyArguments,
    ClassifyResult,
    ControlServer,
    FillView,
    ModelResult,
    PictureArguments,
    StatusResult,
    UpdateView,
    ViewArguments,
    picture_response,
    view_response,
)
from edge.decide import Policy
from edge.domain import (
    Box,
    Decision,
    Frame,
    ModelId,
    Observation,
    Outcome,
    Prediction,
    Reason,
    RgbImage,
    Scored,
    SortEvent,
    TrayState,
)
from edge.faults import Faults
from edge.live import LastItem, Live
from edge.observers import Look, SortedItem
from edge.payloads import FaultPayload, StatePayload, TopPayload, UpdatePayload, VersionsPayload
from edge.recent import Recent
from tests.browser import browser, page

__all__ = ["browser", "page"]

SIM = Path(__file__).parents[3] / "configs" / "edge" / "sim.yaml"
ITEM = Box(190, 110, 330, 300)
EVIDENCE = np.array([[-2, 0, 1, -1], [0, 6, 8, 1], [1, 7, 9, 0], [-1, 2, 3, -2]], np.float32)

PREDICTION = Prediction(
    labels=("glass", "metal"),
    probabilities=np.array([0.9, 0.1], np.float32),
    class_maps=np.zeros((2, 4, 4), np.float32),
    novelty=-4.2,
    engine="onnxruntime-int8",
    latency_s=0.02,
)
POLICY = Policy(routes={}, residual="residual", costs={}, acceptance={}, novelty_threshold=0.0)


def tray(*, item: bool) -> RgbImage:
    """(384, 512, 3): a grey tray, with a green bottle on it or not."""
    row = np.linspace(150, 185, 384, dtype=np.float32)[:, None, None]
    rgb = np.broadcast_to(row, (384, 512, 3)).astype(np.uint8).copy()
    cv2.rectangle(rgb, (24, 24), (488, 360), (120, 124, 130), 3)
    if item:
        cv2.ellipse(rgb, (260, 220), (48, 70), 0, 0, 360, (46, 120, 74), -1, cv2.LINE_AA)
        cv2.rectangle(rgb, (244, 118), (276, 170), (46, 120, 74), -1, cv2.LINE_AA)
        cv2.ellipse(rgb, (245, 205), (9, 34), 12, 0, 360, (150, 205, 170), -1, cv2.LINE_AA)
    return rgb


def png(rgb: RgbImage) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes())


class StandIn:
    """Answers like the daemon. Stops and starts as often as a test likes."""

    def __init__(self, path: Path) -> None:
        self.clock = SystemClock()
        self.live = Live()
        self.faults = Faults(self.clock)
        self.broker: Any = "connected"
        self.outbox = 0
        self.counts: dict[str, int] = {}
        self.classified: list[str] = []
        self.path = path
        self._server: ControlServer | None = None
        self._rgb: RgbImage | None = None
        self._age_s = 0.0
        self._frames = 0
        self._recent = Recent()
        self.fill: dict[str, FillView] = {}

    def start(self) -> None:
        commands = {
            "status": self.status,
            "picture": self.picture,
            "view": self.view,
            "recent": self.recent,
            "classify": self.classify,
            "model": self.model,
        }
        self._server = ControlServer(self.path, commands).__enter__()

    def stop(self) -> None:
        if self._server is not None:
            self._server.__exit__()
            self._server = None

    def see(self, *, item: bool, phase: str = "waiting", age_s: float = 0.0) -> None:
        """From now on the camera gives this picture, always `age_s` old."""
        self._rgb, self._age_s = tray(item=item), age_s
        state = TrayState.STILL if item else TrayState.EMPTY
        self.live.update(phase=phase, observation=Observation(state, 0.1, ITEM if item else None))

    def decide(
        self,
        compartment: str = "glass",
        top3: tuple[tuple[str, float], ...] = (("glass", 0.942), ("plastic", 0.041), ("metal", 0.012)),
        reason: Reason = Reason.CONFIDENT,
        outcome: Outcome = Outcome.CONFIRMED,
    ) -> None:
        self.counts[compartment] = self.counts.get(compartment, 0) + 1
        accepted = reason is Reason.CONFIDENT
        event = SortEvent(
            event_id=uuid4(),
            boot_id=UUID(int=1),
            seq=sum(self.counts.values()),
            at=datetime.now(timezone.utc),
            clock_synced=True,
            top3=tuple(Scored(*scored) for scored in top3),
            novelty=-4.2,
            decision=Decision(compartment, top3[0][0], accepted, reason, 0.06),
            outcome=outcome,
            engine="onnxruntime-int8",
            model=ModelId("resnet50-trashnet", "1", "0" * 64),
        )
        item = tray(item=True)
        self.live.update(last=LastItem(event, ITEM.cut(item), ITEM, EVIDENCE))
        look = Look(Frame(item, 0.0, 1), ITEM, ITEM, 0.0)
        self._recent.take(SortedItem(event, (look,), PREDICTION, POLICY, Safety()))

    def status(self, _: dict[str, Any]) -> dict[str, Any]:
        faults = [FaultPayload(**vars(fault)) for fault in self.faults.standing()]
        state = StatePayload(
            schema=1,
            phase=self.live.snapshot().phase,
            mode="auto",
            faults=faults,
            versions=VersionsPayload(program="0.1.0", model="1"),
            engine="onnxruntime-int8",
        )
        return StatusResult(
            bin_id="demo",
            state=state,
            broker=self.broker,
            outbox=self.outbox,
            counts=self.counts,
            uptime_s=12.0,
            fill=self.fill,
        ).to_dict()

    def picture(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if self._rgb is not None:
            self._frames += 1
            self.live.update(frame=Frame(self._rgb, self.clock.monotonic_s() - self._age_s, self._frames))
        return picture_response(self.live, self.clock, PictureArguments.model_validate(arguments))

    def view(self, arguments: dict[str, Any]) -> dict[str, Any]:
        return view_response(self.live, ViewArguments.model_validate(arguments).known)

    def recent(self, _: dict[str, Any]) -> dict[str, Any]:
        return self._recent.result().to_dict()

    def classify(self, arguments: dict[str, Any]) -> dict[str, Any]:
        asked = ClassifyArguments.model_validate(arguments)
        decode(asked.image, name=asked.name)
        self.classified.append(asked.name)
        if asked.slot is None:
            return as_result("glass", "resnet50-trashnet 0.3.0").to_dict()
        return as_result("plastic", "resnet50-trashnet 0.4.0").to_dict()

    def model(self, _: dict[str, Any]) -> dict[str, Any]:
        """Two bundles; the one named by the config sorts."""
        bundles = [
            BundleView(slot=slot, current=slot == "config", previous=False, problem=None, name=name, version=version)
            for slot, name, version in (("config", "resnet50-trashnet", "0.3.0"), ("a", "resnet50-trashnet", "0.4.0"))
        ]
        told = UpdatePayload(installed_version="0.3.0", latest_version="0.3.0", in_progress=False)
        update = UpdateView(outcome="none", progress=told)
        return ModelResult(bundles=bundles, engine="onnxruntime-int8", engines=[], update=update).to_dict()


def as_result(label: str, model: str = "") -> ClassifyResult:
    """The answer to a photograph of something that is surely `label`."""
    return ClassifyResult(
        model=model,
        top3=[TopPayload(label=name, p=p) for name, p in ((label, 0.97), ("paper", 0.02), ("metal", 0.01))],
        novelty=-5.1,
        novelty_limit=-2.0,
        compartment=label,
        belongs=0.97,
        min_probability=0.6,
        costs={label: 0.03, "residual": 0.3},
        accepted=True,
        reason="CONFIDENT",
        evidence=EVIDENCE.tolist(),
        latency_ms=21.0,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bin")


@pytest.fixture(scope="module")
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def config(folder: Path, free_port: int) -> Path:
    """sim.yaml with a state folder and a port of its own."""
    document = yaml.safe_load(SIM.read_text())
    document |= {"state_dir": str(folder), "console": {"port": free_port}}
    path = folder / "bin.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


@pytest.fixture
def stand_in(folder: Path) -> Iterator[StandIn]:
    stand_in = StandIn(folder / "control.sock")
    stand_in.see(item=False)
    stand_in.start()
    yield stand_in
    stand_in.stop()


def start_console(config: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "edge", "console", "--config", str(config), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.fixture(scope="module")
def console_url(config: Path) -> Iterator[str]:
    """The console as a process of its own. It must end well, too."""
    process = start_console(config)
    assert process.stdout is not None
    url = process.stdout.readline().strip().removeprefix("console: ")
    yield url
    process.terminate()
    _, complaints = process.communicate(timeout=30)
    assert (process.returncode, complaints) == (0, "")


@pytest.fixture
def broken_file(tmp_path: Path) -> Path:
    path = tmp_path / "broken.jpg"
    path.write_bytes(b"this is not a picture")
    return path


@pytest.fixture
def photograph(tmp_path: Path) -> Path:
    path = tmp_path / "bottle.png"
    path.write_bytes(png(tray(item=True)))
    return path
