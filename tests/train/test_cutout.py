from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.domain import RgbImage
from train.cutout import Cutout, cut_out

HEIGHT, WIDTH = 288, 384
CENTRE, AXES = (170, 150), (70, 40)


def board() -> np.ndarray:
    """A warm poster board, brighter towards the right, with a camera's noise: float64, 0..255."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    light = 190 + 30 * x / WIDTH - 25 * (y / HEIGHT) ** 2
    noise = cv2.GaussianBlur(np.random.default_rng(0).normal(0, 2, (HEIGHT, WIDTH, 3)), (0, 0), 0.8)
    return light[..., None] * [1, 0.95, 0.86] + noise


def ellipse(shift: tuple[int, int] = (0, 0)) -> np.ndarray:
    """(H, W) float64: 1 inside."""
    mask = np.zeros((HEIGHT, WIDTH))
    cv2.ellipse(mask, (CENTRE[0] + shift[0], CENTRE[1] + shift[1]), AXES, 20, 0, 360, 1, -1, cv2.LINE_AA)
    return mask


def photograph(colour: tuple[int, int, int] = (40, 90, 150), depth: float = 0.4) -> RgbImage:
    """An ellipse on the board, its soft shadow to the lower right, `depth` of the light gone at the darkest."""
    shadow = cv2.GaussianBlur(ellipse((14, 10)), (0, 0), 12)
    item = ellipse()[..., None]
    lit = board() * (1 - depth * shadow[..., None])
    return np.clip(lit * (1 - item) + item * np.array(colour), 0, 255).astype(np.uint8)


def cut(rgb: RgbImage) -> Cutout:
    found = cut_out(rgb)
    assert found is not None
    return found


@pytest.mark.parametrize("colour", [(40, 90, 150), (20, 20, 20), (250, 120, 60)])
def test_an_item_is_found_on_a_tinted_uneven_board_without_its_shadow(colour: tuple[int, int, int]) -> None:
    found = cut(photograph(colour)).alpha > 127
    true = ellipse() > 0.5
    assert (found & true).sum() / (found | true).sum() > 0.93


def test_the_box_goes_round_the_item() -> None:
    box = cut(photograph()).box
    rows, columns = np.flatnonzero(ellipse().max(axis=1) > 0.5), np.flatnonzero(ellipse().max(axis=0) > 0.5)
    assert np.abs(np.array(box) - [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]).max() <= 4


def test_the_shadow_is_kept_as_lost_light_and_elsewhere_no_light_is_lost() -> None:
    shade = cut(photograph(depth=0.5)).shade / 255
    expected = 1 - 0.5 * cv2.GaussianBlur(ellipse((14, 10)), (0, 0), 12)
    outside = cv2.dilate(ellipse(), np.ones((15, 15))) == 0
    assert np.abs(shade - expected)[outside].mean() < 0.04
    assert shade[outside].min() < 0.85


def test_the_field_is_the_board_without_item_and_shadow() -> None:
    found = cut(photograph())
    field = cv2.resize(found.field, (WIDTH, HEIGHT)).astype(float)
    assert np.abs(field - board()).mean() < 5


def test_a_photograph_s_frame_that_cuts_the_item_is_named() -> None:
    cut_left = photograph()[:, 130:]
    assert cut(photograph()).touched == (False, False, False, False)
    assert cut(cut_left).touched == (True, False, False, False)


def test_an_empty_board_is_refused() -> None:
    assert cut_out(np.clip(board(), 0, 255).astype(np.uint8)) is None


def test_one_colour_everywhere_is_refused() -> None:
    assert cut_out(np.full((HEIGHT, WIDTH, 3), 200, np.uint8)) is None


def test_a_frame_full_of_texture_is_refused() -> None:
    assert cut_out(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)) is None


def test_a_brown_ground_is_refused_for_it_is_cardboard_filling_the_frame() -> None:
    brown = np.clip(photograph() * np.array([1.0, 0.75, 0.55]), 0, 255).astype(np.uint8)
    assert cut_out(brown) is None


def test_an_item_that_fills_the_frame_is_refused() -> None:
    filled = photograph()
    filled[20:, 10:] = (40, 90, 150)
    assert cut_out(filled) is None


def test_the_same_photograph_gives_the_same_bytes() -> None:
    first, second = cut(photograph()), cut(photograph())
    assert first.alpha.tobytes() == second.alpha.tobytes() and first.shade.tobytes() == second.shade.tobytes()


def test_a_cut_out_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        cut(photograph()).alpha[0, 0] = 1


def test_a_photograph_of_a_few_pixels_is_refused() -> None:
    assert cut_out(photograph()[:8, :8]) is None


@pytest.mark.data
def test_a_third_of_the_photographs_or_more_can_be_cut(data: Path) -> None:
    for label, least in {
        "cardboard": 0.05,
        "glass": 0.5,
        "metal": 0.5,
        "paper": 0.3,
        "plastic": 0.4,
        "trash": 0.5,
    }.items():
        files = sorted((data / "trashnet" / label).glob("*.jpg"))[::13][:20]
        cuts = [cut_out(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)) for file in files]
        assert sum(found is not None for found in cuts) >= least * len(files), label
