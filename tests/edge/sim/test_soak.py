"""What a soak takes for growth, and what stands in for the network and the footage in it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.bundle import load_bundle, self_test
from edge.sim.clip import Clip, read_chapters
from edge.sim.stand_in import StandIn
from edge.simulate.plot import Panel, draw
from edge.simulate.small_footage import make_small_footage
from edge.simulate.soak import Window, judge

STEADY = [Window(10 * i, 150.0, 18, 14, 2.0, 20.0, 40.0) for i in range(1, 101)]


def test_a_run_in_which_nothing_grows_misses_no_limit() -> None:
    assert judge(STEADY, 1.0) == (0.0, [])


def test_what_grows_before_everything_is_warm_does_not_count() -> None:
    cold = [replace(window, memory_mib=100.0 + at, descriptors=9) for at, window in enumerate(STEADY[:20])]
    assert judge([*cold, *STEADY[20:]], 1.0) == (0.0, [])


@pytest.mark.parametrize(
    ("field", "first", "last", "said"),
    [
        ("memory_mib", 150.0, 152.5, "memory grew by 1.* %, at most 1 % is allowed"),
        ("descriptors", 18, 19, "descriptors: 19 in the end, 18 after the warm-up"),
        ("threads", 14, 16, "threads: 16 in the end, 14 after the warm-up"),
        ("cpu_p99_ms", 20.0, 40.0, "a cycle's 99th percentile is 2.00 times what it was, at most 1.5 is allowed"),
    ],
)
def test_each_kind_of_growth_is_named(field: str, first: float, last: float, said: str) -> None:
    grown = [replace(window, **{field: last if at > 50 else first}) for at, window in enumerate(STEADY)]
    _, missed = judge(grown, 1.0)
    assert len(missed) == 1
    assert re.fullmatch(said, missed[0]), missed


def test_a_run_too_short_for_a_99th_percentile_is_not_judged_by_it() -> None:
    assert judge([*STEADY[:2], replace(STEADY[2], cpu_p99_ms=90.0)], 1.0) == (0.0, [])


def test_the_stand_in_passes_the_golden_self_test_and_names_what_it_is_shown(bundle_path: Path) -> None:
    bundle = load_bundle(bundle_path)
    engine = StandIn(bundle.golden)
    assert self_test(engine, bundle.golden, bundle.tolerance_of("int8")) == 0
    noise = np.random.default_rng(0).integers(0, 256, (20, *bundle.golden.images.shape[1:]), np.uint8)
    logits, class_maps = engine.infer(noise)
    assert len({int(row.argmax()) for row in logits}) > 1
    assert np.allclose(class_maps.mean(axis=(2, 3)), logits, atol=1e-4)


def test_the_small_footage_shows_every_item_of_the_clip(tmp_path: Path) -> None:
    make_small_footage(tmp_path)
    chapters = read_chapters(tmp_path / "chapters.json")
    clip = Clip(tmp_path / "tray.mp4", chapters)
    empty = clip.picture(chapters.empty[0]).astype(int)
    assert empty.shape == (96, 128, 3) and len(chapters.items) == 12
    for item in chapters.items:
        x0, y0, x1, y1 = item.box
        there = np.abs(clip.picture(item.still[0]).astype(int) - empty)[y0:y1, x0:x1].mean()
        gone = np.abs(clip.picture(item.taken[0]).astype(int) - empty)[y0:y1, x0:x1].mean()
        assert there > 4 * gone, item.name
    clip.close()


def test_curves_are_drawn(tmp_path: Path) -> None:
    draw(
        tmp_path / "a.png",
        "a title",
        "items",
        [1, 2, 3],
        [Panel("up", {"a": [0, 1, 2]}), Panel("flat", {"b": [0] * 3})],
    )
    image = cv2.imread(str(tmp_path / "a.png"))
    assert image is not None and image.shape[1] == 960
    coloured = (image.max(axis=2).astype(int) - image.min(axis=2)) > 60
    assert coloured[:260].sum() > 500, "the curve of the first panel"
