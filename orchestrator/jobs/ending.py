"""How a job ends, waits again, or is asked to stop; within one transaction."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ...errors import StaleLease, UnknownJob
from ...metering.periods import stamp
from .job import Ending, Failure, Job
from .prompts import prompt_ids
from .queueing import queue_id
from .records import COLUMNS, Stored, result_document, stored, text_of
from .states import State, Step, after

if TYPE_CHECKING:
    from ...storage.base import Row, Session
    from .change import Change
    from .job import Lease

CANCEL_ASKED = "cancel_asked"
EXPIRED_AT_ONCE = 1000

_FINISH = """
UPDATE jobs SET state = :state, outcome = :outcome, ready = 0, due = NULL, deadline = NULL, lease_owner = NULL,
       lease_until = NULL, ended_at = :ended_at, keep_until = :keep_until, cost = :cost, cached = :cached,
       result = :result
WHERE seq = :seq
"""
_OUTPUT = """
INSERT INTO job_assets (asset, job_seq, role) VALUES (:asset, :job_seq, 'output')
ON CONFLICT (asset, job_seq, role) DO NOTHING
"""
_WAIT = """
UPDATE jobs SET state = 'queued', queue_id = :queue_id, ready = :ready, due = :due, deadline = :deadline,
       attempt = :attempt, lease_owner = NULL, lease_until = NULL, worker = NULL
