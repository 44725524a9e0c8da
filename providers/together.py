"""What several want at the same time is asked for once, and all who waited hear of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from copy import copy
from typing import Generic, TypeVar

from ..errors import ProviderError

T = TypeVar("T")


class Together(Generic[T]):
    """One thing that is asked for over the network and then kept, such as a token. Who waits for a question that fails
    hears of the failure, too: asked again by each in turn, a hundred would wait a hundred times as long."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._failures = 0
        self._failure: ProviderError | None = None

    async def get(self, kept: Callable[[], T | None], ask: Callable[[], Awaitable[T]]) -> T:
        """What is ``kept``, else what ``ask`` gives and keeps. Raises the ProviderError of ``ask``; who comes later
        asks again."""
        seen = self._failures
        async with self._lock:
            if self._failure is not None and self._failures > seen:
                raise copy(self._failure)
            if (known := kept()) is not None:
                return known
            try:
                return await ask()
            except ProviderError as exc:
                # A copy for each: whoever catches one adds what is known of its own call.
                self._failures, self._failure = self._failures + 1, copy(exc)
                raise
