"""What a stranger may send: an answer or a clear refusal, and little memory."""

from __future__ import annotations

import asyncio
import http.client
import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import numpy as np
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Message, Receive, Scope, Send

from edge.console.access.body import Limited
from edge.console.upload import WHOLE_MEGAPIXELS, read_upload
from edge.errors import UnreadablePicture

SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>'


def encoded(kind: str, height: int, width: int) -> bytes:
    return bytes(cv2.imencode(kind, np.full((height, width, 3), 90, np.uint8))[1].tobytes())


def zip_bomb() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("large.jpg", bytes(50 << 20))
    return file.getvalue()


def test_a_photograph_of_50_megapixels_is_read_in_little_memory() -> None:
    photograph = encoded(".jpg", 6000, 8400)
    tracemalloc.start()
    rgb, small = read_upload(photograph, "large.jpg")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rgb.shape == (3000, 4200, 3)
    assert cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR).shape == rgb.shape
    assert peak < 120e6, "three bytes for each of 50 million pixels would be 150 MB"


def test_a_small_photograph_is_classified_as_it_came() -> None:
    photograph = encoded(".png", 40, 30)
    rgb, small = read_upload(photograph, "small.png")
    assert rgb.shape == (40, 30, 3) and small is photograph


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"ten bytes!", "not a picture"),
        (b"", "not a picture"),
        (SVG, "not a picture"),
        (zip_bomb(), "not a picture"),
        (encoded(".png", 16000, 16000), "far too many pixels"),
        (encoded(".png", 5000, 4000), f"20 megapixels, the most for a PNG is {WHOLE_MEGAPIXELS}"),
        (encoded(".png", 40, 30)[:60], "not a picture|cannot decode"),
        (bytes(13_000_000), "the most is 12 MB"),
    ],
    ids=["ten bytes", "empty", "svg", "zip bomb", "png bomb", "large png", "cut short", "13 MB"],
)
def test_what_is_no_fit_picture_is_refused_in_little_memory(content: bytes, said: str) -> None:
    tracemalloc.start()
    with pytest.raises(UnreadablePicture, match=said):
        read_upload(content, "../../file.jpg")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6


def answer_of(limit_bytes: int, headers: list[tuple[bytes, bytes]], chunks: Iterable[bytes]) -> tuple[int, int]:
    """Status, and how many chunks were taken."""
    status, waiting, taken = 0, iter(chunks), 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        await JSONResponse({"bytes": len(body)})(scope, receive, send)

    async def receive() -> Message:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": next(waiting, b""), "more_body": taken < 100}

    async def send(message: Message) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    asyncio.run(Limited(app, limit_bytes)(scope, receive, send))
    return status, taken


def test_a_body_that_announces_too_much_is_refused_unread() -> None:
    assert answer_of(1 << 20, [(b"content-length", b"2147483648")], [b""]) == (413, 0)


def test_a_body_that_announces_nothing_is_cut_off_where_it_is_too_long() -> None:
    assert answer_of(10_000, [], [bytes(1000)] * 100) == (413, 11)


def test_a_body_that_is_short_enough_passes() -> None:
    assert answer_of(100_000, [(b"content-length", b"100000")], [bytes(1000)] * 100) == (200, 100)


def post(url: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_two_gigabytes_are_refused_before_they_are_sent(console_url: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(console_url).netloc, timeout=30)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Length", str(2 << 30))
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_file_name_does_not_lead_out_of_the_folder_of_uploads(console_url: str, tmp_path: Path) -> None:
    target = tmp_path / "escaped.png"
    name = "../" * 12 + str(target).lstrip("/")
    body = (
        f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n'
        "Content-Type: image/png\r\n\r\nnothing\r\n--x--\r\n"
    ).encode()
    status, content = post(console_url, "/gradio_api/upload", {"Content-Type": "multipart/form-data; boundary=x"}, body)
    assert not target.exists()
    if status == 200:  # kept, under a name of gradio's own
        [kept] = json.loads(content)
        assert ".." not in kept and Path(kept).name == "escaped.png"
