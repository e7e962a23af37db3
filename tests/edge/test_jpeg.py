"""JPEGs and the comment they carry."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.bundle import decode
from edge.errors import UnreadablePicture
from edge.jpeg import MAX_COMMENT_BYTES, comment_of, jpeg_of, shrunk, with_comment
from tests.captures import JPEG, sample_picture


@given(text=st.text(max_size=300), again=st.text(max_size=300))
@settings(max_examples=25)
def test_a_comment_comes_back_is_replaced_and_leaves_the_picture_as_it_was(text: str, again: str) -> None:
    commented = with_comment(with_comment(JPEG, text), again)
    assert comment_of(commented) == again
    assert commented.endswith(JPEG[2:])
    assert np.array_equal(decode(commented, name="with"), decode(JPEG, name="without"))


def test_a_picture_without_a_comment_has_none_and_half_a_comment_is_none() -> None:
    assert comment_of(JPEG) is None
    assert comment_of(with_comment(JPEG, "x" * 100)[:50]) is None


def test_what_is_no_jpeg_and_what_is_too_long_for_a_comment_are_refused() -> None:
    with pytest.raises(UnreadablePicture, match="not a JPEG"):
        comment_of(b"PNG and so on")
    with_comment(JPEG, "x" * MAX_COMMENT_BYTES)
    with pytest.raises(ValueError, match="at most 65533 bytes, found 65534"):
        with_comment(JPEG, "x" * (MAX_COMMENT_BYTES + 1))


def test_a_picture_is_shrunk_to_its_longer_side_and_a_small_one_is_left_alone() -> None:
    small, scale = shrunk(sample_picture(60, 100), 50)
    assert small.shape == (30, 50, 3) and scale == 0.5
    same, scale = shrunk(sample_picture(60, 100), 100)
    assert same.shape == (60, 100, 3) and scale == 1.0


def test_colours_are_where_they_were() -> None:
    bgr = cv2.imdecode(np.frombuffer(jpeg_of(sample_picture(), 95), np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    assert bgr[30, 10, 2] > 240 > 20 > bgr[30, 10, 0]
