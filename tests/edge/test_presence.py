"""The presence model on drawn trays: what it must see, and what must not fool it."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config import Presence
from edge.domain import Box, Frame, Observation, RgbImage, TrayState
from edge.presence import PresenceModel

WIDTH, HEIGHT, FPS = 512, 384, 15
RGB = tuple[int, int, int]


def drawn_tray(width: int = WIDTH, height: int = HEIGHT) -> RgbImage:
    """A grey tray: darker towards the corners, brushed, with a dark border."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    away = ((x / width - 0.5) ** 2 + (y / height - 0.5) ** 2)[..., None]
    brushed = np.random.default_rng(5).normal(0, 3, (height, 1, 1))
    rgb = np.array([138.0, 142.0, 146.0]) * (1 - 0.5 * away) + brushed
    tray: RgbImage = np.clip(rgb, 0, 255).astype(np.uint8)
    cv2.rectangle(tray, (0, 0), (width - 1, height - 1), (50, 50, 55), width // 40)
    return tray


TRAY = drawn_tray()


class DrawnFootage:
    """Turns drawn pictures into a camera's frames: time, numbers, and sensor noise."""

    def __init__(self) -> None:
        self.seq = 0
        self._noise = np.random.default_rng(1).normal(0, 2.0, (HEIGHT + 61, WIDTH + 61, 3)).round().astype(np.int8)

    def frame(self, rgb: RgbImage, gain: float = 1.0) -> Frame:
        height, width = rgb.shape[:2]
        down, across = self.seq * 17 % 61, self.seq * 29 % 61
        noise = self._noise[down : down + height, across : across + width]
        lit = rgb if gain == 1.0 else cv2.convertScaleAbs(rgb, alpha=gain)
        self.seq += 1
        return Frame(np.asarray(cv2.add(lit, noise, dtype=cv2.CV_8U), np.uint8), self.seq / FPS, self.seq)

    def frames(self, rgb: RgbImage, count: int) -> Iterator[Frame]:
        return (self.frame(rgb) for _ in range(count))


def observe_all(model: PresenceModel, frames: Iterable[Frame]) -> list[Observation]:
    return [model.observe(frame) for frame in frames]


def states(observations: Iterable[Observation]) -> list[TrayState]:
    return [observation.state for observation in observations]


def in_order(observations: Iterable[Observation]) -> list[TrayState]:
    """The states without repetitions."""
    seen: list[TrayState] = []
    for observation in observations:
        if not seen or seen[-1] is not observation.state:
            seen.append(observation.state)
    return seen


def iou(a: Box | None, b: Box) -> float:
    if a is None:
        return 0.0
    across, down = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
    common = max(0, across) * max(0, down)
    return common / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - common)


def with_block(box: Box, colour: RGB, tray: RgbImage = TRAY) -> RgbImage:
    rgb = tray.copy()
    rgb[box.y0 : box.y1, box.x0 : box.x1] = colour
    return rgb


def with_clear_bottle(box: Box) -> RgbImage:
    """Clear plastic: the tray shows through; thin rims and a highlight are all there is to see."""
    rgb = TRAY.astype(np.float32)
    body, rim = np.zeros((HEIGHT, WIDTH), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)
    corner = (box.x0 + 4, box.y0 + 4), (box.x1 - 5, box.y1 - 5)
    cv2.rectangle(body, *corner, 1.0, cv2.FILLED)
    cv2.rectangle(rim, *corner, 1.0, 8)
    cv2.line(rim, (box.x0 + 30, box.y0 + 20), (box.x0 + 30, box.y1 - 20), -1.0, 4)
    rgb += cv2.GaussianBlur(body * -4.0 + rim * -16.0, (3, 3), 0)[..., None]
    return np.clip(rgb, 0, 255).astype(np.uint8)


