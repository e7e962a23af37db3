"""An archive that comes in pieces: whole, or refused with what to do; one at a time, never more than the disk has."""

from __future__ import annotations

import base64
import errno
import os
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from edge.config.update import Update
from edge.control import ModelUploadArguments, ModelUploadResult
from edge.errors import UpdateError
from edge.update.fetch import SPARE_BYTES
from edge.update.upload import Upload

FIRST, SECOND = "0" * 32, "1" * 32


@pytest.fixture
def upload(tmp_path: Path) -> Upload:
    return Upload(tmp_path / "models", Update(max_bytes=5000))


def send(
    upload: Upload, offset: int, content: bytes = b"", *, total: int = 2000, name: str = FIRST
) -> ModelUploadResult:
    encoded = base64.b64encode(content)
    piece = {"upload": name, "total": total, "offset": offset, "content": encoded}
    return upload.take(ModelUploadArguments.model_validate(piece))


def test_pieces_become_the_archive_and_the_last_one_gives_its_address(upload: Upload) -> None:
    assert send(upload, 0) == ModelUploadResult(have=0, url=None)
    assert send(upload, 0, b"a" * 1500) == ModelUploadResult(have=1500, url=None)
    done = send(upload, 1500, b"b" * 500)
    assert done.have == 2000 and done.url is not None
    assert Path(urlsplit(done.url).path).read_bytes() == b"a" * 1500 + b"b" * 500


@pytest.mark.parametrize(
    ("offset", "content", "change"),
    [
        (500, b"x", {}),  # a gap
        (900, b"x", {}),  # twice
        (1000, b"x" * 1001, {}),  # more than announced
        (1000, b"x", {"total": 3000}),
        (1000, b"x", {"name": SECOND}),
    ],
)
def test_a_piece_that_does_not_come_next_is_refused(
    upload: Upload, offset: int, content: bytes, change: dict[str, Any]
) -> None:
    send(upload, 0, b"a" * 1000)
    with pytest.raises(UpdateError, match="upload the archive again"):
        send(upload, offset, content, **change)


def test_a_new_upload_takes_the_place_of_one_under_way(upload: Upload) -> None:
    send(upload, 0, b"a" * 1000)
    send(upload, 0, b"b" * 500, total=600, name=SECOND)
    with pytest.raises(UpdateError, match="another upload came in between"):
        send(upload, 1000, b"a")
    assert send(upload, 500, b"b" * 100, total=600, name=SECOND).url is not None


def test_what_is_larger_than_the_config_allows_is_refused_before_a_byte_is_kept(tmp_path: Path, upload: Upload) -> None:
    with pytest.raises(UpdateError, match="2147483648 bytes, the most is 5000"):
        send(upload, 0, total=2 << 30)
    assert not list(tmp_path.rglob("*.part"))


def test_a_disk_without_room_keeps_its_reserve(upload: Upload, monkeypatch: pytest.MonkeyPatch) -> None:
    usage, free = shutil.disk_usage("/"), [2000 + SPARE_BYTES - 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free[0]))
    with pytest.raises(UpdateError, match="make room"):
        send(upload, 0)
    free[0] += 1
    send(upload, 0)


def test_a_disk_that_fails_in_the_middle_keeps_nothing(
    tmp_path: Path, upload: Upload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    send(upload, 0, b"a" * 1000)
    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(UpdateError, match="No space left on device; make room, and upload it again"):
        send(upload, 1000, b"a" * 1000)
    assert list((tmp_path / "models").iterdir()) == []
    with pytest.raises(UpdateError, match="upload the archive again"):
        send(upload, 1000, b"a" * 1000)
