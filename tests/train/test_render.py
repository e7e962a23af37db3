"""The footage's script, as far as it goes without Blender: catalogue, motion, geometry, and what it has written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from train.render import geometry, motion
from train.render.items import CATALOGUE, find

ROOT = Path(__file__).parents[2]
FOOTAGE = ROOT / "edge/sim/footage"


def test_the_list_names_an_item_of_every_class_and_needs_no_blender() -> None:
    code = (
        "import sys; sys.modules['bpy'] = None; sys.argv[1:] = ['--list'];"
        "from train.render.__main__ import main; main()"
    )
    listing = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    labels = {line.split()[1] for line in listing.splitlines()}
    assert labels == {"cardboard", "glass", "metal", "paper", "plastic", "trash"}
    assert len(listing.splitlines()) == len(CATALOGUE) >= 8


def test_an_unknown_item_is_refused_with_those_there_are() -> None:
    with pytest.raises(KeyError, match=r"no item 'shoe'; the catalogue has green-bottle"):
        find("shoe")


def test_the_chapters_that_ship_are_the_catalogue_and_cover_the_clip_without_a_gap() -> None:
    chapters = json.loads((FOOTAGE / "chapters.json").read_text())
    assert [(item["name"], item["label"]) for item in chapters["items"]] == [(i.name, i.label) for i in CATALOGUE]
    scenes = [chapters["empty"], *(item[part] for item in chapters["items"] for part in ("appear", "still", "taken"))]
    assert [first for first, _ in scenes] == [0, *(last + 1 for _, last in scenes[:-1])]
    clip = cv2.VideoCapture(str(FOOTAGE / "tray.mp4"))
    frames = 0
    while clip.grab():
        frames += 1
    clip.release()
    assert frames == scenes[-1][1] + 1


@pytest.mark.parametrize("from_right", [True, False])
def test_an_item_comes_from_its_side_and_ends_at_rest(from_right: bool) -> None:
    first, last = motion.appearing(0.0, from_right), motion.appearing(1.0, from_right)
    assert np.sign(first.shift[0]) == (1 if from_right else -1)
    assert last.shift == pytest.approx((0, 0, 0), abs=1e-9)
    assert last.turn_deg == 0


def test_an_item_leaves_down_the_flap_while_the_flap_only_opens() -> None:
    poses = [motion.leaving(step) for step in np.linspace(0, len(motion.OPENING) - 1, 20)]
    angles, slides = [pose.flap_deg for pose in poses], [pose.shift[1] for pose in poses]
    assert angles == sorted(angles)
    assert slides == sorted(slides, reverse=True)
    assert motion.FLAP_DEG[motion.CLOSING[-1]] == 0.0, "the last frame is the closed, empty tray"


def test_a_pixel_projected_back_and_forth_is_the_same_pixel() -> None:
    pixels = np.array([[0.0, 0.0], [511.0, 383.0], [256.0, 100.0]])
    for level in (0.0, 0.5):
        back = geometry.project(geometry.unproject(pixels, level, (512, 384)), (512, 384))
        np.testing.assert_allclose(back, pixels, atol=1e-9)


def test_a_closed_flap_moves_nothing_and_an_open_one_keeps_its_hinge() -> None:
    points = np.array([[0.3, geometry.HINGE_Y, 0.0], [0.1, geometry.HINGE_Y - 1.0, 0.0]])
    np.testing.assert_allclose(geometry.swung(points, 0.0), points, atol=1e-12)
    opened = geometry.swung(points, 72.0)
    np.testing.assert_allclose(opened[0], points[0], atol=1e-12)
    assert opened[1, 2] < -0.9, "the far edge hangs down"
