"""One job, all workers: who runs it now, or what it waits for. Pure.

A job goes where what it loads is in memory. Where such workers are busy, or are loading it, the job waits for one of
them while all who wait for the same would have begun within :data:`COPY_LOADS` loads from now: delay scheduling
(Zaharia et al., EuroSys 2010) waits for as long as loading elsewhere would take, and whoever waited in vain then loads.
So a backlog gets as many copies as it is worth, one after the other, not one for each job that has waited for long.

What has to be loaded goes where it pushes out what is missed least, and to a worker for which no warm work waits: one
that changes over for each job in turn does nothing but load. Those who are overtaken for that are so within a bound.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice

from .against import against
from .fleet import CONSIDERED, Fleet
from .values import Choice, Seat, Work

COPY_LOADS = 2.0
"""A further copy of what some hold is loaded where those who wait for it would not all have begun within so many loads
without: fewer, down to one, the more room the fleet's memory has beside all that is wanted. It is loaded, too, where a
job was passed over for so long all the same, for then somebody was wrong about when a worker is free."""
OVERTAKEN_LOADS = 8.0
"""Jobs whose models are in memory may overtake one that has to load for as long as so many loads take, no longer."""


def place(work: Work, fleet: Fleet, now: float) -> Choice:
    """Who runs this job now, if anybody should. ``now`` is on the clock of :attr:`.values.Seat.free_at`.

    One that failed on a worker goes to another; where there is none that could run it, it may be that one once more.
    """
    choice = _place(work, fleet, now)
    if choice.reason == "nobody_can" and work.avoid:
        return _place(replace(work, avoid=frozenset()), fleet, now)
    return choice


def _place(work: Work, fleet: Fleet, now: float) -> Choice:
    if not work.files:
        return _anywhere(work, fleet)
    if warm := _that_can(work, fleet.free_with(work.files)):
        # The one whose other files are wanted least: the others are kept free for those.
        return Choice(worker=min(warm, key=lambda seat: _useful(seat, work, fleet)).name, reason="warm")
    busy = _that_can(work, fleet.busy_with(work.files))
    soonest = min(busy, key=lambda seat: (seat.free_at, seat.name), default=None)
    if soonest is not None and _worth_waiting(work, [seat.free_at - now for seat in busy], fleet):
        return Choice(worker=None, reason="waits_for_warm", waits_for=soonest.name)
    return _cold(work, fleet)


def _worth_waiting(work: Work, free_in_s: list[float], fleet: Fleet) -> bool:
    """Whether those who hold what it loads, of whom these take another job in so many seconds, are enough for all jobs
    that wait for that, this one first."""
    in_time = work.slack_s is None or min(free_in_s) <= work.slack_s
    if not in_time or work.passed_over_s > COPY_LOADS * work.load_s:
        return False
    within_s = (1 + (COPY_LOADS - 1) * fleet.crowding(work)) * work.load_s
    holders = max(len(free_in_s), fleet.busy_copies(work.files))
    return _last_begins_s(free_in_s, math.ceil(fleet.backlog(work.files) * len(free_in_s) / holders), work) <= within_s


def _last_begins_s(free_in_s: list[float], jobs: int, work: Work) -> float:
    """When the last of so many jobs like this one begins, in seconds; or what is too late anyway."""
    free = [max(each, 0.0) for each in free_in_s]
    heapq.heapify(free)
    for _ in range(jobs - 1):
        if free[0] > COPY_LOADS * work.load_s:
            break
        heapq.heapreplace(free, free[0] + work.run_s)
    return free[0]


def _anywhere(work: Work, fleet: Fleet) -> Choice:
    free = _that_can(work, fleet.free())
    if not free:
        return _nobody(work, fleet)
    # Where least is in memory: warm workers are left to those that load.
    return Choice(worker=min(free, key=lambda seat: (seat.running, len(seat.memory), seat.name)).name, reason="any")


def _cold(work: Work, fleet: Fleet) -> Choice:
    free = _that_can(work, fleet.free())
    if not free:
        return _nobody(work, fleet)
    # A worker for which warm work waits goes on with that: changing over for each job in turn would only ever load.
    idle = [seat for seat in free if not fleet.has_work(seat)]
    if not idle and work.passed_over_s < OVERTAKEN_LOADS * work.load_s:
        return Choice(worker=None, reason="overtaken")
    best = min(idle or free, key=lambda seat: (fleet.loss(seat, work), seat.running, seat.name))
    return Choice(worker=best.name, reason="cold", evicts=tuple(best.evicted(work)))


def _that_can(work: Work, seats: Iterable[Seat]) -> list[Seat]:
    """The first few of them that can run it; where it takes one that few are, it is looked for to the end."""
    return list(islice((seat for seat in seats if not against(work, seat)), CONSIDERED))


def _nobody(work: Work, fleet: Fleet) -> Choice:
    told: dict[str, str] = {}
    for seat in fleet.seats.values():
        why = against(work, seat)
        if not why:
            return Choice(worker=None, reason="all_busy")
        if len(told) < CONSIDERED:
            told[seat.name] = why
    return Choice(worker=None, reason="nobody_can", against=told)


def _useful(seat: Seat, work: Work, fleet: Fleet) -> tuple[int, float, str]:
    return seat.running, sum(fleet.wanted[file] for file in seat.memory if file not in work.files), seat.name
