"""Leases: given for the job that is next, and taken over from who died; within one transaction."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ...metering.periods import stamp
from .job import Lease
from .queueing import turn
from .records import COLUMNS, Stored, stored
from .states import State, Step

if TYPE_CHECKING:
    from ...storage.base import Row, Session
    from .base import Claimer
    from .change import Change
    from .job import Job

LOCK = "claim"
"""Alone under this name: who claims. Which queue is next is decided by who was served before."""
RESUMED = "resumed"
_DUE_AT_ONCE = 100
_SPARE = 15

_READY = "SELECT 1 FROM queues WHERE lane = :lane AND ready > 0 LIMIT 1"
_DUE = f"SELECT {COLUMNS} FROM jobs WHERE due IS NOT NULL AND due <= :at ORDER BY due LIMIT {_DUE_AT_ONCE}"  # noqa: S608
_PROMOTE = "UPDATE jobs SET ready = 1, due = NULL WHERE seq = :seq"
# Without a value of the moment in them, PostgreSQL plans these once, not at each claim, for a third of its time.
_FIRST_DUE = "SELECT min(due) AS due FROM jobs WHERE due IS NOT NULL"
_CLAIMING = f"SELECT virtual_time, paused, ({_FIRST_DUE}) AS due FROM claiming"  # noqa: S608
_QUEUES = """
SELECT queue_id, lane, served, ready FROM queues WHERE lane = :lane AND ready > 0 ORDER BY served, queue_id LIMIT {}
"""
_NEXT_JOB = """
SELECT seq FROM jobs WHERE queue_id = :queue_id AND ready = 1 AND (deadline IS NULL OR deadline > :at)
ORDER BY rank, seq LIMIT 1
"""
_THIS_JOB = """
SELECT seq, queue_id FROM jobs WHERE job_id = :job_id AND ready = 1 AND (deadline IS NULL OR deadline > :at)
"""
_THIS_QUEUE = "SELECT queue_id, lane, served, ready FROM queues WHERE queue_id = :queue_id"
_BEGIN = f"""
UPDATE jobs SET state = 'running', ready = 0, deadline = NULL, fence = fence + 1, attempt = attempt + 1,
       worker = :worker, lease_owner = :owner, lease_until = :until, started_at = :at
