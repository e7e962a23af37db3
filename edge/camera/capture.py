"""Opened sources of pictures, and how a config's `camera.source` becomes one."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from edge import config
from edge.bundle.preprocess import read_picture
from edge.camera.folder import pictures_in
from edge.domain import RgbImage
from edge.errors import CameraError, UnreadablePicture, WrongCamera

PICTURE_S = 3.0  # how long a folder's picture is shown, without an fps in the config
CLIP_FPS = 15.0  # for a clip that does not say its own
STREAM_TIMEOUT_MS = 5000
FPS_TOLERANCE = 0.05  # drivers say 29.97 for 30

logger = logging.getLogger(__name__)


class Capture(Protocol):
    """An opened source. One thread uses it.

    live: gives pictures at its own pace, and may come back after a failure; others are paced by `period_s`.
    """

    @property
    def live(self) -> bool: ...

    @property
    def period_s(self) -> float: ...

    def read(self) -> RgbImage | None:
        """The next picture, (H, W, 3) uint8 RGB; None when there is none (the end, or a device that stopped)."""
        ...

    def rewind(self) -> None:
        """Start again from the first picture; never asked of a live source."""
        ...

    def close(self) -> None: ...


class Video(Protocol):
    """The part of `cv2.VideoCapture` that is used."""

    def isOpened(self) -> bool: ...  # noqa: N802 - OpenCV's name
    def read(self) -> tuple[bool, Any]: ...
    def get(self, propId: int, /) -> float: ...  # noqa: N803 - OpenCV's name
    def set(self, propId: int, value: float, /) -> bool: ...  # noqa: N803 - OpenCV's name
    def release(self) -> None: ...


def shown(source: int | str) -> str:
    """The source as it may be shown and published: a stream's address without its user, password and query.

    Everything up to the last @ goes, since a password may hold a slash or a question mark.
    """
    scheme, separator, rest = str(source).partition("://")
    return scheme + separator + rest.rpartition("@")[2].partition("?")[0] if separator else scheme


def open_video(source: int | str) -> Video:
    """OpenCV's capture of a device, file or URL, opened or not."""
    if "OPENCV_LOG_LEVEL" not in os.environ:  # its warnings on a missing device say less than our error does
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    if isinstance(source, str) and "://" in source:
        options = {
            cv2.CAP_PROP_OPEN_TIMEOUT_MSEC: STREAM_TIMEOUT_MS,  # without, it waits half a minute for a silent host
            cv2.CAP_PROP_READ_TIMEOUT_MSEC: STREAM_TIMEOUT_MS,
            cv2.CAP_PROP_N_THREADS: 1,  # each further one holds a frame back
        }
        return cv2.VideoCapture(source, cv2.CAP_FFMPEG, [number for option in options.items() for number in option])
    if is_device(source) and sys.platform.startswith("linux"):
        return cv2.VideoCapture(source, cv2.CAP_V4L2)  # the driver itself: it alone says what it accepted
    return cv2.VideoCapture(source)


def is_device(source: int | str) -> bool:
    """Whether it is a camera of this machine: a number, or /dev/video0, or a name below /dev/v4l/by-id."""
    return isinstance(source, int) or source.startswith("/dev/") or Path(source).is_char_device()


def open_capture(config: config.OpenCvCamera, open_video: Callable[[int | str], Video] = open_video) -> Capture:
    """Open what `config.source` names.

    Raises:
        WrongCamera: no such file, one that cannot be played, or a device that does not take the format, size or rate.
        CameraError: a device or stream cannot be opened now.
    """
    source = config.source
    if is_device(source):
        return DeviceCapture(config, open_video)
    source = str(source)
    if "://" in source:
        return StreamCapture(source, open_video)
    if Path(source).is_dir():
        return FolderCapture(Path(source), 1.0 / config.fps if config.fps else PICTURE_S)
    if not Path(source).is_file():
        raise WrongCamera(
            f"camera {source}: no such file or folder; camera.source is a device number, a clip, a folder of pictures, "
            "or the URL of a stream"
        )
    return ClipCapture(source, config.fps, open_video)


