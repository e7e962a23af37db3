"""The simulated tray: it shows what its script says, and lets an item go only when the flap opens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from edge.clock import ManualClock
from edge.config import FootageCamera as Settings
from edge.config import Presence
from edge.domain import Box, Frame, Observation, RgbImage, TrayState
from edge.errors import CameraError, StaleFrame
from edge.presence import PresenceModel
from edge.sim.clip import FOOTAGE, Clip, read_chapters
from edge.sim.tray import FootageCamera

FPS, WIDTH, HEIGHT = 15, 192, 144


class Flap:
    """What the simulated flap's pins would say."""

    compartment: str | None = None

    def __call__(self) -> str | None:
        return self.compartment


class Stand:
    """A camera on drawn or shipped footage, with the time and the flap in the test's hands."""

    def __init__(self, footage: Path, *, opening_frames: int = 0, **settings: Any) -> None:
        self.clock, self.flap = ManualClock(), Flap()
        self.camera = FootageCamera(
            Settings(type="footage", **{"noise": 0, **settings}),
            self.clock,
            self.flap,
            footage=footage,
            opening_frames=opening_frames,
        )

    def after(self, seconds: float) -> Frame:
        self.clock.advance(seconds)
        return self.camera.read_latest(max_age_s=1.0)

    def step(self) -> Frame:
        return self.after(1 / FPS)

    def show(self, limit_s: float = 10.0, until: Callable[[Frame], bool] = lambda _: False) -> list[str | None]:
        """What is shown, frame by frame, without repetitions."""
        seen = [self.camera.showing]
        for _ in range(round(limit_s * FPS)):
            frame = self.step()
            if self.camera.showing != seen[-1]:
                seen.append(self.camera.showing)
            if until(frame):
                break
        return seen


def colour_at(frame: Frame, x: int, y: int) -> list[int]:
    return [int(value) for value in frame.rgb[y, x]]


def is_red(frame: Frame) -> bool:
    red, green, _ = colour_at(frame, 65, 85)
    return red - green > 80


def test_an_item_lies_until_the_flap_opens(drawn_footage: Path) -> None:
    stand = Stand(drawn_footage)
    with stand.camera as camera:
        assert stand.show(0.9) == [None]
        assert not is_red(camera.read_latest(1.0))
        assert stand.show(60) == [None, "can"]
        assert is_red(stand.step())
        stand.flap.compartment = "metal"
        assert is_red(stand.step())  # the moment the flap opens the can still lies there
        assert not is_red(stand.step())  # and then it slides
        stand.flap.compartment = None
        assert stand.show(60) == ["can", None, "sheet"]


def test_the_show_goes_round_for_ever(drawn_footage: Path) -> None:
    stand = Stand(drawn_footage)
    stand.flap.compartment = "anything"
    with stand.camera:
        assert stand.show(9)[:9] == [None, "can", None, "sheet", None, "can", None, "sheet", None]


@pytest.mark.parametrize("pause_s", [1 / FPS, 0.4])
def test_no_item_comes_before_the_empty_tray_was_looked_at_often_enough(drawn_footage: Path, pause_s: float) -> None:
    """However slow the machine looks: an item must not be learnt as a part of the tray."""
    stand = Stand(drawn_footage, opening_frames=30)
    with stand.camera as camera:
        stand.clock.advance(100)  # a long start of the program is no part of the show
        for _ in range(30):
            for _ in range(3):  # looking again at the same frame does not count
                camera.read_latest(1.0)
            assert camera.showing is None
            stand.clock.advance(pause_s)
        camera.read_latest(1.0)
        assert camera.showing is None
        stand.after(1.0)
        assert camera.showing == "can"


def test_an_item_whose_compartment_jams_stays(drawn_footage: Path) -> None:
    stand = Stand(drawn_footage, jam_on=["metal"])
    with stand.camera as camera:
        stand.show(3)
        stand.flap.compartment = "metal"
        assert stand.show(5) == ["can"]
        assert is_red(stand.step())
        stand.flap.compartment = None
        stand.step()
        stand.flap.compartment = "residual"
        assert stand.show(0.6) == ["can", None]
        assert not is_red(camera.read_latest(1.0))


