from __future__ import annotations

import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from train.data import scan
from train.data.download import DownloadError, download_trashnet, git_blob_id, unpack
from train.data.official import LISTS

PICTURES = {f"dataset-resized/{label}/{label}1.jpg": label.encode() * 900 for label in ("glass", "trash")}


def zipped(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


class Served:
    """A web server of a few files. `cut_after` bytes it hangs up, once; `asked` is what it was asked for."""

    def __init__(self, files: dict[str, bytes], *, ranges: bool = True) -> None:
        self.files, self.ranges = files, ranges
        self.cut_after: int | None = None
        self.asked: list[tuple[str, str | None]] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.answer(self)

            def log_message(self, *_args: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name, wanted = request.path[1:], request.headers["Range"]
        self.asked.append((name, wanted))
        if name not in self.files:
            request.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.ranges else 0
        body = self.files[name][start:]
        if not body:
            request.send_error(416)
            return
        request.send_response(206 if start else 200)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: self.cut_after])
        self.cut_after = None

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


ARCHIVE = "dataset-resized.zip"


@pytest.fixture
def served() -> Iterator[Served]:
    lists = dict.fromkeys(LISTS, b"glass1.jpg 1\n")
    server = Served({ARCHIVE: zipped(PICTURES), **lists})
    yield server
    server.close()


@pytest.fixture
def blob(served: Served, tmp_path: Path) -> str:
    """What git would call the archive that is served."""
    (tmp_path / "archive").write_bytes(served.files[ARCHIVE])
    found = git_blob_id(tmp_path / "archive")
    (tmp_path / "archive").unlink()
    return found


def test_a_blob_id_is_gits(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"hello\n")
    assert git_blob_id(tmp_path / "a") == "ce013625030ba8dba906f756967f9e9ca394464a"  # git hash-object


def test_photographs_and_lists_are_put_in_place_and_nothing_else_stays(
    served: Served, blob: str, tmp_path: Path
) -> None:
    out = tmp_path / "data" / "trashnet"
    download_trashnet(out, base_url=served.url, blob=blob, progress=False)
    assert scan(out).names == ("glass/glass1.jpg", "trash/trash1.jpg")
    assert (out / "glass" / "glass1.jpg").read_bytes() == b"glass" * 900
    assert all((out / name).is_file() for name in LISTS)
    assert [path.name for path in out.parent.iterdir()] == ["trashnet"]


@pytest.mark.parametrize("ranges", [True, False], ids=["server resumes", "server starts anew"])
def test_a_download_that_was_cut_off_is_finished_by_the_next(
    served: Served, blob: str, tmp_path: Path, ranges: bool
) -> None:
    served.cut_after, served.ranges = 100, ranges
    with pytest.raises(DownloadError, match=r"100 of \d+ bytes.*it resumes"):
        download_trashnet(tmp_path / "trashnet", base_url=served.url, blob=blob, progress=False)
    assert not (tmp_path / "trashnet").exists()
    download_trashnet(tmp_path / "trashnet", base_url=served.url, blob=blob, progress=False)
    assert len(scan(tmp_path / "trashnet")) == 2
    assert served.asked[:2] == [(ARCHIVE, None), (ARCHIVE, "bytes=100-")]


def test_a_whole_part_file_is_taken_as_it_is(served: Served, blob: str, tmp_path: Path) -> None:
    (tmp_path / f"trashnet-{ARCHIVE}.part").write_bytes(served.files[ARCHIVE])
    download_trashnet(tmp_path / "trashnet", base_url=served.url, blob=blob, progress=False)
    assert len(scan(tmp_path / "trashnet")) == 2


def test_an_archive_once_fetched_is_not_fetched_again(served: Served, blob: str, tmp_path: Path) -> None:
    del served.files[LISTS[2]]
    with pytest.raises(DownloadError, match=f"{LISTS[2]}: the server says 404"):
        download_trashnet(tmp_path / "trashnet", base_url=served.url, blob=blob, progress=False)
    served.files[LISTS[2]] = b"glass1.jpg 1\n"
    download_trashnet(tmp_path / "trashnet", base_url=served.url, blob=blob, progress=False)
    assert [name for name, _ in served.asked].count(ARCHIVE) == 1


def test_wrong_content_is_refused_and_not_kept(served: Served, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"git blob id is [0-9a-f]{40}, expected 4184b4e9.*was deleted"):
        download_trashnet(tmp_path / "trashnet", base_url=served.url, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"nowhere/dataset-resized\.zip: .*run the command again"):
        download_trashnet(tmp_path / "trashnet", base_url=f"file://{tmp_path}/nowhere/", progress=False)


@pytest.mark.parametrize(
    "entry", ["../evil.jpg", "a/../../evil.jpg", "/etc/evil.jpg", "a\\..\\..\\evil.jpg", "C:/glass/evil.jpg"]
)
def test_an_entry_that_leaves_its_folder_is_refused(tmp_path: Path, entry: str) -> None:
    (tmp_path / "a.zip").write_bytes(zipped({entry: b"evil"}))
    with pytest.raises(DownloadError, match=r"outside the folder"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert [path.name for path in tmp_path.rglob("*")] == ["a.zip"]


def test_what_macos_adds_and_what_is_no_photograph_is_ignored(tmp_path: Path) -> None:
    rubbish = {
        "dataset-resized/": b"",
        "dataset-resized/.DS_Store": b"x",
        "dataset-resized/glass/.DS_Store": b"x",
        "__MACOSX/glass/glass1.jpg": b"x",
        "__MACOSX/dataset-resized/glass/._glass1.jpg": b"x",
        "dataset-resized/glass/._glass1.jpg": b"x",
    }
    (tmp_path / "a.zip").write_bytes(zipped({**rubbish, **PICTURES}))
    unpack(tmp_path / "a.zip", tmp_path / "out")
    found = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    assert found == ["glass/glass1.jpg", "trash/trash1.jpg"]


def test_what_is_no_zip_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(b"<html>")
    with pytest.raises(DownloadError, match=r"a\.zip: .*expected a zip archive"):
        unpack(tmp_path / "a.zip", tmp_path / "out")
