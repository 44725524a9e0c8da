"""All workers' jobs: loops that claim, leases that are renewed, attempts of dead processes that are taken up again.

Whatever is told by news, every part also looks by itself now and then: a lost word delays a job, it never loses it.
"""

from __future__ import annotations

import asyncio
import platform
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from ... import log
from ...errors import StorageError
from ...storage.owners import Owner
from ...workflows.object_info import ObjectInfo
from ..fleet.entries import Entry
from ..fleet.registry import Registry
from ..jobs.base import Accepted, Idempotency
from ..jobs.job import Ending, Job, Lane, Ordered
from ..jobs.queueing import waits_in
from ..link.client import WorkerLink
from ..link.waiting import Signal
from ..metrics.meters import WorkerState
from .crew import Crew
from .keeping import leave, restore
from .kit import Kit
from .news import JobChanged
from .orphans import Orphans
from .placing import Decided, Placer
from .run import GIVE_UP_S, Stop
from .side_tasks import SideTasks
from .upkeep import upkeep
from .warming import Warmer
from .worker import Worker
from .worker_loop import WorkerLoop

logger = log.get("orchestrator.dispatcher")

RENEW_EVERY_S = 1.0
"""How often leases are renewed, and cancellations learned of."""
ABANDONED_EVERY_S = 10.0
"""How often attempts of dead processes are looked for, after the first time at the start."""
LEAVE_S = 5.0
"""How long jobs may take to be let go of."""


