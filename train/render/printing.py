"""What is printed on the items: pictures drawn with OpenCV, (H, W, 3) uint8 RGB. Every brand here is invented."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Ink = tuple[int, int, int]

WORDS = (
    "fresh daily from the valley with natural flavour store cool and dry best before see lid net weight contains milk "
    "soy wheat may vary per serving energy fat sugar salt recycle keep away from heat serve chilled made for you "
    "by people who care offer ends sunday save more on every order free delivery while stocks last"
)


def blank(width_px: int, height_px: int, ink: Ink) -> Picture:
    """One flat colour."""
    return np.full((height_px, width_px, 3), ink, np.uint8)


def write(page: Picture, text: str, at: tuple[int, int], scale: float, ink: Ink, weight: int = 2) -> None:
    """Text whose baseline starts at `at`."""
    cv2.putText(page, text, at, cv2.FONT_HERSHEY_DUPLEX, scale, ink, weight, cv2.LINE_AA)


def headline(page: Picture, text: str, centre: tuple[int, int], scale: float, ink: Ink, weight: int = 5) -> None:
    """Large text centred on a point."""
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_TRIPLEX, scale, weight)
    at = (centre[0] - width // 2, centre[1] + height // 2)
    cv2.putText(page, text, at, cv2.FONT_HERSHEY_TRIPLEX, scale, ink, weight, cv2.LINE_AA)


def paragraph(
    page: Picture,
    box: tuple[int, int, int, int],
    seed: int,
    ink: Ink = (60, 60, 60),
    scale: float = 0.5,
    leading_px: int = 20,
) -> None:
    """Fill a box (x0, y0, x1, y1) with lines of small print."""
    rng = np.random.default_rng(seed)
    x0, y0, x1, y1 = box
    for y in range(y0 + leading_px, y1, leading_px):
        line, room = "", (x1 - x0) * rng.uniform(0.75, 1.0)
        while cv2.getTextSize(line, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] < room - 40 * scale * 2:
            line += " " + str(rng.choice(WORDS.split()))
        cv2.putText(page, line.strip(), (x0, y), cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)


def barcode(page: Picture, box: tuple[int, int, int, int], seed: int, paper: Ink = (250, 250, 250)) -> None:
    """A white patch with black bars; it encodes nothing."""
    rng = np.random.default_rng(seed)
    x0, y0, x1, y1 = box
    page[y0:y1, x0:x1] = paper
    x = x0 + 6
    while x < x1 - 8:
        wide = int(rng.integers(2, 6))
        page[y0 + 6 : y1 - 14, x : x + wide] = 15
        x += wide + int(rng.integers(2, 6))


def photo_like(page: Picture, box: tuple[int, int, int, int], seed: int, base: Ink) -> None:
    """A patch of soft coloured blobs: what a printed product photograph looks like from half a metre."""
    rng = np.random.default_rng(seed)
    x0, y0, x1, y1 = box
    patch = blank(x1 - x0, y1 - y0, base)
    for _ in range(14):
        centre = (int(rng.integers(0, x1 - x0)), int(rng.integers(0, y1 - y0)))
        ink = tuple(int(c) for c in np.clip(np.array(base) + rng.integers(-75, 75, 3), 0, 255))
        axes = (int(rng.integers(8, max(9, (x1 - x0) // 3))), int(rng.integers(8, max(9, (y1 - y0) // 3))))
        cv2.ellipse(patch, centre, axes, float(rng.uniform(0, 180)), 0, 360, ink, -1, cv2.LINE_AA)
    page[y0:y1, x0:x1] = cv2.GaussianBlur(patch, (0, 0), 3)


def grain(page: Picture, seed: int, strength: float, blur_px: tuple[float, float] = (0.8, 0.8)) -> Picture:
    """Add fibres or speckle: noise blurred by (across, along) pixels, in grey levels of `strength`."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.standard_normal(page.shape[:2]), (0, 0), *blur_px)
    noise *= strength / noise.std()
    return np.clip(page + noise[..., None], 0, 255).astype(np.uint8)


def kraft(width_px: int, height_px: int, seed: int, ink: Ink = (186, 145, 100), flute_px: int = 13) -> Picture:
    """Brown board: fibres, blotches, and the faint shadow of the flutes under the liner."""
    page = grain(blank(width_px, height_px, ink), seed, 5, (3, 0.7))
    page = grain(page, seed + 1, 5, (40, 40))
    stripes = 2.5 * np.sin(np.arange(width_px) * 2 * np.pi / flute_px)
    return np.clip(page + stripes[None, :, None], 0, 255).astype(np.uint8)
