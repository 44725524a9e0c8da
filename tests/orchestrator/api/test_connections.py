"""What comes over a connection and is no request, and callers that fall silent or leave."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import WSCloseCode

from mintmark.clock import utc_now
from mintmark.orchestrator.api import connections
from mintmark.orchestrator.dispatch.news import JobChanged
from mintmark.storage.assets.links import Links

from .stand_in import PNG, House

RUNS = "/v1/workflows/text-to-image/runs"
POST = f"POST {RUNS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@asynccontextmanager
async def connected(house: House) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, _, port = house.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def raw(house: House, data: bytes) -> bytes:
    """Everything that is said to these bytes until the connection is closed."""
    async with connected(house) as (reader, writer):
        writer.write(data)
        return await asyncio.wait_for(reader.read(), 60)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# -- what is no HTTP --------------------------------------------------------------------------------------------------

NO_HTTP = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
    "a NUL in a header": b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer mm_hunter2\0\r\n\r\n",
    "no header": b"GET /v1/jobs HTTP/1.1\r\nHost: localhost\r\nmm_hunter2\r\n\r\n",
    "another version": b"GET / HTTP/9.9\r\n\r\n",
    "two lengths": f"{POST}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}".encode(),
    "a length and chunks": f"{POST}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode(),
    "a chunk that is none": f"{POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n{{}}\r\n".encode(),
    "a line without end": b"GET /" + b"a" * 200_000,
    "a header without end": b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000,
    "ten thousand headers": b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: a\r\n" % each for each in range(10_000)) + b"\r\n",
}


@pytest.mark.parametrize("data", NO_HTTP.values(), ids=NO_HTTP.keys())
async def test_what_is_no_http_is_refused_in_our_shape_and_quoted_nowhere(
    house: House, caplog: pytest.LogCaptureFixture, data: bytes
) -> None:
    head, _, body = (await raw(house, data)).partition(b"\r\n\r\n")
    assert b" 400 " in head.splitlines()[0]
    assert b"Server: mintmark" in head and b"nosniff" in head
    assert json.loads(body)["code"] == "malformed_request"
    assert b"hunter2" not in body and b"aiohttp" not in head
    assert complaints(caplog) == [] and "hunter2" not in caplog.text


async def test_a_body_that_does_not_unpack_is_refused_and_fills_no_log(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    body = b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}"
    answer = await raw(house, POST.encode() + body)
    assert b" 400 " in answer.splitlines()[0] and b"malformed_request" in answer
    assert complaints(caplog) == []


# -- who falls silent -------------------------------------------------------------------------------------------------

SILENT = {
    "nothing": b"",
    "half a head": b"GET /healthz HTTP/1.1\r\nHost: loc",
    "half a body": f'{POST}Content-Length: 200\r\n\r\n{{"inputs"'.encode(),
    "half a chunk": f"{POST}Transfer-Encoding: chunked\r\n\r\n5\r\n{{".encode(),
    "half a batch": b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n",
    "half an upload": b"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"
    b"Content-Length: 1000\r\n\r\n" + PNG,
}


@pytest.mark.parametrize("begun", SILENT.values(), ids=SILENT.keys())
async def test_who_begins_and_falls_silent_is_let_go(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "SILENT_S", 0.05)
    async with connected(house) as (reader, writer):
        writer.write(begun)
        with suppress(ConnectionError):
            while await asyncio.wait_for(reader.read(2**16), 60):
                pass
    assert complaints(caplog) == []


async def test_who_drips_a_body_is_let_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SILENT_S", 0.2)
    async with connected(house) as (reader, writer):
        writer.write(f"{POST}Content-Length: 1000000\r\n\r\n".encode())

        async def drip() -> None:
            while True:
                writer.write(b" ")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 60) == b""
        dripping.cancel()


async def test_who_takes_nothing_of_a_large_answer_is_let_go(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SILENT_S", 0.05)
    path = link(house, house.service.assets.put(PNG + b"a" * 50_000_000).digest)
    async with connected(house) as (reader, writer):
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await asyncio.wait_for(reader.readexactly(1), 60)
        (answering,) = under_way()
        # A reader that is not read from stops taking from its connection once it is full.
        await asyncio.wait([answering], timeout=60)
        assert answering.done()


async def test_who_waits_for_us_may_be_silent(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "SILENT_S", 0.02)
    job_id = await house.order(prompt="x")
    async with house.http.get(f"{house.url}/v1/jobs/{job_id}/events") as stream:
        assert b"queued" in await stream.content.readuntil(b"\n\n")
        await asyncio.sleep(0.3)  # many looks
        house.service.run_next()
        assert b"succeeded" in await stream.content.read()
    status, _, _ = await house.ask("GET", "/healthz")
    assert status == 200


# -- who leaves -------------------------------------------------------------------------------------------------------


async def left(house: House, request: bytes, *, answered: bytes) -> None:
    """Ask, wait for the beginning of an answer, and be gone."""
    async with connected(house) as (reader, writer):
        writer.write(request)
        if answered:
            await asyncio.wait_for(reader.readuntil(answered), 60)


def under_way() -> list[asyncio.Task[Any]]:
    """The requests that are not answered yet."""
    return [task for task in asyncio.all_tasks() if "_handle_request" in repr(task.get_coro())]


async def test_a_caller_that_leaves_in_the_middle_is_no_fault_of_ours(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await house.order(prompt="x")
    line = json.dumps({"workflow": "text-to-image", "inputs": {"prompt": "x"}}).encode() + b"\n"
    batch = b"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n"
    await left(house, batch + b"Content-Length: 1000000\r\n\r\n" + line * 250, answered=b'"line":100,')
    await left(house, POST.encode() + b"Content-Length: 50\r\n\r\n{", answered=b"")
    await left(
        house, f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: a.localhost\r\n\r\n".encode(), answered=b"queued"
    )
    key = b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    key += b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    watch = f"GET /v1/jobs/{job_id}/ws HTTP/1.1\r\nHost: a.localhost\r\n".encode()
    await left(house, watch + key, answered=b"queued")
    house.service.run_next()
    house.service.news.publish(job_id, JobChanged(job_id))
    if leaving := under_way():
        await asyncio.wait(leaving, timeout=10)
    assert complaints(caplog) == [] and under_way() == []


# -- what breaks in the middle ----------------------------------------------------------------------------------------


def link(house: House, digest: str) -> str:
    made = Links(house.service.link_secrets, "").url(digest, expires_at=utc_now() + timedelta(hours=1), name="x")
    return made.removeprefix("http://")


async def test_an_answer_that_breaks_in_the_middle_ends_and_is_not_filled_up_with_the_problem(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    digest = house.service.assets.put(PNG + b"a" * 30_000_000).digest
    came = b""
    async with connected(house) as (reader, writer):
        writer.write(f"GET {link(house, digest)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        came += await asyncio.wait_for(reader.readexactly(1000), 60)
        house.service.assets.delete(digest)
        with suppress(ConnectionError):
            while part := await asyncio.wait_for(reader.read(2**20), 60):
                came += part
    assert len(came) < 30_000_000 and came.count(b"HTTP/1.1") == 1 and b"unknown_asset" not in came
    assert complaints(caplog) == ["/v1/assets/{digest} broke off"]


async def test_a_stream_that_breaks_in_the_middle_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id = await house.order(prompt="x")

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the database has gone")

    async with connected(house) as (reader, writer):
        writer.write(f"GET /v1/jobs/{job_id}/events HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        await asyncio.wait_for(reader.readuntil(b"queued"), 60)
        monkeypatch.setattr(house.service.jobs, "events", broken)
        house.service.news.publish(job_id, JobChanged(job_id))
        rest = b""
        with suppress(ConnectionError):
            rest = await asyncio.wait_for(reader.read(), 60)
        assert b"HTTP/1.1" not in rest and not rest.endswith(b"0\r\n\r\n")


async def test_a_websocket_that_breaks_in_the_middle_is_closed(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = await house.order(prompt="x")

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("the database has gone")

    async with house.http.ws_connect(f"{house.url}/v1/jobs/{job_id}/ws") as socket:
        assert (await socket.receive_json(timeout=60))["kind"] == "queued"
        monkeypatch.setattr(house.service.jobs, "events", broken)
        house.service.news.publish(job_id, JobChanged(job_id))
        assert (await socket.receive(timeout=60)).data == WSCloseCode.INTERNAL_ERROR
    if breaking := under_way():
        await asyncio.wait(breaking, timeout=10)
    assert complaints(caplog) == ["/v1/jobs/{job_id}/ws broke off"]
