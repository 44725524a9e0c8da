"""Tasks that live as long as their owner, told from jobs: when one of them ends, that is a defect, and it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any

from ... import log
from ...errors import InternalError

logger = log.get("orchestrator.side_tasks")

AGAIN_S = 1.0


class SideTasks:
    """Named tasks; whoever owns them waits at :meth:`watch` and stops loudly when it returns."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run this until :meth:`close`."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        return task

    async def watch(self) -> None:
        """Wait until one ends though nobody stopped it. Raises what ended it, or InternalError."""
        if not self._tasks:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        task = done.pop()
        error = None if task.cancelled() else task.exception()
        logger.critical("%s ended: %s", task.get_name(), error, extra=log.action("side_task_ended"))
        raise error or InternalError(f"{task.get_name()} ended.", hint="Please report this with the lines above.")

    async def close(self) -> None:
        """Stop them all and wait until they have."""
        await stopped(self._tasks)
        self._tasks.clear()


async def stopped(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Stop these and wait until they have, whatever comes of them."""
    all_of_them = set(tasks)
    left = all_of_them
    while left:
        for task in left:
            task.cancel()
        # Asked again: a library between may have swallowed it (python/cpython#86296).
        _, left = await asyncio.wait(left, timeout=AGAIN_S)
    await asyncio.gather(*all_of_them, return_exceptions=True)