def test_the_show_depends_on_the_time_alone_not_on_how_often_it_is_watched(drawn_footage: Path) -> None:
    often, seldom = Stand(drawn_footage, noise=3), Stand(drawn_footage, noise=3)
    with often.camera, seldom.camera:
        for _ in range(13):
            for _ in range(7):
                frame = often.after(1 / 70)
            other = seldom.after(0.1)
            assert frame.seq == other.seq
            assert frame.captured_s == pytest.approx(other.captured_s)
            assert np.array_equal(frame.rgb, other.rgb)


def test_frames_come_at_the_footages_rate_and_age_between(drawn_footage: Path) -> None:
    stand = Stand(drawn_footage)
    stand.clock.advance(7.0)
    with stand.camera as camera:
        first = camera.read_latest(max_age_s=0.0)
        assert (first.seq, first.captured_s) == (0, 7.0)
        assert stand.after(0.06) is first
        with pytest.raises(
            StaleFrame, match=r"is 0\.060 s old, at most 0\.050 s is allowed; it gives 15 frames a second"
        ):
            camera.read_latest(max_age_s=0.05)
        assert stand.after(0.01).seq == 1
        assert stand.after(0.2).seq == 4


def test_noise_is_as_strong_as_configured_differs_by_frame_and_repeats_by_run(drawn_footage: Path) -> None:
    runs = []
    for noise in (0.0, 4.0, 4.0):
        stand = Stand(drawn_footage, noise=noise)
        with stand.camera:
            runs.append([stand.step().rgb.astype(np.float64) for _ in range(2)])
    (clean, _), (first, second), (again, _) = runs
    assert (first - clean).std() == pytest.approx(4.0, rel=0.1)
    assert np.array_equal(first, again)
    assert abs(np.corrcoef((first - clean).ravel(), (second - clean).ravel())[0, 1]) < 0.05


def test_the_clip_is_decoded_only_as_far_as_it_was_shown(drawn_footage: Path) -> None:
    chapters = read_chapters(drawn_footage / "chapters.json")
    clip = Clip(drawn_footage / "tray.mp4", chapters)
    clip.picture(4)
    assert len(clip._jpegs) == 5
    clip.close()


@pytest.mark.parametrize("how_often_hz", [15, 10, 30], ids=lambda hz: f"{hz} Hz")
def test_the_presence_model_sees_the_whole_story(drawn_footage: Path, how_often_hz: int) -> None:
    stand = Stand(drawn_footage, noise=1.5)
    model = PresenceModel(Presence(still_s=0.4, learn_frames=5))
    seen: list[Observation] = []
    with stand.camera:
        for _ in range(20 * how_often_hz):
            seen.append(model.observe(stand.after(1 / how_often_hz)))
            stand.flap.compartment = "metal" if seen[-1].state is TrayState.STILL else None
            if stand.camera.showing == "sheet":
                break
    S = TrayState  # noqa: N806
    order = [S.MOTION, S.LEARNING, S.EMPTY, S.MOTION, S.SETTLING, S.STILL, S.MOTION, S.EMPTY]
    assert without_repetitions(observation.state for observation in seen)[: len(order)] == order
    box = next(observation.box for observation in seen if observation.state is S.STILL)
    assert iou(box, Box(40, 50, 90, 120)) > 0.6


# --- photographs in place of the clip


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name, rgb, size in (("p10.jpg", (40, 40, 200), (50, 300)), ("p9.png", (200, 40, 40), (400, 300))):
        picture = np.full((size[1], size[0], 3), rgb[::-1], np.uint8)
        assert cv2.imwrite(str(folder / name), picture)
    (folder / "p1.jpg").write_bytes(b"not a picture")
    return folder


