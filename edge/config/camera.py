"""What looks at the tray, and how an item on it is told from the empty tray."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from edge.config.section import Probability, Seconds, Section


class OpenCvCamera(Section):
    """A camera that OpenCV reads: a device, a clip, a stream, or a folder of pictures."""

    type: Literal["opencv"]
    source: int | str = Field(
        description="device number, path of a clip or of a folder of pictures, or URL of a stream"
    )
    width_px: int | None = Field(None, ge=64, le=8192, description="asked of a device; null takes what it gives")
    height_px: int | None = Field(None, ge=64, le=8192, description="asked of a device; null takes what it gives")
    fourcc: str | None = Field(
        None,
        pattern=r"^[A-Z0-9 ]{4}$",
        description="pixel format asked of a device; many USB cameras give 720p at full rate as MJPG only",
    )
    fps: float | None = Field(None, gt=0, le=240, description="asked of a device; the pace of a clip or folder")
    loop: bool = Field(True, description="a clip or folder starts again when it ends")


class GStreamerCamera(Section):
    """A GStreamer pipeline, run by gst-launch-1.0: libcamera on a Raspberry Pi, Argus on a Jetson."""

    type: Literal["gstreamer"]
    pipeline: str = Field(
        pattern=r"^\s*[\w-]",
        description="from the source on, as on gst-launch-1.0's command line, without a sink; ends in raw video",
    )
    width_px: int = Field(ge=64, le=8192, description="the pipeline must give exactly this")
    height_px: int = Field(ge=64, le=8192, description="the pipeline must give exactly this")
    fps: float | None = Field(None, gt=0, le=240, description="the pipeline must give exactly this; null takes any")

    @field_validator("pipeline")
    @classmethod
    def _splits(cls, pipeline: str) -> str:
        try:
            shlex.split(pipeline)
        except ValueError as error:
            raise ValueError(f"{error}; quotes as on a command line") from None
        if pipeline.rstrip().endswith("!"):
            raise ValueError("ends with !; end it with an element or with caps, the rest is added")
        return pipeline


class Picamera2Camera(Section):
    """A Raspberry Pi's camera, through the picamera2 library of Raspberry Pi OS."""

    type: Literal["picamera2"]
    camera: int = Field(0, ge=0, le=15, description="number in the list of rpicam-hello --list-cameras")
    width_px: int = Field(1280, ge=64, le=8192, description="the camera must give exactly this")
    height_px: int = Field(720, ge=64, le=8192, description="the camera must give exactly this")
    fps: float | None = Field(None, gt=0, le=240, description="pictures a second; null leaves it to the camera")


class FootageCamera(Section):
    """The simulated tray: shows footage, and takes an item away only when the simulated flap really moves."""

    type: Literal["footage"]
    source: Path | None = Field(None, description="a folder of photographs; null plays the clip that ships")
    noise: float = Field(1.5, ge=0, le=20, description="standard deviation of the sensor noise added, grey levels")
    jam_on: list[str] = Field(
        default_factory=list, description="compartments whose items stay on the tray, to try the fault"
    )


CameraConfig = Annotated[OpenCvCamera | GStreamerCamera | Picamera2Camera | FootageCamera, Field(discriminator="type")]


Region = tuple[Probability, Probability, Probability, Probability]


class Presence(Section):
    """How an item on the tray is told from the empty tray."""

    region: Region = Field(
        (0.0, 0.0, 1.0, 1.0), description="the tray in the picture: x0, y0, x1, y1 as shares of width and height"
    )
    learn_frames: int = Field(10, ge=2, le=500, description="still frames from which the empty tray is learnt")
    min_area: Probability = Field(0.01, description="share of the region that must differ for an item to be there")
    difference: float = Field(24.0, gt=0, le=255, description="grey levels by which a pixel must differ")
    motion_area: Probability = Field(
        0.004, description="share of the region that must change between frames to be motion"
    )
    still_s: Seconds = Field(0.5, description="how long an item must lie still before it is classified")
    restless_s: Seconds = Field(
        120.0, description="how long the tray may be in motion, neither empty nor with a still item, before it is told"
    )

    @field_validator("region")
    @classmethod
    def _has_an_area(cls, region: Region) -> Region:
        x0, y0, x1, y1 = region
        if x0 >= x1:
            raise ValueError(f"x0 {x0:g} is not left of x1 {x1:g}; order is x0, y0, x1, y1")
        if y0 >= y1:
            raise ValueError(f"y0 {y0:g} is not above y1 {y1:g}; order is x0, y0, x1, y1")
        return region


class CameraCondition(Section):
    """When a fresh frame is unfit to be judged."""

    frozen_s: Seconds = Field(
        10.0, description="every pixel the same for so long; longer than a stream's key frames are apart"
    )
    dark_level: float = Field(
        20.0, ge=0, le=255, description="dark: 95 of 100 pixels are below this grey level; less than an open flap shows"
    )
    overexposed_share: Probability = Field(0.7, description="overexposed: more than this share of the tray is white")
    blurred_share: Probability = Field(
        0.4, description="blurred: less than this share is left of the sharpness learnt; 0 turns it off"
    )
    moved_share: Probability = Field(
        0.01, description="moved: the tray lies so far from where it was learnt, share of its width; 1 turns it off"
    )
    view_s: Seconds = Field(3.0, description="how long blurred, moved or garbled must hold to be a fault")
    lost_s: Seconds = Field(
        60.0, description="how long nothing of the tray may show (a large item hides it) before the view has moved"
    )
    clear_s: Seconds = Field(1.0, description="how long a condition must be over for its fault to go away")
