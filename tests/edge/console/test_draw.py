"""Pictures for the page."""

from __future__ import annotations

import base64

import cv2
import numpy as np
import pytest

from edge.console.draw import data_uri, heat_overlay, shrunk

GREY = np.full((90, 120, 3), 128, np.uint8)


def test_evidence_glows_where_it_is() -> None:
    evidence = np.zeros((3, 4), np.float32)
    evidence[0, 0] = 8
    drawn = heat_overlay(GREY, evidence)
    assert drawn.shape == GREY.shape and drawn.dtype == np.uint8
    changed = np.abs(drawn.astype(int) - 128).sum(axis=2)
    assert changed[10, 10] > 100
    assert changed[80, 110] == 0
    assert drawn[10, 10, 0] > drawn[10, 10, 2]  # warm: red over blue, so the channels are in RGB order


def test_evidence_against_the_label_leaves_the_picture_as_it_is() -> None:
    assert (heat_overlay(GREY, np.full((7, 7), -5, np.float32)) == GREY).all()


def test_weak_evidence_glows_less_than_strong_evidence() -> None:
    weak, strong = (heat_overlay(GREY, np.full((2, 2), logits, np.float32)) for logits in (0.1, 9))
    assert np.abs(weak.astype(int) - 128).mean() < np.abs(strong.astype(int) - 128).mean() / 2


def test_evidence_that_is_not_a_number_is_no_evidence() -> None:
    assert (heat_overlay(GREY, np.full((2, 2), np.nan, np.float32)) == GREY).all()


@pytest.mark.parametrize("shape", [(0, 7), (7,), (1, 7, 7)])
def test_evidence_of_another_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="expected evidence"):
        heat_overlay(GREY, np.zeros(shape, np.float32))


@pytest.mark.parametrize(
    ("shape", "expected"), [((90, 120), (45, 60)), ((40, 50), (40, 50)), ((10, 6000), (1, 60)), ((60, 60), (60, 60))]
)
def test_a_picture_is_shrunk_but_never_enlarged(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert shrunk(np.zeros((*shape, 3), np.uint8), 60).shape[:2] == expected


def test_a_picture_survives_the_way_into_the_page() -> None:
    red = np.zeros((20, 30, 3), np.uint8)
    red[:] = (200, 30, 20)
    kind, encoded = data_uri(red).split(",")
    assert kind == "data:image/jpeg;base64"
    bgr = cv2.imdecode(np.frombuffer(base64.b64decode(encoded), np.uint8), cv2.IMREAD_COLOR)
    assert bgr is not None
    assert np.abs(np.asarray(bgr)[10, 15, ::-1].astype(int) - (200, 30, 20)).max() < 8
