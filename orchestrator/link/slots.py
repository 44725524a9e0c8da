"""How many prompts a worker is given at a time: what waits, waits with us, where it can be stopped, moved and counted.

A ComfyUI runs one prompt at a time, so it gets that one and one more to go on with at once; the runner runs many.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Literal

COMFYUI = 2
"""One that runs and one prefetched."""
RUNNER = 1024
"""As many as a runner runs at once unless it was told otherwise."""


def capacity_of(kind: Literal["comfyui", "runner"]) -> int:
    """How many prompts a worker of this kind is given at a time."""
    return RUNNER if kind == "runner" else COMFYUI


class Slots:
    """Who has a place and who waits for one, first come first served. Pure."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._taken: set[Hashable] = set()
        self._waiting: deque[Hashable] = deque()

    @property
    def taken(self) -> int:
        return len(self._taken)

    def ask(self, who: Hashable) -> None:
        """Stand in line."""
        self._waiting.append(who)

    def leave(self, who: Hashable) -> None:
        """Give the place back, or leave the line."""
        self._taken.discard(who)
        if who in self._waiting:
            self._waiting.remove(who)

    def admit(self) -> list[Hashable]:
        """Those at the head of the line who have a place from now on."""
        admitted = []
        while self._waiting and len(self._taken) < self.capacity:
            admitted.append(self._waiting.popleft())
            self._taken.add(admitted[-1])
        return admitted


class Gate:
    """:class:`Slots` that can be waited for; shared by all jobs of one link."""

    def __init__(self, capacity: int = COMFYUI) -> None:
        self._slots = Slots(capacity)
        self._calls: dict[Hashable, asyncio.Event] = {}

    @property
    def capacity(self) -> int:
        return self._slots.capacity

    def widen(self, capacity: int) -> None:
        """From now on so many; those who have a place keep it."""
        self._slots.capacity = capacity
        self._call()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place; waits until there is one."""
        called = asyncio.Event()
        who = id(called)
        self._calls[who] = called
        self._slots.ask(who)
        self._call()
        try:
            await called.wait()
            yield
        finally:
            self._slots.leave(who)
            del self._calls[who]
            self._call()

    def _call(self) -> None:
        for who in self._slots.admit():
            self._calls[who].set()
