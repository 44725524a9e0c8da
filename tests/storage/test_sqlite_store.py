"""The store in a SQLite file keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from mintmark.storage.base import Store
from mintmark.storage.database import Database
from mintmark.storage.sqlite_store import SqliteStore
from mintmark.tests.contracts.store import *  # noqa: F403 - the contract's tests are this file's
from mintmark.tests.contracts.store import SCHEMA, Stores


class SqliteStores(Stores):
    def __init__(self, path: Path, stack: ExitStack) -> None:
        self.path, self.stack = path, stack

    def open(self) -> Store:
        return self.stack.enter_context(closing(SqliteStore(Database(self.path, SCHEMA))))


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[SqliteStores]:
    with ExitStack() as stack:
        yield SqliteStores(tmp_path / "numbers.sqlite3", stack)
