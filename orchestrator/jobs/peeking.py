"""Who is next, without taking anything: what placing looks at."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from ...metering.periods import stamp
from .base import Beyond, Ready
from .queueing import turn
from .records import COLUMNS, job_of

if TYPE_CHECKING:
    from ...storage.base import Session

_QUEUES = """
SELECT queue_id, lane, served FROM queues WHERE lane = :lane AND ready > 0 ORDER BY served, queue_id LIMIT :most
"""
_JOBS = f"""
SELECT {COLUMNS}, rank FROM jobs
WHERE queue_id = :queue_id AND ready = 1 AND (rank, seq) > (:rank, :seq)
  AND (deadline IS NULL OR deadline > :at)
ORDER BY rank, seq LIMIT :most
"""  # noqa: S608 - our own words
_FIRST = (-(2**62), 0)
"""Before all places."""


def peek(db: Session, lanes: Sequence[str], most: int, at: datetime, beyond: Beyond | None = None) -> list[Ready]:
    """See :meth:`.base.JobStore.peek`."""
    [claiming] = db.run("SELECT virtual_time, paused FROM claiming")
    if claiming["paused"]:
        return []
    rows = [row for lane in lanes for row in db.run(_QUEUES, lane=lane, most=most)]
    share = max(most // max(len(rows), 1), 1)
    after = beyond or {}
    jobs = {
        row["queue_id"]: _jobs(db, row["queue_id"], row["lane"], share, at, after.get(row["queue_id"], _FIRST))
        for row in rows
    }
    turns = [(int(row["served"]) if beyond is None else 0, row["queue_id"]) for row in rows]
    heapq.heapify(turns)
    return _in_turn(turns, jobs, int(claiming["virtual_time"]) if beyond is None else 0, most)


def _in_turn(
    turns: list[tuple[int, str]], jobs: dict[str, Iterator[Ready]], virtual_time: int, most: int
) -> list[Ready]:
    """The order in which claiming would take them."""
    found: list[Ready] = []
    while turns and len(found) < most:
        served, queue_id = heapq.heappop(turns)
        if (ready := next(jobs[queue_id], None)) is None:
            continue
        virtual_time = turn(served, virtual_time)
        heapq.heappush(turns, (virtual_time + 1, queue_id))
        found.append(ready)
    return found


def _jobs(db: Session, queue_id: str, lane: str, share: int, at: datetime, place: tuple[int, int]) -> Iterator[Ready]:
    """A queue's jobs behind a place, read as they are asked for, so many at a time."""
    while rows := db.run(_JOBS, queue_id=queue_id, at=stamp(at), most=share, rank=place[0], seq=place[1]):
        for row in rows:
            place = int(row["rank"]), int(row["seq"])
            yield Ready(job_of(row), lane, queue_id, place)
