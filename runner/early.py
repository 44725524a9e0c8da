"""Prompts that were posted before their order was there for good (``prompt.EARLY``).

Whoever posted one confirms it once it is. Where they die before, nobody knows of the prompt: it is taken back then,
with all that it left, so that nothing of an order stays that never came to be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

CONFIRM_S = 300.0
"""How long a confirmation is waited for, in seconds: a service that was killed is mostly back before, and confirms what
it goes on with."""
WRITE_S = 3.0
"""How long the archive does not get an ended one that is not confirmed: mostly it is by then, and is written once."""


class Early:
    """Those that are not confirmed. ``take_back`` undoes one whose time is over."""

    def __init__(self, take_back: Callable[[str], Awaitable[None]]) -> None:
        self._take_back = take_back
        self._due: dict[str, float] = {}
        """By when, on the loop's clock; all wait as long, so the first is the next."""
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def __iter__(self) -> Iterator[str]:
        return iter(list(self._due))

    def __len__(self) -> int:
        return len(self._due)

    def add(self, prompt_id: str) -> None:
        self._due[prompt_id] = asyncio.get_running_loop().time() + CONFIRM_S
        self._wait()

    def discard(self, prompt_id: str) -> bool:
        """It is confirmed, or forgotten. Whether it was waited for."""
        return self._due.pop(prompt_id, None) is not None

    def _wait(self) -> None:
        if self._timer is None and self._task is None and self._due:
            self._timer = asyncio.get_running_loop().call_at(next(iter(self._due.values())), self._begin)

    def _begin(self) -> None:
        self._timer = None
        self._task = asyncio.create_task(self._take_late_back(), name="runner:early")

    async def _take_late_back(self) -> None:
        try:
            now = asyncio.get_running_loop().time()
            for prompt_id in [each for each, due in self._due.items() if due <= now]:
                if self.discard(prompt_id):
                    await self._take_back(prompt_id)
        finally:
            self._task = None
            self._wait()

    async def close(self) -> None:
        """Wait for nothing more; what is not confirmed is waited for by the next process, where there is an archive."""
        if self._task is not None:
            await asyncio.wait([self._task])
        if self._timer is not None:
            self._timer.cancel()