def test_photographs_are_laid_on_the_tray_one_after_another(
    drawn_footage: Path, photographs: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stand = Stand(drawn_footage, source=photographs)
    with stand.camera as camera:
        empty = camera.read_latest(1.0).rgb
        assert stand.show(3) == [None, "p9.png"]  # p1 cannot be read, p9 comes before p10
        card = card_on(stand.step(), empty)
        assert card == pytest.approx((0.1 * WIDTH, 0.1 * HEIGHT, 0.9 * WIDTH, 0.9 * HEIGHT), abs=1)
        assert colour_at(stand.step(), WIDTH // 2, HEIGHT // 2) == [200, 40, 40]
        stand.flap.compartment = "paper"
        assert stand.show(6)[:5] == ["p9.png", None, "p10.jpg", None, "p9.png"]
    assert [record.getMessage().split(":")[0] for record in caplog.records] == [f"skipped {photographs / 'p1.jpg'}"]


def test_a_tall_photograph_keeps_its_shape_and_leaves_the_border_in_view(drawn_footage: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "tall.png"), np.full((300, 50, 3), 30, np.uint8))
    stand = Stand(drawn_footage, source=tmp_path)
    with stand.camera as camera:
        empty = camera.read_latest(1.0).rgb
        x0, y0, x1, y1 = card_on(stand.after(3.0), empty)
    assert (y1 - y0) == pytest.approx(0.8 * HEIGHT, abs=1)
    assert (x1 - x0) / (y1 - y0) == pytest.approx(50 / 300, abs=0.02)


def test_a_photograph_slides_in_and_out(drawn_footage: Path, photographs: Path) -> None:
    stand = Stand(drawn_footage, source=photographs)
    with stand.camera as camera:
        empty = camera.read_latest(1.0).rgb

        def bottoms(steps: int) -> list[int]:
            frames = [stand.step() for _ in range(steps)]
            return [card_on(frame, empty)[3] for frame in frames if not np.array_equal(frame.rgb, empty)]

        comes = bottoms(40)
        stand.flap.compartment = "paper"
        goes = bottoms(20)
    assert len(set(comes)) == len(set(goes)) == 6
    assert comes == sorted(comes) and goes == sorted(goes, reverse=True)


def test_presence_finds_a_photograph_and_sees_it_go(drawn_footage: Path, photographs: Path) -> None:
    stand = Stand(drawn_footage, source=photographs, noise=1.5)
    model, seen = PresenceModel(Presence(still_s=0.4)), []
    with stand.camera:
        for _ in range(60):
            seen.append(model.observe(stand.step()))
            stand.flap.compartment = "paper" if seen[-1].state is TrayState.STILL else None
    states = without_repetitions(observation.state for observation in seen)
    assert states[1:4] == [TrayState.LEARNING, TrayState.EMPTY, TrayState.MOTION]
    assert states[4:8] == [TrayState.SETTLING, TrayState.STILL, TrayState.MOTION, TrayState.EMPTY]
    box = next(observation.box for observation in seen if observation.state is TrayState.STILL)
    assert iou(box, Box(19, 14, 173, 130)) > 0.9


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (None, "no pictures in this folder"),
        ("broken.jpg", "not one of its pictures can be read"),
    ],
)
def test_a_folder_without_a_readable_photograph_is_an_error(
    drawn_footage: Path, tmp_path: Path, file: str | None, message: str
) -> None:
    if file:
        (tmp_path / file).write_bytes(b"not a picture")
    with pytest.raises(CameraError, match=message):
        Stand(drawn_footage, source=tmp_path).camera.__enter__()


def test_a_missing_folder_and_a_file_are_told_apart(drawn_footage: Path, photographs: Path) -> None:
    with pytest.raises(CameraError, match="nowhere: No such file or directory; expected a folder of pictures"):
        Stand(drawn_footage, source=photographs / "nowhere").camera.__enter__()
    with pytest.raises(CameraError, match="a file, expected a folder of pictures; name the folder it lies in"):
        Stand(drawn_footage, source=photographs / "p9.png").camera.__enter__()