WHERE seq = :seq
"""
_HOLDS = "SELECT fence, state, attempt, queue_id, cancel_asked FROM jobs WHERE job_id = :job_id"
_REQUEUED = "SELECT data FROM job_events WHERE job_seq = :seq AND kind = 'requeued' ORDER BY seq"
_ASK = "UPDATE jobs SET cancel_asked = :step WHERE seq = :seq"
_ANY_LATE = "SELECT 1 FROM jobs WHERE deadline IS NOT NULL AND deadline <= :at LIMIT 1"
_LATE = f"""
SELECT {COLUMNS} FROM jobs WHERE deadline IS NOT NULL AND deadline <= :at ORDER BY deadline LIMIT {EXPIRED_AT_ONCE}
"""  # noqa: S608 - our own words


def end(change: Change, lease: Lease, ending: Ending) -> Job:
    """Write down how the attempt ended. Raises StaleLease and WrongState."""
    return _end(change, ending, _of_lease(lease, _held(change.db, lease)()))


def end_all(change: Change, given: Sequence[tuple[Lease, Ending]]) -> list[Job]:
    """The same of several jobs, in a change that puts off: their rows are taken in one order, and asked for in one
    piece. Raises what one of them alone would, and then nothing is to be kept."""
    held = {lease.job.seq: _held(change.db, lease) for lease, _ in sorted(given, key=lambda each: each[0].job.seq)}
    if len(held) < len(given):
        raise StaleLease("A job ends twice at once.")
    ended = [_end(change, ending, _of_lease(lease, held[lease.job.seq]())) for lease, ending in given]
    change.catch_up()
    return ended


def _end(change: Change, ending: Ending, found: Stored) -> Job:
    if ending.step is Step.CANCELED and found.cancel_asked is not None:
        ending = ending.model_copy(update={"step": found.cancel_asked})
    return finish(change, found, ending)


def requeue(
    change: Change, lease: Lease, *, reason: str, delay_s: float, lane: str | None = None, counts: bool = True
) -> Job:
    """Have it wait for another attempt, or end it where that was asked for. Raises StaleLease and WrongState."""
    found = _of_lease(lease, _held(change.db, lease)())
    after(found.job.state, Step.REQUEUED)
    if found.cancel_asked is not None:
        return finish(change, found, Ending(step=found.cancel_asked))
    due = change.at + timedelta(seconds=delay_s) if delay_s > 0 else None
    deadline = text_of(found.job.ordered.deadline)
    queue = queue_id(lane, found.job.ordered.key_id) if lane else found.queue_id
    attempt = found.job.attempt - int(not counts)
    change.db.run(
        _WAIT,
        seq=found.job.seq,
        queue_id=queue,
        ready=int(due is None),
        due=text_of(due),
        deadline=deadline,
        attempt=attempt,
    )
    change.counts.add(found.queue_id, running=-1)
    change.counts.add(queue, waiting=1, ready=int(due is None))
    job = found.job.model_copy(update={"state": State.QUEUED, "worker": None, "attempt": attempt})
    change.tell(job, Step.REQUEUED.value, {"reason": reason})
    return job


def cancel(change: Change, found: Stored, step: Step, data: Mapping[str, Any]) -> Job:
    """End a job that waits; have one that runs stopped. Raises WrongState."""
    after(found.job.state, step)
    if found.job.state is State.QUEUED:
        return finish(change, found, Ending(step=step), data=data)
    if found.cancel_asked is None:
        change.db.run(_ASK, seq=found.job.seq, step=step.value)
        change.tell(found.job, CANCEL_ASKED, data)
    return found.job


def any_late(db: Session, at: datetime) -> bool:
    """Whether something waits past its deadline."""
    return bool(db.run(_ANY_LATE, at=stamp(at)))


def expire(change: Change) -> list[Job]:
    """Fail what waited past its deadline, the earliest first."""
    late = [stored(row) for row in change.db.run(_LATE + change.db.skip_locked, at=change.stamp)]
    return [finish(change, each, Ending(step=Step.DEADLINE_PASSED, failure=_late(each.job))) for each in late]


def finish(
    change: Change, found: Stored, ending: Ending, *, cached: bool = False, data: Mapping[str, Any] | None = None
) -> Job:
    """The one way into a terminal state. Raises WrongState."""
    state = after(found.job.state, ending.step)
    job = found.job.model_copy(
        update={
            "state": state,
            "outcome": ending.step,
            "ended_at": change.at,
            "failure": ending.failure,
            "outputs": ending.outputs,
            "receipts": ending.receipts,
            "metrics": ending.metrics,
            "cost_microusd": sum(each.microusd for each in ending.receipts),
            "cached": cached,
        }
    )
    _write(change, job)
    was = {"running": -1} if found.job.state is State.RUNNING else {"waiting": -1, "ready": -int(found.ready)}
    change.counts.add(found.queue_id, **was, **{state.value: 1})
    for each in _prompts(change.db, found.job):
        change.close(each)
    code = ending.failure.code if ending.failure else None
    change.tell(job, ending.step.value, {"code": code, "cached": cached or None, **(data or {})})
    change.ended.append(job)
    return job


def _prompts(db: Session, job: Job) -> list[str]:
    """The ids under which money may be set aside for it."""
    if job.attempt == 0 or (job.attempt == 1 and job.state is State.RUNNING):
        return [job.job_id]  # it never waited again
    rows = db.run(_REQUEUED, seq=job.seq)
    return prompt_ids(job.job_id, (json.loads(row["data"]).get("reason") for row in rows))


def _write(change: Change, job: Job) -> None:
    days = job.ordered.retention_days
    change.db.run(
        _FINISH,
        seq=job.seq,
        state=job.state.value,
        outcome=job.outcome.value if job.outcome else None,
        ended_at=change.stamp,
        keep_until=None if days is None else stamp(change.at + timedelta(days=days)),
        cost=job.cost_microusd,
        cached=int(job.cached),
        result=result_document(job),
    )
    for made in job.outputs:
        change.db.run(_OUTPUT, asset=made.asset, job_seq=job.seq)


def _held(db: Session, lease: Lease) -> Callable[[], list[Row]]:
    return db.ask(_HOLDS + db.for_update, job_id=lease.job.job_id)


def _of_lease(lease: Lease, rows: Sequence[Row]) -> Stored:
    if not rows:
        raise UnknownJob(f"There is no job {lease.job.job_id}.")
    row = rows[0]
    if row["fence"] != lease.fence:
        raise StaleLease(f"Job {lease.job.job_id} was taken over: attempt {row['attempt']}, fence {row['fence']}.")
    if (state := State(row["state"])) is State.QUEUED:
        raise StaleLease(f"Job {lease.job.job_id} waits again: attempt {row['attempt']} is over.")
    # While a lease holds, nothing that it says of its job changes: reading all of it again would take longer.
    job = lease.job.model_copy(update={"state": state})
    asked = row["cancel_asked"]
    return Stored(job, row["queue_id"], ready=False, fence=lease.fence, cancel_asked=Step(asked) if asked else None)


def _late(job: Job) -> Failure:
    deadline = job.ordered.deadline
    return Failure(
        code=Step.DEADLINE_PASSED.value,
        message=f"It had not begun by its deadline, {deadline.isoformat() if deadline else 'which has passed'}.",
        hint="Give it more time, a higher priority, or more workers.",
    )
