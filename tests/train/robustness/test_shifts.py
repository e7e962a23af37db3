from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import train.robustness
from edge.domain import Box
from tests.train.robustness.conftest import photograph_of_a_box
from train.robustness.item import box_of, lay, lift, scatter, shrinkable
from train.robustness.shifts import SHIFTS, Shifted, Subject, apply, clean, subject

PACKAGE = Path(train.robustness.__file__).parent


def test_there_are_at_least_twelve_shifts_named_in_small_letters() -> None:
    assert len(SHIFTS) >= 12
    assert all(name == name.lower() and " " not in name for name in SHIFTS)


@pytest.mark.parametrize("shift", SHIFTS)
def test_a_shift_changes_the_picture_but_neither_its_shape_nor_its_type(
    shift: str, box: Subject, noise: Subject
) -> None:
    for photograph in (box, noise):
        shifted = apply(shift, photograph).rgb
        assert shifted.shape == photograph.rgb.shape and shifted.dtype == np.uint8
        assert np.abs(shifted.astype(int) - photograph.rgb).mean() > 4


@pytest.mark.parametrize("shift", SHIFTS)
def test_the_same_photograph_is_shifted_the_same_way_every_time(shift: str, box: Subject) -> None:
    again = subject(photograph_of_a_box(), box.name)
    assert np.array_equal(apply(shift, box).rgb, apply(shift, again).rgb)
    assert apply(shift, box).box == apply(shift, again).box


@pytest.mark.parametrize("shift", SHIFTS)
def test_another_name_draws_another_picture(shift: str, box: Subject) -> None:
    other = Subject(box.rgb, "metal/other.png", box.item)
    assert not np.array_equal(apply(shift, box).rgb, apply(shift, other).rgb)


@pytest.mark.parametrize("shift", SHIFTS)
def test_what_is_composed_has_a_box_inside_the_picture_round_the_red_item(shift: str, box: Subject) -> None:
    shifted = apply(shift, box)
    assert shifted.composed and shifted.box is not None
    x0, y0, x1, y1 = shifted.box
    assert 0 <= x0 < x1 <= 192 and 0 <= y0 < y1 <= 144
    inside = shifted.view(followed=True).astype(float)
    assert inside.shape[0] <= 144 and inside.shape[1] <= 192
    colourful = np.ptp(shifted.rgb.astype(int), axis=2)
    middle = colourful[y0 + (y1 - y0) // 4 : y1 - (y1 - y0) // 4, x0 + (x1 - x0) // 4 : x1 - (x1 - x0) // 4]
    assert middle.mean() > 15  # dim light leaves little colour, and a bare grey tray none


def test_a_photograph_that_cannot_be_cut_out_is_kept_and_only_treated(noise: Subject) -> None:
    for shift in SHIFTS:
        shifted = apply(shift, noise)
        assert not shifted.composed
        if shift != "distant-item":  # there it lies on the tray as a sheet, and that has a box
            assert shifted.box is None and shifted.view(followed=True).shape == noise.rgb.shape


def test_a_distant_item_covers_about_a_tenth(box: Subject) -> None:
    large = subject(photograph_of_a_box(at=(30, 24), side=(120, 90)), "metal/large.png")
    assert large.item is not None
    shifted = apply("distant-item", large)
    assert shifted.box is not None
    x0, y0, x1, y1 = shifted.box
    assert 0.08 < (x1 - x0) * (y1 - y0) / (144 * 192) < 0.25  # of a turned rectangle's box


def test_the_trays_edge_hides_at_most_a_quarter_of_the_item(box: Subject) -> None:
    from train.robustness.shifts import _edge_mask

    cover = np.zeros((144, 192), np.float32)
    cover[40:90, 60:130] = 1
    for seed in range(5):
        hidden = _edge_mask(cover, np.random.default_rng(seed), share=0.25)
        assert 0.2 < (hidden * cover).sum() / cover.sum() < 0.27


def test_the_crop_follows_the_box_with_the_bins_margin() -> None:
    shifted = Shifted(np.zeros((100, 200, 3), np.uint8), Box(50, 40, 90, 60), composed=True)
    assert shifted.crop_box == Box(42, 32, 98, 68)  # a fifth of 40 pixels on every side
    assert shifted.view(followed=True).shape == (36, 56, 3) and shifted.view(followed=False).shape == (100, 200, 3)


def test_an_unshifted_photograph_is_left_as_it_is(box: Subject) -> None:
    shown = clean(box)
    assert np.array_equal(shown.rgb, box.rgb) and not shown.composed
    assert box.item is not None and shown.box == box.item.box


def test_a_cut_side_stays_at_the_pictures_edge() -> None:
    held = subject(photograph_of_a_box(at=(0, 50), side=(70, 40)), "metal/held.png").item
    assert held is not None and held.cut_by[0] and shrinkable(held)
    from train.robustness.ground import plain_tray

    for seed in range(6):
        rng = np.random.default_rng(seed)
        _, cover = lay(held, plain_tray(rng, (144, 192)), scatter(held, (144, 192), rng, area=0.05))
        laid = box_of(cover)
        assert laid is not None and (laid.x0 == 0 or laid.x1 == 192)


def test_only_named_classes_are_seen_through() -> None:
    from train.cutout import cut_out

    rgb = photograph_of_a_box()
    rgb[52:88, 74:90] = 190  # a part as bright and grey as the board
    cutout = cut_out(rgb)
    assert cutout is not None
    assert lift(rgb, cutout, "glass").clear.max() > 0.4
    assert lift(rgb, cutout, "paper").clear.max() == 0


def test_robustness_knows_nothing_of_how_training_makes_its_pictures() -> None:
    forbidden = ("train.scenes", "train.augment", "train.crops", "train.mixing")
    for file in sorted(PACKAGE.glob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
            assert not [name for name in names if name.startswith(forbidden)], file.name
