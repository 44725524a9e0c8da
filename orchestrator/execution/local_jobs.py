"""Jobs of this machine, durable: a job is written down before its prompt is posted, and ends in exactly one state.

A process that dies leaves its job open. Whoever asks for the very same thing next takes that job over instead of
starting another one, so nothing is paid for twice; what nobody takes over is abandoned after a day.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from ...clock import utc_now
from ...storage.database import Database
from ...storage.owners import Owner
from ...workflows.digest import canonical

_SCHEMA = Path(__file__).with_name("local_jobs.sql")
ABANDONED_AFTER = timedelta(days=1)

Outcome = Literal["succeeded", "failed", "canceled", "abandoned"]


class Job(BaseModel):
    """A submitted run. ``resumed``: an earlier process began it and died."""

    model_config = ConfigDict(frozen=True)

    job_id: str
    resumed: bool = False


def fingerprint(asked: Mapping[str, Any]) -> str:
    """Names what was asked for: the same workflow digest, inputs, worker, mode and account give the same one."""
    return hashlib.sha256(canonical(dict(asked))).hexdigest()


class JobStore:
    """``folder`` holds ``jobs.sqlite3``; all processes that use it share its jobs."""

    def __init__(self, folder: Path, *, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._db = Database(folder / "jobs.sqlite3", _SCHEMA.read_text(encoding="utf-8"))
        self._owner = Owner(folder / "submitters")

    def start(self, key: str, workflow: str, worker: str) -> Job:
        """A new job, or the open one of a dead process that asked for the same."""
        left = self._take_over(key)
        if left is not None:
            return Job(job_id=left, resumed=True)
        job_id = str(uuid.uuid4())
        with self._db.transaction() as db:
            db.execute(
                "INSERT INTO jobs (job_id, fingerprint, workflow, worker, state, owner, submitted) "
                "VALUES (?, ?, ?, ?, 'open', ?, ?)",
                (job_id, key, workflow, worker, self._owner.id, self._now().isoformat()),
            )
        return Job(job_id=job_id)

    def end(self, job_id: str, outcome: Outcome, error: str | None = None) -> None:
        """Write down how the job ended. The first outcome stays."""
        with self._db.transaction() as db:
            db.execute(
                "UPDATE jobs SET state = ?, error = ?, ended = ? WHERE job_id = ? AND state = 'open'",
                (outcome, error, self._now().isoformat(), job_id),
            )

    def old(self, worker: str) -> list[str]:
        """Open jobs on this worker, of dead processes, that nobody took over within a day: to be abandoned."""
        before = (self._now() - ABANDONED_AFTER).isoformat()
        rows = self._db.rows(
            "SELECT job_id, owner FROM jobs WHERE state = 'open' AND worker = ? AND submitted < ? ORDER BY submitted",
            *(worker, before),
        )
        return [str(row["job_id"]) for row in rows if self._owner.is_dead(row["owner"])]

    def state(self, job_id: str) -> str | None:
        """``open`` or how the job ended; None where it is not known."""
        row = self._db.row("SELECT state FROM jobs WHERE job_id = ?", job_id)
        return str(row["state"]) if row else None

    def close(self) -> None:
        """Give back files and locks."""
        self._db.close()
        self._owner.close()

    def _take_over(self, key: str) -> str | None:
        rows = self._db.rows("SELECT job_id, owner FROM jobs WHERE fingerprint = ? AND state = 'open'", key)
        for row in rows:
            if self._owner.is_dead(row["owner"]) and self._claim(row["job_id"], row["owner"]):
                return str(row["job_id"])
        return None

    def _claim(self, job_id: str, dead: str) -> bool:
        # Two processes may see the same dead owner; the UPDATE lets one of them win.
        with self._db.transaction() as db:
            done = db.execute(
                "UPDATE jobs SET owner = ? WHERE job_id = ? AND owner = ? AND state = 'open'",
                (self._owner.id, job_id, dead),
            )
            return done.rowcount == 1
