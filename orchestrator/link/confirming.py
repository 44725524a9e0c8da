"""Telling a runner that the orders of prompts that were posted early are there for good.

Nobody waits for it, and many go together: it must cost a job nothing. Until it has answered it is told again, since a
prompt that nobody confirms is taken back (``docs/worker-link.md``).
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from ...errors import WorkerUnreachable

if TYPE_CHECKING:
    from .wire import Wire

EVERY_S = 1.0
"""How long they are gathered, in seconds."""
MOST = 10_000
"""How many are kept for a runner that does not answer: it has forgotten those before by now, or never will."""
CLOSE_S = 1.0
"""How long a link that is closed waits for the last ones, in seconds."""


class Confirming:
    """Of one link."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._ids: list[str] = []
        self._task: asyncio.Task[None] | None = None

    def add(self, prompt_id: str) -> None:
        self._ids.append(prompt_id)
        if len(self._ids) > MOST:
            del self._ids[0]
        if self._task is None:
            self._task = asyncio.create_task(self._tell_all(), name="confirmations")

    async def close(self) -> None:
        """Tell what is left, where that is done soon. What is not is harmless: the jobs are over and their files here,
        or whoever goes on with them confirms them."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            with suppress(WorkerUnreachable, asyncio.TimeoutError):
                await asyncio.wait_for(self._tell(), CLOSE_S)

    async def _tell_all(self) -> None:
        while self._ids:
            await asyncio.sleep(EVERY_S)
            with suppress(WorkerUnreachable):
                await self._tell()
        self._task = None

    async def _tell(self) -> None:
        ids = list(self._ids)
        # A runner of an earlier release takes nothing back, and does not know the route.
        status, _ = await self._wire.once("POST", "/mintmark/confirm", {"prompt_ids": ids})
        if status < 500:
            told = set(ids)
            self._ids = [each for each in self._ids if each not in told]
