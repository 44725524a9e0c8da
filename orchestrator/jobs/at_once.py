"""A job that begins as it is taken in, because nobody waits before it: what accepting and claiming come to then, in
half as many statements. Within a transaction that holds the lock of claims."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from .accepting import Begun, account, check, insert, queue_of
from .base import Accepted
from .claiming import claimed
from .job import Lease
from .queueing import lane_of
from .states import State

if TYPE_CHECKING:
    from .base import Bounds, Claimer
    from .change import Change
    from .job import Ordered

# Compared with a bound, not looked for below it, so that PostgreSQL plans it once.
_NOBODY = """
SELECT 1 FROM claiming WHERE paused = 0
   AND NOT EXISTS (SELECT 1 FROM queues WHERE lane IN ({}) AND ready > 0)
   AND coalesce((SELECT min(due) FROM jobs WHERE due IS NOT NULL) > :at, TRUE)
"""
_TURN = """
UPDATE queues SET served = 1 + CASE WHEN served > (SELECT virtual_time FROM claiming) THEN served
                                    ELSE (SELECT virtual_time FROM claiming) END
WHERE queue_id = :queue_id RETURNING served
"""
_TIME = "UPDATE claiming SET virtual_time = :time"


def begin(change: Change, ordered: Ordered, bounds: Bounds, claimer: Claimer, lease_s: float) -> Accepted | None:
    """The new job with the lease on it; None where that is not to be, and then nothing is written. Raises what
    accepting does."""
    queue = queue_of(ordered)
    if not _may(change, ordered, claimer) or lane_of(queue) not in claimer.lanes:
        return None
    until = change.at + timedelta(seconds=lease_s)
    made = insert(change, ordered, queue, ready=False, begun=Begun(claimer.owner, claimer.worker, until))
    if made is None:
        return None
    check(change, ordered, bounds)
    change.ledger.allow_within(change.db, ordered.job_id, ordered.allowance_microusd, account(ordered))
    change.counts.add(queue, running=1)
    change.tell(made.job, State.QUEUED.value)
    job = claimed(change, made.job, claimer.worker)
    # Its turn is taken as any other's, so that whoever comes next is served as fairly.
    change.counts.write(change.db)
    [row] = change.db.run(_TURN, queue_id=queue)
    change.db.run(_TIME, time=int(row["served"]) - 1)
    return Accepted(made.job, lease=Lease(job=job, fence=1, expires_at=until))


def _may(change: Change, ordered: Ordered, claimer: Claimer) -> bool:
    """Whether it is next: it need not wait, and nobody else does whom this worker could take."""
    if ordered.supersedes is not None or not _is_due(ordered, change.at):
        return False
    lanes = {f"lane_{number}": lane for number, lane in enumerate(claimer.lanes)}
    sql = _NOBODY.format(", ".join(f":{name}" for name in lanes))
    return bool(lanes) and bool(change.db.run(sql, at=change.stamp, **lanes))


def _is_due(ordered: Ordered, at: datetime) -> bool:
    early = ordered.not_before is not None and ordered.not_before > at
    return not early and (ordered.deadline is None or ordered.deadline > at)
