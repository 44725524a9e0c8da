"""What an accepted or ended job means for its key's limits and for the audit log, in the job's own transaction.

So the limits that guard money are exact: of fifty who ask at once against a limit of ten, ten are let in, whichever
processes they ask. Their locks are taken after those of the ledger, always.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ...errors import BudgetExceeded, TooManyRequests
from ...metering.periods import stamp
from ...metering.prices import usd
from ...workflows.digest import digest
from .audit import fact, leave
from .keys import KeyLimits
from .velocity import digest_of_user, user_of

if TYPE_CHECKING:
    from ...storage.base import Session
    from ..jobs.job import Job, JobEvent

ENDS = frozenset({"succeeded", "failed", "canceled", "superseded", "deadline_passed"})
"""The kinds of events that end a job."""
JUDGED = frozenset({"accepted", "rejected", "unjudged"})
"""The kinds of events in which a person says something of an output."""
KEPT = timedelta(days=35)
_AGAIN_S = 5
"""When to try again where a job has to end first: nobody knows when one will."""

_LIMITS = "SELECT limits FROM api_keys WHERE key_id = :key_id"
_ENTER = """
INSERT INTO key_jobs (job_id, key_id, end_user, day, microusd) VALUES (:job_id, :key_id, :end_user, :day, :microusd)
ON CONFLICT (job_id) DO NOTHING
"""
_LEAVE = "DELETE FROM key_jobs WHERE job_id = :job_id RETURNING key_id, end_user, day, microusd"
# It counts no further than the limit, however many jobs there are.
_OF_KEY = "SELECT count(*) AS n FROM (SELECT 1 AS one FROM key_jobs WHERE key_id = :key_id LIMIT :most) AS found"
_OF_USER = """
SELECT count(*) AS n FROM (
    SELECT 1 AS one FROM key_jobs WHERE key_id = :key_id AND end_user = :end_user LIMIT :most
) AS found
"""
# While one is live edited, what it was before is being stopped: it is still in the way, but on its way out.
_NOT_STOPPING = """
SELECT count(*) AS n FROM (
    SELECT 1 AS one FROM key_jobs WHERE key_id = :key_id {}
       AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.job_id = key_jobs.job_id AND jobs.cancel_asked IS NOT NULL)
    LIMIT :most
) AS found
"""
_SPEND = """
INSERT INTO end_user_spend (key_id, end_user, day, microusd) VALUES (:key_id, :end_user, :day, 0)
ON CONFLICT (key_id, end_user, day) DO NOTHING
"""
_TAKE = """
UPDATE end_user_spend SET microusd = microusd + CAST(:asked AS BIGINT)
WHERE key_id = :key_id AND end_user = :end_user AND day = :day AND microusd + CAST(:asked AS BIGINT) <= :most
RETURNING microusd
"""
_TAKEN = "SELECT microusd FROM end_user_spend WHERE key_id = :key_id AND end_user = :end_user AND day = :day"
_SETTLE = """
UPDATE end_user_spend SET microusd = microusd + CAST(:change AS BIGINT)
WHERE key_id = :key_id AND end_user = :end_user AND day = :day
"""


class JobWatch:
    """An :class:`~..jobs.base.Outbox`. ``ordered`` is told of each order of a key, and of an end user whose pace is
    limited, by the name that it is counted by (see velocity.py); it may be told once too often."""

    def __init__(self, ordered: Callable[[str], None] = lambda _name: None) -> None:
        self._ordered = ordered

    def __call__(self, db: Session, job: Job, event: JobEvent) -> None:
        """Raises TooManyRequests and BudgetExceeded for a job that is not to be accepted."""
        if event.kind == "queued":
            if job.ordered.key_id is not None:
                limits = _enter(db, job.ordered.key_id, job)
                self._ordered(job.ordered.key_id)
                if job.ordered.end_user and limits.user_velocity is not None:
                    self._ordered(user_of(job.ordered.key_id, job.ordered.end_user))
            leave(db, fact(event.at, _actor(job), "job.accepted", job.job_id, _order(job)))
        elif event.kind in ENDS and job.state.terminal:
            if job.ordered.key_id is not None:
                _leave(db, job)
            leave(db, fact(event.at, _actor(job), f"job.{event.kind}", job.job_id, _ending(job)))
        elif event.kind in JUDGED:
            leave(db, fact(event.at, _who(event), f"output.{event.kind}", job.job_id, _judgement(job, event)))
        elif event.kind == "purged" and event.data.get("by"):
            # What a rule or `mintmark purge` forgets is told of where that is done.
            leave(db, fact(event.at, _who(event), "job.purged", job.job_id, {"contents": list(job.forgotten)}))


def jobs_of(db: Session, key_id: str, end_user: str | None, most: int) -> int:
    """How many jobs a key, or one of its end users, has at once; ``most`` is as far as it is counted."""
    if end_user is None:
        return int(db.run(_OF_KEY, key_id=key_id, most=most)[0]["n"])
    return int(db.run(_OF_USER, key_id=key_id, end_user=digest_of_user(end_user), most=most)[0]["n"])


def spend_of(db: Session, key_id: str, end_user: str, day: str) -> int:
    """What an end user took on a day, in micro-dollars."""
    rows = db.run(_TAKEN, key_id=key_id, end_user=digest_of_user(end_user), day=day)
    return int(rows[0]["microusd"]) if rows else 0


def forget(db: Session, at: datetime) -> None:
    """Remove end users' days of long ago: whom somebody served is not kept for ever."""
    db.run("DELETE FROM end_user_spend WHERE day < :day", day=stamp(at - KEPT)[:10])


