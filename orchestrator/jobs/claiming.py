"""Leases: given for the job that is next, and taken over from who died; within one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ...metering.periods import stamp
from .job import Lease
from .queueing import turn
from .records import COLUMNS, Stored, stored
from .states import State, Step

if TYPE_CHECKING:
    from ...storage.base import Session
    from .change import Change
    from .job import Job

LOCK = "claim"
"""Alone under this name: who claims. Which queue is next is decided by who was served before."""
RESUMED = "resumed"
_DUE_AT_ONCE = 100
_SPARE = 16

_READY = "SELECT 1 FROM queues WHERE lane = :lane AND ready > 0 LIMIT 1"
_DUE = f"SELECT {COLUMNS} FROM jobs WHERE due IS NOT NULL AND due <= :at ORDER BY due LIMIT {_DUE_AT_ONCE}"  # noqa: S608
_PROMOTE = "UPDATE jobs SET ready = 1, due = NULL WHERE seq = :seq"
_QUEUES = """
SELECT queue_id, served, ready FROM queues WHERE lane = :lane AND ready > 0 ORDER BY served, queue_id LIMIT :most
"""
_NEXT_JOB = f"""
SELECT {COLUMNS} FROM jobs WHERE queue_id = :queue_id AND ready = 1 AND (deadline IS NULL OR deadline > :at)
ORDER BY rank, seq LIMIT 1
"""  # noqa: S608 - our own words
_THIS_JOB = f"""
SELECT {COLUMNS} FROM jobs WHERE job_id = :job_id AND ready = 1 AND (deadline IS NULL OR deadline > :at)
"""  # noqa: S608 - our own words
_THIS_QUEUE = "SELECT lane, served, ready FROM queues WHERE queue_id = :queue_id"
_BEGIN = """
UPDATE jobs SET state = 'running', ready = 0, deadline = NULL, fence = fence + 1, attempt = attempt + 1,
       worker = :worker, lease_owner = :owner, lease_until = :until, started_at = :at
