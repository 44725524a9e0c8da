"""The shared client against real servers on real ports."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from mintmark.providers.http import Forbidden, HttpClient, Lost, NotSent, Retries, Timeouts, TooLarge
from mintmark.providers.multipart import Part
from mintmark.providers.retry import Repeat
from mintmark.providers.secret import Secret
from mintmark.providers.submission import Submission
from mintmark.providers.urls import is_safe, origin, place
from mintmark.tests.providers.conftest import KEY, FakeTime, client, serving


def unused_url() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@asynccontextmanager
async def dropping(answers: list[bytes], seen: list[bytes]) -> AsyncIterator[str]:
    """A bare TCP server: it reads a request's head, writes the next of ``answers`` and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            seen.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(answers.pop(0) if answers else b"")
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        yield f"http://{host}:{port}"


GOOD = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'
CUT = b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"ok":'


async def test_an_answer_is_returned_whatever_its_status(http: HttpClient) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"method": request.method, "got": await request.json()}, status=418)

    async with serving(handler) as url:
        reply = await http.send("POST", f"{url}/x", headers={}, json={"prompt": "Grüße"}, repeat="never")
    assert (reply.status, reply.json()) == (418, {"method": "POST", "got": {"prompt": "Grüße"}})


async def test_a_refused_connection_is_not_sent_and_is_tried_again(http: HttpClient, time: FakeTime) -> None:
    with pytest.raises(NotSent):
        await http.send("POST", unused_url(), headers={}, json={}, repeat="unsent")
    assert time.slept == [0.5, 1.0]


async def test_never_means_never(http: HttpClient, time: FakeTime) -> None:
    with pytest.raises(NotSent):
        await http.send("POST", unused_url(), headers={}, json={}, repeat="never")
    assert time.slept == []


@pytest.mark.parametrize("answer", [b"", CUT, b"HTTP/1.1 2", b"not http at all\r\n\r\n"])
async def test_a_paid_post_that_is_lost_is_never_sent_twice(http: HttpClient, answer: bytes) -> None:
    seen: list[bytes] = []
    async with dropping([answer, GOOD], seen) as url:
        with pytest.raises(Lost):
            await http.send("POST", url, headers={}, json={}, repeat="unsent")
    assert len(seen) == 1


@pytest.mark.parametrize("answer", [b"", CUT])
async def test_a_poll_that_is_lost_is_asked_again(http: HttpClient, answer: bytes) -> None:
    seen: list[bytes] = []
    async with dropping([answer, GOOD], seen) as url:
        reply = await http.send("PUT", url, headers={}, repeat="idempotent")
    assert reply.json() == {"ok": True}
    assert len(seen) == 2


async def test_a_silent_server_is_lost_after_the_read_timeout(time: FakeTime) -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with (
        serving(handler) as url,
        client(time, timeouts=Timeouts(read_s=0.05), retries=Retries(attempts=1)) as http,
    ):
        with pytest.raises(Lost):
            await http.send("GET", url, headers={}, repeat="idempotent")


async def test_a_paid_post_may_be_silent_for_longer_than_a_poll(time: FakeTime) -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(0.2)
        return web.Response(text="made")

    async with serving(handler) as url, client(time, timeouts=Timeouts(read_s=0.05, total_s=20)) as http:
        assert (await http.send("POST", url, headers={}, json={}, repeat="unsent")).body == b"made"


async def test_a_paid_post_is_lost_after_the_total_timeout(time: FakeTime) -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with serving(handler) as url, client(time, timeouts=Timeouts(total_s=0.05)) as http:
        with pytest.raises(Lost):
            await http.send("POST", url, headers={}, json={}, repeat="unsent")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_passing_trouble_is_waited_out_by_a_poll(http: HttpClient, status: int) -> None:
    statuses = [status, status, 200]

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=statuses.pop(0))

    async with serving(handler) as url:
        assert (await http.send("GET", url, headers={}, repeat="idempotent")).status == 200


@pytest.mark.parametrize("status", [400, 401, 404, 408, 500, 502, 503, 504])
async def test_a_paid_post_that_was_answered_is_not_repeated(http: HttpClient, status: int) -> None:
    seen = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        return web.Response(status=status)

    async with serving(handler) as url:
        assert (await http.send("POST", url, headers={}, json={}, repeat="unsent")).status == status
    assert len(seen) == 1


async def test_an_adapter_says_which_answers_mean_that_nothing_was_done(http: HttpClient, time: FakeTime) -> None:
    statuses = [503, 200]

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=statuses.pop(0))

    async with serving(handler) as url:
        reply = await http.send(
            "POST", url, headers={}, json={}, repeat="unsent", again=lambda reply: reply.status == 503
        )
    assert reply.status == 200
    assert time.slept == [0.5]


