"""Bodies that are meant to hurt, at OpenAI's routes."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mintmark.storage.assets.folder import ARRIVING
from mintmark.tests.orchestrator.house import ServiceHouse, service_house

LIMIT = 1_000_000


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[ServiceHouse]:
    async with service_house(tmp_path) as opened:
        opened.service.uploads.most_bytes = LIMIT
        yield opened


async def sent(house: ServiceHouse, path: str, headers: dict[str, str], pieces: Any) -> tuple[int, dict[str, Any], int]:
    """Status and body of the answer, and how many bytes were sent until it came, though more was promised."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}:{port}", *(f"{name}: {value}" for name, value in headers.items())]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    count = 0

    async def send() -> None:
        nonlocal count
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            count += len(piece)

    sending = asyncio.create_task(send())
    try:
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
        )
        body = json.loads(await reader.readexactly(length))
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        writer.close()
    return int(head.split()[1]), body, count


async def test_an_upload_of_a_gigabyte_is_cut_off_at_the_limit(whole: ServiceHouse, tmp_path: Path) -> None:
    first = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n\x89PNG\r\n\x1a\n'
    pieces = (piece for piece in [first, *[b"\0" * 65_536] * 16_384])
    headers = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(2**30)}
    status, body, count = await sent(whole, "/openai/v1/images/edits", headers, pieces)
    assert (status, body["error"]["code"]) == (413, "request_too_large")
    assert count < 50_000_000
    folder = whole.service.settings.books_dir / "assets"
    assert not any(path.is_file() for path in folder.rglob("*"))
    assert not any((folder / ARRIVING).iterdir())


async def test_a_body_that_unpacks_to_a_thousand_times_its_size_is_cut_off(whole: ServiceHouse) -> None:
    file = io.BytesIO()
    with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=9) as packed:
        packed.write(b'{"prompt": "')
        for _ in range(256):
            packed.write(b"x" * 2**20)
        packed.write(b'"}')
    data = file.getvalue()
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip", "Content-Length": str(len(data))}
    status, body, _ = await sent(whole, "/openai/v1/images/generations", headers, [data])
    assert status in (400, 413), body
    assert body["error"]["type"] == "invalid_request_error"


@pytest.mark.parametrize(
    "body",
    [
        b'{"prompt": "a", "prompt": "b"}',
        b"[" * 100_000,
        b'{"prompt": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"prompt": "\\u0000"}',
        b'{"prompt": "\\ud800"}',
        b'{"prompt": NaN}',
        b'{"n": 1' + b"0" * 5000 + b', "prompt": "a"}',
        b"\xff\xfe",
        b"",
        b"null",
        b'"prompt"',
    ],
    ids=[
        "a key twice",
        "open brackets",
        "deep",
        "NUL",
        "half a character",
        "NaN",
        "a long number",
        "no text",
        "empty",
        "null",
        "text",
    ],
)
async def test_a_hostile_document_is_a_bad_request(whole: ServiceHouse, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for path in ("images/generations", "moderations"):
        async with whole.session.post(f"{whole.url}/openai/v1/{path}", data=body, headers=headers) as answer:
            assert answer.status == 400, await answer.text()
            assert set((await answer.json())["error"]) == {"message", "type", "code", "param"}


def form(*parts: tuple[str, bytes]) -> bytes:
    made = b"".join(b"--x\r\n" + head.encode() + b"\r\n\r\n" + data + b"\r\n" for head, data in parts)
    return made + b"--x--\r\n"


def picture(size: tuple[int, int] = (8, 8)) -> bytes:
    file = io.BytesIO()
    Image.new("1", size).save(file, "PNG")
    return file.getvalue()


IMAGE = 'Content-Disposition: form-data; name="image"; filename="../../../etc/cron.d/x"'
PROMPT = 'Content-Disposition: form-data; name="prompt"'


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (form((PROMPT, b"a fox")), 400),
        (form((IMAGE, picture())), 400),
        (form((IMAGE, b"<html>"), (PROMPT, b"a fox")), 400),
        (form((IMAGE, picture((20_000, 20_000))), (PROMPT, b"a fox")), 413),
        (form((IMAGE, picture()), (IMAGE, picture()), (PROMPT, b"a fox")), 400),
        (form((IMAGE, picture()), (PROMPT, b"x" * 200_000)), 413),
        (form((IMAGE, picture()), (PROMPT, b"a\0b")), 400),
        (form((IMAGE, picture()), ('Content-Disposition: form-data; name="n"', b"99999999999999")), 400),
        (form(*[(f'Content-Disposition: form-data; name="f{n}"', b"") for n in range(50)]), 413),
        (form(("Content-Disposition: form-data", b"x")), 400),
        (form(("X: y", b"x")), 400),
        (form((IMAGE, picture()))[:-20], 400),
        (b"--y--\r\n", 400),
    ],
)
async def test_a_hostile_form_is_refused_and_nothing_is_asked_of_anybody(
    whole: ServiceHouse, body: bytes, status: int
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    url = f"{whole.url}/openai/v1/images/edits"
    async with whole.session.post(url, data=body, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        assert (await answer.json())["error"]["type"] == "invalid_request_error"
    assert await whole.calls() == []
    arriving = whole.service.settings.books_dir / "assets" / ARRIVING
    assert not arriving.exists() or not any(arriving.iterdir())
