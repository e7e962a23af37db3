"""The tray region as a picture: all of what leaves the bin's memory of what its camera saw."""

from __future__ import annotations

from edge.camera.view import region_box
from edge.domain import Box, RgbImage
from edge.jpeg import shrunk
from edge.observers import Look

Region = tuple[float, float, float, float]


def tray_picture(look: Look, region: Region, side_px: int) -> tuple[RgbImage, Box]:
    """(H, W, 3), with a longer side of at most `side_px`: the tray; and what of it was classified, in its pixels."""
    tray = region_box(look.frame.rgb, region)
    picture, scale = shrunk(tray.cut(look.frame.rgb), side_px)
    height, width = picture.shape[:2]
    x0, y0, x1, y1 = look.crop
    return picture, Box(
        max(0, round(scale * (x0 - tray.x0))),
        max(0, round(scale * (y0 - tray.y0))),
        min(width, round(scale * (x1 - tray.x0))),
        min(height, round(scale * (y1 - tray.y0))),
    )
