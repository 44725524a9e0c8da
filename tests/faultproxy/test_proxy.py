"""Each fault as it is seen from both ends of the wire."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from .conftest import BODY, Target, free_port
from .plan import EXCHANGE_FAULTS, Rule
from .proxy import FaultProxy


async def test_without_a_plan_everything_passes_on_one_connection(target: Target, proxied: Any, call: Any) -> None:
    proxy = await proxied()
    caller = await call(proxy)
    for body in (b"one", b"", b"x" * 3_000_000):
        caller.ask(body)
        assert await caller.answer() == BODY
    assert target.seen == [b"one", b"", b"x" * 3_000_000]
    assert proxy.log == []
    assert [each.words[0] for each in proxy.asked] == ["POST", "GET", "POST"]


async def test_an_answer_in_chunks_and_a_body_in_chunks_pass(target: Target, proxied: Any) -> None:
    proxy = await proxied()

    async def body() -> Any:
        yield b"part one "
        yield b"part two"

    async with aiohttp.ClientSession() as http:
        async with http.get(f"{proxy.url}/chunks") as answer:
            assert await answer.read() == BODY
        async with http.post(f"{proxy.url}/x", data=body()) as answer:
            assert await answer.read() == BODY
    assert target.seen == [b"part one part two"]


@pytest.mark.parametrize(
    ("fault", "end", "seen"),
    [("reset", "reset", 0), ("close", "end", 0), ("drop_answer", "reset", 1), ("freeze", "reset", 1)],
)
async def test_the_client_gets_nothing_and_the_worker_heard_what_the_fault_says(
    fault: str, end: str, seen: int, target: Target, proxied: Any, call: Any
) -> None:
    caller = await call(await proxied(fault, stall_s=0.1))
    caller.ask(b"work")
    assert await caller.rest() == (b"", end)
    assert target.seen == [b"work"] * seen


async def test_a_request_can_arrive_although_the_line_was_cut_at_once(target: Target, proxied: Any, call: Any) -> None:
    caller = await call(await proxied("hang_up"))
    caller.ask(b"work")
    assert await caller.rest() == (b"", "end")
    for _ in range(200):
        if target.seen:
            break
        await asyncio.sleep(0.01)
    assert target.seen == [b"work"]


@pytest.mark.parametrize(("fault", "status", "seen"), [("error_before", b"503", 0), ("error_after", b"502", 1)])
async def test_a_gateways_error_says_nothing_of_whether_the_work_was_done(
    fault: str, status: bytes, seen: int, target: Target, proxied: Any, call: Any
) -> None:
    caller = await call(await proxied(fault))
    caller.ask(b"work")
    got, end = await caller.rest()
    assert got.startswith(b"HTTP/1.1 " + status)
    assert end == "end"
    assert len(target.seen) == seen


async def test_a_request_cut_in_the_middle_never_reaches_a_handler(target: Target, proxied: Any, call: Any) -> None:
    proxy = await proxied("cut_request")
    for _ in range(5):
        caller = await call(proxy)
        caller.ask(b"w" * 5000)
        assert await caller.rest() == (b"", "reset")
    assert b"w" * 5000 not in target.seen
    assert proxy.asked == []


async def test_an_answer_is_cut_in_the_middle(target: Target, proxied: Any, call: Any) -> None:
    proxy = await proxied("cut_answer")
    lengths = []
    for _ in range(5):
        caller = await call(proxy)
        caller.ask()
        got, end = await caller.rest()
        assert end == "end"
        assert got.startswith(b"HTTP/1.1 200"[: len(got)])
        assert not got.endswith(BODY)
        lengths.append(len(got))
    assert len(target.seen) == 5
    assert len(set(lengths)) > 1, "cut at many places"


async def test_an_answer_can_end_in_a_reset(proxied: Any, call: Any) -> None:
    caller = await call(await proxied("reset_answer"))
    caller.ask()
    got, end = await caller.rest()
    assert end == "reset"
    assert not got.endswith(BODY)


@pytest.mark.parametrize(("fault", "least"), [("delay", 0.05), ("stall", 0.05), ("trickle", 0.1)])
async def test_a_slow_line_brings_everything_in_the_end(fault: str, least: float, proxied: Any, call: Any) -> None:
    caller = await call(await proxied(fault, delay_s=0.2, stall_s=0.2))
    started = time.monotonic()
    caller.ask()
    assert await caller.answer() == BODY
    assert time.monotonic() - started >= least


async def test_a_trickle_comes_in_pieces(proxied: Any, call: Any) -> None:
    caller = await call(await proxied("trickle", delay_s=0.5, pieces=5))
    caller.ask()
    first = await caller.reader.read(4096)
    assert 0 < len(first) < len(BODY)


async def test_a_half_closed_request_still_reaches_the_worker(target: Target, proxied: Any, call: Any) -> None:
    caller = await call(await proxied("half_close"))
    caller.ask(b"work")
    got, end = await caller.rest()
    # A server may take the end of the sending side for the end of the whole; this one does.
    assert (got == b"" or got.endswith(BODY)) and end == "end"
    assert target.seen in ([b"work"], [])


async def test_a_kept_connection_goes_stale_after_its_answer(proxied: Any, call: Any) -> None:
    caller = await call(await proxied("stale"))
    caller.ask()
    got, end = await caller.rest()
    assert got.endswith(BODY)
    assert end == "end"


async def test_a_replayed_request_reaches_the_worker_twice_and_is_answered_once(
    target: Target, proxied: Any, call: Any
) -> None:
    proxy = await proxied("replay")
    caller = await call(proxy)
    caller.ask(b"work")
    assert await caller.answer() == BODY
    assert target.seen == [b"work", b"work"]
    assert len(proxy.asked) == 2


@pytest.mark.parametrize("fault", sorted(EXCHANGE_FAULTS))
async def test_every_fault_is_logged_and_ends_in_time(fault: str, proxied: Any, call: Any) -> None:
    proxy: FaultProxy = await proxied(fault, stall_s=0.1)
    caller = await call(proxy)
    caller.ask(b"work", "/prompt?x=1")
    if fault in ("none", "delay", "stall", "trickle", "replay"):
        await caller.answer()
    else:
        await caller.rest()
    assert [(each.key, each.fault) for each in proxy.log] == [("POST /prompt", fault)]
    assert f"seed 1, 1 requests and messages, {fault} 1" in proxy.told()


async def test_the_same_seed_does_the_same_to_the_same_requests(proxied: Any) -> None:
    rules = (Rule("*", {"reset": 0.2, "error_after": 0.2, "stale": 0.2}),)

    async def run(seed: int) -> list[tuple[int, str]]:
        proxy: FaultProxy = await proxied(seed=seed, rules=rules)
        async with aiohttp.ClientSession() as http:
            for _ in range(40):
                try:
                    async with http.post(f"{proxy.url}/x", data=b"1") as answer:
                        await answer.read()
                except aiohttp.ClientError:
                    pass
        return [(each.number, each.fault) for each in proxy.log]

    first = await run(5)
    assert len(first) > 10
    assert await run(5) == first
    assert await run(6) != first


async def test_a_worker_that_is_not_there_is_a_reset_to_the_client(call: Any) -> None:
    async with FaultProxy("127.0.0.1", free_port()) as proxy:
        caller = await call(proxy)
        caller.ask()
        assert await caller.rest() == (b"", "reset")


async def test_closing_the_proxy_ends_what_is_under_way(proxied: Any, call: Any, target: Target) -> None:
    async with FaultProxy.before(f"http://127.0.0.1:{target.port}") as proxy:
        proxy.plan = (await proxied("freeze", stall_s=60)).plan
        caller = await call(proxy)
        caller.ask()
        for _ in range(200):
            if target.seen:
                break
            await asyncio.sleep(0.01)
    assert await caller.rest() == (b"", "reset")
