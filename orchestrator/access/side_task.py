"""One task that goes on beside a service until that ends."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

S = TypeVar("S", bound="SideTask")


class SideTask(ABC):
    """Use it as an async context manager. ``NAME`` is what the task is called where tasks are listed."""

    NAME = "side task"
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self: S) -> S:
        self._task = asyncio.create_task(self._run(), name=self.NAME)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def watch(self) -> None:
        """Wait until the task ends, which it never should. Raises what ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    @abstractmethod
    async def _run(self) -> None:
        """What it does, until it is canceled."""