async def test_retry_after_is_waited_by_a_paid_post(http: HttpClient, time: FakeTime) -> None:
    answers = [web.Response(status=429, headers={"Retry-After": "20"}), web.Response(text="ok")]

    async def handler(_: web.Request) -> web.Response:
        return answers.pop(0)

    async with serving(handler) as url:
        assert (await http.send("POST", url, headers={}, json={}, repeat="unsent")).body == b"ok"
    assert time.slept == [20.5]


async def test_a_retry_after_beyond_the_limit_goes_to_the_caller(http: HttpClient, time: FakeTime) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=429, headers={"Retry-After": "3600"})

    async with serving(handler) as url:
        reply = await http.send("POST", url, headers={}, json={}, repeat="unsent")
    assert (reply.status, reply.retry_after_s, time.slept) == (429, 3600.0, [])


async def test_a_paid_post_gets_a_connection_of_its_own_and_polls_share_one(http: HttpClient) -> None:
    ports: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        ports.append(request.transport.get_extra_info("peername")[1])
        return web.Response()

    async with serving(handler) as url:
        for _ in range(3):
            await http.send("POST", url, headers={}, json={}, repeat="unsent")
        for _ in range(3):
            await http.send("GET", url, headers={}, repeat="idempotent")
    assert len(set(ports[:3])) == 3
    assert len(set(ports[3:])) == 1


@pytest.mark.parametrize("compressed", [False, True])
async def test_an_answer_beyond_the_limit_is_not_read_on(http: HttpClient, compressed: bool) -> None:
    body = bytes(4_000_000)

    async def handler(_: web.Request) -> web.Response:
        if compressed:
            return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
        return web.Response(body=body)

    async with serving(handler) as url:
        with pytest.raises(TooLarge):
            await http.send("GET", url, headers={}, max_bytes=1_000_000, repeat="idempotent")


async def test_an_api_call_never_follows_a_redirect(http: HttpClient) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPFound("/elsewhere")

    async with serving(handler) as url:
        reply = await http.send("GET", f"{url}/here", headers={"Authorization": "x"}, repeat="idempotent")
    assert (reply.status, seen) == (302, ["/here"])


async def test_a_download_follows_redirects_without_any_key(http: HttpClient) -> None:
    seen: list[bool] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append("Authorization" in request.headers)
        if request.path == "/file":
            return web.Response(body=b"bytes")
        raise web.HTTPFound("/file")

    async with serving(handler) as url:
        reply = await http.download(f"{url}/start", allowed=lambda _: True)
    assert (reply.body, seen) == (b"bytes", [False, False])


async def test_a_download_checks_the_host_of_every_redirect(http: HttpClient) -> None:
    async def inner(_: web.Request) -> web.Response:
        raise AssertionError("the other host was asked")

    async with serving(inner) as other:

        async def handler(_: web.Request) -> web.Response:
            raise web.HTTPFound(f"{other}/secret")

        async with serving(handler) as url:
            with pytest.raises(Forbidden):
                await http.download(f"{url}/start", allowed=lambda target: origin(target) == origin(url))


async def test_a_redirect_to_what_is_no_url_is_refused(http: HttpClient) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "https://[nowhere"})

    async with serving(handler) as url:
        with pytest.raises(Forbidden, match="no URL"):
            await http.download(f"{url}/start", allowed=lambda _: True)


async def test_a_download_gives_up_after_three_redirects(http: HttpClient) -> None:
    seen: list[str] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPFound(f"/{len(seen)}")

    async with serving(handler) as url:
        with pytest.raises(Forbidden):
            await http.download(f"{url}/0", allowed=lambda _: True)
    assert seen == ["/0", "/1", "/2", "/3"]


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://api.openai.com/v1", True),
        ("http://127.0.0.1:8188/x", True),
        ("http://127.8.9.1/x", True),
        ("http://[::1]:80/x", True),
        ("http://localhost:1/x", True),
        ("http://api.openai.com/v1", False),
        ("http://localhost.example.com/", False),
        ("http://169.254.169.254/latest", False),
        ("https://user:pass@api.openai.com/", False),
        ("ftp://127.0.0.1/", False),
        ("file:///etc/passwd", False),
        ("//127.0.0.1/", False),
        ("http://127.0.0.1:99999/", False),
        ("", False),
    ],
)
def test_a_key_travels_by_https_or_stays_on_this_machine(url: str, safe: bool) -> None:
    assert is_safe(url) is safe


