"""Brings a bundle's archive onto the bin: from a file, or over HTTPS, going on where a cut download stopped."""

from __future__ import annotations

import errno
import http.client
import json
import shutil
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from edge.config.update import Update
from edge.errors import UpdateError
from edge.scrub import scrub

CHUNK_BYTES = 256 * 1024
TRIES = 3
"""Connections that may break in one go; each goes on where the one before stopped."""
SPARE_BYTES = 64 * 1024 * 1024
"""Must stay free on the disk: the journal needs it more."""
UPLOAD = "upload.part"
"""What edge/update/upload.py keeps; its address is a `file:` one, and it is of use for one update."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and how many there will be, where that is known."""


def fetch(url: str, folder: Path, config: Update, progress: Progress) -> Path:
    """The archive, in `folder`. Part of one that an earlier call left there is gone on with.

    Raises:
        UpdateError: it cannot be had: address, server, size, disk.
    """
    address = urlsplit(url)
    try:
        if address.scheme == "file" and address.netloc in ("", "localhost"):
            return _local(Path(unquote(address.path)), config)
        if address.scheme != "https":
            raise UpdateError(f"{scrub(url)}: expected https://… or file:///…")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _Download(url, folder, config, progress).run()
    except OSError as error:
        if error.errno == errno.ENOSPC:
            forget(folder)  # the journal needs the room more
        raise UpdateError(f"{scrub(url)}: {error.strerror or error}") from None


def forget(folder: Path) -> None:
    """What was downloaded or uploaded is of no more use."""
    for name in ("download.part", "download.json", UPLOAD):
        with suppress(OSError):
            (folder / name).unlink()


def forget_upload(folder: Path) -> None:
    """Nobody has asked for an update with it, and who uploaded it would have to begin again."""
    with suppress(OSError):
        (folder / UPLOAD).unlink()


def _local(path: Path, config: Update) -> Path:
    size = path.stat().st_size
    if not path.is_file() or size > config.max_bytes:
        raise UpdateError(f"{path}: expected a file of at most {config.max_bytes} bytes (update.max_bytes)")
    return path


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(newurl).scheme != "https":
            raise UpdateError(f"the server sends on to {scrub(newurl)}, which is not https://")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Download:
    """download.part is what is there of the url in download.json; etag tells whether the server's is still the same."""

    def __init__(self, url: str, folder: Path, config: Update, progress: Progress) -> None:
        self._url, self._config, self._progress = url, config, progress
        self._part, self._note = folder / "download.part", folder / "download.json"
        context = ssl.create_default_context(cafile=config.ca_file)
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), _HttpsOnly)

    def run(self) -> Path:
        for tries_left in range(TRIES - 1, -1, -1):
            try:
                if self._go_on():
                    return self._part
                reason = "the connection ended early"
            except urllib.error.HTTPError as error:
                with error:
                    raise UpdateError(f"{scrub(self._url)}: the server answers {error.code} {error.reason}") from None
            except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
                reason = str(getattr(error, "reason", error)) or type(error).__name__
            if not tries_left:
                raise UpdateError(f"{scrub(self._url)}: {scrub(reason)}; what came is kept, and gone on with")
        raise AssertionError("unreachable")

    def _go_on(self) -> bool:
        """One connection; whether all of it is there now."""
        have, etag = self._known()
        request = urllib.request.Request(self._url, headers={"User-Agent": "smartbin", "Accept-Encoding": "identity"})
        if have:
            request.add_header("Range", f"bytes={have}-")
            if etag:
                request.add_header("If-Range", etag)
        try:
            answer = self._opener.open(request, timeout=self._config.timeout_s)
        except urllib.error.HTTPError as error:
            if error.code != http.client.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
                raise
            error.close()
            self._part.unlink()  # it is not what the server has
            return False
        with answer:
            goes_on = answer.status == http.client.PARTIAL_CONTENT
            if not goes_on:
                have = 0
            length = answer.headers.get("Content-Length")
            total = have + int(length) if length is not None and length.isdigit() else None
            self._check(total or have)
            self._note.write_text(json.dumps({"url": self._url, "etag": answer.headers.get("ETag")}))
            with self._part.open("ab" if goes_on else "wb") as file:
                have = self._copy(answer, file, have, total)
        return total is None or have == total

    def _copy(self, answer: IO[bytes], file: IO[bytes], have: int, total: int | None) -> int:
        while chunk := answer.read(CHUNK_BYTES):
            have += len(chunk)
            self._check(have)
            file.write(chunk)
            self._progress(have, total)
        return have

    def _check(self, size: int) -> None:
        if size > self._config.max_bytes:
            raise UpdateError(f"{scrub(self._url)}: more than {self._config.max_bytes} bytes (update.max_bytes)")
        there = self._part.stat().st_size if self._part.exists() else 0
        if shutil.disk_usage(self._part.parent).free < size - there + SPARE_BYTES:
            raise OSError(errno.ENOSPC, f"{self._part.parent}: the disk has no room for {size} bytes and a reserve")

    def _known(self) -> tuple[int, str | None]:
        """How much of it is there, and the server's name for that version."""
        try:
            note = json.loads(self._note.read_text())
            if note["url"] == self._url and isinstance(note["etag"], str | None):
                return self._part.stat().st_size, note["etag"]
        except (OSError, ValueError, KeyError, TypeError):
            pass  # nothing that could be gone on with
        return 0, None
