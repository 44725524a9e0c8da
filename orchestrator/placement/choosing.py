"""The next job for a worker that has room: the first in the queue's order whose best place it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from .fleet import Fleet
from .placing import place
from .values import Choice, Work


def next_for(worker: str, queue: Iterable[Work], fleet: Fleet, now: float) -> tuple[Work | None, dict[str, Choice]]:
    """The job, and what was decided on every job that was looked at on the way.

    ``queue`` is in the order of fairness, priority and age. A job is passed over only for a worker that takes it now,
    for a warm one that is free before a load would be over, or for jobs that need no load, within their bound.
    """
    told: dict[str, Choice] = {}
    for work in queue:
        choice = told[work.job_id] = place(work, fleet, now)
        if choice.worker == worker:
            return work, told
    return None, told