class _VideoCapture:
    """What devices, streams and clips share."""

    live = True
    period_s = 0.0
    _unopened: type[CameraError] = CameraError

    def __init__(self, source: int | str, open_video: Callable[[int | str], Video], advice: str) -> None:
        self._source = source
        self._name = f"camera {shown(source)}"
        self._open_video = open_video
        self._advice = advice
        self._video = self._open()

    def _open(self) -> Video:
        video = self._open_video(self._source)
        if not video.isOpened():
            video.release()
            raise self._unopened(f"{self._name}: cannot be opened; {self._advice}")
        return video

    def read(self) -> RgbImage | None:
        try:
            ok, bgr = self._video.read()
        except cv2.error as error:
            raise CameraError(f"{self._name}: OpenCV fails to read it ({error.err}); {self._advice}") from None
        if not ok or bgr is None:
            return None
        return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)

    def rewind(self) -> None:
        # Opened again, not sought: not every container can be sought in.
        self._video.release()
        self._video = self._open()

    def close(self) -> None:
        self._video.release()


class ClipCapture(_VideoCapture):
    """A clip, paced by `fps` or by its own rate."""

    live = False
    _unopened = WrongCamera

    def __init__(self, source: str, fps: float | None, open_video: Callable[[int | str], Video] = open_video) -> None:
        super().__init__(source, open_video, "expected a clip that OpenCV can decode (MP4, AVI, MKV)")
        own_fps = self._video.get(cv2.CAP_PROP_FPS)
        self.period_s = 1.0 / (fps or (own_fps if own_fps > 0 else CLIP_FPS))


class StreamCapture(_VideoCapture):
    """A stream, taken as it is."""

    def __init__(self, source: str, open_video: Callable[[int | str], Video] = open_video) -> None:
        super().__init__(source, open_video, "check the address, the network and the stream's password")


class DeviceCapture(_VideoCapture):
    """A camera of this machine. Drivers take what they like, so what they say and what they give are both checked."""

    def __init__(self, config: config.OpenCvCamera, open_video: Callable[[int | str], Video] = open_video) -> None:
        super().__init__(
            config.source,
            open_video,
            "list the devices with v4l2-ctl --list-devices, and see that this user may read it (group video)",
        )
        self._config = config
        self._checked = False
        asked = (
            # The format first: it decides which sizes and rates there are.
            (cv2.CAP_PROP_FOURCC, None if config.fourcc is None else cv2.VideoWriter.fourcc(*config.fourcc)),
            (cv2.CAP_PROP_FRAME_WIDTH, config.width_px),
            (cv2.CAP_PROP_FRAME_HEIGHT, config.height_px),
            (cv2.CAP_PROP_FPS, config.fps),
        )
        try:
            for prop, value in asked:
                if value is not None:
                    self._video.set(prop, value)
            fourcc, width, height, fps = (self._video.get(prop) for prop, _ in asked)
            self._check_format(round(fourcc))
            self._check_size(round(width), round(height))
            self._check_fps(fps)
        except CameraError:
            self.close()
            raise

    def read(self) -> RgbImage | None:
        rgb = super().read()
        if rgb is not None and not self._checked:
            self._check_size(rgb.shape[1], rgb.shape[0])
            self._checked = True
        return rgb

    def _check_format(self, code: int) -> None:
        asked = self._config.fourcc
        given = code.to_bytes(4, "little", signed=code < 0).decode("ascii", "replace")
        if asked is not None and given != asked:
            raise WrongCamera(
                f"{self._name} gave the format {given!r}, config asks {asked!r}; "
                "list its formats with v4l2-ctl --list-formats-ext"
            )

    def _check_size(self, width: int, height: int) -> None:
        asked_width, asked_height = self._config.width_px or width, self._config.height_px or height
        if (width, height) != (asked_width, asked_height):
            raise WrongCamera(
                f"{self._name} gave {width}×{height}, config asks {asked_width}×{asked_height}; "
                "list its modes with v4l2-ctl --list-formats-ext"
            )

    def _check_fps(self, fps: float) -> None:
        asked = self._config.fps
        if asked is None or fps <= 0:  # some drivers do not say
            return
        if abs(fps - asked) > FPS_TOLERANCE * asked:
            raise WrongCamera(
                f"{self._name} gave {fps:g} pictures a second, config asks {asked:g}; "
                "list its modes with v4l2-ctl --list-formats-ext"
            )


class FolderCapture:
    """A folder of pictures, each shown for `period_s`. One that cannot be read is named once, and skipped."""

    live = False

    def __init__(self, folder: Path, period_s: float) -> None:
        self.period_s = period_s
        self._pictures = pictures_in(folder)
        self._at = 0

    def read(self) -> RgbImage | None:
        while self._at < len(self._pictures):
            try:
                rgb = read_picture(self._pictures[self._at])
            except UnreadablePicture as error:
                logger.warning("skipped %s", error)
                del self._pictures[self._at]
                continue
            self._at += 1
            return rgb
        return None

    def rewind(self) -> None:
        self._at = 0

    def close(self) -> None:
        pass
