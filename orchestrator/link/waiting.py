"""Waiting for a sign with a limit, such that being canceled meanwhile is never lost.

``asyncio.wait_for`` of Python 3.11 and older swallows a cancellation that comes in the moment in which the wait ends
(python/cpython#86296): whoever was stopped then would go on for ever. It also makes a task for each wait, and there is
one for each message that is heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Signal:
    """A flag that can be waited for, for some seconds at most. Of one event loop."""

    def __init__(self) -> None:
        self._set = False
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def is_set(self) -> bool:
        """Whether the flag is up."""
        return self._set

    def set(self) -> None:
        """Raise the flag and wake whoever waits."""
        self._set = True
        for each in self._waiting:
            _wake(each)

    def clear(self) -> None:
        """Take the flag down."""
        self._set = False

    async def wait(self, within_s: float | None) -> bool:
        """Wait until the flag is up; whether it was, in time. None: for as long as it takes."""
        if self._set:
            return True
        loop = asyncio.get_running_loop()
        woken: asyncio.Future[None] = loop.create_future()
        late = None if within_s is None else loop.call_later(within_s, _wake, woken)
        self._waiting.add(woken)
        try:
            await woken
        finally:
            self._waiting.discard(woken)
            if late is not None:
                late.cancel()
        return self._set


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)


async def within(work: Coroutine[Any, Any, T], within_s: float) -> T:
    """What the work comes to. Raises asyncio.TimeoutError where it takes longer."""
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=within_s)
        if not done:
            raise asyncio.TimeoutError
        return task.result()
    finally:
        task.cancel()
