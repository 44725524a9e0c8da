"""Opening a SQLite file the one way we use it: WAL, durable commits, a schema by version, many processes at once."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from ..errors import CannotWrite, DiskFull
from .files import translated

BUSY_S = 30.0
"""How long a writer waits for another process's transaction."""


class Database:
    """One connection to one file, safe to call from any thread: calls take turns.

    ``schema`` is the SQL that makes an empty database; ``version`` is kept in the file, so that a file of a newer
    release is refused instead of misread.
    """

    def __init__(self, path: Path, schema: str, *, version: int = 1) -> None:
        self.path = path
        self._turn = threading.RLock()
        with translated(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Two processes may make the same new file at once; the schema must run in one of them only.
            with FileLock(f"{path}.lock", timeout=BUSY_S):
                self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
                self._connection.row_factory = sqlite3.Row
                self._prepare(schema, version)

    def _prepare(self, schema: str, version: int) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        # FULL, not WAL's usual NORMAL: a power cut must not forget that a call was asked.
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        found = run("PRAGMA user_version").fetchone()[0]
        if found > version:
            self.close()
            raise CannotWrite(f"{self.path} was made by a newer Mintmark.", hint="Upgrade, or set MINTMARK_DATA_DIR.")
        if found == 0:
            self._connection.executescript(f"BEGIN; {schema}; PRAGMA user_version = {version}; COMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or nothing. Raises DiskFull where there is no room."""
        with self._turn:
            try:
                # IMMEDIATE takes the write lock before the first read, so what is checked is still true when written.
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException as exc:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if isinstance(exc, sqlite3.OperationalError) and "full" in str(exc):
                    raise DiskFull(f"{self.path.parent}: no room left on the disk.", hint="Free some space.") from exc
                raise

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._turn:
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        with self._turn:
            found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def close(self) -> None:
        """Close the file. Harmless to repeat."""
        with self._turn:
            self._connection.close()
