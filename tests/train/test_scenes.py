from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.domain import Box, RgbImage
from train.cutout import Cutout
from train.scenes.backgrounds import Backgrounds
from train.scenes.camera import camera
from train.scenes.compose import compose, place
from train.scenes.textures import TEXTURES, Texture

BOARD, ITEM, GROUND = 200, (30, 60, 150), (20, 160, 40)
SIZE_PX = 96


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def bank() -> Backgrounds:
    return Backgrounds(generator(), count=24)


def cutout(mask: np.ndarray, touched: tuple[bool, ...] = (False,) * 4) -> Cutout:
    """The cut-out of a bool mask on an even board, no shadow."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    alpha = (255 * mask).astype(np.uint8)
    return Cutout(alpha, np.full_like(alpha, 255), np.full((12, 16, 3), BOARD, np.uint8), box, touched)


def item(colour: tuple[int, int, int] = ITEM) -> tuple[RgbImage, Cutout]:
    """A rectangle of one colour in the middle of a white board."""
    mask = np.zeros((120, 160), bool)
    mask[40:80, 50:110] = True
    rgb = np.full((120, 160, 3), BOARD, np.uint8)
    rgb[mask] = colour
    return rgb, cutout(mask)


def ground(height: int = SIZE_PX, width: int = SIZE_PX, colour: tuple[int, int, int] = GROUND) -> RgbImage:
    return np.full((height, width, 3), colour, np.uint8)


def hue(rgb: np.ndarray) -> np.ndarray:
    """Colours as shares of their sum: what light and shadow leave as it is."""
    return np.asarray(rgb, float) / np.maximum(np.asarray(rgb, float).sum(axis=-1, keepdims=True), 1)


def test_where_the_item_is_there_is_its_colour_and_elsewhere_the_background() -> None:
    rgb, cut = item()
    scene = compose(rgb, cut, ground(120, 160), generator())
    assert np.abs(hue(scene[42:78, 52:108]) - hue(np.array(ITEM))).max() < 0.04
    assert np.abs(hue(scene[:20]) - hue(np.array(GROUND))).max() < 0.04
    assert np.abs(scene[:5, :5].astype(int) - GROUND).max() <= 10, "far from the item no light is lost"


def test_a_half_covered_pixel_keeps_nothing_of_the_old_board() -> None:
    rgb, cut = item()
    soft = cv2.GaussianBlur(cut.alpha, (0, 0), 3)
    share = soft[..., None] / 255
    rgb = np.rint(share * ITEM + (1 - share) * BOARD).astype(np.uint8)
    scene = compose(
        rgb, Cutout(soft, cut.shade, cut.field, cut.box, cut.touched), ground(120, 160, (0, 0, 0)), generator()
    )
    assert np.all(scene.max(axis=2) <= 1.6 * share[..., 0] * max(ITEM) + 3)


def test_the_photograph_s_own_shadow_falls_on_the_new_background() -> None:
    rgb, cut = item()
    shade = cut.shade.copy()
    shade[100:] = 100
    lit, shaded = (
        compose(rgb, Cutout(cut.alpha, light, cut.field, cut.box, cut.touched), ground(120, 160), generator(1))
        for light in (cut.shade, shade)
    )
    assert shaded[105:].mean() < 0.9 * lit[105:].mean()
    assert np.array_equal(shaded[:90], lit[:90])


def test_a_clear_item_shows_the_background_and_an_opaque_one_does_not() -> None:
    clear, cut = item((180, 182, 178))
    for see_through, seen in ((0.0, False), (1.0, True)):
        scene = compose(clear, cut, ground(120, 160), generator(), see_through=see_through)
        green = hue(scene[50:70, 60:100])[..., 1].mean()
        assert (green > 0.5) == seen


def test_a_printed_label_does_not_become_clear() -> None:
    rgb, cut = item((200, 10, 10))
    scene = compose(rgb, cut, ground(120, 160), generator(), see_through=1.0)
    assert hue(scene[50:70, 60:100])[..., 0].mean() > 0.75


def test_a_placed_item_is_seen_on_every_draw_and_the_picture_has_the_size_asked_for() -> None:
    rgb, cut = item((250, 20, 20))
    rng = generator()
    shares = []
    for _ in range(60):
        scene = place(rgb, cut, rng, SIZE_PX, background=ground())
        assert scene.shape == (SIZE_PX, SIZE_PX, 3) and scene.dtype == np.uint8
        shares.append((hue(scene)[..., 0] > 0.6).mean())
    assert min(shares) > 0.005 and max(shares) > 0.3


def test_an_item_lies_partly_outside_the_picture_now_and_then() -> None:
    rgb, cut = item((250, 20, 20))
    rng = generator()
    at_border = 0
    for _ in range(80):
        red = hue(place(rgb, cut, rng, SIZE_PX, background=ground()))[..., 0] > 0.6
        at_border += bool(np.concatenate([red[0], red[-1], red[:, 0], red[:, -1]]).mean() > 0.03)
    assert 2 <= at_border <= 40


def test_a_side_that_the_photograph_cut_lies_outside_the_picture() -> None:
    mask = np.zeros((120, 160), bool)
    mask[40:80, :60] = True
    rgb = np.full((120, 160, 3), BOARD, np.uint8)
    rgb[mask] = (250, 20, 20)
    cut = cutout(mask, touched=(True, False, False, False))
    rng = generator()
    for _ in range(40):
        red = hue(place(rgb, cut, rng, SIZE_PX, background=ground()))[..., 0] > 0.6
        assert max(red[0].mean(), red[-1].mean(), red[:, 0].mean(), red[:, -1].mean()) > 0.1


def test_an_item_cut_on_opposite_sides_reaches_from_side_to_side() -> None:
    mask = np.zeros((120, 160), bool)
    mask[40:80] = True
    rgb = np.full((120, 160, 3), BOARD, np.uint8)
    rgb[mask] = (250, 20, 20)
    cut = cutout(mask, touched=(True, False, True, False))
    rng = generator()
    for _ in range(20):
        red = hue(place(rgb, cut, rng, SIZE_PX, background=ground()))[..., 0] > 0.6
        assert red.any(axis=0).all() or red.any(axis=1).all()


@pytest.mark.parametrize("texture", TEXTURES, ids=lambda texture: texture.__name__)
def test_every_texture_is_a_finite_picture_and_another_each_time(texture: Texture) -> None:
    first, second = (texture(generator(seed), 64) for seed in (0, 1))
    assert first.shape == (64, 64, 3) and np.isfinite(first).all() and first.std() > 0
    assert not np.array_equal(first, second)


def test_backgrounds_are_pictures_and_differ_from_draw_to_draw(bank: Backgrounds) -> None:
    rng = generator()
    drawn = [bank.draw(rng, SIZE_PX) for _ in range(40)]
    assert all(tray.shape == (SIZE_PX, SIZE_PX, 3) and tray.dtype == np.uint8 for tray in drawn)
    assert len({tray.tobytes() for tray in drawn}) == len(drawn)
    assert np.std([tray.mean() for tray in drawn]) > 25, "dark trays and bright ones"


def test_the_same_seed_gives_the_same_bytes() -> None:
    rgb, cut = item()

    def picture(seed: int) -> bytes:
        rng = generator(seed)
        tray = Backgrounds(rng, count=5).draw(rng, SIZE_PX)
        return camera(place(rgb, cut, rng, SIZE_PX, background=tray, see_through=0.5), rng, 1.0).tobytes()

    assert picture(3) == picture(3)
    assert picture(3) != picture(4)


def test_a_camera_of_no_strength_changes_nothing(bank: Backgrounds) -> None:
    tray = bank.draw(generator(), SIZE_PX)
    assert np.array_equal(camera(tray, generator(), 0.0), tray)


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_a_camera_keeps_the_shape_and_does_not_blind_itself(bank: Backgrounds, strength: float) -> None:
    rng = generator()
    rgb, cut = item()
    for _ in range(60):
        scene = place(rgb, cut, rng, SIZE_PX, background=bank.draw(rng, SIZE_PX))
        seen = camera(scene, rng, strength)
        assert seen.shape == scene.shape and seen.dtype == np.uint8 and seen.std() > 2
        assert not np.array_equal(seen, scene)


def test_a_stronger_camera_changes_more(bank: Backgrounds) -> None:
    tray = bank.draw(generator(1), SIZE_PX).astype(int)
    weak, strong = (
        np.mean([np.abs(camera(tray.astype(np.uint8), generator(seed), s) - tray).mean() for seed in range(40)])
        for s in (0.2, 1.0)
    )
    assert strong > 2 * weak
