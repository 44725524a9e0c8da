"""A provider that said when to come back is not asked before, by nobody of this process."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from mintmark.providers.gate import LONGEST_S, Gate
from mintmark.providers.http import HttpClient, Reply
from mintmark.tests.providers.conftest import FakeTime, client, serving


def told(status: int, retry_after_s: float | None = None, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status=status, headers=named, body=b"{}", retry_after_s=retry_after_s)


@pytest.fixture
def gate(time: FakeTime) -> Gate:
    return Gate(time.clock)


def test_a_429_with_a_time_closes_it_until_then(gate: Gate, time: FakeTime) -> None:
    gate.told(told(429, 20.0))
    assert gate.closed_for() == 20
    time.now = 19
    assert gate.closed_for() == 1
    time.now = 20
    assert gate.closed_for() == 0


@pytest.mark.parametrize(
    "reply",
    [
        told(429),
        told(429, 0.0),
        told(429, LONGEST_S + 1),
        told(503, 20.0),
        told(200, x_ratelimit_remaining_requests="1", x_ratelimit_reset_requests="20s"),
        told(200, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="soon"),
        told(200, x_ratelimit_remaining_requests="0"),
    ],
)
def test_what_says_no_time_leaves_it_open(gate: Gate, reply: Reply) -> None:
    gate.told(reply)
    assert gate.closed_for() == 0


@pytest.mark.parametrize(("text", "seconds"), [("20", 20), ("1.5s", 1.5), ("6m0s", 360), ("120ms", 0.12), ("1m", 60)])
def test_the_last_call_of_a_window_closes_it_before_anybody_is_refused(gate: Gate, text: str, seconds: float) -> None:
    gate.told(told(200, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests=text))
    assert gate.closed_for() == pytest.approx(seconds)


def test_the_answer_that_used_a_window_up_is_told_as_a_429_without_the_image_that_it_held(gate: Gate) -> None:
    headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "600"}
    gate.told(Reply(status=200, headers=headers, body=b"an image of many megabytes"))
    word = gate.last_word()
    assert (word.status, word.retry_after_s, word.body) == (429, 600, b"")
    assert b"an image" not in repr(vars(gate)).encode()
    assert not any(isinstance(value, Reply) and value.body for value in vars(gate).values())


def test_a_shorter_time_heard_later_does_not_open_it_sooner(gate: Gate) -> None:
    gate.told(told(429, 30.0))
    gate.told(told(429, 5.0))
    assert gate.closed_for() == 30


class Vendor:
    """Refuses whoever comes before its window is over, and counts them."""

    def __init__(self, time: FakeTime, window_s: float) -> None:
        self.time, self.window_s = time, window_s
        self.refused = self.served = 0

    async def answer(self, request: web.Request) -> web.Response:
        if (left := self.window_s - self.time.now) > 0:
            self.refused += 1
            return web.json_response({}, status=429, headers={"Retry-After": str(left)})
        self.served += 1
        return web.json_response({"ok": True})


async def post(http: HttpClient, url: str) -> Any:
    reply = await http.send("POST", url, headers={}, json={}, repeat="unsent")
    return reply.status


async def test_after_a_429_nobody_meets_another_in_its_window(time: FakeTime, gate: Gate) -> None:
    vendor = Vendor(time, window_s=30)
    async with serving(vendor.answer) as url, client(time) as plain:
        http = plain.behind(gate)
        first = asyncio.ensure_future(post(http, url))
        while not vendor.refused:
            await asyncio.sleep(0.001)
        others = [asyncio.ensure_future(post(http, url)) for _ in range(50)]
        assert await asyncio.gather(first, *others) == [200] * 51
    assert (vendor.refused, vendor.served) == (1, 51)


async def test_without_the_gate_each_would_meet_one_of_its_own(time: FakeTime) -> None:
    """What the test above would count if nothing held the others back."""
    vendor = Vendor(time, window_s=30)
    async with serving(vendor.answer) as url, client(time) as http:
        await asyncio.gather(*(post(http, url) for _ in range(10)))
    assert vendor.refused > 1


async def test_a_window_that_nobody_waits_for_is_answered_without_asking(time: FakeTime, gate: Gate) -> None:
    vendor = Vendor(time, window_s=600)
    async with serving(vendor.answer) as url, client(time) as plain:
        http = plain.behind(gate)
        replies = [await http.send("POST", url, headers={}, json={}, repeat="unsent") for _ in range(5)]
    assert [reply.status for reply in replies] == [429] * 5
    assert vendor.refused == 1
    assert replies[-1].retry_after_s == pytest.approx(600, abs=1)


async def test_a_window_that_is_used_up_for_long_is_not_slept_through(time: FakeTime, gate: Gate) -> None:
    vendor = Vendor(time, window_s=0)
    gate.told(told(200, x_ratelimit_remaining_requests="0", x_ratelimit_reset_requests="30m0s"))
    async with serving(vendor.answer) as url, client(time) as plain:
        reply = await plain.behind(gate).send("POST", url, headers={}, json={}, repeat="unsent")
    assert (reply.status, reply.retry_after_s) == (429, 1800)
    assert (vendor.served, time.slept) == (0, [])


async def test_polls_and_downloads_pass_a_closed_gate(time: FakeTime, gate: Gate) -> None:
    gate.told(told(429, 30.0))
    async with serving(Vendor(time, window_s=0).answer) as url, client(time) as plain:
        reply = await plain.behind(gate).send("GET", url, headers={}, repeat="idempotent")
    assert reply.status == 200
    assert time.slept == []
