"""Which worker's loop claims which job of the lane ``gpu``: the rules of placement, given what is known here."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ...clock import utc_now
from ...errors import StorageError
from ..jobs.base import Ready
from ..jobs.job import Job, Lease, Ordered
from ..jobs.queueing import CHOSEN, LARGE, waits_in
from ..link.slots import COMFYUI
from ..placement.against import against
from ..placement.choosing import foresee, next_for
from ..placement.fleet import Fleet
from ..placement.placing import place
from ..placement.values import Choice, Seat, Work
from .ahead import Ahead, Kind
from .kit import Kit
from .memory import Memory
from .needs import Needs, work_of
from .passing import Passing
from .seats import seat_of
from .unlike import gpus

if TYPE_CHECKING:
    from .worker import Worker
    from .worker_loop import WorkerLoop

REFRESH_S = 0.25
"""How long what is known of the other workers is good for."""
HOPE_S = 1.0
"""And whether there is a worker to wait for, with a job that nobody can run."""
PREFETCH_S = 2.0
"""A worker whose job is over so soon gets its next one already; what goes there later may yet go elsewhere."""


AWAKE = 16
"""Workers that are told of a new job, at most; of thousands a few are as good as all."""


class Decided(NamedTuple):
    """On a job that waits."""

    choice: Choice
    against: Mapping[str, str]
    """Why each worker that cannot run it cannot."""
    ahead: int | None
    """How many jobs go before it that have a worker now; None where that was not
    counted: it is further behind than was looked, or its lane has one worker, which takes them in their order."""
    hope: tuple[str, ...] = ()
    """Workers that get no jobs now, and might run it once they do, where nobody else can."""
    silent: tuple[str, ...] = ()
    """Workers that would be among these, had anybody ever heard what they have."""


class Placer:
    """Of one dispatcher. ``loops``: those of all workers by name, who come and go."""

    def __init__(self, kit: Kit, loops: Mapping[str, WorkerLoop]) -> None:
        self._kit, self._loops = kit, loops
        self._ahead = Ahead(kit, self._here)
        self._passing = Passing()
        self._memories: dict[str, Memory] = {}
        self._coming: dict[str, list[Ready]] = {}
        """Jobs that a worker's loop is claiming."""
        self._fleet = Fleet()
        self._most_memory = 0
        self._choices: frozenset[str] = frozenset()
        """The model files that any worker lets choose."""
        self._unfit: set[Hashable] = set()
        """The shapes of jobs that some worker was found not to run."""
        self._last: dict[Kind, tuple[frozenset[str], float]] = {}
        """Of what nobody can run: the workers one of which is to try it, and when that was found."""
        self._known = (0, float("-inf"))
        """As of which look ahead, and when, the fleet is."""

    @property
    def _chooses(self) -> bool:
        """Whether there are gpu workers among which to choose: one may come that has what others lack."""
        return len(list(islice(gpus(loop.worker for loop in self._loops.values()), 2))) == 2

    def _here(self) -> set[str]:
        coming = {ready.job.job_id for jobs in self._coming.values() for ready in jobs}
        return coming.union(*(loop.job_ids for loop in self._loops.values()))

    def places(self, worker: Worker) -> bool:
        """Whether all of this worker's jobs are placed: there are others to which they could go. Of any other worker
        those are that say where they may run."""
        return "gpu" in worker.lanes and self._chooses

    def look(self, ordered: Ordered, *, refused: bool = False) -> None:
        """There is a new job, or one that was ``refused`` where it was: whoever may be the one to run it looks at
        once."""
        self._ahead.ring()
        chosen = refused or waits_in(ordered) == CHOSEN
        free = (loop for loop in self._loops.values() if loop.is_free and loop.worker.takes(ordered, ()))
        # A few are enough: whose the job is hears of it from whoever looks first.
        for loop in islice(free, AWAKE):
            loop.look(chosen=chosen)

    def close(self) -> None:
        """Nobody asks any more."""
        self._ahead.close()

    async def claim(self, loop: WorkerLoop, room: int) -> list[Lease]:
        """Up to so many jobs whose best place this worker is. Raises StorageError where none could be claimed."""
        leases: list[Lease] = []
        try:
            while len(leases) < room:
                await self._ahead.look(self._lanes())
                ready = self._choose(loop)
                if ready is None:
                    break
                leases += await self._take(loop, ready)
        except StorageError:
            if not leases:
                raise
        finally:
            self._coming.pop(loop.worker.name, None)
        return leases

    async def decide(self, job: Job) -> Decided:
        """What is decided on a waiting job as things are now, by the rules and the facts by which jobs are claimed.
        Raises StorageError."""
        await self._ahead.look(self._lanes())
        needs = await self._ahead.learn(job)
        its = job.ordered
        ready = self._ahead.jobs.get(job.job_id) or Ready(job, waits_in(its))
        now = time.monotonic()
        fleet = self._fleet_now(now)
        self._find_unfit(ready, needs, fleet, now)
        work = self._work(ready, needs, now)
        told = {name: why for name, seat in fleet.seats.items() if (why := against(work, seat))}
        queue = [self._work(each, self._ahead.needs(job_id), now) for job_id, each in self._ahead.jobs.items()]
        foreseen = foresee(job.job_id, queue, fleet, now)
        # It is further behind than was looked, or its lane is not placed here.
        choice, before = (place(work, fleet, now), None) if foreseen is None else foreseen
        if choice.reason != "nobody_can":
            return Decided(choice, told, before)
        silent = tuple(each.name for each in self._kit.workers if each.is_silent and each.is_where(its))
        return Decided(choice, told, before, tuple(each.name for each in self._hope(its, needs)), silent)

    # -- within -------------------------------------------------------------------------------------------------------

    def waits(self, loop: WorkerLoop) -> bool:
        """Whether a job waits that this worker could run."""
        seat, now = self._seat(loop), time.monotonic()
        return any(not against(self._first(readies, now), seat) for readies in self._ahead.kinds(self._unfit).values())

    def loaded(self, name: str, file: str) -> None:
        """The worker of this name has this file in memory now, for no job."""
        if (loop := self._loops.get(name)) is not None:
            told = loop.worker.capabilities
            self._seat(loop)  # what another process than this one had is forgotten first
            self._memory(name).used({file: told.sizes.get(file, 0) if told else 0}, loop.worker.memory)

    def memory_of(self, name: str) -> dict[str, int]:
        """What the worker of this name has in memory, as far as is known, with sizes."""
        loop = self._loops.get(name)
        return {} if loop is None else self._seat(loop).memory

    def _lanes(self) -> tuple[str, ...]:
        """What is placed. Hosted jobs are the runners', where there is one."""
        if not self._chooses:
            return (CHOSEN,)
        runners = [loop for loop in self._loops.values() if loop.is_open and loop.worker.allowed]
        if any(loop.worker.lanes == ("hosted",) for loop in runners):
            return (CHOSEN, "gpu", LARGE)
        return (CHOSEN, "hosted", "gpu", LARGE)

    def _choose(self, loop: WorkerLoop) -> Ready | None:
        """The job that this worker runs now, taken from those that wait."""
        if not self._ahead.jobs:
            return None
        now, name = time.monotonic(), loop.worker.name
        self._refresh(now)
        seat = self._put(loop)
        work, works, told = self._next(loop.worker, now)
        for other in self._passing.note(name, told, now):
            if other in self._loops:
                self._loops[other].look(chosen=True)
        if work is None and seat.room > 0:
            work = self._hopeless(works, told, loop.worker, now)
        if work is None:
            if seat.room > 0:
                self._ahead.further()
            return None
        ready = self._ahead.jobs.pop(work.job_id)
        self._fleet.waits(work, -1)
        self._coming.setdefault(name, []).append(ready)
        lacking = work.files - seat.memory.keys()
        self._kit.loads.begins(work.job_id, name, ready.job.ordered.workflow, sum(work.sizes[file] for file in lacking))
        self._memory(name).used(work.sizes, loop.worker.memory)
        self._put(loop)
        return ready

    def _next(self, worker: Worker, now: float) -> tuple[Work | None, dict[Kind, Work], dict[str, Choice]]:
        """The job that is this worker's, the first of each kind, and what was decided on them. Whether it runs just
        these values is asked for what it would get alone: what it does not run is for others."""
        while True:
            kinds = self._ahead.kinds(self._unfit)
            works = {kind: self._first(readies, now) for kind, readies in kinds.items()}
            work, told = next_for(worker.name, works.values(), self._fleet, now)
            if work is None or not self._refuses(worker, work.job_id):
                return work, works, told

    def _first(self, readies: list[Ready], now: float) -> Work:
        return self._work(readies[0], self._ahead.needs(readies[0].job.job_id), now)

    def _refuses(self, worker: Worker, job_id: str) -> bool:
        needs = self._ahead.needs(job_id)
        if not worker.fitness.against(needs, self._ahead.jobs[job_id].job.ordered):
            return False
        self._unfit.add(needs.shape)
        return True

    def _find_unfit(self, ready: Ready, needs: Needs, fleet: Fleet, now: float) -> None:
        """Ask those that could run the job whether they run just its values: some of them, where they are many."""
        work = self._work(ready, needs, now)
        can = (self._loops[name].worker for name, seat in fleet.seats.items() if not against(work, seat))
        for worker in islice(can, AWAKE):
            if worker.fitness.against(needs, ready.job.ordered):
                self._unfit.add(needs.shape)

    def _hope(self, its: Ordered, needs: Needs) -> list[Worker]:
        """The workers that get no jobs now, and might run it once they do."""
        listed = needs.files & self._choices
        return [each for each in self._kit.workers if each.is_away and each.might_run(its, needs, listed)]

    def _hopeless(
        self, works: Mapping[Kind, Work], told: Mapping[str, Choice], worker: Worker, now: float
    ) -> Work | None:
        """A job that nobody can run: it fails here, with the reason, as it would where there is no other worker."""
        hopeless = {kind for kind, work in works.items() if self._passing.is_hopeless(kind, told[work.job_id], now)}
        self._last = {kind: known for kind, known in self._last.items() if kind in hopeless}
        for kind, work in works.items():
            if kind in hopeless and work.lane in worker.lanes and worker.name in self._last_of(kind, work, now):
                return work
        return None

    def _last_of(self, kind: Kind, work: Work, now: float) -> frozenset[str]:
        """The workers one of which is to try what nobody can run; none while there is one to wait for."""
        known, at = self._last.get(kind, (frozenset[str](), float("-inf")))
        if now - at > HOPE_S:
            known = frozenset(each.name for each in self._to_try(work))
            self._last[kind] = known, now
        return known

    def _to_try(self, work: Work) -> list[Worker]:
        its, needs = self._ahead.jobs[work.job_id].job.ordered, self._ahead.needs(work.job_id)
        # Where no worker stands where the job says, it waits for as long as it takes.
        there = [each for each in self._kit.workers if each.is_where(its)]
        might = [each for each in there if each.might_run(its, needs, work.listed)]
        return [] if any(each.is_away for each in might) else might or there

    async def _take(self, loop: WorkerLoop, ready: Ready) -> list[Lease]:
        """Claim it, unless somebody else has."""
        worker, job_id = loop.worker, ready.job.job_id
        leases: list[Lease] = []
        try:
            lanes = (CHOSEN, *worker.claims(self._kit.workers))
            leases = await self._kit.block(self._kit.jobs.claim, loop.owner, worker.name, lanes, most=1, only=[job_id])
        finally:
            if not leases:
                self._coming[worker.name].remove(ready)
                there = self._ahead.files([*loop.job_ids, *(each.job.job_id for each in self._coming[worker.name])])
                self._memory(worker.name).drop(self._ahead.needs(job_id).files - there)
        return leases

    def _refresh(self, now: float) -> None:
        looks, at = self._known
        if looks == self._ahead.looks and now - at < REFRESH_S:
            return
        if looks != self._ahead.looks:
            self._passing.keep(self._ahead.jobs, self._ahead.kinds(self._unfit))
            self._kit.loads.keep(self._here())
        self._fleet = self._fleet_now(now)
        self._memories = {name: each for name, each in self._memories.items() if name in self._loops}
        self._known = self._ahead.looks, now

    def _fleet_now(self, now: float) -> Fleet:
        self._most_memory = max((each.memory for each in self._kit.workers if each.state == "up"), default=0)
        # Of those, too, that are away: a job waits a while for the only one that has its model.
        self._choices = frozenset().union(*{each.choices for each in self._kit.workers})
        self._unfit = set().union(*(each.fitness.unfit for each in self._kit.workers))
        fleet = Fleet(self._seat(loop) for loop in self._loops.values())
        fleet.wanted = self._ahead.wanted
        for readies in self._ahead.kinds(self._unfit).values():
            fleet.waits(self._first(readies, now), len(readies))
        return fleet

    def _put(self, loop: WorkerLoop) -> Seat:
        seat = self._seat(loop)
        self._fleet.put(seat)
        return seat

    def _seat(self, loop: WorkerLoop) -> Seat:
        worker, kit = loop.worker, self._kit
        coming = self._coming.get(worker.name, [])
        coming_s = (kit.run_s(each.job.ordered.workflow) + kit.loads.left(each.job.job_id) for each in coming)
        free_in_s = loop.free_in_s + sum(coming_s)
        seat = seat_of(worker, free_at=time.monotonic() + free_in_s, claimed=len(coming))
        seat.memory = self._told(loop, seat.memory)
        seat.memory_size = worker.memory or None
        seat.running += len(coming)
        seat.up = seat.up and loop.is_open
        if worker.trial is not None and not loop.room:
            # It has had its share for now: nobody is to wait for it.
            seat.up = False
        if worker.capacity <= COMFYUI and free_in_s > PREFETCH_S:
            seat.room = 0
        return seat

    def _told(self, loop: WorkerLoop, models: Mapping[str, int]) -> dict[str, int]:
        """What it has in memory by now."""
        worker, memory = loop.worker, self._memory(loop.worker.name)
        coming = [each.job.job_id for each in self._coming.get(worker.name, [])]
        if worker.health is not None and worker.seen_at is not None:
            held = self._ahead.files([*loop.job_ids, *coming])
            known = worker.health.models_known
            boot_id, at = worker.health.boot_id, worker.seen_at
            memory.told(boot_id, models, at, all_of_them=known, held=held, now=time.monotonic())
        return memory.files

    def _memory(self, name: str) -> Memory:
        return self._memories.setdefault(name, Memory())

    def _work(self, ready: Ready, needs: Needs, now: float) -> Work:
        its, job_id = ready.job.ordered, ready.job.job_id
        left_s = None if its.deadline is None else (its.deadline - utc_now()).total_seconds()
        return work_of(
            ready,
            needs,
            load_rate=self._kit.loads.usual_rate,
            run_s=self._kit.run_s(its.workflow),
            passed_over_s=self._passing.over_s(job_id, now),
            slack_s=None if left_s is None else left_s - self._kit.history.usual_s(its.workflow),
            most_memory=self._most_memory,
            avoid=self._ahead.failed_at(ready.job),
            absent=self._passing.absent(job_id),
            choices=self._choices,
            unfit=self._unfit,
        )
