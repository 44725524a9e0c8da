"""How far the executing node is, told from the thread that computes, and where that ends once it is not wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from comfy_api.latest import ComfyAPI

from .host import current, stop_if_asked

Told = Callable[[int, int], None]
"""Called between two steps of the work with the number of those that are done, and of how many."""


def progress() -> Told:
    """For the node that executes here and now. What it gives raises CancelledError, or the host's own interruption,
    where the work is to end."""
    host = current()
    executing = host.executing()
    last: Future[Any] | None = None

    def tell(number: int, of: int) -> None:
        nonlocal last
        # In ComfyUI telling raises the interruption, and takes its mark away: it is seen here, or nowhere any more.
        if last is not None and last.done() and not last.cancelled() and (error := last.exception()) is not None:
            raise error
        stop_if_asked()
        if executing is not None:
            word = ComfyAPI().execution.set_progress(number, of, node_id=executing[1])
            last = asyncio.run_coroutine_threadsafe(word, host.loop)

    return tell
