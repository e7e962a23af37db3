"""What a cheap or shaken camera does to a picture: (H, W, 3) uint8 RGB in, the same shape out."""

from __future__ import annotations

import cv2
import numpy as np

from edge.bundle import decode
from edge.domain import RgbImage
from train.robustness.light import Colour, to_linear, to_srgb

CHEAP_LINES = 120
"""Height in pixels of the cheap camera's picture."""


def sensor(linear: Colour, rng: np.random.Generator, *, electrons: float, read_noise: float) -> RgbImage:
    """Linear light → sRGB with shot noise, read noise and faint rows, as of a sensor turned up in the dark.

    electrons: a white pixel's charge before the picture is brightened. read_noise: of the same unit.
    """
    height = len(linear)
    charge = np.clip(linear, 0, 1) * electrons
    charge += rng.standard_normal(linear.shape, np.float32) * np.sqrt(charge + read_noise**2)
    charge += rng.standard_normal((height, 1, 1), np.float32) * 0.3 * read_noise
    return to_srgb(np.asarray(charge / electrons, np.float32))


def jpeg(rgb: RgbImage, quality: int) -> RgbImage:
    """Compressed and read again."""
    _, encoded = cv2.imencode(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, quality])
    return decode(encoded.tobytes(), name="a picture compressed just now")


def cheap(rgb: RgbImage, rng: np.random.Generator) -> RgbImage:
    """A toy camera: red and blue enlarged differently, soft, 120 lines, sharpened, JPEG of quality 20, enlarged."""
    height, width = rgb.shape[:2]
    spread = rng.uniform(0.004, 0.010)
    planes = [_enlarged(rgb[..., channel], zoom) for channel, zoom in enumerate((1 + spread, 1, 1 - spread))]
    soft = cv2.GaussianBlur(cv2.merge(planes), (0, 0), rng.uniform(1.0, 2.0))
    lines = (round(width * CHEAP_LINES / height), CHEAP_LINES)
    small = cv2.resize(soft, lines, interpolation=cv2.INTER_AREA)
    edges = cv2.addWeighted(small, 1.6, cv2.GaussianBlur(small, (0, 0), 1.0), -0.6, 0)
    poor = jpeg(np.asarray(edges, np.uint8), 20)
    return np.asarray(cv2.resize(poor, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)


def _enlarged(plane: RgbImage, zoom: float) -> RgbImage:
    height, width = plane.shape
    matrix = np.array([[zoom, 0, (1 - zoom) * width / 2], [0, zoom, (1 - zoom) * height / 2]], np.float32)
    return np.asarray(
        cv2.warpAffine(np.ascontiguousarray(plane), matrix, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def shaken(rgb: RgbImage, rng: np.random.Generator) -> RgbImage:
    """The item still slides when the picture is taken, and the focus is lost towards one side of it."""
    linear = to_linear(rgb)
    sharp, soft = (cv2.filter2D(linear, -1, kernel) for kernel in (_path(rng), _disc(rng.uniform(3.5, 6.0))))
    height, width = rgb.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    share = np.clip(0.4 + 0.5 * (x * np.cos(angle) + y * np.sin(angle)), 0, 0.9)[..., None]
    return to_srgb(np.asarray(sharp * (1 - share) + soft * share, np.float32))


def _path(rng: np.random.Generator) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """A kernel: the slightly bent path of a movement of 9 to 20 pixels (of a picture 384 high)."""
    length, bearing, bend = rng.uniform(9, 20), rng.uniform(0, 2 * np.pi), rng.uniform(-0.6, 0.6)
    steps = np.linspace(-0.5, 0.5, 60)
    x, y = (f(bearing + bend * steps) * steps * length for f in (np.cos, np.sin))
    kernel = np.zeros((23, 23), np.float32)
    np.add.at(kernel, (np.rint(y + 11).astype(int), np.rint(x + 11).astype(int)), 1 / len(steps))
    return kernel


def _disc(radius: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    """A kernel: the image of a point out of focus."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    disc = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return np.asarray(disc / disc.sum(), np.float32)
