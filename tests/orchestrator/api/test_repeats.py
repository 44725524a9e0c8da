"""Creates that make no job, asked again: in one process, and in two that share a database."""

from __future__ import annotations

import asyncio

import pytest

from mintmark.errors import IdempotencyMismatch
from mintmark.orchestrator.api.call import Reply
from mintmark.orchestrator.api.repeats import Repeats
from mintmark.orchestrator.api.routes_about import Health
from mintmark.orchestrator.api.threads import Threads
from mintmark.orchestrator.jobs.base import Idempotency

from .stand_in import House

KEY = Idempotency(scope="s", key="k", digest="d")


class Work:
    """Counts how often it was done; each time waits until all that are to come are there."""

    def __init__(self, at_once: int = 1) -> None:
        self.done, self._all, self._there = 0, at_once, asyncio.Event()

    async def __call__(self) -> Reply:
        self.done += 1
        if self.done == self._all:
            self._there.set()
        await asyncio.wait_for(self._there.wait(), 60)
        return Reply(201, Health(), {"Location": "/here"})


def repeats(house: House) -> Repeats:
    return Repeats(house.service.ledger.store, Threads(house.service.threads))


async def test_of_fifty_at_once_one_does_it_and_all_answer_alike(house: House) -> None:
    asked, work = repeats(house), Work()
    replies = await asyncio.gather(*(asked.once(KEY, work) for _ in range(50)))
    assert work.done == 1 and {reply.status for reply in replies} == {201}
    assert sum(reply.replayed for reply in replies) == 49
    with pytest.raises(IdempotencyMismatch):
        await asked.once(Idempotency(scope="s", key="k", digest="other"), work)


async def test_of_two_processes_at_once_neither_fails_and_the_first_answer_stays(house: House) -> None:
    work = Work(at_once=2)
    replies = await asyncio.gather(*(repeats(house).once(KEY, work) for _ in range(2)))
    assert [reply.status for reply in replies] == [201, 201]
    again = await repeats(house).once(KEY, work)
    assert again.replayed and work.done == 2


async def test_a_refusal_is_not_kept(house: House) -> None:
    async def refused() -> Reply:
        raise IdempotencyMismatch("no")

    with pytest.raises(IdempotencyMismatch):
        await repeats(house).once(KEY, refused)
    assert not (await repeats(house).once(KEY, Work())).replayed