WHERE seq = :seq
"""
_SERVE = "UPDATE queues SET served = :served WHERE queue_id = :queue_id"
_TIME = "UPDATE claiming SET virtual_time = :served"
_OWNERS = "SELECT DISTINCT lease_owner FROM jobs WHERE state = 'running'"
_RUN_OUT = "SELECT 1 FROM jobs WHERE state = 'running' AND lease_until <= :at LIMIT 1"
_LOST = f"""
SELECT {COLUMNS} FROM jobs WHERE state = 'running' AND (lease_until <= :at OR lease_owner = :owner) ORDER BY seq
"""  # noqa: S608 - our own words
_TAKE_OVER = "UPDATE jobs SET lease_owner = :owner, lease_until = :until, fence = fence + 1 WHERE seq = :seq"


def is_ready(db: Session, lanes: Sequence[str], at: datetime) -> bool:
    """Whether there may be something to claim. Asked first, without a lock: mostly there is not."""
    return any(db.run(_READY, lane=lane) for lane in lanes) or any_due(db, at)


def any_due(db: Session, at: datetime) -> bool:
    """Whether the time of a job has come that does not wait in earnest yet."""
    return bool(db.run(_DUE, at=stamp(at)))


@dataclass
class _Queue:
    """A queue with jobs that may be claimed."""

    queue_id: str
    served: int
    ready: int
    taken: int = 0


class Claims:
    """The claims of one transaction, for ``worker`` of ``owner``."""

    def __init__(self, change: Change, owner: str, worker: str, lease_s: float) -> None:
        self.change, self.db = change, change.db
        self._owner, self._worker = owner, worker
        self._until = change.at + timedelta(seconds=lease_s)

    def take(self, lanes: Sequence[str], most: int) -> list[Lease]:
        """The next jobs, the fairest first."""
        virtual_time = self._open()
        if virtual_time is None:
            return []
        queues = self._queues(lanes, most)
        leases: list[Lease] = []
        while len(leases) < most and (queue := self._next(queues)) is not None:
            rows = self.db.run(_NEXT_JOB + self.db.skip_locked, queue_id=queue.queue_id, at=self.change.stamp)
            if not rows:
                # All are locked by others, or too late.
                queue.ready = 0
                continue
            virtual_time = turn(queue.served, virtual_time)
            queue.served, queue.ready, queue.taken = virtual_time + 1, queue.ready - 1, queue.taken + 1
            leases.append(self._begin(stored(rows[0])))
        self._write(queues, virtual_time)
        return leases

    def take_these(self, job_ids: Sequence[str], lanes: Sequence[str]) -> list[Lease]:
        """Of these jobs those that are ready, in their order."""
        virtual_time = self._open()
        if virtual_time is None:
            return []
        ids = list(dict.fromkeys(job_ids))
        queues = {queue.queue_id: queue for queue in self._queues(lanes, len(ids))}
        leases: list[Lease] = []
        for job_id in ids:
            rows = self.db.run(_THIS_JOB + self.db.skip_locked, job_id=job_id, at=self.change.stamp)
            queue = self._queue_of(rows[0]["queue_id"], lanes, queues) if rows else None
            if queue is None:
                continue
            # Whoever is passed over for this one keeps its turn: the time goes on only as far as that of who is next.
            owed = min(each.served for each in queues.values() if each.ready or each is queue)
            virtual_time = max(virtual_time, owed)
            queue.served, queue.ready = turn(queue.served, virtual_time) + 1, queue.ready - 1
            queue.taken += 1
            leases.append(self._begin(stored(rows[0])))
        self._write(list(queues.values()), virtual_time)
        return leases

    def _open(self) -> int | None:
        """The virtual time, with the lock of claims held; None where nothing may be claimed."""
        self.db.alone(LOCK)
        [claiming] = self.db.run("SELECT virtual_time, paused FROM claiming")
        if claiming["paused"]:
            return None
        promote(self.change)
        return int(claiming["virtual_time"])

    def _queue_of(self, queue_id: str, lanes: Sequence[str], known: dict[str, _Queue]) -> _Queue | None:
        if queue_id not in known:
            [row] = self.db.run(_THIS_QUEUE, queue_id=queue_id)
            if row["lane"] not in lanes:
                return None
            known[queue_id] = _Queue(queue_id, int(row["served"]), int(row["ready"]))
        return known[queue_id]

    def _queues(self, lanes: Sequence[str], most: int) -> list[_Queue]:
        """Those that may have a turn, and some more, because some may turn out to have nothing."""
        rows = [row for lane in lanes for row in self.db.run(_QUEUES, lane=lane, most=most + _SPARE)]
        return [_Queue(row["queue_id"], int(row["served"]), int(row["ready"])) for row in rows]

    @staticmethod
    def _next(queues: Sequence[_Queue]) -> _Queue | None:
        ready = (queue for queue in queues if queue.ready > 0)
        return min(ready, key=lambda queue: (queue.served, queue.queue_id), default=None)

    def _begin(self, found: Stored) -> Lease:
        change, until = self.change, stamp(self._until)
        at = change.stamp
        self.db.run(_BEGIN, seq=found.job.seq, worker=self._worker, owner=self._owner, until=until, at=at)
        return Lease(job=claimed(change, found.job, self._worker), fence=found.fence + 1, expires_at=self._until)

    def _write(self, queues: Sequence[_Queue], virtual_time: int) -> None:
        served = [queue for queue in queues if queue.taken]
        for queue in served:
            self.change.counts.add(queue.queue_id, waiting=-queue.taken, ready=-queue.taken, running=queue.taken)
        self.change.counts.write(self.db)
        for queue in served:
            self.db.run(_SERVE, queue_id=queue.queue_id, served=queue.served)
        if served:
            self.db.run(_TIME, served=virtual_time)


def claimed(change: Change, job: Job, worker: str) -> Job:
    """The job as it is once its next attempt has begun there, which is told."""
    attempt = job.attempt + 1
    running = job.model_copy(
        update={"state": State.RUNNING, "attempt": attempt, "worker": worker, "started_at": change.at}
    )
    change.tell(running, Step.CLAIMED.value, {"attempt": attempt, "worker": worker})
    return running


def promote(change: Change) -> None:
    """Have jobs wait in earnest whose time has come."""
    for row in change.db.run(_DUE + change.db.skip_locked, at=change.stamp):
        change.db.run(_PROMOTE, seq=row["seq"])
        change.counts.add(row["queue_id"], ready=1)
    # Who is next is decided by it.
    change.counts.write(change.db)


def owners(db: Session) -> list[str]:
    """Who has leases."""
    return [row["lease_owner"] for row in db.run(_OWNERS)]


def any_run_out(db: Session, at: datetime) -> bool:
    """Whether a lease was not renewed in time."""
    return bool(db.run(_RUN_OUT, at=stamp(at)))


def take_over(change: Change, owner: str, dead: Sequence[str], lease_s: float) -> list[Lease]:
    """Lease anew what the dead had, and whatever was not renewed in time."""
    until = change.at + timedelta(seconds=lease_s)
    # Without a dead owner there is still the time; nobody's id is empty.
    lost = [
        row
        for each in dead or [""]
        for row in change.db.run(_LOST + change.db.skip_locked, at=change.stamp, owner=each)
    ]
    found = {row["seq"]: stored(row) for row in lost}
    return [_take_over(change, each, owner, until) for each in found.values()]


def _take_over(change: Change, found: Stored, owner: str, until: datetime) -> Lease:
    change.db.run(_TAKE_OVER, seq=found.job.seq, owner=owner, until=stamp(until))
    change.tell(found.job, RESUMED, {"attempt": found.job.attempt})
    return Lease(job=found.job, fence=found.fence + 1, expires_at=until)
