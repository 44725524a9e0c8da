"""What strangers send: each is refused with its code, and nothing of theirs gets into our headers."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
from typing import Any

import pytest

from mintmark.orchestrator.api.reading import JSON_BYTES
from mintmark.orchestrator.jobs.base import Filter

from .stand_in import House

RUNS = "/v1/workflows/text-to-image/runs"
JSON = {"Content-Type": "application/json"}


async def raw(house: House, data: bytes) -> bytes:
    """All that a server says to these bytes, until it closes or has said a whole head."""
    host, _, port = house.url.removeprefix("http://").partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(data)
    await writer.drain()
    try:
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()
        await writer.wait_closed()


WRONG = [
    (b"", 400, "malformed_request"),
    (b"{", 400, "malformed_request"),
    (b"[" * 100_000, 400, "malformed_request"),
    (b'{"inputs": ' + b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"}", 400, "malformed_request"),
    (b'{"inputs": {}, "inputs": {}}', 400, "malformed_request"),
    (b'{"inputs": {"prompt": "\xff"}}', 400, "malformed_request"),
    (b'{"inputs": {"prompt": "a\\u0000b"}}', 422, "invalid_input"),
    (b'{"inputs": {"prompt": "\\ud800"}}', 422, "invalid_input"),
    (b'{"inputs": {"seed": ' + b"9" * 4000 + b"}}", 422, "invalid_input"),
    (b'{"inputs": {"seed": ' + b"9" * 5000 + b"}}", 400, "malformed_request"),
    (b'{"inputs": {"width": 1e400}}', 400, "malformed_request"),
    (b'{"priority": 1e2}', 422, "invalid_input"),
    (b'{"metadata": {"n": ' + b"9" * 400 + b"}}", 422, "invalid_input"),
    (b'{"inputs": {"prompt": 5}}', 422, "invalid_input"),
    (b'{"inputs": null}', 422, "invalid_input"),
    (b"null", 422, "invalid_input"),
    (b'"text"', 422, "invalid_input"),
]


async def test_a_body_that_is_wrong_is_refused(house: House) -> None:
    for body, status, code in WRONG:
        found, problem, _ = await house.ask("POST", RUNS, data=body, headers=JSON)
        assert (found, problem["code"]) == (status, code), (body[:60], problem)
    assert house.service.jobs.find(Filter()) == []


async def test_a_body_that_is_too_large_is_not_read(house: House) -> None:
    data = io.BytesIO(b'"' + b"x" * (JSON_BYTES + 1) + b'"')
    status, problem, _ = await house.ask("POST", RUNS, data=data, headers=JSON)
    assert (status, problem["code"]) == (413, "request_too_large")


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused(house: House) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {**JSON, "Content-Encoding": "gzip"}
    status, problem, _ = await house.ask("POST", RUNS, data=bomb, headers=headers)
    assert (status, problem["code"]) == (413, "request_too_large")


async def test_another_kind_of_body_is_refused(house: House) -> None:
    for kind in ["text/plain", "application/xml", "", "application/json; charset=utf-16", "a/b/c"]:
        headers = {"Content-Type": kind} if kind else {}
        status, problem, _ = await house.ask("POST", RUNS, data=b"{}", headers=headers)
        assert (status, problem["code"]) == (415, "unsupported_media_type"), kind


NOWHERE = [
    "/v1/jobs/..%2f..%2fetc%2fpasswd",
    "/v1/jobs/%00",
    "/v1/jobs/%ff%fe",
    "/v1/workflows/..%2f..",
    "/v1/workflows/TEXT",
    "/docs/..%2fpage.js",
    "/docs/page.py",
    "/v1/assets/" + "0" * 63,
    "//v1/jobs",
    "/v1/jobs/",
    "/%0d%0aX-Evil:%201",
]


async def test_a_path_that_leads_nowhere_is_not_found(house: House) -> None:
    for path in NOWHERE:
        answer = await raw(house, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404") and b"X-Evil" not in head, path
        assert json.loads(body)["code"] in ("not_found", "unknown_workflow"), path


HOSTS = [b"", b"a b", b"[::1", b"[zz]", b"[::::]", b"x:99999", b"x:y", b"a/../b", b"u:p@h", b"a?b", b"\xff\xfe", b"%00"]


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_that_is_none_is_refused(house: House, host: bytes) -> None:
    for path in (b"/healthz", b"/openapi.json", b"/v1/jobs"):
        answer = await raw(house, b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path, host))
        assert b" 400 " in answer.partition(b"\r\n")[0] and b"malformed_request" in answer, (path, answer)


FORMS = {
    "no boundary": ("", b"--x\r\n"),
    "another boundary": ("; boundary=y", b"--x\r\n\r\n"),
    "a boundary of no letters": ("; boundary=\xff", b"--x\r\n"),
    "nothing": ("; boundary=x", b""),
    "no end": ("; boundary=x", b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'),
    "a length that is none": ("; boundary=x", b"--x\r\nContent-Length: a\r\n\r\nabc\r\n--x--\r\n"),
    "a form in it": ("; boundary=x", b"--x\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n--z--\r\n--x--\r\n"),
}


@pytest.mark.parametrize(("kind", "form"), FORMS.values(), ids=FORMS.keys())
async def test_a_form_that_is_none_is_refused(
    house: House, kind: str, form: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    head = f"POST /v1/uploads HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data{kind}\r\n"
    tail = f"Content-Length: {len(form)}\r\nConnection: close\r\n\r\n"
    answer = await raw(house, (head + tail).encode("latin-1") + form)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] in ("malformed_request", "not_an_image"), answer
    assert "failed" not in caplog.text


async def test_no_header_can_be_brought_in(house: House) -> None:
    body = {"inputs": {"prompt": "x"}, "metadata": {"a": "b\r\nX-Evil: 1"}, "user": "u\r\nX-Evil: 1"}
    status, _, headers = await house.ask("POST", RUNS, json=body)
    assert status == 202 and "X-Evil" not in headers
    answer = await raw(house, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: a\r\n b\r\n\r\n")
    assert b" 400 " in answer.partition(b"\r\n")[0]


async def test_an_idempotency_key_that_is_none_is_refused(house: House) -> None:
    head = f"POST {RUNS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    for key in ["", "x" * 256, "a b", "é"]:
        answer = await raw(house, f"{head}Idempotency-Key: {key}\r\nConnection: close\r\n\r\n{{}}".encode())
        assert answer.startswith(b"HTTP/1.1 422"), (key, answer)


async def test_two_idempotency_keys_are_refused(house: House) -> None:
    head = f"POST {RUNS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n"
    answer = await raw(
        house, f"{head}Idempotency-Key: a\r\nIdempotency-Key: b\r\nConnection: close\r\n\r\n{{}}".encode()
    )
    assert answer.startswith(b"HTTP/1.1 400")


async def test_another_method_is_refused_and_the_right_one_named(house: House) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for method in ["PUT", "PATCH", "DELETE", "TRACE", "OPTIONS"]:
        status, problem, told = await house.ask(method, RUNS, headers=headers)
        assert (status, problem["code"], told["Allow"]) == (405, "method_not_allowed", "POST")
        assert not [name for name in told if name.lower().startswith("access-control")]


async def test_every_answer_says_that_no_browser_may_guess_keep_or_frame_it(house: House) -> None:
    for path in ("/healthz", "/v1/jobs", "/nothing", "/openapi.json"):
        _, _, headers = await house.ask("GET", path)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Server"] == "mintmark"


async def test_what_nobody_foresaw_is_told_without_its_words(house: House, caplog: pytest.LogCaptureFixture) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("password=hunter2")

    house.service.jobs.find = broken
    status, problem, _ = await house.ask("GET", "/v1/jobs")
    assert (status, problem["code"]) == (500, "internal_error")
    assert "hunter2" not in str(problem)
    assert "GET /v1/jobs failed" in caplog.text
