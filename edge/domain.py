"""The values that flow through the bin, and the ports that drivers implement.

    Frame ─► Observation ─► Prediction ─► Decision ─► SortEvent

Every value is frozen. Arrays are read-only, and classes that hold arrays compare by identity (`eq=False`),
because `==` on arrays raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import NamedTuple, Protocol, TypeVar
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

RgbImage = NDArray[np.uint8]
"""(H, W, 3) uint8, channels in the order red, green, blue."""

Scalar = TypeVar("Scalar", bound=np.generic)


def read_only(array: NDArray[Scalar]) -> NDArray[Scalar]:
    """A view of `array` that refuses writes."""
    view = array.view()
    view.flags.writeable = False
    return view


class Box(NamedTuple):
    """A rectangle in pixels; x1 and y1 are exclusive."""

    x0: int
    y0: int
    x1: int
    y1: int

    def grown(self, share: float, frame_hw: tuple[int, int]) -> Box:
        """The box grown by `share` of its longer side on every side, cut to the frame."""
        margin = round(share * max(self.x1 - self.x0, self.y1 - self.y0))
        height, width = frame_hw
        return Box(
            max(0, self.x0 - margin),
            max(0, self.y0 - margin),
            min(width, self.x1 + margin),
            min(height, self.y1 + margin),
        )

    def cut(self, rgb: RgbImage) -> RgbImage:
        """(H, W, 3) → the box's part of it, a view."""
        return rgb[self.y0 : self.y1, self.x0 : self.x1]


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture from the camera.

    rgb: (H, W, 3) uint8, read-only. captured_s: `Clock.monotonic_s()` when it was taken. seq: counts up by one a frame.
    """

    rgb: RgbImage
    captured_s: float
    seq: int

    def __post_init__(self) -> None:
        if self.rgb.dtype != np.uint8 or self.rgb.ndim != 3 or self.rgb.shape[2] != 3:
            raise ValueError(f"a frame is (H, W, 3) uint8, found {self.rgb.shape} {self.rgb.dtype}")
        object.__setattr__(self, "rgb", read_only(self.rgb))


class TrayState(Enum):
    """What the presence model sees on the tray."""

    LEARNING = "learning"  # the empty tray is not known yet; nothing moves
    EMPTY = "empty"
    MOTION = "motion"  # something moves: a hand, an item falling, the flap
    SETTLING = "settling"  # an item lies there, not still for long enough yet
    STILL = "still"  # an item lies still


@dataclass(frozen=True)
class Observation:
    """What the presence model says of one frame. box: the item's rectangle, when there is one."""

    state: TrayState
    foreground: float  # share of the tray region that differs from the empty tray, 0..1
    box: Box | None = None


class Scored(NamedTuple):
    """A label with its probability, 0..1."""

    label: str
    p: float


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network says of one item.

    labels: K names in the manifest's order. probabilities: (K,) float32, calibrated, sum 1.
    class_maps: (K, h, w) float32, the evidence for each class in each part of the crop (logits before pooling).
    novelty: energy, -logsumexp(logits): higher is less like anything trained on (Liu et al. 2020, arXiv:2010.03759).
    latency_s: seconds of inference, the sum over the averaged frames.
    """

    labels: tuple[str, ...]
    probabilities: NDArray[np.float32]
    class_maps: NDArray[np.float32]
    novelty: float
    engine: str
    latency_s: float

    def __post_init__(self) -> None:
        k = len(self.labels)
        if self.probabilities.shape != (k,) or self.class_maps.ndim != 3 or self.class_maps.shape[0] != k:
            raise ValueError(
                f"expected probabilities ({k},) and class_maps ({k}, h, w), "
                f"found {self.probabilities.shape} and {self.class_maps.shape}"
            )
        total = float(self.probabilities.sum())
        if not (np.isfinite(self.probabilities).all() and abs(total - 1.0) < 1e-3 and (self.probabilities >= 0).all()):
            raise ValueError(f"probabilities must be finite, not negative and sum to 1; their sum is {total}")
        object.__setattr__(self, "probabilities", read_only(self.probabilities))
        object.__setattr__(self, "class_maps", read_only(self.class_maps))

    @property
    def top3(self) -> tuple[Scored, ...]:
        """The three likeliest labels, best first (fewer when there are fewer labels)."""
        order = np.argsort(-self.probabilities, kind="stable")[:3]
        return tuple(Scored(self.labels[i], float(self.probabilities[i])) for i in order)


class Reason(Enum):
    """Why an item goes where it goes."""

    CONFIDENT = "CONFIDENT"  # accepted: this compartment has the least expected cost
    COST = "COST"  # confident, but residual costs less
    UNCERTAIN = "UNCERTAIN"  # the best label is under its acceptance threshold
    NOVEL = "NOVEL"  # like nothing the network was trained on
    MIXED = "MIXED"  # two distant regions speak for two compartments
    FULL = "FULL"  # the right compartment is full


@dataclass(frozen=True)
class Decision:
    """Where the item goes.

    accepted: the best label was believed. expected_cost: in the site's cost units.
    p_right: probability that the item belongs there, 0..1; None: an event from before there was such a thing.
    """

    compartment: str
    label: str
    accepted: bool
    reason: Reason
    expected_cost: float
    p_right: float | None = None


class Purity(NamedTuple):
    """What is known of the items in a compartment. right: how many of the `items` are expected to belong there."""

    items: int
    right: float

    @property
    def percent(self) -> float:
        return 100.0 * self.right / self.items


class Outcome(Enum):
    """How the sorting of one item ended."""

    PENDING = "PENDING"  # decided and journalled; the movement has not been answered yet
    CONFIRMED = "CONFIRMED"  # the camera saw the tray empty afterwards
    LOST = "LOST"  # it left the tray, and never passed the beam of its chute
    JAMMED = "JAMMED"  # the item still lay there after the retry
    STALLED = "STALLED"  # the movement did not finish in its time
    REFUSED = "REFUSED"  # the guard refused; nothing moved
    INTERRUPTED = "INTERRUPTED"  # cut short: lid or e-stop while it moved, or the program ended before the outcome


@dataclass(frozen=True)
class SortEvent:
    """One item, from camera to compartment: what is journalled and published.

    at: UTC, time-zone aware. timings_ms: milliseconds by stage (capture, preprocess, infer, decide, actuate).
    frame_age_ms, sharpness (variance of the Laplacian) and luma (mean, 0..255) describe the newest frame classified.
    """

    event_id: UUID
    boot_id: UUID
    seq: int
    at: datetime
    clock_synced: bool
    top3: tuple[Scored, ...]
    novelty: float
    decision: Decision
    outcome: Outcome
    engine: str
    model: ModelId
    timings_ms: dict[str, float] = field(default_factory=dict)
    frame_age_ms: float = 0.0
    sharpness: float = 0.0
    luma: float = 0.0


class ModelId(NamedTuple):
    """Which model spoke: the bundle's name and version, and the sha256 of its ONNX file."""

    name: str
    version: str
    sha256: str


