"""Opening a SQLite file the one way we use it: WAL, durable commits, a schema by version, many processes at once.

Threads that write at the same time share a commit, and with it one wait for the disk: each does its part under a
savepoint of its own, the last in line commits for all, and nobody goes on before that commit is on the disk.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from filelock import FileLock

from ..errors import CannotWrite, DiskFull
from .files import translated

BUSY_S = 30.0
"""How long a writer waits for another process's transaction."""
_STATEMENTS = 500
"""Kept prepared: many areas share one file, and preparing a statement again takes longer than running it."""
CHECKPOINT_EVERY = 200
"""After so many commits what they wrote is copied from the log into the file, beside the writers."""
_LOG_PAGES = 16_000
"""A log of so many pages is copied by whoever commits: whoever was to do that beside does not come to it."""
SMALL_BYTES = 256 * 1024 * 1024
"""A file of so many bytes is written anew within seconds."""
_COPIES = 4
"""How often what came while the log was copied is copied right after it."""
_PATIENCE_S = 0.05
"""How long a part waits for the others to commit, before it commits for all itself."""


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run statements inside the transaction that is open; ``executescript`` would commit it first."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    if statement.strip():
        connection.execute(statement)


class _Commit:
    """One commit on its way to the disk, and what became of it."""

    def __init__(self) -> None:
        self.parts = 0
        self.over = threading.Event()
        self.error: BaseException | None = None

    def end(self, error: BaseException | None = None) -> None:
        self.error = error
        self.over.set()


