"""Waiting for what must not be left half-done, also while the task that waits is being canceled.

``asyncio.shield`` alone is not enough: it lets go of the work at once, and the process may close its journal, or end,
while a settlement is still on its way to the disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from typing_extensions import ParamSpec

P = ParamSpec("P")
T = TypeVar("T")


async def surely(method: Callable[P, T], *values: P.args, **named: P.kwargs) -> T:
    """The result of a blocking call in a thread. Where we are canceled meanwhile, that goes on only once it has ended.

    A thread's future is no task, so the end of an event loop, which cancels every task, does not reach it either.
    """
    running = asyncio.get_running_loop().run_in_executor(None, partial(method, *values, **named))
    return await to_the_end(running)


async def to_the_end(running: asyncio.Future[T]) -> T:
    """The result of the future. Being canceled waits for it too; what it raised is then the cancellation's cause."""
    canceled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as exc:
            canceled = exc
    if canceled is None:
        return running.result()
    raise canceled from (None if running.cancelled() else running.exception())
