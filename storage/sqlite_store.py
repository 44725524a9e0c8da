"""A store in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any

from .base import TRIES, Row, Session, Store, T, TryAgain
from .database import Database, run_script

DIALECT = {"serial": "INTEGER PRIMARY KEY", "table": "WITHOUT ROWID"}
"""What a schema's placeholders mean."""


class SqliteSession(Session):
    """Whoever writes has the whole file, so there is nothing to lock."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, sql: str, **values: Any) -> list[Row]:
        return self._connection.execute(sql, values).fetchall()

    def script(self, sql: str) -> None:
        run_script(self._connection, sql)

    def each(self, name: str) -> str:
        return f"json_each(:{name}) AS each"

    def undo_part(self) -> None:
        # Where the disk is full, SQLite has undone the whole transaction by itself.
        if self._connection.in_transaction:
            super().undo_part()


class SqliteStore(Store):
    """``database`` is closed with it."""

    dialect = DIALECT
    one_writer = True

    def __init__(self, database: Database) -> None:
        self.database = database

    def transact(self, work: Callable[[Session], T]) -> T:
        for left in reversed(range(TRIES)):
            try:
                with self.database.transaction() as connection:
                    return work(SqliteSession(connection))
            except TryAgain:
                if not left:
                    raise
        raise AssertionError("unreachable")

    def read(self, work: Callable[[Session], T]) -> T:
        with self.database.snapshot() as connection:
            return work(SqliteSession(connection))

    def scrub(self, tables: Iterable[str], *, thorough: bool = False) -> bool:
        # Deleted rows are overwritten as they go; what is left stands in the log.
        return self.database.scrub(thorough=thorough)

    def close(self) -> None:
        self.database.close()
