"""Taking a job in, within one transaction."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ...errors import QueueFull
from ...metering.ledger import Account
from .ending import cancel, finish
from .job import Job
from .queueing import CHOSEN, LANES, queue_id, rank, waits_in
from .records import Stored, locked, ordered_document, searchable, text_of
from .states import State, Step

if TYPE_CHECKING:
    from .base import Bounds
    from .change import Change
    from .job import Ending, Ordered

RETRY_AFTER_S = 30
"""What a full queue tells to wait."""

_WAITING = """
SELECT coalesce((SELECT waiting FROM queues WHERE queue_id = :one), 0) AS one,
       coalesce((SELECT waiting FROM queues WHERE queue_id = :other), 0) AS other,
       coalesce((SELECT waiting FROM queues WHERE queue_id = :chosen), 0) AS chosen,
       (SELECT CAST(coalesce(sum(waiting), 0) AS BIGINT) FROM queues WHERE waiting > 0) AS overall
"""
_INSERT = """
INSERT INTO jobs (job_id, queue_id, state, rank, ready, due, deadline, fence, attempt, worker, lease_owner, lease_until,
                  workflow, key_id, project, user_name, cache_key, submitted_at, started_at, ordered)
VALUES (:job_id, :queue_id, :state, :rank, :ready, :due, :deadline, :fence, :attempt, :worker, :owner, :until,
        :workflow, :key_id, :project, :user_name, :cache_key, :submitted_at, :started_at, :ordered)
ON CONFLICT (job_id) DO NOTHING RETURNING seq
"""
_STILL_CACHED = """
SELECT 1 FROM jobs WHERE cache_key = :cache_key AND state = 'succeeded' AND purged = 0 LIMIT 1
"""
_METADATA = "INSERT INTO job_metadata (name, value, job_seq) VALUES (:name, :value, :job_seq)"
_INPUT = "INSERT INTO job_assets (asset, job_seq, role) VALUES (:asset, :job_seq, 'input')"


class Begun(NamedTuple):
    """By whom a job is begun as it is taken in."""

    owner: str
    worker: str
    until: datetime


def accept(change: Change, ordered: Ordered, bounds: Bounds, ending: Ending | None = None) -> Job:
    """A new job. Raises QueueFull and BudgetExceeded, and then all that was written is to be undone."""
    ready = ending is None and (ordered.not_before is None or ordered.not_before <= change.at)
    if ending is not None and not change.db.run(_STILL_CACHED, cache_key=ordered.cache_key):
        # What it is given again was rejected or forgotten a moment ago: nobody after it gets that.
        ordered = ordered.model_copy(update={"cache_key": None})
    queue = queue_of(ordered)
    made = insert(change, ordered, queue, ready=ready)
    if made is None:
        # The answer to our own commit was lost, and this is the same transaction once more.
        return locked(change.db, ordered.job_id).job
    if ordered.supersedes is not None:
        _supersede(change, ordered.supersedes, by=ordered.job_id)
    if ending is None:
        check(change, ordered, bounds)
        change.ledger.allow_within(change.db, ordered.job_id, ordered.allowance_microusd, account(ordered))
    change.counts.add(queue, waiting=1, ready=int(ready), accepted=int(ending is None))
    change.tell(made.job, State.QUEUED.value)
    return made.job if ending is None else finish(change, made, ending, cached=True)


def queue_of(ordered: Ordered) -> str:
    """Where it waits, or would."""
    return queue_id(waits_in(ordered), ordered.key_id)


def account(ordered: Ordered) -> Account:
    """On whom and what the job's money is booked."""
    workflow = f"{ordered.workflow}@{ordered.version}"
    return Account(project=ordered.project, user=ordered.user, workflow=workflow, api_key=ordered.key_id)


def _supersede(change: Change, job_id: str, *, by: str) -> None:
    older = locked(change.db, job_id)
    if not older.job.state.terminal:
        cancel(change, older, Step.SUPERSEDED, {"by": by})


def check(change: Change, ordered: Ordered, bounds: Bounds) -> None:
    """Raises QueueFull where it would be one too many."""
    queues = [queue_id(lane, ordered.key_id) for lane in (*LANES, CHOSEN)]
    [found] = change.db.run(_WAITING, one=queues[0], other=queues[1], chosen=queues[2])
    more = change.counts.waiting(*queues) + 1
    _refuse("of this key", found["one"] + found["other"] + found["chosen"] + more, bounds.queued_per_key)
    _refuse("in all", found["overall"] + change.counts.waiting() + 1, bounds.queued_overall)


def _refuse(whose: str, waiting: int, most: int | None) -> None:
    if most is not None and waiting > most:
        raise QueueFull(
            f"{most} jobs {whose} wait, and no more may.",
            hint=f"Ask again in {RETRY_AFTER_S} s, or cancel some.",
            retry_after_s=RETRY_AFTER_S,
        )


def insert(change: Change, ordered: Ordered, queue: str, *, ready: bool, begun: Begun | None = None) -> Stored | None:
    """The job as it is now kept, ``begun`` or waiting; None where it is there already."""
    due = max(change.at, ordered.not_before or change.at)
    rows = change.db.run(
        _INSERT,
        job_id=ordered.job_id,
        queue_id=queue,
        state=(State.RUNNING if begun else State.QUEUED).value,
        rank=rank(due, ordered.priority),
        ready=int(ready),
        due=text_of(due) if due > change.at else None,
        deadline=None if begun else text_of(ordered.deadline),
        fence=int(begun is not None),
        attempt=int(begun is not None),
        worker=begun.worker if begun else None,
        owner=begun.owner if begun else None,
        until=text_of(begun.until) if begun else None,
        workflow=ordered.workflow,
        key_id=ordered.key_id,
        project=ordered.project,
        user_name=ordered.end_user or ordered.user,
        cache_key=ordered.cache_key,
        submitted_at=change.stamp,
        started_at=change.stamp if begun else None,
        ordered=ordered_document(ordered),
    )
    if not rows:
        return None
    seq = rows[0]["seq"]
    for name, value in searchable(ordered.metadata).items():
        change.db.run(_METADATA, name=name, value=value, job_seq=seq)
    for asset in sorted(set(ordered.images.values())):
        change.db.run(_INPUT, asset=asset, job_seq=seq)
    job = Job(seq=seq, ordered=ordered, state=State.QUEUED, submitted_at=change.at)
    return Stored(job, queue, ready=ready, fence=0, cancel_asked=None)