class Database:
    """One file, safe to use from any thread: writers take turns on one connection, readers on another.

    Readers see what is committed, and nothing else. ``schema`` is the SQL that makes an empty database; ``version`` is
    kept in the file, so that a file of a newer release is refused instead of misread. ``upgrades`` bring a file of an
    older version, which is its key, to the next one, inside one transaction.
    """

    def __init__(
        self,
        path: Path,
        schema: str,
        *,
        version: int = 1,
        upgrades: Mapping[int, Callable[[sqlite3.Connection], None]] | None = None,
    ) -> None:
        self.path = path
        self._turn, self._reading, self._counting = threading.Lock(), threading.Lock(), threading.Lock()
        self._coming = 0
        self._commit = _Commit()
        self._commits = 0
        self._checkpoint: threading.Thread | None = None
        with translated(path), self._errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            # Two processes may make the same new file at once; the schema must run in one of them only.
            with FileLock(f"{path}.lock", timeout=BUSY_S):
                if not path.exists():
                    # Prompts and the secrets of webhooks are in it; SQLite gives its other files the same rights.
                    path.touch(mode=0o600)
                self._connection = self._connected()
                try:
                    self._prepare(schema, version, upgrades or {})
                    self._reader = self._connected()
                    self._reader.execute("PRAGMA query_only = ON")
                except BaseException:
                    self._connection.close()
                    raise

    def _connected(self) -> sqlite3.Connection:
        made = sqlite3.connect(
            self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS
        )
        made.row_factory = sqlite3.Row
        # What is deleted is overwritten: content that was to be forgotten must not stay in free pages.
        made.execute("PRAGMA secure_delete = ON")
        # What is kept to undo a part of a transaction: else a file of its own, with content in it, made and removed in
        # each transaction that writes more than 16 pages.
        made.execute("PRAGMA temp_store = MEMORY")
        return made

    def _prepare(self, schema: str, version: int, upgrades: Mapping[int, Callable[[sqlite3.Connection], None]]) -> None:
        run = self._connection.execute
        run("PRAGMA journal_mode = WAL")
        # FULL, not WAL's usual NORMAL: a power cut must not forget that a call was asked.
        run("PRAGMA synchronous = FULL")
        run("PRAGMA foreign_keys = ON")
        run(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")
        found = run("PRAGMA user_version").fetchone()[0]
        if found > version:
            raise CannotWrite(f"{self.path} was made by a newer Mintmark.", hint="Upgrade, or set MINTMARK_DATA_DIR.")
        if found == 0:
            self._connection.executescript(f"BEGIN; {schema}; PRAGMA user_version = {version}; COMMIT;")
        elif found < version:
            self._upgrade(found, version, upgrades)

    def _upgrade(self, found: int, version: int, upgrades: Mapping[int, Callable[[sqlite3.Connection], None]]) -> None:
        run = self._connection.execute
        run("BEGIN IMMEDIATE")
        try:
            for older in range(found, version):
                upgrades[older](self._connection)
            run(f"PRAGMA user_version = {version}")
            run("COMMIT")
        except BaseException:
            run("ROLLBACK")
            raise

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or nothing, and durable when it is left. There is none inside another.

        Raises DiskFull where there is no room, CannotWrite otherwise.
        """
        with self._errors():
            with self._my_turn():
                commit = self._commit
                try:
                    with self._part(commit):
                        yield self._connection
                finally:
                    if self._coming == 0 and not commit.over.is_set():
                        self._finish(commit)
            self._await(commit)

    @contextmanager
    def _my_turn(self) -> Iterator[None]:
        """Wait for the connection. Who has it sees how many more are coming, and leaves the commit to them."""
        with self._counting:
            self._coming += 1
        try:
            self._turn.acquire()
        finally:
            with self._counting:
                self._coming -= 1
        try:
            yield
        finally:
            self._turn.release()

    @contextmanager
    def _part(self, commit: _Commit) -> Iterator[None]:
        """One writer's part of a commit: where it goes wrong, it takes nothing of the others' along. The first needs no
        savepoint, which costs a copy of each page that is written: there is nothing but its own to be undone."""
        run = self._connection.execute
        first = not self._connection.in_transaction
        # IMMEDIATE takes the write lock before the first read, so what is checked is still true when written.
        run("BEGIN IMMEDIATE" if first else "SAVEPOINT part")
        try:
            yield
            if not first:
                run("RELEASE part")
            commit.parts += 1
        except BaseException:
            if not self._connection.in_transaction:
                # Where the disk is full, SQLite may roll back the whole of it by itself: the others must know.
                self._finish(commit)
            elif first:
                run("ROLLBACK")
            else:
                run("ROLLBACK TO part")
                run("RELEASE part")
            raise

    def _finish(self, commit: _Commit) -> None:
        """Commit all parts, or say to all why not. Whoever calls this has the turn."""
        self._commit = _Commit()
        error: BaseException | None = None
        if self._connection.in_transaction:
            try:
                self._connection.execute("COMMIT" if commit.parts else "ROLLBACK")
            except sqlite3.Error as exc:
                error = exc
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
        elif commit.parts:
            error = sqlite3.OperationalError("the database or disk is full")
        commit.end(error)
        self._commits += 1
        if self._commits >= CHECKPOINT_EVERY and (self._checkpoint is None or not self._checkpoint.is_alive()):
            self._commits = 0
            self._checkpoint = threading.Thread(target=self._copy_log, name="mintmark-checkpoint", daemon=True)
            self._checkpoint.start()

    def _copy_log(self) -> None:
        """Copy what was committed from the log into the file. Nobody waits for it, as whose commit makes the log too
        long would; what cannot be copied now is the next time. What came meanwhile is little, and is copied, too: only
        where all of it is copied is the log written from its beginning again. A log that grows takes the disk twice as
        long as one that is written over."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(self.path, timeout=0.0)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            before = -1
            for _ in range(_COPIES):
                _, written, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                if written == before:
                    break
                before = written

    def _await(self, commit: _Commit) -> None:
        """Wait until the commit is on the disk; raise what kept it from there."""
        while not commit.over.wait(_PATIENCE_S):
            # Whoever was to come was interrupted, or takes long.
            with self._turn:
                if not commit.over.is_set():
                    self._finish(commit)
        if commit.error is not None:
            raise commit.error

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

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Several reads of one and the same state: what is committed now."""
        with self._reading, self._errors():
            self._reader.execute("BEGIN")
            try:
                yield self._reader
            finally:
                self._reader.execute("COMMIT")

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._reading, self._errors():
            return self._reader.execute(sql, values).fetchall()

    def row(self, sql: str, *values: object) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        with self._reading, self._errors():
            found: sqlite3.Row | None = self._reader.execute(sql, values).fetchone()
            return found

    def scrub(self, *, thorough: bool = False) -> bool:
        """Empty the log, in which every page that was written since stands as it was then; whether that was possible:
        not while somebody reads what is older. Before that the file is written anew, since where pages were split or
        joined a copy of what was deleted may be left in them; a file of more than :data:`SMALL_BYTES`, with which that
        would keep writers waiting for long, only where ``thorough`` says so.

        Raises DiskFull and CannotWrite.
        """
        with self._errors(), self._my_turn():
            if self._connection.in_transaction:
                self._finish(self._commit)
            if self._checkpoint is not None:
                self._checkpoint.join()
            with self._reading:
                if thorough or self.path.stat().st_size <= SMALL_BYTES:
                    self._connection.execute("VACUUM")
                busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            return not busy

    def close(self) -> None:
        """Close the file. Harmless to repeat."""
        if (copying := self._checkpoint) is not None:
            copying.join()
        with self._turn, self._reading:
            self._connection.close()
            self._reader.close()