def _enter(db: Session, key_id: str, job: Job) -> KeyLimits:
    rows = db.run(_LIMITS, key_id=key_id)
    limits = KeyLimits(**json.loads(rows[0]["limits"])) if rows else KeyLimits()
    end_user, day = job.ordered.end_user or "", stamp(job.submitted_at)[:10]
    _check_jobs(db, key_id, end_user, limits, instead=job.ordered.supersedes is not None)
    row = {"key_id": key_id, "end_user": digest_of_user(end_user) if end_user else "", "day": day}
    asked = job.ordered.allowance_microusd
    if end_user and limits.user_spend_per_day_microusd is not None:
        _take(db, row, asked, limits.user_spend_per_day_microusd)
    db.run(_ENTER, job_id=job.job_id, microusd=asked, **row)
    return limits


def _check_jobs(db: Session, key_id: str, end_user: str, limits: KeyLimits, *, instead: bool) -> None:
    """``instead``: the job takes another one's place."""
    if limits.jobs_at_once is None and (limits.user_jobs_at_once is None or not end_user):
        return
    # From here to the end of the transaction nobody else enters a job of this key: what is counted stays true.
    db.alone(f"key_jobs:{key_id}")
    if (most := limits.jobs_at_once) is not None and not _has_room(db, key_id, None, most, instead=instead):
        raise _too_many("jobs_at_once", "The key", most)
    most = limits.user_jobs_at_once
    if end_user and most is not None and not _has_room(db, key_id, end_user, most, instead=instead):
        raise _too_many("user_jobs_at_once", "This end user", most)


def _has_room(db: Session, key_id: str, end_user: str | None, most: int, *, instead: bool) -> bool:
    """Whether there may be one more. Where it comes instead of another, those that are being stopped do not count, as
    long as all of them are no more than twice as many as may be."""
    if jobs_of(db, key_id, end_user, most) < most:
        return True
    if not instead or jobs_of(db, key_id, end_user, 2 * most) >= 2 * most:
        return False
    sql = _NOT_STOPPING.format("" if end_user is None else "AND end_user = :end_user")
    whose = {} if end_user is None else {"end_user": digest_of_user(end_user)}
    return int(db.run(sql, key_id=key_id, most=most, **whose)[0]["n"]) < most


def _too_many(limit: str, who: str, most: int) -> TooManyRequests:
    return TooManyRequests(
        f"{who} has {most} {'job' if most == 1 else 'jobs'} at once, which is as many as may be.",
        hint="Wait until one is over.",
        limit=limit,
        left=0,
        retry_after_s=_AGAIN_S,
    )


def _take(db: Session, row: dict[str, str], asked: int, most: int) -> None:
    db.run(_SPEND, **row)
    if asked == 0 or db.run(_TAKE, asked=asked, most=most, **row):
        return
    left = max(0, most - int(db.run(_TAKEN, **row)[0]["microusd"]))
    raise BudgetExceeded(
        f"This end user has {usd(left)} left of {usd(most)} for {row['day']}, and {usd(asked)} was asked.",
        hint="Wait for the next day (UTC), or lower the job's allowance: send budget_usd with the order.",
        scope="end_user",
        left_microusd=left,
        asked_microusd=asked,
    )


def _leave(db: Session, job: Job) -> None:
    for row in db.run(_LEAVE, job_id=job.job_id):
        if row["end_user"] and (change := job.cost_microusd - row["microusd"]):
            db.run(_SETTLE, change=change, key_id=row["key_id"], end_user=row["end_user"], day=row["day"])


def _actor(job: Job) -> str:
    return "local" if job.ordered.key_id is None else f"key:{job.ordered.key_id}"


def _who(event: JobEvent) -> str:
    return str(event.data.get("by") or "local")


def _judgement(job: Job, event: JobEvent) -> dict[str, Any]:
    """Which output it is of. Why is said in words that a purge forgets, so here there is only their digest."""
    index, reason = event.data.get("index"), event.data.get("reason")
    return {
        "project": job.ordered.project,
        "index": index,
        "sha256": next((made.asset for made in job.outputs if made.index == index), None),
        "reason_sha256": None if reason is None else hashlib.sha256(str(reason).encode()).hexdigest(),
    }


def _order(job: Job) -> dict[str, Any]:
    """What was asked, without any of its content."""
    return {**_asked(job), "allowance_microusd": job.ordered.allowance_microusd}


def _asked(job: Job) -> dict[str, Any]:
    """For whom, with which release and which parameters, these by their digest."""
    its = job.ordered
    asked = {"values": dict(its.values), "images": dict(its.images)}
    return {
        "project": its.project,
        "user": its.user,
        "workflow": f"{its.workflow}@{its.version}",
        "digest": its.digest,
        "parameters": digest(asked),
    }


def _ending(job: Job) -> dict[str, Any]:
    """What came of it: files by their digests, decisions without what they were about. Where there are files, with what
    they were made from: each is accounted for by one row."""
    return {
        **(_asked(job) if job.outputs else {}),
        "state": job.state.value,
        "code": None if job.failure is None else job.failure.code,
        "cost_microusd": job.cost_microusd,
        "outputs": [_output(made.asset, made.verdict) for made in job.outputs],
    }


def _output(asset: str, verdict: dict[str, Any] | None) -> dict[str, Any]:
    decided = verdict or {}
    told = {name: decided.get(name) for name in ("decision", "policy", "rule")}
    return {"sha256": asset, **told}