def with_shadow(tray: RgbImage, centre: tuple[int, int], depth: float) -> RgbImage:
    """A soft shadow: dims by `depth` in its middle, without an edge."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    away = ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * 70.0**2)
    return np.asarray(tray * (1 - depth * np.exp(-away))[..., None], np.uint8)


@pytest.fixture
def footage() -> DrawnFootage:
    return DrawnFootage()


@pytest.fixture
def model(footage: DrawnFootage) -> PresenceModel:
    """A model that knows the empty tray."""
    model = PresenceModel(Presence())
    observe_all(model, footage.frames(TRAY, 12))
    assert model.learnt
    return model


def test_the_empty_tray_is_learnt_from_the_first_still_frames(footage: DrawnFootage) -> None:
    model = PresenceModel(Presence(learn_frames=5))
    seen = states(observe_all(model, footage.frames(TRAY, 7)))
    assert seen == [TrayState.MOTION] + [TrayState.LEARNING] * 4 + [TrayState.EMPTY] * 2, (
        "one frame proves no stillness"
    )


def test_a_hand_during_learning_starts_it_again(footage: DrawnFootage) -> None:
    model = PresenceModel(Presence(learn_frames=5))
    observe_all(model, footage.frames(TRAY, 4))
    observe_all(model, footage.frames(with_block(Box(100, 0, 250, 200), (200, 160, 140)), 1))
    again = states(observe_all(model, footage.frames(TRAY, 6)))
    assert again == [TrayState.MOTION] + [TrayState.LEARNING] * 4 + [TrayState.EMPTY]


def test_the_empty_tray_stays_empty_under_noise(model: PresenceModel, footage: DrawnFootage) -> None:
    assert set(states(observe_all(model, footage.frames(TRAY, 40)))) == {TrayState.EMPTY}


@settings(max_examples=20, deadline=None)
@given(gains=st.lists(st.floats(0.85, 1.15), min_size=1, max_size=6))
def test_a_flickering_lamp_is_neither_an_item_nor_motion(gains: list[float]) -> None:
    footage = DrawnFootage()
    model = copy.deepcopy(learnt())
    assert {model.observe(footage.frame(TRAY, gain)).state for gain in gains} == {TrayState.EMPTY}


@pytest.mark.parametrize("gain", [0.72, 0.8, 1.25, 1.38])
def test_a_step_of_the_light_is_neither_an_item_nor_motion(
    model: PresenceModel, footage: DrawnFootage, gain: float
) -> None:
    for _ in range(5):
        assert model.observe(footage.frame(TRAY, gain)).state is TrayState.EMPTY


def test_a_flickering_lamp_does_not_hide_or_move_an_item(model: PresenceModel, footage: DrawnFootage) -> None:
    box = Box(120, 90, 330, 300)
    rgb = with_block(box, (190, 120, 60))
    observe_all(model, footage.frames(rgb, 12))
    for gain in (0.85, 1.15, 1.0, 1.25, 1.0, 0.8):
        observation = model.observe(footage.frame(rgb, gain))
        assert observation.state is TrayState.STILL
        assert iou(observation.box, box) > 0.6


def test_a_lasting_change_of_light_is_absorbed_while_the_tray_is_empty(
    model: PresenceModel, footage: DrawnFootage
) -> None:
    for step in range(120):  # to 1.7 times the light in two minutes, far beyond what counts as flicker
        footage.seq += 15
        assert model.observe(footage.frame(TRAY, 1.0 + 0.7 * step / 120)).state is TrayState.EMPTY
    assert model.observe(footage.frame(with_block(Box(200, 100, 300, 200), (20, 20, 20)), 1.7)).box is not None


def test_a_soft_shadow_is_not_an_item(model: PresenceModel, footage: DrawnFootage) -> None:
    shaded = observe_all(model, footage.frames(with_shadow(TRAY, (300, 180), 0.3), 10))
    assert shaded[-1].state is TrayState.EMPTY


@pytest.mark.parametrize(
    ("colour", "box"),
    [
        pytest.param((25, 25, 28), Box(150, 100, 350, 260), id="dark"),
        pytest.param((235, 235, 230), Box(60, 60, 200, 320), id="light"),
        pytest.param((140, 120, 75), Box(300, 150, 480, 330), id="of the tray's own brightness"),
        pytest.param((100, 103, 106), Box(200, 60, 330, 330), id="grey, as dark as a shadow"),
        pytest.param((190, 40, 40), Box(240, 180, 310, 240), id="small"),
    ],
)
def test_an_item_is_found_where_it_lies(model: PresenceModel, footage: DrawnFootage, colour: RGB, box: Box) -> None:
    last = observe_all(model, footage.frames(with_block(box, colour), 12))[-1]
    assert last.state is TrayState.STILL
    assert iou(last.box, box) > 0.6
    share = (box.x1 - box.x0) * (box.y1 - box.y0) / (WIDTH * HEIGHT)
    assert last.foreground == pytest.approx(share, rel=0.35)


def test_a_clear_bottle_is_found_whole(model: PresenceModel, footage: DrawnFootage) -> None:
    box = Box(130, 70, 300, 320)
    last = observe_all(model, footage.frames(with_clear_bottle(box), 12))[-1]
    assert last.state is TrayState.STILL
    assert iou(last.box, box) > 0.6


@pytest.mark.parametrize("colour", [(240, 240, 240), (15, 15, 15), (165, 130, 90)], ids=["white", "black", "cardboard"])
def test_an_item_that_covers_the_whole_tray_is_found(model: PresenceModel, footage: DrawnFootage, colour: RGB) -> None:
    everything = Box(0, 0, WIDTH, HEIGHT)
    last = observe_all(model, footage.frames(with_block(everything, colour), 12))[-1]
    assert last.state is TrayState.STILL
    assert iou(last.box, everything) > 0.95
    assert last.foreground > 0.9


def test_a_pale_sheet_over_most_of_the_tray_is_not_taken_for_light(model: PresenceModel, footage: DrawnFootage) -> None:
    box = Box(30, 20, 450, 360)
    last = observe_all(model, footage.frames(with_block(box, (175, 180, 185)), 12))[-1]
    assert last.state is TrayState.STILL
    assert iou(last.box, box) > 0.6


@settings(max_examples=25, deadline=None)
@given(
    x0=st.integers(15, 350),
    y0=st.integers(15, 250),
    width=st.integers(62, 140),
    height=st.integers(62, 110),
    colour=st.sampled_from(
        [(20, 20, 20), (240, 240, 240), (200, 60, 50), (60, 90, 190), (170, 130, 80), (60, 140, 70)]
    ),
    round_=st.booleans(),
)
def test_any_item_anywhere_is_found(x0: int, y0: int, width: int, height: int, colour: RGB, round_: bool) -> None:
    footage, model = DrawnFootage(), copy.deepcopy(learnt())
    box = Box(x0, y0, x0 + width, y0 + height)
    if round_:
        rgb = TRAY.copy()
        cv2.ellipse(rgb, (x0 + width // 2, y0 + height // 2), (width // 2, height // 2), 0, 0, 360, colour, cv2.FILLED)
    else:
        rgb = with_block(box, colour)
    observations = observe_all(model, footage.frames(rgb, 10))
    assert in_order(observations) == [TrayState.MOTION, TrayState.SETTLING, TrayState.STILL]
    assert iou(observations[-1].box, box) > 0.6


def test_an_item_is_still_only_after_the_configured_time(footage: DrawnFootage) -> None:
    model = PresenceModel(Presence(still_s=0.8))
    observe_all(model, footage.frames(TRAY, 12))
    sliding = [with_block(Box(x, 120, x + 120, 240), (200, 80, 40)) for x in range(20, 220, 20)]
    assert set(states(observe_all(model, (footage.frame(rgb) for rgb in sliding)))) == {TrayState.MOTION}
    landed_s = (footage.seq + 1) / FPS
    for frame in footage.frames(sliding[-1], 30):
        expected = TrayState.STILL if frame.captured_s - landed_s >= 0.8 - 1e-9 else TrayState.SETTLING
        assert model.observe(frame).state is expected


def test_an_item_that_creeps_is_not_still(model: PresenceModel, footage: DrawnFootage) -> None:
    """From frame to frame less than `motion_area` changes; over half a second it adds up."""
    creeping = [with_block(Box(100 + x, 150, 160 + x, 210), (200, 80, 40)) for x in range(60)]
    seen = states(observe_all(model, (footage.frame(rgb) for rgb in creeping)))
    assert TrayState.STILL not in seen
    assert TrayState.SETTLING in seen


def test_a_clear_bottle_that_rolls_is_motion_or_settling_never_still(
    model: PresenceModel, footage: DrawnFootage
) -> None:
    rolling = [with_clear_bottle(Box(40 + x, 70, 210 + x, 320)) for x in range(0, 240, 12)]
    assert TrayState.STILL not in states(observe_all(model, (footage.frame(rgb) for rgb in rolling)))


def test_the_tray_is_empty_again_after_the_item_is_gone(model: PresenceModel, footage: DrawnFootage) -> None:
    observations = observe_all(model, footage.frames(with_block(Box(150, 100, 350, 260), (60, 90, 160)), 30))
    observations += observe_all(model, footage.frames(TRAY, 5))
    assert in_order(observations) == [
        TrayState.MOTION, TrayState.SETTLING, TrayState.STILL, TrayState.MOTION, TrayState.EMPTY,
    ]  # fmt: skip
    assert observations[-1].box is None


def test_a_still_item_is_never_learnt_as_the_tray(model: PresenceModel, footage: DrawnFootage) -> None:
    rgb = with_block(Box(150, 100, 350, 260), (60, 90, 160))
    for _ in range(100):
        footage.seq += 15 * 10  # a quarter of an hour
        last = model.observe(footage.frame(rgb))
    assert last.state is TrayState.STILL


def test_a_hand_that_moves_is_motion_in_every_frame(model: PresenceModel, footage: DrawnFootage) -> None:
    item = with_block(Box(200, 150, 320, 260), (60, 90, 160))
    observe_all(model, footage.frames(item, 12))
    reaching = [with_block(Box(60, 0, 160, y), (205, 160, 140), item) for y in range(40, 300, 20)]
    assert set(states(observe_all(model, (footage.frame(rgb) for rgb in reaching)))) == {TrayState.MOTION}


def test_the_same_frame_seen_twice_is_answered_the_same(model: PresenceModel, footage: DrawnFootage) -> None:
    frame = footage.frame(with_block(Box(150, 100, 350, 260), (60, 90, 160)))
    assert model.observe(frame).state is TrayState.MOTION
    assert model.observe(frame).state is TrayState.MOTION


def test_another_frame_size_is_learnt_anew(model: PresenceModel, footage: DrawnFootage) -> None:
    small = drawn_tray(256, 192)
    assert model.observe(footage.frame(small)).state is TrayState.MOTION
    assert not model.learnt
    assert observe_all(model, footage.frames(small, 12))[-1].state is TrayState.EMPTY


def test_forget_learns_a_changed_tray(model: PresenceModel, footage: DrawnFootage) -> None:
    other = with_block(Box(0, 0, 250, HEIGHT), (40, 60, 40))
    assert observe_all(model, footage.frames(other, 12))[-1].state is TrayState.STILL
    model.forget()
    assert not model.learnt
    assert observe_all(model, footage.frames(other, 12))[-1].state is TrayState.EMPTY


def test_what_happens_outside_the_region_is_not_seen(footage: DrawnFootage) -> None:
    model = PresenceModel(Presence(region=(0.5, 0.25, 1.0, 0.75)))
    observe_all(model, footage.frames(TRAY, 12))
    outside = with_block(Box(0, 0, 250, HEIGHT), (240, 40, 40))
    assert set(states(observe_all(model, footage.frames(outside, 5)))) == {TrayState.EMPTY}
    inside = Box(300, 130, 450, 270)
    last = observe_all(model, footage.frames(with_block(inside, (30, 30, 30)), 12))[-1]
    assert last.state is TrayState.STILL
    assert iou(last.box, inside) > 0.6  # in pixels of the whole frame


@pytest.mark.parametrize(("width", "height"), [(64, 48), (160, 120), (333, 251), (640, 480), (1280, 720)])
def test_any_frame_size_works(width: int, height: int) -> None:
    model, tray = PresenceModel(Presence()), drawn_tray(width, height)
    for i in range(12):
        model.observe(Frame(tray, i / FPS, i))
    box = Box(width // 4, height // 4, width // 2, height // 2)
    for i in range(12, 24):
        last = model.observe(Frame(with_block(box, (200, 60, 50), tray), i / FPS, i))
    assert last.state is TrayState.STILL
    assert iou(last.box, box) > 0.6


@functools.cache
def learnt() -> PresenceModel:
    """A model that knows the tray, made once: Hypothesis draws many examples, and fixtures are per test."""
    model = PresenceModel(Presence())
    observe_all(model, DrawnFootage().frames(TRAY, 12))
    return model
