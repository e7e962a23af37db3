"""TrashNet from its authors' repository: resumed where it was cut off, and refused unless it is theirs to the bit."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from edge.errors import SmartbinError
from train.data.official import LISTS
from train.data.photos import is_picture_name

BASE_URL = "https://raw.githubusercontent.com/garythung/trashnet/master/data/"
ARCHIVE = "dataset-resized.zip"
ARCHIVE_BLOB = "4184b4e9d359026a49e5d34ac2cead944f53be88"
"""git's id of the archive: sha1 of b"blob <size>\\0" and its bytes."""
CHUNK = 1 << 18
TIMEOUT_S = 60


class DownloadError(SmartbinError, ConnectionError):
    """What should be fetched cannot be, or is not what it should be."""


def download_trashnet(out: Path, *, base_url: str = BASE_URL, blob: str = ARCHIVE_BLOB, progress: bool = True) -> None:
    """Fetch TrashNet (G. Thung and M. Yang, 2016, MIT licence) to `out`, a folder a class, the authors' lists beside.

    What was fetched stays beside `out` until all of it is there, so that a second call resumes it. `out` appears
    at once and whole.

    Raises:
        DownloadError: the server does not answer, or sent something else.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    archive = out.with_name(f"{out.name}-{ARCHIVE}")
    if not (archive.is_file() and git_blob_id(archive) == blob):
        fetch(base_url + ARCHIVE, archive, progress=progress)
    found = git_blob_id(archive)
    if found != blob:
        archive.unlink()
        raise DownloadError(
            f"{base_url}{ARCHIVE}: its git blob id is {found}, expected {blob}; it is not the archive that the "
            "authors published, and was deleted. Try again, or put the photographs in place by hand"
        )
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as folder:
        unpacked = Path(folder) / "photographs"
        unpack(archive, unpacked)
        for name in LISTS:
            fetch(base_url + name, unpacked / name, progress=False)
        unpacked.rename(out)
    archive.unlink()


def fetch(url: str, target: Path, *, progress: bool) -> None:
    """Download to `target` through `<target>.part`, which a later call continues if the server can.

    Raises:
        DownloadError: the server does not answer, or stopped before the end.
    """
    part = target.with_name(target.name + ".part")
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            resumed = getattr(answer, "status", None) == 206
            _receive(answer, part, have if resumed else 0, target.name if progress else None)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing lies beyond what we have; whoever asked checks what it is
            part.replace(target)
            return
        raise DownloadError(f"{url}: the server says {error.code} {error.reason}") from None
    except OSError as error:  # URLError and time-outs are OSErrors
        raise DownloadError(f"{url}: {error}; run the command again, it resumes where it stopped") from None
    part.replace(target)


def _receive(answer: http.client.HTTPResponse, part: Path, have: int, shown: str | None) -> None:
    """Append the body to the `have` bytes there are."""
    length = answer.headers.get("Content-Length")
    total = None if length is None else have + int(length)
    with (
        part.open("ab" if have else "wb") as file,
        tqdm(desc=shown, total=total, initial=have, unit="B", unit_scale=True, disable=shown is None) as bar,
    ):
        while chunk := answer.read(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    if total is not None and part.stat().st_size != total:
        raise ConnectionError(f"{part.stat().st_size} of {total} bytes came")


def git_blob_id(path: Path) -> str:
    """40 hex digits: the name under which git stores this file."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def unpack(archive: Path, folder: Path) -> None:
    """Write the archive's `<top>/<class>/<file>` pictures to `folder/<class>/<file>`.

    What macOS adds (__MACOSX, .DS_Store) is ignored.

    Raises:
        DownloadError: not a zip file, or an entry whose path leaves its folder.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                target = _inside(entry.filename, archive)
                if target is None or entry.is_dir():
                    continue
                (folder / target).parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as packed, (folder / target).open("wb") as file:
                    shutil.copyfileobj(packed, file)
    except zipfile.BadZipFile as error:
        raise DownloadError(f"{archive}: {error}; expected a zip archive of photographs") from None


def _inside(entry: str, archive: Path) -> PurePosixPath | None:
    """Where an entry goes under the folder: class/file. None if it is no photograph."""
    path = PurePosixPath(entry.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in entry:
        raise DownloadError(f"{archive}: entry {entry!r} would be written outside the folder; nothing was kept")
    if len(path.parts) != 3 or path.parts[0] == "__MACOSX" or not is_picture_name(path.name):
        return None
    return PurePosixPath(*path.parts[1:])
