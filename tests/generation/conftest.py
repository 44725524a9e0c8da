"""A journal in a folder of its own, and a whole engine against the real sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mintmark.generation.call import Entry
from mintmark.generation.journal import Journal
from mintmark.generation.sqlite_journal import SqliteJournal
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.journal import Journals

from .lab import Lab, open_lab


class SqliteJournals(Journals):
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.opened: list[SqliteJournal] = []

    def open(self, listener: Callable[[Entry], None] | None = None) -> SqliteJournal:
        self.opened.append(SqliteJournal(self.folder, listener=listener))
        return self.opened[-1]

    def die(self, journal: Journal) -> None:
        found: Any = journal
        # The system gives a dead process's lock back; its file stays.
        found._db.close()
        found._owner._lock.release()

    def close(self) -> None:
        for journal in self.opened:
            journal.close()


@pytest.fixture
def journals(tmp_path: Path) -> Iterator[SqliteJournals]:
    made = SqliteJournals(tmp_path / "books")
    yield made
    made.close()


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(latency_s=0) as running:
        yield running


@pytest.fixture
async def lab(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Lab]:
    async with open_lab(tmp_path / "data", sandbox) as opened:
        yield opened