class Dispatcher:
    """Use it as ``async with``. ``workers`` have links that are open for as long as this is. More of them come and go
    with the ``registry``; ``line`` makes the link to one at a URL. ``warm``: the model files that workers with a label
    are to have in memory."""

    def __init__(
        self,
        kit: Kit,
        workers: Sequence[Worker],
        *,
        folder: Path,
        most_attempts: int = 3,
        drain_s: float = 30.0,
        registry: Registry | None = None,
        line: Callable[[str], WorkerLink] = WorkerLink,
        warm: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._kit = kit
        self._registry = registry
        self._line = line
        self._folder = folder
        self._most = most_attempts
        self._drain_s = drain_s
        self._workers = kit.workers
        self._workers.extend(workers)
        self._loops: dict[str, WorkerLoop] = {}
        self._placer = Placer(kit, self._loops)
        self.warmer = Warmer(self._loops, warm or {}, waits=self._placer.waits, loaded=self._placer.loaded)
        self._side = SideTasks()
        self._stack = AsyncExitStack()
        self._asked = Signal()
        self.crew: Crew | None = None
        """Those who come and go; None where there is no registry."""
        self.draining = False
        self._unheld: frozenset[str] = frozenset()

    def _loop(self, worker: Worker) -> WorkerLoop:
        loop = WorkerLoop(self._kit, worker, self.owner, most_attempts=self._most, placer=self._placer)
        loop.claims = not self.draining
        return loop

    @asynccontextmanager
    async def _hired(self, entry: Entry) -> AsyncIterator[WorkerLoop]:
        async with self._line(str(entry.url)) as link:
            yield self._loop(Worker(entry.name, link, source="added"))

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def _start(self, stack: AsyncExitStack) -> None:
        # Last of all: what ran may have ended until then.
        stack.push_async_callback(self._kit.block, leave, self._kit.jobs, self._kit.assets, self._kit.forget)
        self._owner = Owner(self._folder / "services")
        stack.callback(self._owner.close)
        stack.callback(self._placer.close)
        # Named with its machine and data folder, in which its lock lies: whether a process elsewhere lives cannot be
        # told here, only its lease can.
        self._place = f"{platform.node()}:{self._kit.journal_id}"
        self.owner = f"{self._place}/{self._owner.id}"
        self._orphans = Orphans(self._kit, most_attempts=self._most)
        for worker in self._workers:
            self._loops[worker.name] = self._loop(worker)
        always = list(self._loops.items())
        if self._registry is not None:
            self.crew = Crew(self._kit, self._registry, self._loops, self._hired)
            stack.push_async_callback(self.crew.close)
            await self.crew.refresh()
        stack.push_async_callback(self._side.close)
        await self._kit.block(restore, self._kit.jobs, self._kit.assets)
        await self._take_up()
        for name, loop in always:
            self._side.start(loop.run(), f"jobs of {name}")
        if self.crew is not None:
            self._side.start(self.crew.run(), "crew")
        self._side.start(self.warmer.run(), "warming")
        self._side.start(self._renew(), "lease renewal")
        self._side.start(self._look_for_abandoned(), "recovery")
        self._side.start(upkeep(self._kit), "upkeep")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop in order: nothing new is taken; what runs may end, within the limit; the rest is let go of, so that the
        next process takes it up; then the side tasks stop, and with the owner's lock everybody knows that we are gone.
        At the end the files of all jobs that ended are on the disk.
        """
        try:
            if error is None and not self.draining:
                await self.drain(self._drain_s)
            await self._leave()
        finally:
            await self._stack.aclose()

    # -- for the service and its API ----------------------------------------------------------------------------------

    @property
    def workers(self) -> list[Worker]:
        """All workers, used or not."""
        return list(self._workers)

    @property
    def running(self) -> int:
        """How many jobs run here."""
        return sum(len(loop.tasks()) for loop in self._loops.values())

    def object_infos(self, lane: Lane) -> list[ObjectInfo]:
        """What the workers that are up and run this lane say of their nodes."""
        return [each.object_info for each in self._workers if each.state == "up" and lane in each.lanes]

    def missing(self) -> list[str]:
        """What keeps jobs from running now, in words; nothing where all is well."""
        if self.draining:
            return ["The service is stopping."]
        if any(each.state == "up" and each.allowed for each in self._workers):
            return []
        told = [f"{each.name}: {each.problem or each.why}" for each in self._workers]
        return told or ["There is no worker."]

    def states(self) -> list[WorkerState]:
        """How each worker stands, with what it last told of itself."""
        return [each.told(draining=self.draining) for each in self._workers]

    async def accept(
        self, ordered: Ordered, key: Idempotency | None = None, *, ending: Ending | None = None
    ) -> Accepted:
        """Take a job in; see :meth:`..jobs.base.JobStore.accept`. Where a worker has room, it is claimed at once."""
        anywhere = waits_in(ordered) == ordered.lane
        loop = self._with_room(ordered.lane) if ending is None and ordered.not_before is None and anywhere else None
        if loop is None:
            accepted = await self._kit.block(self._kit.jobs.accept, ordered, key, ending=ending)
        else:
            accepted = await loop.accept(ordered, key)
        if not accepted.replayed:
            self._tell(accepted)
        return accepted

    def _with_room(self, lane: Lane) -> WorkerLoop | None:
        """The worker that has least to do of those that have room."""
        found = [loop for loop in self._loops.values() if loop.has_room(lane)]
        return min(found, key=lambda loop: loop.load, default=None)

    def _tell(self, accepted: Accepted) -> None:
        """Who looks for work, and who follows what this job supersedes, need not wait for their next look."""
        its = accepted.job.ordered
        if accepted.lease is None or accepted.lease.job.job_id != its.job_id:
            self._placer.look(its)
        if its.supersedes:
            self._kit.news.publish(its.supersedes, JobChanged(its.supersedes))

    async def decide(self, job: Job) -> Decided:
        """What is decided on a waiting job as things are now. Raises StorageError."""
        return await self._placer.decide(job)

    def memory_of(self, name: str) -> dict[str, int]:
        """What the worker of this name has in memory, as far as is known, with sizes; 0 is one that is not known."""
        return self._placer.memory_of(name)

    def look(self) -> None:
        """A cancellation was written down: look for it now, not in a moment."""
        self._asked.set()

    async def watch(self) -> None:
        """Wait until a side task dies, and raise what it died of: the service must not go on without it."""
        await self._side.watch()

    async def drain(self, within_s: float) -> bool:
        """Take no more jobs and wait for those that run; whether all are over."""
        self.draining = True
        for loop in self._loops.values():
            loop.claims = False
        until = time.monotonic() + within_s
        if tasks := self._tasks():
            logger.info("Waiting for %d jobs", len(tasks), extra=log.action("draining"))
        # Asked again: what was being claimed when this began may have come since.
        while (tasks := self._tasks()) and (left_s := until - time.monotonic()) > 0:
            await asyncio.wait(tasks, timeout=left_s)
        return self.running == 0

    async def _leave(self) -> None:
        tasks = self._tasks()
        for loop in self._loops.values():
            loop.leave()
        if tasks:
            await asyncio.wait(tasks, timeout=LEAVE_S)

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for loop in self._loops.values() for task in loop.tasks()]

    # -- side tasks ---------------------------------------------------------------------------------------------------

    async def _renew(self) -> None:
        while True:
            await self._asked.wait(RENEW_EVERY_S)
            self._asked.clear()
            held = [job_id for loop in self._loops.values() for job_id in loop.held] + self._orphans.job_ids
            if not held:
                continue
            try:
                renewed = await self._kit.block(self._kit.jobs.renew, self.owner, held)
            except StorageError as exc:
                logger.warning("Leases could not be renewed: %s", exc, extra=log.action("renew_failed"))
                continue
            for loop in self._loops.values():
                for job_id in renewed.canceled:
                    loop.stop(job_id, Stop.CANCELED)
                for job_id in renewed.lost:
                    loop.stop(job_id, Stop.TAKEN)

    async def _look_for_abandoned(self) -> None:
        while True:
            await asyncio.sleep(ABANDONED_EVERY_S)
            try:
                self._give_up()
                await self._take_up()
            except StorageError as exc:
                logger.warning("No abandoned job can be looked for: %s", exc, extra=log.action("recovery_failed"))

    async def _take_up(self) -> None:
        """Attempts whose process is dead go on here, each on its own worker; without that, they are decided."""
        strays = await self._strays()
        for lease in await self._kit.block(self._kit.jobs.abandoned, self.owner, self._is_dead, strays=strays):
            worker = lease.job.worker or ""
            logger.info(
                "Job %s is taken up again",
                lease.job.job_id,
                extra=log.action("job_taken_up", job_id=lease.job.job_id, worker=worker),
            )
            if worker in self._loops:
                self._loops[worker].resume(lease)
            else:
                self._orphans.decide(lease)

    async def _strays(self) -> frozenset[str]:
        """Leases of ours that nobody here has, as when the answer to the commit of a claim was lost; seen twice, since
        one that was given just now is on its way."""
        leased = await self._kit.block(self._kit.jobs.leased, self.owner)
        here = {job_id for loop in self._loops.values() for job_id in loop.job_ids}.union(self._orphans.job_ids)
        before, self._unheld = self._unheld, frozenset(leased) - here
        return before & self._unheld

    def _give_up(self) -> None:
        """Attempts whose worker has not come back for too long are decided without it."""
        for loop in self._loops.values():
            for lease in loop.given_up(GIVE_UP_S):
                self._orphans.decide(lease)

    def _is_dead(self, owner: str) -> bool:
        place, _, process = owner.rpartition("/")
        return place == self._place and self._owner.is_dead(process)
