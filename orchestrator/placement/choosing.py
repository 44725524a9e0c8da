"""The next job for a worker that has room: the first in the queue's order whose best place it is. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

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


class Foreseen(NamedTuple):
    """What becomes of a job that waits, as things are."""

    choice: Choice
    ahead: int
    """How many jobs that have a worker now go before it."""


def foresee(job_id: str, queue: Iterable[Work], fleet: Fleet, now: float) -> Foreseen | None:
    """What is decided on this job once those before it in the queue's order have what is theirs; None where it is not
    among them. The fleet is as it would be then."""
    ahead = 0
    for work in queue:
        choice = place(work, fleet, now)
        if work.job_id == job_id:
            return Foreseen(choice, ahead)
        if choice.worker is not None:
            fleet.put(fleet.seats[choice.worker].with_work(work))
            fleet.waits(work, -1)
            ahead += 1
    return None
