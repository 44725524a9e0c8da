"""Batches: lines in, lines out, each on its own; sent again whole they make nothing twice."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from mintmark.clock import utc_now
from mintmark.orchestrator.access.keys import KeyLimits
from mintmark.orchestrator.access.velocity import Pace, hour_of
from mintmark.orchestrator.api import batches
from mintmark.orchestrator.jobs.base import Filter

from .stand_in import House


async def send(house: House, lines: list[Any], key: str | None = None) -> list[dict[str, Any]]:
    data = b"\n".join(line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines)
    headers = {"Content-Type": "application/x-ndjson", **({"Idempotency-Key": key} if key else {})}
    status, text, answered = await house.ask("POST", "/v1/batches", data=data, headers=headers)
    assert (status, answered["Content-Type"]) == (200, "application/x-ndjson"), text
    return [json.loads(line) for line in text.splitlines()]


def run(prompt: str, **more: Any) -> dict[str, Any]:
    return {"workflow": "text-to-image", "inputs": {"prompt": prompt}, **more}


async def test_each_line_is_answered_in_order(house: House) -> None:
    answers = await send(house, [run(str(number)) for number in range(250)])
    assert [each["line"] for each in answers] == list(range(1, 251))
    assert {each["status"] for each in answers} == {"queued"}
    jobs = house.service.jobs.find(Filter(), limit=300)
    assert [job.job_id for job in jobs][::-1] == [each["job_id"] for each in answers]


async def test_a_line_that_is_refused_keeps_no_other_out(house: House) -> None:
    lines = [
        run("a"),
        b"{bad",
        b"",
        {"workflow": "no-such"},
        run("b", nonsense=1),
        b'{"workflow": "text-to-image", "workflow": "x"}',
        run("explicit sexual photo of a 9 year old child"),
        run("c"),
    ]
    answers = await send(house, lines)
    codes = [each.get("problem", {}).get("code") for each in answers]
    assert codes == [
        None,
        "malformed_request",
        "unknown_workflow",
        "invalid_input",
        "malformed_request",
        "prompt_blocked",
        None,
    ]
    assert len(house.service.jobs.find(Filter())) == 2


async def test_a_batch_sent_again_makes_only_what_is_missing(house: House) -> None:
    first = await send(house, [run("a"), run("b")], key="k")
    again = await send(house, [run("a"), run("b"), run("c")], key="k")
    assert [each["job_id"] for each in again[:2]] == [each["job_id"] for each in first]
    assert [each["replayed"] for each in again] == [True, True, False]


async def test_another_line_under_the_same_key_is_refused(house: House) -> None:
    await send(house, [run("a")], key="k")
    (answer,) = await send(house, [run("z")], key="k")
    assert answer["problem"]["code"] == "idempotency_mismatch"


async def test_a_batch_ends_at_its_limit(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MOST", 3)
    answers = await send(house, [run(str(number)) for number in range(5)])
    assert [each.get("status") for each in answers] == ["queued", "queued", "queued", None]
    assert answers[-1]["problem"]["code"] == "request_too_large"


async def test_a_line_without_end_is_refused_without_keeping_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "JSON_BYTES", 10_000)
    answers = await send(house, [run("a"), b'"' + b"x" * 300_000])
    assert answers[0]["status"] == "queued"
    assert answers[-1]["problem"]["code"] == "request_too_large"


async def test_a_key_that_orders_far_more_than_usual_is_held_in_the_middle_of_its_batch(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "CHUNK", 25)
    access = house.service.access
    limits = KeyLimits(velocity=2, velocity_action="hold")
    key, token = access.keys.create(scopes=["submit"], project="acme", user="mia", limits=limits)
    usual = Pace(hour_of(utc_now()), 0, 1.0)
    monkeypatch.setattr(
        access._velocity, "pace", lambda *_: usual._replace(jobs=len(house.service.jobs.find(Filter())))
    )
    data = b"\n".join(json.dumps(run("x")).encode() for _ in range(60))
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {token}"}
    _, text, _ = await house.ask("POST", "/v1/batches", data=data, headers=headers)
    answers = [json.loads(line) for line in text.splitlines()]
    assert [each.get("status") for each in answers] == ["queued"] * 25 + [None] * 35
    assert {each["problem"]["code"] for each in answers[25:]} == {"too_many_requests"}
    assert access.keys.get(key.key_id).held_at is not None


async def test_a_key_that_is_revoked_orders_no_further_line(house: House) -> None:
    access = house.service.access
    key, token = access.keys.create(scopes=["submit"], project="acme", user="mia")
    lines: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def body() -> AsyncIterator[bytes]:
        while (line := await lines.get()) is not None:
            yield line

    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {token}"}
    lines.put_nowait(json.dumps(run("1")).encode() + b"\n")
    async with house.http.post(f"{house.url}/v1/batches", data=body(), headers=headers) as answer:
        assert json.loads(await answer.content.readline())["status"] == "queued"
        access.keys.revoke(key.key_id)
        lines.put_nowait(json.dumps(run("2")).encode() + b"\n")
        assert json.loads(await answer.content.readline())["problem"]["code"] == "not_authenticated"
        lines.put_nowait(None)
    assert len(house.service.jobs.find(Filter())) == 1


async def test_a_key_that_is_held_orders_no_further_line(house: House) -> None:
    access = house.service.access
    key, token = access.keys.create(scopes=["submit"], project="acme", user="mia")

    async def body() -> AsyncIterator[bytes]:
        yield json.dumps(run("1")).encode() + b"\n"
        while not house.service.jobs.find(Filter()):
            await asyncio.sleep(0.01)
        access.keys.hold(key.key_id, held=True)
        yield json.dumps(run("2")).encode() + b"\n"

    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {token}"}
    _, text, _ = await house.ask("POST", "/v1/batches", data=body(), headers=headers)
    first, second = (json.loads(line) for line in text.splitlines())
    assert (first["status"], second["problem"]["code"]) == ("queued", "too_many_requests")


async def test_whoever_waits_for_a_lines_answer_before_sending_the_next_one_gets_it(house: House) -> None:
    """Over one connection, chunk by chunk; no other request is there to wake anything."""
    where = urlsplit(house.url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"POST /v1/batches HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/x-ndjson\r\n"
    writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
    status = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert status.startswith(b"HTTP/1.1 200 ")

    async def chunk() -> bytes:
        size = int(await asyncio.wait_for(reader.readline(), 5), 16)
        return (await asyncio.wait_for(reader.readexactly(size + 2), 5))[:-2]

    for number in range(1, 4):
        line = json.dumps(run(str(number))).encode() + b"\n"
        writer.write(b"%x\r\n%b\r\n" % (len(line), line))
        answer = json.loads(await chunk())
        assert (answer["line"], answer["status"]) == (number, "queued")
        assert len(house.service.jobs.find(Filter())) == number
    writer.write(b"0\r\n\r\n")
    assert await chunk() == b""
    writer.close()


async def test_what_comes_at_once_is_taken_in_by_few_transactions(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    accept_many = house.service.jobs.accept_many

    def counted(orders: Any, keys: Any = None) -> Any:
        taken.append(len(orders))
        return accept_many(orders, keys)

    monkeypatch.setattr(house.service.jobs, "accept_many", counted)
    await send(house, [run(str(number)) for number in range(250)])
    assert sum(taken) == 250
    assert max(taken) == 100
    assert len(taken) < 10


async def test_answers_that_break_off_do_not_look_like_all_of_them(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(batches._Batch, "take", broken)
    with pytest.raises(aiohttp.ClientPayloadError):
        await send(house, [run("a")])


async def test_each_line_counts_against_what_its_end_user_may(house: House) -> None:
    limits = KeyLimits(user_requests_per_minute=2)
    _, token = house.service.access.keys.create(scopes=["submit"], project="acme", user="mia", limits=limits)
    lines = [run(str(number), user="ann") for number in range(4)] + [run("x", user="bob"), run("x")]
    data = b"\n".join(json.dumps(line).encode() for line in lines)
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {token}", "Idempotency-Key": "k"}
    texts = [(await house.ask("POST", "/v1/batches", data=data, headers=headers))[1] for _ in range(2)]
    first, again = [[json.loads(line) for line in text.splitlines()] for text in texts]
    assert [each.get("status") for each in first] == ["queued", "queued", None, None, "queued", "queued"]
    assert {each["problem"]["code"] for each in first[2:4]} == {"too_many_requests"}
    assert first[2]["problem"]["retry_after_s"] > 0
    # What is only told again is not counted again.
    assert [each["replayed"] for each in again] == [True, True, False, False, True, True]


async def test_another_kind_of_body_is_refused(house: House) -> None:
    status, problem, _ = await house.ask("POST", "/v1/batches", json=[])
    assert (status, problem["code"]) == (415, "unsupported_media_type")
