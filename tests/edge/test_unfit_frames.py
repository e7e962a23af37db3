"""Rule 7: a frame that is stale, frozen, dark, overexposed, blurred or of another view is never classified."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.actuators.guard import Safety
from edge.camera.condition import CHECK_S, ConditionModel
from edge.camera.slot import Slot
from edge.camera.watch import CameraWatch
from edge.clock import ManualClock
from edge.config import Config
from edge.decide import Policy
from edge.domain import Frame, ModelId, Prediction, RgbImage
from edge.errors import MotionRefused, StaleFrame, UnfitFrame
from edge.faults import Faults
from edge.live import Live
from edge.presence import PresenceModel
from edge.sorter import Sorter

HZ, FROZEN_S, MAX_AGE_S = 15, 1.0, 0.3
WIDTH, HEIGHT = 256, 192
RANDOM = np.random.default_rng(3)
TEXTURE = cv2.GaussianBlur(RANDOM.integers(60, 190, (HEIGHT, WIDTH, 1), np.uint8), (0, 0), 1.2)
TRAY: RgbImage = np.repeat(TEXTURE[..., np.newaxis], 3, axis=2)
NOISE = RANDOM.normal(0, 1.5, (HEIGHT + 61, WIDTH + 61, 3)).astype(np.int8)

CONFIG = Config.model_validate(
    {
        "bin_id": "demo",
        "state_dir": "nowhere",
        "camera": {"type": "footage"},
        "camera_condition": {"frozen_s": FROZEN_S},
        "classify": {"bundle": "nowhere", "frames": 3},
        "sorting": {"routes": {"glass": "glass"}, "residual": "residual"},
        "actuator": {
            "type": "flap",
            "pin_factory": "mock",
            "tilt_pin": 17,
            "turn_pin": 18,
            "positions": {"residual": {"turn_deg": 0}, "glass": {"turn_deg": 40}},
        },
        "loop_hz": HZ,
        "max_frame_age_s": MAX_AGE_S,
    }
)
COSTS = {"glass": {"residual": 0.3, "glass": 0.0}}


def with_item(tray: RgbImage) -> RgbImage:
    rgb = tray.copy()
    rgb[60:130, 90:170] = (30, 60, 200)
    return rgb


def shown(kind: str, tray: RgbImage) -> RgbImage:
    if kind == "dark":
        return np.full_like(tray, 4)
    if kind == "white":
        return np.full_like(tray, 255)
    if kind == "blurred":
        return np.asarray(cv2.GaussianBlur(tray, (0, 0), 4), np.uint8)
    if kind == "moved":
        return np.roll(tray, (9, 20), (0, 1))
    if kind == "green":  # what a decoder gives that was sent nothing
        return np.full_like(tray, (0, 135, 0))
    return tray


class World:
    """A sorter whose mechanism never moves, so that an item lies there for ever and is classified again and again."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.slot = Slot("camera", self.clock)
        self.kinds: list[tuple[Frame, str, int]] = []  # frame, what is wrong with it, for how many frames it has been
        self.classified: list[tuple[str, int]] = []
        self.run_of = ("", 0)
        self.given = 0
        faults, live = Faults(self.clock), Live()
        stand_in: Any = SimpleNamespace
        refuse = stand_in(
            homed=True, latched=False, refusals=lambda compartment: [], safety=Safety, deliver=self._refuse
        )
        self.sorter = Sorter(
            CONFIG,
            camera=self,
            watch=CameraWatch(ConditionModel(CONFIG.camera_condition, CONFIG.presence.region), faults),
            presence=PresenceModel(CONFIG.presence),
            classifier=stand_in(
                prepare=self._prepare,
                predict=self._predict,
                away=lambda: None,
                bundle=stand_in(model_id=ModelId("m", "1", "0")),
            ),
            policy=Policy({"glass": "glass"}, "residual", COSTS, {"glass": 0.5}, 0.0),
            guard=refuse,
            journal=stand_in(record=lambda event: None, complete=lambda event: None, next_seq=lambda: 1),
            faults=faults,
            live=live,
            clock=self.clock,
            boot_id=UUID(int=1),
        )

    def __enter__(self) -> World:
        return self

    def __exit__(self, *exc: object) -> None: ...

    def read_latest(self, max_age_s: float) -> Frame:
        return self.slot.read_latest(max_age_s)

    def _refuse(self, compartment: str, step: object) -> None:
        raise MotionRefused("it never moves")

    def _prepare(self, crops: list[RgbImage]) -> list[RgbImage]:
        for crop in crops:
            frame, kind, run = next(seen for seen in self.kinds if np.shares_memory(seen[0].rgb, crop))
            age_s = self.clock.monotonic_s() - frame.captured_s
            assert age_s <= MAX_AGE_S + len(crops) / HZ + 1e-6, f"a frame of {age_s:.2f} s ago is classified"
            self.classified.append((kind, run))
        return crops

    def _predict(self, crops: list[RgbImage]) -> Prediction:
        return Prediction(("glass",), np.ones(1, np.float32), np.zeros((1, 7, 7), np.float32), -9.0, "none", 0.0)

    def cycle(self, kind: str, rgb: RgbImage) -> None:
        """One frame, or none (`stale`), and what the sorter makes of it."""
        self.clock.advance(1 / HZ)
        self.run_of = (kind, self.run_of[1] + 1 if self.run_of[0] == kind else 1)
        if kind == "frozen" and self.kinds:
            self._put(self.kinds[-1][0].rgb.copy(), kind)
        elif kind != "stale":
            self._put(self._noise_alone() if kind == "noise" else self._noisy(shown(kind, rgb)), kind)
        try:
            self.sorter.cycle()
        except StaleFrame:
            assert kind == "stale"
        except UnfitFrame:
            pass

    def _put(self, rgb: RgbImage, kind: str) -> None:
        self.slot.put(rgb)
        self.kinds.append((self.slot.read_latest(1.0), kind, self.run_of[1]))

    def _noise_alone(self) -> RgbImage:
        self.given += 1
        return np.random.default_rng(self.given).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)

    def _noisy(self, rgb: RgbImage) -> RgbImage:
        self.given += 1
        down, across = self.given * 37 % 61, self.given * 23 % 61
        return np.asarray(cv2.add(rgb, NOISE[down : down + HEIGHT, across : across + WIDTH], dtype=cv2.CV_8U), np.uint8)


