"""Jobs for one worker: claimed as many as there is room, each run as a task of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial

from ... import log
from ...errors import MintmarkError, StorageError
from ..execution.booking import Booking
from ..fleet.bounds import LOOK_EVERY_S
from ..jobs.base import Accepted, Claimer, Idempotency
from ..jobs.job import Lease, Ordered
from .early import Order
from .kit import Kit
from .placing import Placer
from .run import Run, Stop
from .worker import Worker

logger = log.get("orchestrator.worker_loop")

CLAIM_EVERY_S = 1.0
"""How often the store is asked for work where nobody says that there is some."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 10.0
"""Between two looks at a worker that does not answer."""
AT_ONCE = 64
"""Jobs that are claimed in one transaction, at most."""


class WorkerLoop:
    """One worker's jobs. ``owner`` is this process in the store. ``placer`` says which jobs it gets, where others could
    have them as well; else it gets those that are next."""

    def __init__(
        self, kit: Kit, worker: Worker, owner: str, *, most_attempts: int, placer: Placer | None = None
    ) -> None:
        self.worker = worker
        self.owner = owner
        self.claims = True
        """Whether new jobs are taken. One that is taken up again is, in any case."""
        worker.care.met = kit.met
        worker.care.ended = kit.prompt_ended
        self._kit = kit
        self._placer = placer
        self._most = most_attempts
        self._runs: dict[str, tuple[Run, asyncio.Task[None]]] = {}
        self._early: dict[str, Run] = {}
        """Those of them whose orders the store may not have yet."""
        self._resumed: list[tuple[float, Lease]] = []
        self._bell = kit.news.bell()
        self._looked_for_chosen = float("-inf")
        self._up = False
        """Whether the worker answers."""
        self._asked = 0
        """How many jobs a claim under way may bring."""

    # -- for the dispatcher -------------------------------------------------------------------------------------------

    @property
    def job_ids(self) -> list[str]:
        """The jobs whose leases are held here."""
        return [*self._runs, *(lease.job.job_id for _, lease in self._resumed)]

    @property
    def held(self) -> list[str]:
        """Those of them that the store knows by now."""
        return [job_id for job_id in self.job_ids if job_id not in self._early]

    @property
    def is_open(self) -> bool:
        """Whether its worker answers, and gets new jobs."""
        return self._up and self.claims

    @property
    def free_in_s(self) -> float:
        """In how many seconds its jobs are over, by how long their like run and what it has to load for them; 0 where
        it has none."""
        runs, kit = [run for run, _ in self._runs.values()], self._kit
        usual_s = sum(kit.run_s(run.job.ordered.workflow) + kit.loads.left(run.job.job_id) for run in runs)
        elapsed_s = max((run.seconds for run in runs), default=0.0)
        # What takes longer than usual is not over any moment.
        return max(usual_s - elapsed_s, elapsed_s / 4)

    @property
    def room(self) -> int:
        """How many jobs it could begin now."""
        return self._room()

    @property
    def is_free(self) -> bool:
        """Whether it could begin a job now."""
        return self._up and self._room() > 0

    def look(self, *, chosen: bool = False) -> None:
        """There may be something to claim: look now, not in a moment. ``chosen``: also for jobs that say where they may
        run."""
        if chosen:
            self._looked_for_chosen = float("-inf")
        self._bell.ring()

    def resume(self, lease: Lease) -> None:
        """Take an attempt up again, as soon as the worker answers; whether there is room or not."""
        run = self._runs.get(lease.job.job_id, (None, None))[0]
        if run is not None and run.job.attempt == lease.job.attempt:
            run.lease = lease  # it ran out meanwhile, and the attempt goes on all the same
            return
        if run is not None:
            run.stop(Stop.TAKEN)
        self._resumed.append((time.monotonic(), lease))
        self._bell.ring()

    def given_up(self, after_s: float) -> list[Lease]:
        """The attempts that have waited so long for the worker to answer: they are decided without it."""
        before = time.monotonic() - after_s
        late = [lease for since, lease in self._resumed if since <= before]
        self._resumed = [(since, lease) for since, lease in self._resumed if since > before]
        return late

    def stop(self, job_id: str, why: Stop) -> None:
        """Break a job off, where it is here."""
        if job_id in self._runs:
            self._runs[job_id][0].stop(why)
        if why is Stop.TAKEN:
            # What is to be stopped otherwise has to be found on its worker first, to be stopped there.
            self._resumed = [each for each in self._resumed if each[1].job.job_id != job_id]

    def has_room(self, lane: str) -> bool:
        """Whether a job of this lane can be claimed now, by :meth:`accept`."""
        alone = not self._asked or self._kit.jobs.claims_together
        return self._up and alone and not self._placed and lane in self.worker.lanes and self._room() > 0

    @property
    def _placed(self) -> bool:
        return self._placer is not None and self._placer.places(self.worker)

    @property
    def load(self) -> float:
        """How much of what it can have it has."""
        return len(self._runs) / self.worker.capacity

    async def accept(self, ordered: Ordered, key: Idempotency | None) -> Accepted:
        """Have the store take the job in, and claim what is next, which mostly is this job."""
        self._asked += 1
        claimer = Claimer(self.owner, self.worker.name, self.worker.claims(self._kit.workers))
        loop = asyncio.get_running_loop()

        def early(lease: Lease) -> None:
            loop.call_soon_threadsafe(partial(self._begin_early, lease))

        accepting = self._kit.start(self._kit.jobs.accept, ordered, key, claimer=claimer, early=early)
        accepting.add_done_callback(partial(self._accepted, ordered.job_id))
        # Who asked may not stay to hear of it; what was claimed is run all the same.
        return await asyncio.shield(accepting)

    def _begin_early(self, lease: Lease) -> None:
        if self._up:
            self._early[lease.job.job_id] = self._start(lease, order=Order(durable=False))

    def _accepted(self, job_id: str, accepting: asyncio.Future[Accepted]) -> None:
        self._asked -= 1
        failed = accepting.cancelled() or accepting.exception() is not None
        lease = None if failed else accepting.result().lease
        # Not any run of it: where others waited before, whoever claims next may have been quicker with this one.
        if (early := self._early.pop(job_id, None)) is not None:
            self._settle(early, lease)
        elif lease is None:
            self._bell.ring()  # its place is free again
        elif self._up:
            self._begin(lease)
        else:
            self.resume(lease)

    @staticmethod
    def _settle(begun: Run, lease: Lease | None) -> None:
        """Go on with a job that was begun early; or not, where its order came to nothing."""
        begun.order.settle(durable=lease is not None)
        if lease is None:
            begun.stop(Stop.UNDONE)
        else:
            begun.changed(lease.job)

    def tasks(self) -> list[asyncio.Task[None]]:
        """The jobs that run."""
        return [task for _, task in self._runs.values()]

    def leave(self) -> None:
        """Let go of everything that runs: the prompts go on, and whoever comes next finds them."""
        for run, _ in self._runs.values():
            run.stop(Stop.LEFT)

    # -- the loop -----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until it is canceled."""
        line = self.worker.link.hold()
        try:
            while True:
                await self._until_up()
                # Held open, so that no job has to wait for the socket.
                async with line:
                    await self._while_up()
        finally:
            self._bell.close()

    async def _until_up(self) -> None:
        pause_s, told = FIRST_PAUSE_S, ""
        while not await self.worker.look(self._kit.settings.mode):
            problem = self.worker.problem
            if problem is not None and problem.message != told:
                told = problem.message
                logger.warning("%s cannot be used: %s", self.worker.name, problem, extra=log.action("worker_unusable"))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LAST_PAUSE_S)
        await self._catch_up()
        logger.info("%s is used", self.worker.name, extra=log.action("worker_used", url=self.worker.link.url))

    async def _catch_up(self) -> None:
        """Book what a worker's own journal tells of jobs that we could not ask it about when they ended."""
        if self.worker.shared:
            return
        try:
            await Booking(self.worker.link, self._kit.ledger).catch_up()
        except MintmarkError as exc:
            logger.warning("The journal of %s waits: %s", self.worker.name, exc, extra=log.action("journal_waits"))

    async def _while_up(self) -> None:
        self._up = True
        try:
            await self._until_down()
        finally:
            self._up = False

    async def _until_down(self) -> None:
        looked = time.monotonic()
        while True:
            resumed, self._resumed = self._resumed, []
            for _, lease in resumed:
                self._begin(lease, resumed=True)
            if not self.worker.allowed:
                await self._give_back()
            room = self._room()
            claimed = await self._claim(room)
            for lease in claimed:
                self._begin(lease)
            for lease in await self._chosen():
                self._begin(lease)
            if time.monotonic() - looked >= LOOK_EVERY_S:
                looked = time.monotonic()
                if not await self.worker.look(self._kit.settings.mode):
                    return
                self._tell_care()
            # Less than there was room for: there is no more.
            if not room or len(claimed) < room:
                await self._bell.wait(CLAIM_EVERY_S)

    def _room(self) -> int:
        """How many jobs may be claimed now."""
        if not self.claims:
            return 0
        # What is begun early is asked for still: it takes one place, not two.
        taken = len(self._runs) + self._asked - len(self._early)
        room = max(min(self.worker.allowed - taken, AT_ONCE), 0)
        trial = self.worker.trial
        return room if trial is None else min(room, int(trial.allows() or self._is_alone))

    @property
    def _is_alone(self) -> bool:
        """Whether no other worker takes jobs of one of its lanes: then one that is tried is better than none."""
        others = (each for each in self._kit.workers if each is not self.worker and each.state == "up" and each.allowed)
        return not {lane for each in others for lane in each.lanes}.issuperset(self.worker.lanes)

    def _tell_care(self) -> None:
        """What is seen of a worker that is well, beside that."""
        self.worker.care.listened(self.worker.link.deaf_in_a_row)
        self.worker.care.runs(max((run.seconds for run, _ in self._runs.values()), default=0.0))

    async def _give_back(self) -> None:
        """A worker that gets no jobs now keeps none that it has not begun: others may."""
        for run, _ in list(self._runs.values()):
            try:
                await run.give_back()
            except MintmarkError as exc:
                logger.info(
                    "Job %s stays where it waits: %s",
                    run.job.job_id,
                    exc,
                    extra=log.action("give_back_failed", job_id=run.job.job_id),
                )

    async def _claim(self, room: int) -> list[Lease]:
        if room == 0:
            return []
        call: Callable[..., list[Lease]] = self._kit.jobs.claim
        self._asked += room
        try:
            if self._placer is not None and self._placed:
                return await self._placer.claim(self, room)
            lanes = self.worker.claims(self._kit.workers)
            return await self._kit.block(call, self.owner, self.worker.name, lanes, most=room)
        except StorageError as exc:
            logger.warning("No job can be claimed: %s", exc, extra=log.action("claim_failed"))
            await asyncio.sleep(CLAIM_EVERY_S)
            return []
        finally:
            self._asked -= room

    async def _chosen(self) -> list[Lease]:
        """Jobs that say where they may run, and this is such a worker: looked for now and then, they are few. Where all
        jobs are placed, these are among them."""
        now, room = time.monotonic(), self._room()
        if self._placer is None or self._placed or not room or now - self._looked_for_chosen < CLAIM_EVERY_S / 2:
            return []
        self._looked_for_chosen = now
        self._asked += room
        try:
            leases = await self._placer.claim(self, room)
        except StorageError as exc:
            logger.warning("No job can be placed: %s", exc, extra=log.action("place_failed"))
            return []
        finally:
            self._asked -= room
        if leases:
            self._looked_for_chosen = float("-inf")  # there may be more of them, for when it has room again
        return leases

    def _begin(self, lease: Lease, *, resumed: bool = False) -> None:
        self._start(lease, resumed=resumed).changed(None if resumed else lease.job)

    def _start(self, lease: Lease, *, resumed: bool = False, order: Order | None = None) -> Run:
        job_id = lease.job.job_id
        run = Run(self._kit, self.worker, lease, most=self._most, resumed=resumed, order=order)
        if not resumed:
            self._kit.began(self.worker.name)
        self._runs[job_id] = run, asyncio.create_task(self._one(run), name=f"job {job_id}")
        self.worker.running = len(self._runs)
        return run

    async def _one(self, run: Run) -> None:
        try:
            await run.run()
        except MintmarkError as exc:
            # Its end could not be written down. The lease lapses, and the attempt is taken up again.
            logger.warning(
                "Job %s could not be ended: %s",
                run.job.job_id,
                exc,
                extra=log.action("job_end_failed", job_id=run.job.job_id),
            )
        finally:
            was_full = not self._room()
            if self._runs.get(run.job.job_id, (None, None))[0] is run:
                del self._runs[run.job.job_id]
            self.worker.running = len(self._runs)
            if run.refused and self._placer is not None:
                self._placer.look(run.job.ordered, refused=True)
            if was_full or self._placed:
                self._bell.ring()
