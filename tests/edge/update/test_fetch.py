"""Bringing an archive onto the bin: cut, changed, moved, too large, from the wrong server; what it may hold."""

from __future__ import annotations

import io
import shutil
import ssl
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from edge.config.update import Update
from edge.errors import UpdateError
from edge.update.fetch import SPARE_BYTES, fetch
from edge.update.unpack import unpack
from tests.certificates import LOOPBACK, Authority

CONTENT = bytes(range(256)) * 4096  # 1 MiB


class Server(ThreadingHTTPServer):
    """Serves CONTENT over TLS. cut_at: ends each connection after so many bytes. says_how_much: with a Content-Length.
    asked: the Range of each request.
    """

    def __init__(self, authority: Authority) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*authority.sign("models"))
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.content, self.etag = CONTENT, '"one"'
        self.cut_at: int | None = None
        self.says_how_much = True
        self.moved_to: str | None = None
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"https://{LOOPBACK}:{self.server_port}/b.tar.gz?token=secret-9"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, start = self.server, 0
        asked = self.headers.get("Range")
        server.asked.append(asked)
        if server.moved_to is not None:
            self.send_response(302)
            self.send_header("Location", server.moved_to)
            self.end_headers()
            return
        if not self.path.startswith("/b.tar.gz"):
            self.send_error(404)
            return
        if asked is not None and self.headers.get("If-Range") == server.etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            self.send_response(206)
        else:
            self.send_response(200)
        self.send_header("ETag", server.etag)
        if server.says_how_much:
            self.send_header("Content-Length", str(len(server.content) - start))
        self.end_headers()
        self.wfile.write(server.content[start:][: server.cut_at])

    def log_message(self, *_: object) -> None:
        """Not on the tests' output."""


class Site(NamedTuple):
    server: Server
    folder: Path
    config: Update

    def fetch(self, **changes: Any) -> Path:
        return fetch(self.server.url, self.folder, self.config.model_copy(update=changes), lambda have, total: None)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    authority = Authority(tmp_path / "authority")
    with Server(authority) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Site(server, tmp_path / "models", Update(ca_file=authority.certificate))
        server.shutdown()
        thread.join()


def test_a_download_that_is_cut_goes_on_where_it_stopped(site: Site) -> None:
    site.server.cut_at = 400_000
    assert site.fetch().read_bytes() == CONTENT
    assert site.server.asked == [None, "bytes=400000-", "bytes=800000-"]


def test_one_that_is_cut_too_often_is_gone_on_with_when_it_is_asked_for_again(site: Site) -> None:
    site.server.cut_at = 100_000
    with pytest.raises(UpdateError, match="what came is kept") as told:
        site.fetch()
    assert "secret-9" not in str(told.value)
    site.server.cut_at = None
    assert site.fetch().read_bytes() == CONTENT
    assert site.server.asked[-1] == "bytes=300000-"


def test_what_the_server_has_changed_meanwhile_is_fetched_from_its_beginning(site: Site) -> None:
    site.server.cut_at = 100_000
    with pytest.raises(UpdateError):
        site.fetch()
    site.server.cut_at, site.server.content, site.server.etag = None, CONTENT[::-1], '"two"'
    assert site.fetch().read_bytes() == CONTENT[::-1]


def test_a_server_of_another_authority_is_not_spoken_to(site: Site, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").certificate
    with pytest.raises(UpdateError, match="certificate verify failed"):
        site.fetch(ca_file=other)
    assert site.server.asked == []


@pytest.mark.parametrize("address", ["http://127.0.0.1/x", "ftp://127.0.0.1/x", "file://elsewhere/x", "models/x", ""])
def test_only_https_and_files_are_taken(site: Site, address: str) -> None:
    with pytest.raises(UpdateError, match="expected https"):
        fetch(address, site.folder, site.config, lambda have, total: None)


def test_a_server_that_sends_on_to_plain_http_is_not_followed(site: Site) -> None:
    site.server.moved_to = "http://127.0.0.1/b.tar.gz"
    with pytest.raises(UpdateError, match="not https"):
        site.fetch()


def test_what_is_not_there_is_told_with_the_servers_words(site: Site) -> None:
    with pytest.raises(UpdateError, match="answers 404 Not Found"):
        fetch(site.server.url.replace("/b.tar", "/c.tar"), site.folder, site.config, lambda have, total: None)
    with pytest.raises(UpdateError, match="No such file"):
        fetch("file:///nowhere/b.tar", site.folder, site.config, lambda have, total: None)


def test_too_much_is_not_taken_whatever_the_server_says(site: Site) -> None:
    with pytest.raises(UpdateError, match="more than 100000 bytes"):
        site.fetch(max_bytes=100_000)
    site.server.says_how_much = False
    with pytest.raises(UpdateError, match="more than 100000 bytes"):
        site.fetch(max_bytes=100_000)
    big = site.folder.parent / "big"
    big.write_bytes(bytes(2_000))
    with pytest.raises(UpdateError, match="at most 1024 bytes"):
        fetch(big.as_uri(), site.folder, Update(max_bytes=1024), lambda have, total: None)


def test_what_would_leave_less_than_the_reserve_is_not_begun(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    usage, free = shutil.disk_usage("/"), [len(CONTENT) + SPARE_BYTES - 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free[0]))
    with pytest.raises(UpdateError, match="no room"):
        site.fetch()
    assert list(site.folder.iterdir()) == []
    free[0] += 1
    assert site.fetch().read_bytes() == CONTENT


def test_a_disk_that_fills_meanwhile_keeps_nothing_of_it(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    part = site.folder / "download.part"

    def grows_scarce(path: Path) -> Any:
        begun = part.exists() and part.stat().st_size > 0
        return usage._replace(free=1_000 if begun else 1 << 40)

    monkeypatch.setattr(shutil, "disk_usage", grows_scarce)
    with pytest.raises(UpdateError, match="no room"):
        site.fetch()
    assert list(site.folder.iterdir()) == []


def archive(path: Path, *members: tuple[str, bytes | None]) -> Path:
    """A .tar.gz; a member without content is a link to /etc/passwd."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if content is None:
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return path


def test_a_bundle_is_unpacked_with_or_without_its_folder(tmp_path: Path) -> None:
    for number, prefix in enumerate(("", "./", "small/", "./small/")):
        folder = tmp_path / str(number)
        folder.mkdir()
        packed = archive(tmp_path / "a.tar.gz", (f"{prefix}manifest.json", b"{}"), (f"{prefix}report/card.md", b"x"))
        unpack(packed, folder, max_bytes=100)
        assert sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file()) == [
            "manifest.json", "report/card.md",
        ]  # fmt: skip


@pytest.mark.parametrize(
    "members",
    [
        [("../outside", b"x")],
        [("/etc/outside", b"x")],
        [("small/../../outside", b"x")],
        [("small/deep/er/file", b"x")],
        [("small/.hidden", b"x")],
        [("small/model.onnx", None)],
        [("small/big", bytes(101))],
        [("small/one", bytes(60)), ("small/two", bytes(41))],
        [(f"small/f{n}", b"") for n in range(101)],
        [("small/new\nline", b"x")],
    ],
)
def test_what_a_bundle_never_has_is_not_unpacked(tmp_path: Path, members: list[tuple[str, bytes | None]]) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(UpdateError):
        unpack(archive(tmp_path / "a.tar.gz", *members), folder, max_bytes=100)
    assert {path.name for path in tmp_path.iterdir()} == {"in", "a.tar.gz"}
