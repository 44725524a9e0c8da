"""Tasks that must live as long as their owner: a dead one is told at once, a stopped one is stopped."""

from __future__ import annotations

import asyncio

import pytest

from mintmark.errors import DiskFull, InternalError
from mintmark.orchestrator.dispatch.side_tasks import SideTasks


async def fails() -> None:
    raise DiskFull("full")


async def ends() -> None:
    return


@pytest.mark.parametrize(("work", "error"), [(fails, DiskFull), (ends, InternalError)])
async def test_one_that_ends_is_told(work: object, error: type[Exception]) -> None:
    side = SideTasks()
    side.start(asyncio.Event().wait(), "lives on")
    side.start(work(), "dies")  # type: ignore[operator]
    with pytest.raises(error):
        await asyncio.wait_for(side.watch(), 60)
    await side.close()


async def test_one_that_missed_its_cancellation_is_canceled_again() -> None:
    missed = []

    async def stubborn() -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                missed.append(1)
                if len(missed) > 1:
                    raise

    side = SideTasks()
    side.start(stubborn(), "stubborn")
    await asyncio.sleep(0)
    await asyncio.wait_for(side.close(), 60)
    assert len(missed) == 2