class Clock(Protocol):
    """Time, so that tests can move it by hand."""

    def monotonic_s(self) -> float:
        """Seconds that never go back; differences only."""
        ...

    def utc(self) -> datetime:
        """Wall-clock time, time-zone aware, UTC."""
        ...

    def synced(self) -> bool:
        """Whether the wall clock is known to be right."""
        ...

    def sleep(self, duration_s: float) -> None:
        """Wait that long."""
        ...


class Camera(Protocol):
    """Gives the newest picture of the tray. A context manager: opened on enter, released on exit."""

    def __enter__(self) -> Camera: ...

    def __exit__(self, *exc: object) -> None: ...

    def read_latest(self, max_age_s: float) -> Frame:
        """The newest frame.

        Raises:
            StaleFrame: no frame younger than `max_age_s`.
            CameraEnded: a finite source has no more.
            CameraError: the camera is gone and does not come back.
        """
        ...


class Engine(Protocol):
    """Runs the network. A context manager.

    name: as published and shown, runtime and precision: `onnxruntime-int8`.
    precision: fp32, fp16 or int8; which golden tolerance it is held to.
    """

    name: str
    precision: str

    def __enter__(self) -> Engine: ...

    def __exit__(self, *exc: object) -> None: ...

    def infer(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """(N, size, size, 3) uint8 RGB → logits (N, K) float32, class_maps (N, K, h, w) float32."""
        ...


class Actuator(Protocol):
    """The mechanism that drops an item. Only the guard calls it. A context manager."""

    compartments: tuple[str, ...]

    def __enter__(self) -> Actuator: ...

    def __exit__(self, *exc: object) -> None: ...

    def home(self, step: Callable[[], None]) -> None:
        """Find the reference position and go to neutral. Calls `step` as `deliver` does."""
        ...

    def deliver(self, compartment: str, step: Callable[[], None]) -> None:
        """Drop the item into `compartment`. Calls `step` before every small movement; what `step` raises ends it."""
        ...

    def neutral(self) -> None:
        """Go to the safe position at once. Never raises; may be called at any time, any number of times."""
        ...


class Sensor(Protocol):
    """A switch: lid, e-stop, or a full compartment."""

    def active(self) -> bool:
        """Whether the lid is open, e-stop is pressed, or the compartment is full."""
        ...


class Chore(Protocol):
    """Housekeeping that the daemon does after each cycle: lamp checks, retention, what else is due now and then."""

    def tend(self) -> None:
        """Do what is due, if anything. The next frame waits for it; its failures are faults that it reports itself."""
        ...


class EventSink(Protocol):
    """Takes finished events: the journal's publisher, a report file, the console's live view."""

    def publish(self, event: SortEvent) -> None:
        """Take one event. Must not block."""
        ...
