"""Waiting with a limit: the sign, the limit, and a stop in the same moment."""

from __future__ import annotations

import asyncio

from mintmark.orchestrator.link.waiting import Signal


async def test_a_flag_that_is_up_is_not_waited_for_and_one_that_stays_down_no_longer_than_asked() -> None:
    signal = Signal()
    assert not await signal.wait(0.01)
    signal.set()
    assert await signal.wait(None)
    signal.clear()
    assert not await signal.wait(0.0)


async def test_all_who_wait_are_woken() -> None:
    signal = Signal()
    waiting = [asyncio.create_task(signal.wait(10)) for _ in range(3)]
    await asyncio.sleep(0)
    signal.set()
    assert await asyncio.gather(*waiting) == [True] * 3


async def test_a_stop_in_the_moment_of_the_sign_is_not_lost() -> None:
    signal = Signal()
    waiting = asyncio.create_task(signal.wait(10))
    await asyncio.sleep(0)
    signal.set()
    waiting.cancel()
    await asyncio.wait([waiting], timeout=1)
    assert waiting.cancelled()
