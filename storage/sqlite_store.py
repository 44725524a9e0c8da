"""A store in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

from .database import Database
from .sessions import Row, Session, Store, T

DIALECT = {"serial": "INTEGER PRIMARY KEY", "table": "WITHOUT ROWID"}
"""What a schema's placeholders mean."""


class SqliteSession(Session):
    """Whoever writes has the whole file, so there is nothing to lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, **values: Any) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()


class SqliteStore(Store):
    """``database`` is closed with it."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def transact(self, work: Callable[[Session], T]) -> T:
        with self.database.transaction() as connection:
            return work(SqliteSession(connection))

    def read(self, work: Callable[[Session], T]) -> T:
        with self.database.snapshot() as connection:
            return work(SqliteSession(connection))

    def close(self) -> None:
        self.database.close()