def learnt() -> World:
    world = World()
    for _ in range(45):
        world.cycle("good", TRAY)
    return world


SOON = round(CHECK_S * HZ) + 1  # frames until a look at the whole view is due
ALLOWED_FRAMES = {
    "dark": 0,
    "white": 0,
    "blurred": SOON,
    "moved": SOON,
    "noise": SOON,
    "green": SOON,
    "frozen": round(FROZEN_S * HZ) + 1,
    "stale": 0,
}
"""So many frames of the kind may pass before it must be known."""

spells = st.lists(st.tuples(st.sampled_from(["good", *ALLOWED_FRAMES]), st.integers(1, 25)), min_size=1, max_size=6)


@given(spells=spells)
@settings(max_examples=25)
def test_no_unfit_frame_is_ever_classified(spells: list[tuple[str, int]]) -> None:
    assert wrongly_classified(spells) == []


@pytest.mark.parametrize("kind", ALLOWED_FRAMES)
def test_no_unfit_frame_is_classified_however_long_they_last(kind: str) -> None:
    assert wrongly_classified([(kind, 60)]) == []


def wrongly_classified(spells: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """What was classified though it had to be known as unfit: of which kind, and after how many frames of it."""
    world = learnt()
    for kind, frames in [("good", 12), *spells]:
        for _ in range(frames):
            world.cycle(kind, with_item(TRAY))
    return [(kind, run) for kind, run in world.classified if kind != "good" and run > ALLOWED_FRAMES[kind]]


@pytest.mark.parametrize("kind", ALLOWED_FRAMES)
def test_a_good_frame_is_classified_after_every_kind_of_bad_one(kind: str) -> None:
    """So the test above does not pass because nothing is ever classified."""
    world = learnt()
    for _ in range(25):
        world.cycle("good", with_item(TRAY))
    assert world.classified
    for _ in range(40):
        world.cycle(kind, with_item(TRAY))
    before = len(world.classified)
    for _ in range(60):
        world.cycle("good", with_item(TRAY))
    assert len(world.classified) > before