async def test_an_unsafe_url_is_refused_before_anything_is_sent(http: HttpClient) -> None:
    with pytest.raises(Forbidden):
        await http.send("POST", "http://example.com/", headers={}, json={}, repeat="unsent")


@pytest.mark.parametrize("value", ["one\r\nX-Two: 2", "one\n", "one\0", "\ud800"])
async def test_a_header_that_cannot_be_sent_is_refused_without_its_value(http: HttpClient, value: str) -> None:
    submission = Submission()
    with pytest.raises(Forbidden, match="header") as caught:
        await http.send("POST", unused_url(), headers={"X-One": value}, json={}, repeat="unsent", submission=submission)
    assert "one" not in str(caught.value)
    assert not submission.asked


async def test_a_form_arrives_as_its_parts(http: HttpClient) -> None:
    parts: list[tuple[str | None, str | None, str | None, bytes]] = []

    async def handler(request: web.Request) -> web.Response:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            parts.append((part.name, part.filename, part.headers.get("Content-Type"), bytes(await part.read())))  # type: ignore[union-attr]
        return web.Response()

    form = [
        Part(name="prompt", data="Grüße\r\n--x".encode()),
        Part(name="image[]", data=b"\x89PNG\r\n\r\n", filename='a"b.png', media_type="image/png"),
    ]
    async with serving(handler) as url:
        await http.send("POST", url, headers={}, form=form, repeat="unsent")
    assert parts == [
        ("prompt", None, None, "Grüße\r\n--x".encode()),
        ("image[]", "a%22b.png", "image/png", b"\x89PNG\r\n\r\n"),
    ]


@pytest.mark.parametrize("repeat", ["unsent", "idempotent"])
@pytest.mark.parametrize("answer", [b"", CUT, b"not http at all\r\n\r\n"])
async def test_a_failure_tells_no_header_body_or_query(
    http: HttpClient, repeat: Repeat, answer: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[bytes] = []
    headers = {"Authorization": f"Bearer {Secret(KEY).reveal()}"}
    async with dropping([answer] * 3, seen) as url:
        with pytest.raises(Lost) as caught:
            await http.send("POST", f"{url}/p?token={KEY}", headers=headers, json={"key": KEY}, repeat=repeat)
    told = caplog.text
    link: BaseException | None = caught.value
    while link is not None:
        told += "".join(traceback.format_exception(link)) + repr(link) + repr(vars(link))
        link = link.__cause__ or link.__context__
    # The request did carry the key; an error of aiohttp's that would show it did not come along.
    assert KEY.encode() in seen[0]
    assert KEY[:8] not in told
    assert place(url) in told


def test_importing_the_contract_and_the_client_does_not_import_aiohttp() -> None:
    code = (
        "import sys, mintmark.providers.base, mintmark.providers.catalog, mintmark.providers.registry;"
        "sys.exit(any(name.split('.')[0] in ('aiohttp', 'PIL', 'keyring') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_catalog_rows_need_the_standard_library_alone() -> None:
    code = "import sys, mintmark.providers.catalog as c; c.rows(); sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_a_closed_client_can_be_used_again(http: HttpClient) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(text="ok")

    async with serving(handler) as url:
        await http.send("GET", url, headers={}, repeat="idempotent")
        await http.close()
        await http.close()
        assert (await http.send("GET", url, headers={}, repeat="idempotent")).body == b"ok"


async def test_each_try_is_signed_anew_over_the_body_as_sent_and_the_url_to_the_letter(http: HttpClient) -> None:
    signed: list[tuple[str, bytes]] = []
    seen: list[tuple[str, str, bytes]] = []

    async def sign(headers: Mapping[str, str], body: bytes) -> Mapping[str, str]:
        signed.append((headers["Content-Type"], body))
        return {"Authorization": f"signature {len(signed)}"}

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.raw_path, request.headers["Authorization"], await request.read()))
        return web.Response(status=429 if len(seen) == 1 else 200)

    async with serving(handler) as url:
        await http.send("POST", f"{url}/v1%3A0/x?a=%7E", headers={}, json={"a": "ü"}, repeat="unsent", sign=sign)
    body = b'{"a":"\xc3\xbc"}'
    assert signed == [("application/json", body)] * 2
    assert seen == [("/v1%3A0/x?a=%7E", f"signature {number}", body) for number in (1, 2)]


async def test_a_content_type_that_is_brought_along_stays(http: HttpClient) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(text=request.headers["Content-Type"])

    async with serving(handler) as url:
        given = {"Content-Type": "application/x-amz-json-1.1"}
        reply = await http.send("POST", url, headers=given, json={}, repeat="never")
    assert reply.body == b"application/x-amz-json-1.1"
