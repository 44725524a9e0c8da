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
        with translated(path), self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Two processes may make the same new file at once; the schema must run in one of them only.
            with FileLock(f"{path}.lock", timeout=BUSY_S):
                self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
                self._connection.row_factory = sqlite3.Row
                try:
                    self._prepare(schema, version)
                except BaseException:
                    self.close()
                    raise

    def _prepare(self, schema: str, version: int) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        # FULL, not WAL's usual NORMAL: a power cut must not forget that a call was asked.
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        found = run("PRAGMA user_version").fetchone()[0]
        if found > version:
            raise CannotWrite(f"{self.path} was made by a newer Mintmark.", hint="Upgrade, or set MINTMARK_DATA_DIR.")
        if found == 0:
            self._connection.executescript(f"BEGIN; {schema}; PRAGMA user_version = {version}; COMMIT;")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or nothing. Raises DiskFull where there is no room, CannotWrite otherwise."""
        with self._turn, self._errors():
            try:
                # IMMEDIATE takes the write lock before the first read, so what is checked is still true when written.
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """SQLite's errors about the file as ours. A broken rule of the schema stays what it is: a defect."""
        try:
            yield
        except (sqlite3.IntegrityError, sqlite3.ProgrammingError):
            raise
        except sqlite3.DatabaseError as exc:
            if "full" in str(exc):
                raise DiskFull(f"{self.path.parent}: no room left on the disk.", hint="Free some space.") from exc
            raise CannotWrite(
                f"{self.path} cannot be used ({exc}).",
                hint="Choose another folder (MINTMARK_DATA_DIR), or move the file away if it is damaged.",
            ) from exc

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._turn, self._errors():
            return self._connection.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        with self._turn, self._errors():
            found: sqlite3.Row | None = self._connection.execute(sql, values).fetchone()
            return found

    def close(self) -> None:
        """Close the file. Harmless to repeat."""
        with self._turn:
            self._connection.close()
