"""Whose job is next. Pure.

Fairness between queues is start-time fair queueing: each queue has a virtual time, by how often it was served, and the
one with the least is next. The store's own virtual time is that of the queue served last, and no turn is taken before
it: so nobody saves up turns by being idle, and who comes new waits for one turn of each queue that was there, at most.

Within a queue the lowest rank is next: when a job became due, less what its priority is worth. A rank never changes,
so ageing costs nothing: of two jobs, the older one goes first as soon as it waited longer than the other's priority
is worth more.
"""

from __future__ import annotations

from datetime import datetime

from .job import Lane, Ordered

LANES: tuple[Lane, ...] = ("hosted", "gpu")
OWN = "own"
"""The lane of jobs that an earlier attempt has tied to a journal: they go on where that is, on an own runner."""
LARGE = "large"
"""The lane of jobs for which a worker's memory was too small: they go on where there is most."""
CHOSEN = "chosen"
"""The lane of jobs that are not for every worker of their own lane, whichever that is: they are placed."""
AGE_S = 60.0
"""How many seconds of waiting a point of priority is worth."""


def rank(due: datetime, priority: int) -> int:
    """Where a job stands in its queue, in milliseconds: low is early."""
    return round((due.timestamp() - priority * AGE_S) * 1000)


def waits_in(ordered: Ordered) -> str:
    """Where a new job waits: in its own lane, or, where not every worker of that may run it, among the chosen."""
    return CHOSEN if ordered.region is not None or ordered.labels or ordered.placed else ordered.lane


def queue_id(lane: str, key_id: str | None) -> str:
    """The queue of a key's jobs in a lane; jobs without a key have one together."""
    return f"{lane}:{key_id or ''}"


def lane_of(queue_id: str) -> str:
    """The lane of a queue."""
    return queue_id.partition(":")[0]


def turn(served: int, virtual_time: int) -> int:
    """The virtual time at which a queue has its turn; it is the store's from then on, and the queue's is one more."""
    return max(served, virtual_time)
