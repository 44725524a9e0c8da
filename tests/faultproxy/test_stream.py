"""What a fault does to the messages of a websocket."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from .conftest import Target
from .plan import Rule
from .proxy import FaultProxy


async def heard(proxy: FaultProxy) -> list[int]:
    """All messages of one websocket, read by the library that the worker link uses."""
    got: list[int] = []
    async with connect(proxy.url.replace("http", "ws") + "/ws", proxy=None) as socket:
        with suppress(ConnectionClosed):
            while True:
                got.append(int(await socket.recv()))
    return got


async def test_without_a_plan_a_websocket_passes_both_ways(target: Target, proxied: Any) -> None:
    proxy = await proxied()
    assert await heard(proxy) == list(range(20))
    async with aiohttp.ClientSession() as http, http.ws_connect(f"{proxy.url}/ws?listen") as socket:
        for text in ("a", "b" * 200, "c" * 70_000):
            await socket.send_str(text)
            assert await socket.receive_str(timeout=60) == text
    assert target.heard == ["a", "b" * 200, "c" * 70_000]


async def test_messages_are_lost_doubled_and_swapped(proxied: Any) -> None:
    assert await heard(await proxied("frame_drop")) == []
    assert await heard(await proxied("frame_double")) == sorted([*range(20), *range(20)])
    swapped = await heard(await proxied("frame_swap"))
    assert swapped[:4] == [1, 0, 3, 2]
    assert sorted(swapped) == list(range(20))


async def test_by_chance_some_are_lost_some_doubled_and_some_swapped_and_by_seed_the_same(
    target: Target, proxied: Any
) -> None:
    target.count = 200
    rules = (Rule("GET /ws", {"frame_drop": 0.2, "frame_double": 0.2, "frame_swap": 0.2}),)
    first = await heard(await proxied(seed=4, rules=rules))
    assert 0 < len(set(first)) < 200
    assert len(first) > len(set(first))
    assert first != sorted(first)
    assert await heard(await proxied(seed=4, rules=rules)) == first


async def test_late_messages_all_come_in_order(proxied: Any) -> None:
    assert await heard(await proxied("frame_late", delay_s=0.02)) == list(range(20))


@pytest.mark.parametrize("fault", ["frame_cut", "frame_close"])
async def test_the_stream_breaks_without_a_goodbye(fault: str, proxied: Any) -> None:
    proxy = await proxied(fault)
    async with connect(proxy.url.replace("http", "ws") + "/ws", proxy=None) as socket:
        with pytest.raises(ConnectionClosed) as caught:
            await asyncio.wait_for(socket.recv(), 60)
    assert caught.value.rcvd is None
    assert [each.fault for each in proxy.log] == [fault]


async def test_a_stalled_peer_stops_the_worker_from_sending(target: Target, proxied: Any) -> None:
    target.count, target.size = 400, 100_000
    proxy = await proxied("frame_stall", stall_s=30)
    async with connect(proxy.url.replace("http", "ws") + "/ws", proxy=None, close_timeout=0.1):
        before = -1
        while target.sent != before or not before:
            before = target.sent
            await asyncio.sleep(0.2)
        assert 0 < target.sent < 400


async def test_a_websocket_may_be_refused_like_any_request(proxied: Any) -> None:
    proxy = await proxied("error_before")
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await http.ws_connect(f"{proxy.url}/ws")
    assert caught.value.status == 503
