"""What a stand-in was asked for and works on: all of it by id, ended with the sandbox, and kept for the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Generic, Protocol, TypeVar

from .exchange import Desk


class Entry(Protocol):
    """One thing that was asked for, with the task that works on it."""

    task: asyncio.Task[None] | None


E = TypeVar("E", bound=Entry)


class Entries(Generic[E]):
    """All entries of one provider. What was asked for is kept in the books under ``asked``."""

    def __init__(self, desk: Desk, provider: str, asked: str) -> None:
        self._desk, self._provider, self._asked = desk, provider, asked
        self.all: dict[str, E] = {}

    async def stop(self) -> None:
        """End every piece of work. Nothing is canceled in the books."""
        tasks = [entry.task for entry in self.all.values() if entry.task is not None and not entry.task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def clear(self) -> None:
        """Forget every entry."""
        for entry in self.all.values():
            if entry.task is not None:
                entry.task.cancel()
        self.all.clear()

    def _begin(self, key: str, entry: E, work: Coroutine[Any, Any, None]) -> None:
        self.all[key] = entry
        entry.task = asyncio.create_task(work, name=f"sandbox {self._provider} {key}")

    def _keep(self, facts: dict[str, Any]) -> None:
        self._desk.books.keep(self._asked, facts)

    def _kept(self, name: str | None = None) -> list[Any]:
        """What the books kept from before a restart; of what was asked for where no other name is given."""
        return [value for each, value in self._desk.books.kept if each == (name or self._asked)]

    def _billed(self) -> set[str]:
        return {line.request_id for line in self._desk.books.lines if line.provider == self._provider}