# --- damaged footage


def damaged(footage: Path, into: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    shutil.copytree(footage, into)
    chapters = json.loads((into / "chapters.json").read_text())
    change(chapters)
    (into / "chapters.json").write_text(json.dumps(chapters))
    return into


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(schema=2), r"chapters\.json: schema: Input should be 1"),
        (lambda c: c.pop("fps"), r"chapters\.json: fps: Field required"),
        (lambda c: c.update(items=[]), r"chapters\.json: items: "),
        (lambda c: c["items"][1].update(taken=[9, 4]), r"sheet\.taken: frames 9 to 4, expected 0 ≤ first ≤ last"),
        (lambda c: c["items"][1].update(taken=[24, 99]), r"27 readable frames, the chapters go up to frame 99 \(sheet"),
        (lambda c: c.update(size=[512, 384]), "frames of 192 by 144 pixels, the chapters say 512 by 384"),
    ],
)
def test_chapters_that_do_not_fit_are_an_error(
    drawn_footage: Path, tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    stand = Stand(damaged(drawn_footage, tmp_path / "footage", change))
    with pytest.raises(CameraError, match=message), stand.camera as camera:
        camera.read_latest(1.0)


@pytest.mark.parametrize("file", ["tray.mp4", "chapters.json"])
@pytest.mark.parametrize("content", [None, b"", b"neither a clip nor JSON"])
def test_missing_or_corrupt_footage_is_an_error(
    drawn_footage: Path, tmp_path: Path, file: str, content: bytes | None
) -> None:
    footage = shutil.copytree(drawn_footage, tmp_path / "footage")
    (footage / file).unlink()
    if content is not None:
        (footage / file).write_bytes(content)
    with pytest.raises(CameraError, match=f"{file}.*install the package again"):
        Stand(footage).camera.__enter__()


# --- the footage that ships


def test_every_item_of_the_shipped_footage_is_found_and_the_tray_is_empty_between() -> None:
    chapters = read_chapters(FOOTAGE / "chapters.json")
    stand = Stand(FOOTAGE, noise=1.5)
    model = PresenceModel(Presence())
    found: dict[str, float] = {}
    empty_between = 0
    with stand.camera as camera:
        showing: str | None = None
        for _ in range(len(chapters.items) * 10 * FPS):
            observation = model.observe(stand.step())
            if camera.showing is None:
                assert observation.state is not TrayState.STILL, f"after {showing} a ghost lies at {observation.box}"
            elif observation.state is TrayState.STILL and camera.showing not in found:
                item = next(item for item in chapters.items if item.name == camera.showing)
                found[item.name] = iou(observation.box, Box(*item.box))
            stand.flap.compartment = "residual" if observation.state is TrayState.STILL else None
            if showing and camera.showing is None and observation.state is TrayState.EMPTY:
                empty_between += 1
                showing = None
            showing = camera.showing or showing
            if len(found) == len(chapters.items) == empty_between:
                break
    assert list(found) == [item.name for item in chapters.items]
    assert empty_between == len(chapters.items)
    assert min(found.values()) > 0.5, found


def card_on(frame: Frame, empty: RgbImage) -> tuple[int, int, int, int]:
    """Where a frame without noise differs from the empty tray."""
    y, x = np.nonzero((frame.rgb != empty).any(axis=2))
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def without_repetitions(states: Any) -> list[TrayState]:
    seen: list[TrayState] = []
    for state in states:
        if not seen or seen[-1] is not state:
            seen.append(state)
    return seen


def iou(a: Box | None, b: Box) -> float:
    assert a is not None
    common = max(0, min(a.x1, b.x1) - max(a.x0, b.x0)) * max(0, min(a.y1, b.y1) - max(a.y0, b.y0))
    return common / ((a.x1 - a.x0) * (a.y1 - a.y0) + (b.x1 - b.x0) * (b.y1 - b.y0) - common)
