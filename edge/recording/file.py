"""A recording's file: a zip of `recording.json` and PNG pictures.

Read as if a stranger had made it: nothing is unpacked to disk, nothing is executed, and everything has a limit that is
checked before memory is spent on it.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from pydantic import ValidationError

from edge.bundle import decode
from edge.domain import RgbImage
from edge.errors import RecordingError, UnreadablePicture
from edge.recording.schema import PICTURE, SCHEMA, ItemRecord, LookRecord, RecordingRecord

DOCUMENT = "recording.json"
MAX_FILE_BYTES = 1 << 30
MAX_DOCUMENT_BYTES = 32 << 20
MAX_PICTURE_BYTES = 64 << 20
MAX_PICTURE_PX = 16_000_000
MAX_ENTRIES = 30_001
"""A thousand items of thirty looks, and the document."""
_PNG_HEAD = struct.Struct(">8s4x4sII")  # signature, (length), IHDR, width, height
_NOT_A_ZIP = (zipfile.BadZipFile, zlib.error, struct.error, ArithmeticError, EOFError, RuntimeError, ValueError)
"""What zipfile raises for files that are damaged or encrypted."""


def encode_picture(rgb: RgbImage) -> bytes:
    """(H, W, 3) uint8 → a PNG, which decodes to the same pixels."""
    encoded, png = cv2.imencode(".png", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not encoded:
        raise RecordingError(f"OpenCV cannot encode a picture of shape {rgb.shape} as PNG")
    return png.tobytes()


def write_recording(path: Path, record: RecordingRecord, pictures: Mapping[str, bytes]) -> None:
    """Write the file whole or not at all. pictures: name → PNG.

    Raises:
        RecordingError: the disk does not take it.
    """
    unfinished = path.with_suffix(".new")
    try:
        with unfinished.open("wb") as file:
            _write(file, record, pictures)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise RecordingError(f"{path}: not written: {error.strerror or error}") from None


def _write(file: IO[bytes], record: RecordingRecord, pictures: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        document = record.model_dump_json(by_alias=True, indent=1)
        archive.writestr(DOCUMENT, document, zipfile.ZIP_DEFLATED)
        for name, png in pictures.items():
            archive.writestr(name, png)  # as it is: a PNG is compressed already


class Recording:
    """An open recording. Its pictures are read one item at a time."""

    def __init__(self, path: Path, record: RecordingRecord, archive: zipfile.ZipFile) -> None:
        self.path = path
        self.record = record
        self._archive = archive

    def pictures(self, item: ItemRecord) -> list[RgbImage]:
        """What was classified of an item, each (H, W, 3) uint8 RGB, bit for bit.

        Raises:
            RecordingError: a picture is missing, damaged, or not of the size that the record gives.
        """
        return [self._picture(look) for look in item.looks]

    def _picture(self, look: LookRecord) -> RgbImage:
        where = f"{self.path}: {look.picture}"
        png = _content(self.path, self._archive, look.picture, MAX_PICTURE_BYTES)
        width, height = look.crop[2] - look.crop[0], look.crop[3] - look.crop[1]
        if width * height > MAX_PICTURE_PX:
            raise RecordingError(f"{where}: {width} x {height} pixels; the most is {MAX_PICTURE_PX}")
        # Asked of its head: a small file may decode to gigabytes.
        head = _PNG_HEAD.unpack(png[: _PNG_HEAD.size].ljust(_PNG_HEAD.size, b"\0"))
        if head != (b"\x89PNG\r\n\x1a\n", b"IHDR", width, height):
            raise RecordingError(f"{where}: not a PNG of {width} x {height} pixels, which the record says it is")
        try:
            rgb = decode(png, name=where)
        except UnreadablePicture as error:
            raise RecordingError(f"{error}; the file is damaged, copy it again") from None
        return np.ascontiguousarray(rgb)


@contextmanager
def read_recording(path: Path) -> Iterator[Recording]:
    """Open a recording and check all of it but the pictures, which are checked when they are asked for.

    Raises:
        RecordingError: not a recording, damaged, of a newer program, or larger than a recording can be.
    """
    try:
        if path.exists() and not path.is_file():  # opening a pipe would wait for ever
            raise RecordingError(f"{path}: not a file; expected one that `edge ctl record` wrote")
        file = path.open("rb")
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from None
    with file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_FILE_BYTES:
            raise RecordingError(f"{path}: {size} bytes; a recording has {MAX_FILE_BYTES} at most")
        archive = _archive(path, file)
        document = _content(path, archive, DOCUMENT, MAX_DOCUMENT_BYTES)
        yield Recording(path, _parse(path, document), archive)


def printable(text: str) -> str:
    """What a stranger's file says must not steer a terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _archive(path: Path, file: IO[bytes]) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(file)
    except (OSError, *_NOT_A_ZIP) as error:
        raise RecordingError(
            f"{path}: not a recording, or not all of one ({error}); expected a zip that `edge ctl record` wrote"
        ) from None
    names = archive.namelist()
    strange = next((name for name in names if name != DOCUMENT and not re.match(PICTURE, name)), None)
    if strange is not None:
        raise RecordingError(f"{path}: it holds {strange!r:.80}, which no recording does; not read")
    if len(names) > MAX_ENTRIES or len(set(names)) != len(names):
        raise RecordingError(f"{path}: it holds {len(names)} files, some of them twice, or too many; not read")
    return archive


def _content(path: Path, archive: zipfile.ZipFile, name: str, max_bytes: int) -> bytes:
    """One file of the archive. What it claims to unpack to is checked, and what it does unpack to as well."""
    where = f"{path}: {name}"
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise RecordingError(f"{where} is missing; the file is damaged or no recording") from None
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise RecordingError(f"{where} is packed in a way that no recording is; not read")
    content = b""
    try:
        if entry.file_size <= max_bytes:
            with archive.open(entry) as packed:
                content = packed.read(max_bytes + 1)
    except (OSError, *_NOT_A_ZIP) as error:
        raise RecordingError(f"{where}: cannot be unpacked ({error}); copy the file again") from None
    if max(entry.file_size, len(content)) > max_bytes:
        raise RecordingError(f"{where} unpacks to more than {max_bytes} bytes; not read")
    return content


def _parse(path: Path, document: bytes) -> RecordingRecord:
    try:
        return RecordingRecord.model_validate_json(document)
    except ValidationError as error:
        first = error.errors()[0]
        where = printable(".".join(map(str, first["loc"])))[:200] or DOCUMENT
        raise RecordingError(
            f"{path}: {where}: {first['msg']} (found {first['input']!r:.80}); this program reads schema {SCHEMA}: "
            "if a newer one wrote it, update this one"
        ) from None
