"""Places that many share: whoever comes finds one, however many somebody else has."""

from __future__ import annotations

import asyncio

import pytest

from mintmark.errors import TooManyRequests
from mintmark.orchestrator.turns import Shares, Turns


def taken(shares: Shares, name: str) -> int:
    """How many more the name gets, taking them all."""
    count = 0
    while shares.may(name):
        shares.take(name)
        count += 1
    return count


def test_nobody_gets_more_than_are_still_free() -> None:
    shares = Shares(112)
    assert [taken(shares, name) for name in "abcd"] == [56, 28, 14, 7]
    assert shares.free == 7
    shares.give("a")
    assert taken(shares, "a") == 0
    assert taken(shares, "e") == 4


def test_a_bound_for_each_holds_too_and_one_place_can_be_had() -> None:
    assert taken(Shares(16, each=4), "a") == 4
    assert taken(Shares(1), "a") == 1


class Work:
    """Somebody who has a place until he is told to go."""

    def __init__(self, turns: Turns, name: str) -> None:
        self.began, self._go = asyncio.Event(), asyncio.Event()
        self.task = asyncio.create_task(self._run(turns, name))

    async def _run(self, turns: Turns, name: str) -> None:
        async with turns.one(name):
            self.began.set()
            await self._go.wait()

    async def end(self) -> None:
        self._go.set()
        await self.task


async def works(turns: Turns, *names: str) -> list[Work]:
    made = [Work(turns, name) for name in names]
    await settle()
    return made


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_one_line_holds_up_no_other() -> None:
    turns = Turns(8, each=2)
    many = await works(turns, *"aaaaaaaaaa")
    assert sum(each.began.is_set() for each in many) == 2
    [other] = await works(turns, "b")
    assert other.began.is_set()
    for each in (*many, other):
        await each.end()


async def test_what_becomes_free_goes_to_the_lines_in_turn() -> None:
    turns = Turns(1, each=1)
    [first] = await works(turns, "a")
    waiting = await works(turns, *"aaabb")
    order = []
    current = first
    for _ in waiting:
        await current.end()
        await settle()
        [current] = [each for each in waiting if each.began.is_set() and not each.task.done()]
        order.append("aaabb"[waiting.index(current)])
    await current.end()
    assert order == ["a", "b", "a", "b", "a"]


async def test_a_line_that_is_too_long_is_told() -> None:
    turns = Turns(4, each=1, waiting=2, what="pictures")
    held = await works(turns, *"aaa")
    with pytest.raises(TooManyRequests, match="2 pictures of this key") as caught:
        async with turns.one("a"):
            pass
    assert caught.value.data["retry_after_s"] > 0
    async with turns.one("b"):
        pass
    for each in held:
        await each.end()


@pytest.mark.parametrize("late", [False, True])
async def test_who_gives_up_waiting_takes_no_place_with_him(late: bool) -> None:
    turns = Turns(1, each=1)
    first, second, third = await works(turns, *"aaa")
    if late:
        first._go.set()
        while not first.task.done():
            await asyncio.sleep(0)
    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)
    await first.end()
    await asyncio.wait_for(third.began.wait(), 5)
    await third.end()
    async with turns.one("b"):
        assert turns._lines == {}
