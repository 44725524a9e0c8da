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
from ..storage.database import Database

logger = log.get("runner.archive")

LATER_S = 0.2
"""How long what nobody waits for is gathered, in seconds."""
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
            self._database = Database(path, SCHEMA)
        except BaseException:
            self._lock.release()
            raise
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="mintmark-runner-db")
        self._asked: deque[_Write] = deque()
        self._late: list[_Write] = []
        self._later: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Finish what is being written and let go of the file."""
        if self._later is not None:
            self._later.cancel()
        self._thread.submit(self._run_late)
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
        write = _Write(sql, (prompt_id, number, _text(body), _text(ending)))
        self._asked.append(write)
        self._late.append(write)
        if len(self._late) == 1:
            self._later = asyncio.get_running_loop().call_later(LATER_S, self._thread.submit, self._run_late)

    async def scrub(self) -> None:
        """Leave nothing in the file of what was let go of: somebody wants it gone."""
        await to_the_end(asyncio.get_running_loop().run_in_executor(self._thread, self._database.scrub))

    async def forget(self, prompt_ids: list[str], known: int) -> None:
        """Let go of what these prompts were, but not of their ids, of which so many are kept."""
        for prompt_id in prompt_ids:
            await self._write("UPDATE prompts SET body = NULL, ending = '{}' WHERE prompt_id = ?", prompt_id)
        await self._write(
            "DELETE FROM prompts WHERE body IS NULL AND position <= (SELECT max(position) FROM prompts) - ?", known
        )

    async def _write(self, sql: str, *values: object) -> None:
        write = _Write(sql, values)
        self._asked.append(write)
        await to_the_end(asyncio.get_running_loop().run_in_executor(self._thread, self._run, write))

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


def _text(value: Any) -> str:
    # A node may show what is no JSON; it must not keep its prompt from ending.
    return json.dumps(value, default=str, separators=(",", ":"))