WHERE seq = ({{}}) RETURNING {COLUMNS}
"""  # noqa: S608 - our own words
_TIME = "UPDATE claiming SET virtual_time = :served"
_OWNERS = "SELECT DISTINCT lease_owner FROM jobs WHERE state = 'running'"
_RUN_OUT = "SELECT 1 FROM jobs WHERE state = 'running' AND lease_until <= :at LIMIT 1"
_LOST = f"""
SELECT {COLUMNS} FROM jobs WHERE state = 'running' AND (lease_until <= :at OR lease_owner = :owner) ORDER BY seq
"""  # noqa: S608 - our own words
_STRAY = f"""
SELECT {COLUMNS} FROM jobs WHERE job_id = :job_id AND state = 'running' AND lease_owner = :owner
"""  # noqa: S608 - our own words
_LEASED = "SELECT job_id FROM jobs WHERE state = 'running' AND lease_owner = :owner"
_TAKE_OVER = "UPDATE jobs SET lease_owner = :owner, lease_until = :until, fence = fence + 1 WHERE seq = :seq"


def is_ready(db: Session, lanes: Iterable[str], at: datetime) -> bool:
    """Whether there may be something to claim. Asked first, without a lock: mostly there is not."""
    return any(db.run(_READY, lane=lane) for lane in lanes) or any_due(db, at)


def any_due(db: Session, at: datetime) -> bool:
    """Whether the time of a job has come that does not wait in earnest yet."""
    return _is_due(db.run(_FIRST_DUE)[0]["due"], at)


def _is_due(due: str | None, at: datetime) -> bool:
    return due is not None and due <= stamp(at)


@dataclass
class _Queue:
    """A queue with jobs that may be claimed."""

    queue_id: str
    lane: str
    served: int
    ready: int


class Wanted(NamedTuple):
    """What one claimer asks for: up to ``most`` jobs, of ``only`` these where they are named."""

    claimer: Claimer
    most: int
    only: Sequence[str] | None = None


def claim(change: Change, wanted: Sequence[Wanted], lease_s: float) -> list[list[Lease]]:
    """What each of them gets, as if they had asked one after the other. The lock of claims is held from here on."""
    claims = Claims(change, lease_s)
    lanes = dict.fromkeys(lane for each in wanted for lane in each.claimer.lanes)
    if not claims.open(lanes, sum(each.most for each in wanted)):
        return [[] for _ in wanted]
    found = [claims.take(each) if each.only is None else claims.take_these(each) for each in wanted]
    claims.write()
    return found


class Claims:
    """The claims of one transaction."""

    def __init__(self, change: Change, lease_s: float) -> None:
        self.change, self.db = change, change.db
        self._until = change.at + timedelta(seconds=lease_s)
        self._virtual_time = 0
        self._known: dict[str, _Queue] = {}
        self._taken: set[str] = set()

    def open(self, lanes: Iterable[str], most: int) -> bool:
        """Whether anything may be claimed; then the queues are known that may have so many turns."""
        self.db.alone(LOCK)
        # Who is next is decided by it, also of the order that is accepted in this transaction.
        self.change.counts.write(self.db)
        asked, queues = self.db.ask(_CLAIMING), self._queues(lanes, most)
        [claiming] = asked()
        if claiming["paused"]:
            return False
        if _is_due(claiming["due"], self.change.at):
            promote(self.change)
            queues = self._queues(lanes, most)
        for found in queues:
            for row in found():
                self._add(row)
        self._virtual_time = int(claiming["virtual_time"])
        return True

    def _queues(self, lanes: Iterable[str], most: int) -> list[Callable[[], list[Row]]]:
        # Some more than may have a turn: some may turn out to have nothing. Of few sizes, so that they are prepared.
        sql = _QUEUES.format(1 << (most + _SPARE - 1).bit_length())
        return [self.db.ask(sql, lane=lane) for lane in lanes]

    def take(self, wanted: Wanted) -> list[Lease]:
        """The next jobs, the fairest first."""
        queues = [queue for queue in self._known.values() if queue.lane in wanted.claimer.lanes]
        leases: list[Lease] = []
        while len(leases) < wanted.most and (queue := self._next(queues)) is not None:
            job = _NEXT_JOB + self.db.skip_locked
            lease = self._begin(wanted.claimer, job, queue_id=queue.queue_id)
            if lease is None:
                # All are locked by others, or too late.
                queue.ready = 0
                continue
            self._serve(queue)
            self._virtual_time = queue.served - 1
            leases.append(lease)
        return leases

    def take_these(self, wanted: Wanted) -> list[Lease]:
        """Of these jobs those that are ready, in their order."""
        lanes = wanted.claimer.lanes
        leases: list[Lease] = []
        for job_id in dict.fromkeys((wanted.only or ())[: wanted.most]):
            rows = self.db.run(_THIS_JOB + self.db.skip_locked, job_id=job_id, at=self.change.stamp)
            queue = self._queue_of(rows[0]["queue_id"]) if rows else None
            if queue is None or queue.lane not in lanes:
                continue
            # Whoever is passed over for this one keeps its turn: the time goes on only as far as that of who is next.
            others = (each for each in self._known.values() if each.lane in lanes and (each.ready or each is queue))
            owed = min(each.served for each in others)
            lease = self._begin(wanted.claimer, ":this", this=rows[0]["seq"])
            if lease is not None:
                self._virtual_time = max(self._virtual_time, owed)
                self._serve(queue)
                leases.append(lease)
        return leases

    def write(self) -> None:
        """Write down whose turns are over."""
        self.change.counts.write(self.db)
        if self._taken:
            self.db.run(_TIME, served=self._virtual_time)

    def _add(self, row: Row) -> _Queue:
        queue = _Queue(row["queue_id"], row["lane"], int(row["served"]), int(row["ready"]))
        return self._known.setdefault(queue.queue_id, queue)

    def _queue_of(self, queue_id: str) -> _Queue:
        return self._known.get(queue_id) or self._add(self.db.run(_THIS_QUEUE, queue_id=queue_id)[0])

    @staticmethod
    def _next(queues: Sequence[_Queue]) -> _Queue | None:
        ready = (queue for queue in queues if queue.ready > 0)
        return min(ready, key=lambda queue: (queue.served, queue.queue_id), default=None)

    def _serve(self, queue: _Queue) -> None:
        """The queue has its turn."""
        queue.served, queue.ready = turn(queue.served, self._virtual_time) + 1, queue.ready - 1
        self._taken.add(queue.queue_id)
        self.change.counts.add(queue.queue_id, waiting=-1, ready=-1, running=1)
        self.change.counts.serve(queue.queue_id, queue.served)

    def _begin(self, claimer: Claimer, which: str, **named: Any) -> Lease | None:
        """Begin an attempt of the job that this names; None where it names none."""
        change = self.change
        values = {"worker": claimer.worker, "owner": claimer.owner, "until": stamp(self._until), "at": change.stamp}
        rows = self.db.run(_BEGIN.format(which), **values, **named)
        if not rows:
            return None
        found = stored(rows[0])
        tell_claimed(change, found.job)
        return Lease(job=found.job, fence=found.fence, expires_at=self._until)


def claimed(change: Change, job: Job, worker: str) -> Job:
    """The job as it is once its next attempt has begun there, which is told."""
    begun = {"state": State.RUNNING, "attempt": job.attempt + 1, "worker": worker, "started_at": change.at}
    running = job.model_copy(update=begun)
    tell_claimed(change, running)
    return running


def tell_claimed(change: Change, job: Job) -> None:
    """Tell that the job's attempt has begun."""
    change.tell(job, Step.CLAIMED.value, {"attempt": job.attempt, "worker": job.worker})


