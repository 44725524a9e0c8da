"""Queue and history in a file, so that they survive the process (``Runner(db=…)``).

A prompt is written before its post is answered, and its end before anybody is told of it. So after a restart, however
the process died, a prompt that nobody saw end is run again under its id, and one that ended never is. Only what whoever
posts keeps as durably itself (``prompt.KEPT``) is written a moment after it ended, and nobody waits for that.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .. import log
from ..errors import BadSetting, MintmarkError
from ..generation.surely import to_the_end
from ..storage.database import Database, run_script

logger = log.get("runner.archive")

LATER_S = 0.2
"""How long what nobody waits for is gathered, in seconds."""
SCRUB_S, SCRUB_WITHIN_S = 5.0, 60.0
"""So long after the last prompt that was forgotten for good, and after the first of several at the latest, the file is
written anew, in seconds: that takes a second where the history is long, and posts wait for it."""
_OWED = """
CREATE TABLE owed (what TEXT PRIMARY KEY);  -- 'scrub': bytes of what was forgotten for good may be left in the file
"""
SCHEMA = """
CREATE TABLE prompts (
    position INTEGER PRIMARY KEY AUTOINCREMENT,  -- in the order they were accepted
    prompt_id TEXT NOT NULL UNIQUE,
    number REAL NOT NULL,
    body TEXT,     -- JSON: graph, extra_data, outputs; NULL once the history has forgotten it
    ending TEXT,   -- JSON: outcome, messages, outputs, meta; NULL while it has not ended
    ended INTEGER  -- in the order they ended
);
CREATE INDEX prompts_ended ON prompts (ended);
"""
_FORGET = "UPDATE prompts SET body = NULL, ending = '{}' WHERE prompt_id = ?"
_FORGET_IDS = "DELETE FROM prompts WHERE body IS NULL AND position <= (SELECT max(position) FROM prompts) - ?"
_OWE = "INSERT OR IGNORE INTO owed VALUES ('scrub')"


@dataclass(frozen=True)
class Kept:
    """One prompt as it was written. ``ending`` is None where it is to be run."""

    prompt_id: str
    number: float
    body: dict[str, Any]
    ending: dict[str, Any] | None


@dataclass
class _Write:
    """A statement that is asked for, and whether it is on the disk."""

    sql: str
    values: tuple[object, ...]
    done: bool = False
    error: Exception | None = None
    """Why it could not be made, where that turned out before its turn came."""


class Archive:
    """The file of one runner. Writes are made in the order they are asked for, in a thread of their own.

    Raises:
        BadSetting: another runner has this file open.
        CannotWrite, DiskFull: the file cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(f"{path}.runner", thread_local=False)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BadSetting(f"{path} belongs to another runner that is running.", hint="Give each its own.") from None
        try:
            self._database = Database(path, SCHEMA + _OWED, version=2, upgrades={1: _to_2})
        except BaseException:
            self._lock.release()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mintmark-runner-db")
        self._asked: deque[_Write] = deque()
        self._late: list[_Write] = []
        self._later: asyncio.TimerHandle | None = None
        self._scrubbing: asyncio.TimerHandle | None = None
        self._scrub_by = 0.0

    def close(self) -> None:
        """Finish what is being written and let go of the file."""
        for timer in (self._later, self._scrubbing):
            if timer is not None:
                timer.cancel()
        self._thread.submit(self._run_late)
        self._thread.submit(self._scrub)
        self._thread.shutdown(wait=True)
        self._database.close()
        self._lock.release()

    def unfinished(self) -> list[Kept]:
        """The prompts that have not ended, in the order they were accepted."""
        return list(self._kept("ending IS NULL ORDER BY position"))

    def finished(self, most: int) -> list[Kept]:
        """The latest prompts that have ended, the oldest first."""
        latest = "ending IS NOT NULL AND body IS NOT NULL ORDER BY ended DESC LIMIT ?"
        return list(self._kept(latest, most))[::-1]

    def _kept(self, which: str, *values: object) -> Iterator[Kept]:
        for row in self._database.rows(f"SELECT * FROM prompts WHERE {which}", *values):  # noqa: S608 - our own words
            ending = None if row["ending"] is None else json.loads(row["ending"])
            yield Kept(row["prompt_id"], row["number"], json.loads(row["body"]), ending)

    def known(self, most: int) -> list[str]:
        """The latest ids that were ever taken, the oldest first."""
        rows = self._database.rows("SELECT prompt_id FROM prompts ORDER BY position DESC LIMIT ?", most)
        return [row["prompt_id"] for row in reversed(rows)]

    def next_number(self) -> int:
        """A number higher than all that were given."""
        row = self._database.row("SELECT max(number) AS highest FROM prompts")
        return 0 if row is None or row["highest"] is None else int(row["highest"]) + 1

    async def accept(self, prompt_id: str, number: float, body: dict[str, Any]) -> None:
        await self._write(
            "INSERT INTO prompts (prompt_id, number, body) VALUES (?, ?, ?)", prompt_id, number, _text(body)
        )

    async def finish(self, prompt_id: str, ending: dict[str, Any]) -> None:
        await self._write(
            "UPDATE prompts SET ending = ?, ended = (SELECT coalesce(max(ended), 0) + 1 FROM prompts)"
            " WHERE prompt_id = ?",
            _text(ending),
            prompt_id,
        )

    def note(self, prompt_id: str, number: float, body: dict[str, Any], ending: dict[str, Any]) -> None:
        """A prompt that was never accepted here has ended: written soon, before all that is asked for from now on."""
        sql = (
            "INSERT INTO prompts (prompt_id, number, body, ending, ended) VALUES (?, ?, ?, ?,"
            " (SELECT coalesce(max(ended), 0) + 1 FROM prompts)) ON CONFLICT (prompt_id) DO NOTHING"
        )
        self._write_late(sql, prompt_id, number, _text(body), _text(ending))

    def note_body(self, prompt_id: str, body: dict[str, Any]) -> None:
        """The same of what such a prompt is, which has changed since."""
        sql = "UPDATE prompts SET body = ? WHERE prompt_id = ? AND body IS NOT NULL"
        self._write_late(sql, _text(body), prompt_id)

    def _write_late(self, sql: str, *values: object) -> None:
        write = _Write(sql, values)
        self._asked.append(write)
        self._late.append(write)
        if len(self._late) == 1:
            self._later = asyncio.get_running_loop().call_later(LATER_S, self._thread.submit, self._run_late)

    async def forget(self, prompt_ids: list[str], known: int, *, for_good: bool = False) -> None:
        """Let go of what these prompts were, but not of their ids, of which so many are kept. ``for_good``: within a
        minute, and however the process ends meanwhile, nothing of them is left in the file."""
        writes = [_Write(_FORGET, (prompt_id,)) for prompt_id in prompt_ids]
        await self._write_all([*writes, _Write(_FORGET_IDS, (known,)), *([_Write(_OWE, ())] if for_good else [])])
        if for_good:
            self._scrub_soon(SCRUB_S)

    async def take_back(self, prompt_id: str) -> None:
        """Let go of the prompt, for good, and of its id."""
        await self._write_all([_Write("DELETE FROM prompts WHERE prompt_id = ?", (prompt_id,)), _Write(_OWE, ())])
        self._scrub_soon(SCRUB_S)

    def resume(self) -> None:
        """Do what the process before this one owed, soon."""
        if self._database.row("SELECT 1 FROM owed") is not None:
            self._scrub_soon(SCRUB_S)

    def _scrub_soon(self, after_s: float) -> None:
        loop = asyncio.get_running_loop()
        if self._scrubbing is None:
            self._scrub_by = loop.time() + SCRUB_WITHIN_S
        else:
            self._scrubbing.cancel()
        self._scrubbing = loop.call_at(min(loop.time() + after_s, self._scrub_by), self._begin_scrub)

    def _begin_scrub(self) -> None:
        self._scrubbing = None
        scrubbed = asyncio.get_running_loop().run_in_executor(self._thread, self._scrub)
        scrubbed.add_done_callback(lambda done: None if done.cancelled() or done.result() else self._scrub_again())

    def _scrub_again(self) -> None:
        if self._scrubbing is None:
            self._scrub_soon(SCRUB_WITHIN_S)

    def _scrub(self) -> bool:
        """Leave nothing in the file of what was forgotten for good; whether that was possible now."""
        try:
            if self._database.row("SELECT 1 FROM owed") is None:
                return True
            if not self._database.scrub():
                return False
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM owed")
        except (MintmarkError, sqlite3.Error) as error:
            logger.warning("what was forgotten is not cleared away: %s", error, extra=log.action("scrub_failed"))
            return False
        return True

    async def _write(self, sql: str, *values: object) -> None:
        await self._write_all([_Write(sql, values)])

    async def _write_all(self, writes: list[_Write]) -> None:
        """Together, with whatever else is asked for."""
        self._asked.extend(writes)
        await to_the_end(asyncio.get_running_loop().run_in_executor(self._thread, self._run_all, writes))

    def _run_all(self, writes: list[_Write]) -> None:
        for each in writes:
            self._run(each)

    def _run(self, write: _Write) -> None:
        """Make this write, and with it, in one transaction, all that were asked for since: one wait for the disk is
        enough for them. Where they cannot be made together, each is made when its turn comes."""
        while not write.done:
            # Those before it are done and gone, or nobody waits for them. Only this thread takes any out.
            together = [self._asked.popleft() for _ in range(len(self._asked))]
            try:
                self._make(together)
            except (MintmarkError, sqlite3.Error):
                self._asked.extendleft(reversed(together[1:]))
                self._make_alone(together[0])
        if write.error is not None:
            raise write.error

    def _make_alone(self, write: _Write) -> None:
        try:
            self._make([write])
        except (MintmarkError, sqlite3.Error) as error:
            write.done, write.error = True, error

    def _run_late(self) -> None:
        """Make those that nobody waits for."""
        late, self._late = self._late, []
        for each in late:
            try:
                self._run(each)
            except (MintmarkError, sqlite3.Error) as error:
                logger.warning("the end of a prompt is not kept: %s", error, extra=log.action("note_failed"))

    def _make(self, writes: list[_Write]) -> None:
        with self._database.transaction() as connection:
            for each in writes:
                connection.execute(each.sql, each.values)
        for each in writes:
            each.done = True


def _to_2(connection: sqlite3.Connection) -> None:
    """Before, what was forgotten for good was cleared away before that was answered."""
    run_script(connection, _OWED)


def _text(value: Any) -> str:
    # A node may show what is no JSON; it must not keep its prompt from ending.
    return json.dumps(value, default=str, separators=(",", ":"))
