"""Work that keeps its thread busy for seconds, done in the thread where the host computes, and how it is stopped.

A hosted call waits in the loop of the host's server; sampling computes. In that loop it would stall the server, and in
any other thread it could meet a node that computes at the same time, with the memory of one device for both.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")
Turn = Callable[[], None]

_unwanted: ContextVar[threading.Event | None] = ContextVar("mintmark_unwanted", default=None)
"""Set once nobody waits any more for what computes here."""


def is_unwanted() -> bool:
    """Whether what computes here and now was canceled meanwhile. Callable from any thread."""
    unwanted = _unwanted.get()
    return unwanted is not None and unwanted.is_set()


async def computed(work: Callable[[], T], put: Callable[[Turn], Any]) -> T:
    """What ``work`` returns, done without gradients by whoever ``put`` hands its turn to, in the caller's context.

    Canceled before its turn it is never done. Canceled later it is told (:func:`is_unwanted`) and waited for: until it
    has noticed, it computes and has its memory. Raises whatever ``work`` raises.
    """
    loop = asyncio.get_running_loop()
    over: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    unwanted, begun = threading.Event(), threading.Lock()
    context = contextvars.copy_context()
    context.run(_unwanted.set, unwanted)

    def turn() -> None:
        if unwanted.is_set() or not begun.acquire(blocking=False):
            return
        made, error = None, None
        try:
            made = context.run(_without_gradients, work)
        # Everything, the host's own way of ending a node too: it is raised where the work is waited for.
        except BaseException as exc:  # noqa: BLE001
            error = exc
        loop.call_soon_threadsafe(over.set_result, (made, error))

    put(turn)
    try:
        made, error = await asyncio.shield(over)
    except asyncio.CancelledError:
        unwanted.set()
        if not begun.acquire(blocking=False):
            await _ended(over)
        raise
    if error is not None:
        raise error
    return made  # type: ignore[no-any-return]


async def _ended(over: asyncio.Future[Any]) -> None:
    """Wait for it, canceled again or not: it ends soon, and nothing may take its place before."""
    while not over.done():
        try:
            await asyncio.shield(over)
        except asyncio.CancelledError:
            continue


def _without_gradients(work: Callable[[], T]) -> T:
    try:
        import torch
    except ImportError:
        return work()
    with torch.no_grad():
        return work()