def promote(change: Change) -> None:
    """Have jobs wait in earnest whose time has come."""
    for row in change.db.run(_DUE + change.db.skip_locked, at=change.stamp):
        change.db.run(_PROMOTE, seq=row["seq"])
        change.counts.add(row["queue_id"], ready=1)
    change.counts.write(change.db)


def owners(db: Session) -> list[str]:
    """Who has leases."""
    return [row["lease_owner"] for row in db.run(_OWNERS)]


def any_run_out(db: Session, at: datetime) -> bool:
    """Whether a lease was not renewed in time."""
    return bool(db.run(_RUN_OUT, at=stamp(at)))


def leased(db: Session, owner: str) -> list[str]:
    """The jobs whose leases this owner has."""
    return [row["job_id"] for row in db.run(_LEASED, owner=owner)]


def take_over(change: Change, owner: str, dead: Sequence[str], strays: Iterable[str], lease_s: float) -> list[Lease]:
    """Lease anew what the dead had, whatever was not renewed in time, and these of its own."""
    until = change.at + timedelta(seconds=lease_s)
    # Without a dead owner there is still the time; nobody's id is empty.
    lost = [
        row
        for each in dead or [""]
        for row in change.db.run(_LOST + change.db.skip_locked, at=change.stamp, owner=each)
    ]
    for job_id in sorted(strays):
        lost += change.db.run(_STRAY + change.db.skip_locked, job_id=job_id, owner=owner)
    found = {row["seq"]: stored(row) for row in lost}
    return [_take_over(change, each, owner, until) for each in found.values()]


def _take_over(change: Change, found: Stored, owner: str, until: datetime) -> Lease:
    change.db.run(_TAKE_OVER, seq=found.job.seq, owner=owner, until=stamp(until))
    change.tell(found.job, RESUMED, {"attempt": found.job.attempt})
    return Lease(job=found.job, fence=found.fence + 1, expires_at=until)
