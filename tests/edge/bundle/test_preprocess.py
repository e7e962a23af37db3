"""What the network is fed, whatever the camera gives."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge.bundle.preprocess import Preprocessing, to_input

SPEC = Preprocessing(size_px=192, resize="squash", interpolation="area", colour="rgb")


@pytest.mark.parametrize(
    ("height", "width"),
    [(720, 1280), (1280, 720), (384, 512), (192, 192), (40, 70), (1081, 1921), (200, 2000), (768, 192)],
)
def test_the_quick_way_gives_what_averaging_every_pixel_gives(height: int, width: int) -> None:
    blobs = np.random.default_rng(0).integers(0, 256, (12, 12, 3), np.uint8)
    picture = np.asarray(cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)
    expected = cv2.resize(picture, (192, 192), interpolation=cv2.INTER_AREA)
    result = to_input(picture, SPEC)
    assert result.shape == (192, 192, 3) and result.dtype == np.uint8
    assert np.abs(result.astype(int) - expected).mean() < 1.0


def test_a_picture_of_one_colour_stays_that_colour() -> None:
    assert (to_input(np.full((720, 1280, 3), 77, np.uint8), SPEC) == 77).all()


def test_stripes_finer_than_a_pixel_of_the_input_become_their_mean() -> None:
    stripes = np.zeros((192, 768, 3), np.uint8)
    stripes[:, ::2] = 200
    assert (to_input(stripes, SPEC) == 100).all()


@pytest.mark.parametrize("picture", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_what_is_no_rgb_picture_is_refused_by_its_shape_and_type(picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8, found \(8, 8"):
        to_input(picture, SPEC)
