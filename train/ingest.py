"""What people corrected at a bin → a folder of photographs to train with, each once, with where it came from."""

from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import cv2
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.bundle.preprocess import decode
from edge.domain import Box
from edge.errors import ConfigError, UnreadablePicture
from train.data.copies import conflicts, find_copies, thumbnails
from train.data.photos import scan

PROVENANCE = "provenance.jsonl"
PICTURE_LIMIT_BYTES = 32 << 20


class _Said(BaseModel):
    model_config = ConfigDict(extra="allow")
    label: str = Field(pattern=r"^[^/\\.\x00][^/\\\x00]{0,39}$")


class _Event(BaseModel):
    model_config = ConfigDict(extra="allow")
    event_id: UUID


class Line(BaseModel):
    """One capture, as the console's export writes it. What is not needed here is kept all the same."""

    model_config = ConfigDict(extra="allow")
    file: str
    event: _Event
    box: tuple[int, int, int, int]
    correction: _Said

    @property
    def name(self) -> str:
        """Where its photograph stands: class/file."""
        return f"{self.correction.label}/{self.event.event_id}.png"


@dataclass(frozen=True)
class Ingested:
    """classes: label → photographs there are now. new: of them, those that came now. left_out: name → why."""

    classes: dict[str, int]
    new: int
    left_out: dict[str, str]


def ingest(source: Path, out: Path) -> Ingested:
    """Crop each corrected capture as it was classified, into `out/<label>/`. May be repeated with later exports.

    Raises:
        ConfigError: not an export of the console.
    """
    known = {line.event.event_id: line for line in _known(out)}
    before = len(known)
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        read = _reader(source, stack)
        for line in _lines(read(PROVENANCE), f"{source}/{PROVENANCE}"):
            held = known.get(line.event.event_id)
            if held is not None and held.name != line.name:  # corrected once more
                _remove(out / held.name)
            try:
                _write(read(line.file), line, out)
            except UnreadablePicture as error:
                left_out[line.name] = str(error)
                continue
            known[line.event.event_id] = line
    left_out |= _without_copies(out, known)
    _write_provenance(out, known)
    classes = dict(sorted(Counter(line.correction.label for line in known.values()).items()))
    return Ingested(classes, max(0, len(known) - before), left_out)


def _reader(source: Path, stack: ExitStack) -> Callable[[str], bytes]:
    """Reads a file of a zip or folder by its name."""
    if source.is_dir():
        inside = source.resolve()

        def from_folder(name: str) -> bytes:
            path = (inside / name).resolve()
            if not path.is_relative_to(inside) or not path.is_file():
                raise ConfigError(f"{source}: no file {name}; expected what the console's history tab exports")
            return path.read_bytes()

        return from_folder
    try:
        archive = stack.enter_context(zipfile.ZipFile(source))
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{source}: {error}; expected what the console's history tab exports") from None

    def from_zip(name: str) -> bytes:
        try:
            if archive.getinfo(name).file_size > PICTURE_LIMIT_BYTES:
                raise ConfigError(f"{source}: {name} has more than {PICTURE_LIMIT_BYTES >> 20} MB")
            return archive.read(name)
        except (KeyError, zipfile.BadZipFile) as error:
            raise ConfigError(f"{source}: {error}; expected what the console's history tab exports") from None

    return from_zip


def _lines(text: bytes, where: str) -> Iterator[Line]:
    for number, line in enumerate(text.splitlines(), 1):
        try:
            yield Line.model_validate_json(line)
        except ValidationError as error:
            first = error.errors()[0]
            raise ConfigError(f"{where}, line {number}: {first['loc']}: {first['msg']}") from None


def _known(out: Path) -> Iterator[Line]:
    """What was ingested before and is still there."""
    path = out / PROVENANCE
    if path.exists():
        yield from (line for line in _lines(path.read_bytes(), str(path)) if (out / line.name).exists())


def _write(jpeg: bytes, line: Line, out: Path) -> None:
    """The crop that was classified, without loss."""
    rgb = decode(jpeg, name=line.file)
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = line.box
    box = Box(max(0, x0), max(0, y0), min(width, x1), min(height, y1))
    if box.x0 >= box.x1 or box.y0 >= box.y1:
        raise UnreadablePicture(f"{line.file}: its box {line.box} is not in the picture, {width} x {height}")
    path = out / line.name
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_bytes(cv2.imencode(".png", cv2.cvtColor(box.cut(rgb), cv2.COLOR_RGB2BGR))[1].tobytes())
    part.replace(path)


def _without_copies(out: Path, known: dict[UUID, Line]) -> dict[str, str]:
    """Leave one of each picture; of one that stands under two labels, none. Returns name → why it went."""
    if not known:
        return {}
    photos = scan(out, least_classes=1)
    copies = find_copies(photos, thumbnails(photos))
    gone = {name: f"also labelled {', '.join(others)}" for name, others in conflicts(copies).items()}
    for pair in copies:
        if pair.first not in gone:
            gone.setdefault(pair.second, f"the same picture as {pair.first}")
    for name in gone:
        _remove(out / name)
    for event_id in [event_id for event_id, line in known.items() if line.name in gone]:
        del known[event_id]
    return gone


def _remove(path: Path) -> None:
    """And its folder, when it was the last of its label."""
    path.unlink(missing_ok=True)
    with suppress(OSError):  # there are others, or it is gone
        path.parent.rmdir()


def _write_provenance(out: Path, known: dict[UUID, Line]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    part = out / f"{PROVENANCE}.part"
    lines = (json.dumps(line.model_dump(mode="json"), ensure_ascii=False) for line in known.values())
    part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    part.replace(out / PROVENANCE)
