"""One lease on one worker: prepared, run, settled, its files kept, ended. What it is told to stop for is told here too.

Whatever happens, either the attempt is ended in the store, with all that is known of its money booked before, or the
lease is let go and whoever takes it next finds the prompt where it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, TypeVar

from ... import log, tracing
from ...clock import utc_now
from ...errors import (
    ContextMissing,
    DeadlinePassed,
    InvalidInput,
    MintmarkError,
    StaleLease,
    UnknownInput,
    UnknownModel,
    WorkerLost,
    WorkerRefused,
    WorkerUnreachable,
    WrongState,
)
from ...generation.context import Receipt, WorkflowRef
from ...generation.graph_estimate_links import is_hosted
from ...generation.pictures import inspect
from ...workflows.format import WorkflowVersion
from ..execution.attempt import Attempt, is_silent
from ..execution.booking import Booking
from ..execution.delivery import Brought
from ..execution.granting import context_of, local_work, needs_context
from ..execution.preparing import Image, Prepared, fit
from ..execution.settling import settle_badly, settle_well
from ..execution.words import having
from ..jobs.job import Ending, Failure, Job, Lease, Metrics
from ..jobs.prompts import ANEW, MEMORY
from ..jobs.queueing import CHOSEN, LARGE, OWN
from ..jobs.states import Step
from ..link.client import LOST_S
from ..link.slots import COMFYUI
from .early import Order, Undone, may_be_early
from .keeping import end, keep
from .kit import Kit
from .money import JobMoney
from .needs import Needs, needs_of
from .news import JobChanged, JobEnding
from .outcomes import (
    GIVEN_BACK,
    REFUSED,
    UNCOUNTED,
    UNFIT,
    Again,
    Facts,
    failure_of,
    is_canceled,
    is_memory,
    is_unfit,
    judged,
)
from .telling import Telling
from .worker import Worker

logger = log.get("orchestrator.job")

T = TypeVar("T")

GIVE_UP_S = 600.0
"""How long a worker that does not answer is asked what an attempt has cost, in seconds, before that is unknown."""
FETCH_AGAIN_S, SETTLE_AGAIN_S = 1.0, 15.0
"""How soon it is asked again, in seconds: at first, and at most."""
LOST_WORKER = (WorkerLost, WorkerUnreachable, ContextMissing)


class Stop(Enum):
    """Why a running attempt is stopped from outside."""

    CANCELED = "canceled"
    DEADLINE = "deadline"
    LEFT = "left"
    """This process stops. The prompt goes on; whoever comes next takes the attempt up again."""
    TAKEN = "taken"
    """The lease is somebody else's now, and so is the prompt."""
    GIVEN_BACK = "given back"
    """Its worker gets no jobs now, and had not begun this one: it waits again, for any other."""
    UNDONE = "undone"
    """Its order came to nothing: there is no such job."""


@dataclass
class Laps:
    """When the parts of an attempt ended, on the monotonic clock."""

    began: float = field(default_factory=time.monotonic)
    ran: float | None = None


class Run:
    """One attempt of a job. ``resumed``: a process that died may have posted its prompt; ``order``: where it may not be
    durable yet."""

    def __init__(
        self,
        kit: Kit,
        worker: Worker,
        lease: Lease,
        *,
        most: int,
        resumed: bool = False,
        order: Order | None = None,
    ) -> None:
        self.job: Job = lease.job
        self.lease = lease
        self._kit = kit
        self._worker = worker
        self._most = most
        self._resumed = resumed
        self.order = order or Order()
        self._laps = Laps()
        self._stop: Stop | None = None
        self._over = False
        """Whether all that is left is to book it and to write down how it ended."""
        self._well = False
        """Whether its prompt ended well: what goes wrong then is not its worker's fault."""
        self.refused = False
        """Whether its worker refused the job for what it is, so that it waits for another one now."""
        self._kept = False
        """Whether what it made is put away, so that there is nothing left to go wrong but writing that down."""
        self._task: asyncio.Task[object] | None = None
        self._attempt: Attempt | None = None
        self._telling: Telling | None = None
        self._booking = Booking(worker.link, kit.ledger)
        self._money = JobMoney(kit.jobs, kit.ledger, lease.job)

    def stop(self, why: Stop) -> None:
        """Break the attempt off. The first reason counts."""
        if self._stop is not None or self._task is None:
            return
        if (self._over or self._laps.ran is not None) and why not in (Stop.LEFT, Stop.TAKEN):
            return  # its prompt is over and paid for: what it made is delivered, or why it failed is written down
        self._stop = why
        if self._attempt is not None:
            self._attempt.left = why not in (Stop.CANCELED, Stop.DEADLINE, Stop.UNDONE)
        self._task.cancel()

    @property
    def seconds(self) -> float:
        """For how long it runs by now."""
        return time.monotonic() - self._laps.began

    async def give_back(self) -> None:
        """Have the job wait again where its worker has not begun it: whoever else has room may. Otherwise nothing."""
        attempt, link = self._attempt, self._worker.link
        if attempt is None or self._resumed or self._over or link.gate.capacity > COMFYUI:
            return  # it is about to be posted, or over; and a runner begins whatever it has
        if attempt.posts == 0 or await link.withdraw(attempt.context.job_id):
            self.stop(Stop.GIVEN_BACK)

    async def run(self) -> None:
        """From the lease to the end of the attempt. Raises CancelledError where it is left to somebody else."""
        its = self.job.ordered
        facts = {"job_id": its.job_id, "attempt": str(self.job.attempt), "worker": self._worker.name}
        with log.about(**facts), tracing.span("attempt", its.traceparent, kind="consumer", facts=facts) as span:
            await self._run(span)

    async def _run(self, span: tracing.Span) -> None:
        self._task = asyncio.current_task()
        deadline = self._at_deadline()
        ending: Ending | Again | None = None
        try:
            await self._to_the_end()
        except asyncio.CancelledError:
            if self._stop is Stop.GIVEN_BACK:
                ending = Again(GIVEN_BACK, 0.0)
            elif self._stop in (Stop.CANCELED, Stop.DEADLINE):
                ending = await self._shielded(self._stopped(self._stop))
            else:
                raise
        except MintmarkError as exc:
            if self._kept:
                raise
            ending = await self._shielded(self._failed(exc))
        except Undone:
            await self._shielded(self._forget())
        # One of the two places for a broad except: around one job, whose failure it becomes.
        except Exception as exc:
            logger.exception(
                "Job %s met a defect", self.job.job_id, extra=log.action("job_defect", job_id=self.job.job_id)
            )
            ending = await self._shielded(self._failed(exc))
        finally:
            if deadline is not None:
                deadline.cancel()
        if ending is None:
            return
        if isinstance(ending, Again):
            span.failed(ending.reason)
        elif ending.failure is not None:
            span.failed(ending.failure.code)
        await self._shielded(self._write(partial(self._end, ending)))

    async def _shielded(self, last: Coroutine[Any, Any, T]) -> T:
        """Not to be broken off any more, but to be left to somebody else."""
        self._over = True
        return await asyncio.shield(last)

    def _at_deadline(self) -> asyncio.TimerHandle | None:
        if self.job.ordered.deadline is None:
            return None
        left_s = (self.job.ordered.deadline - utc_now()).total_seconds()
        return asyncio.get_running_loop().call_later(max(left_s, 0.0), self.stop, Stop.DEADLINE)

    # -- the way through ----------------------------------------------------------------------------------------------

    async def _to_the_end(self) -> None:
        workflow = await self._kit.workflow(self.job.ordered.digest)
        # What a prompt needs that may run already is brought there once it can be.
        prepare = partial(self._prepared, workflow)
        try:
            prepared = await (self._patiently(prepare) if self._resumed else prepare())
            attempt = self._attempt = await self._begun(workflow, prepared)
            if prepared.words or not (self.order.open and may_be_early(attempt)):
                await self.order.durable()
            said = await self._kit.delivery.read(attempt.context, prepared.words)
            history = await attempt.run()
            self._laps.ran = time.monotonic()
        finally:
            if self._telling is not None:
                self._telling.over()
            # Of a job that is not there nothing is written down, whatever became of its prompt.
            await self.order.durable()
        report = having(await self._patiently(lambda: settle_well(self._booking, attempt, history)), said)
        self._well = True
        self._worker.care.succeeded(workflow.digest, attempt.graph, attempt.local.seconds)
        self._kit.loads.ended(self.job.job_id, attempt.local.seconds)
        files = await self._patiently(
            lambda: self._kit.delivery.bring(
                self._worker.link, history, report, attempt.context, workflow, attempt.graph
            )
        )
        if (bar := self._kit.bar()) is not None:
            await self._kit.block(bar, files)
        receipts = report.receipts
        if self._resumed or self.job.attempt > 1:
            receipts = await self._kit.block(self._money.receipts)  # what was tried before has its price, too
        await self._shielded(self._write(partial(self._succeed, files, receipts, prepared)))

    def _succeed(self, files: Iterable[Brought], receipts: tuple[Receipt, ...], prepared: Prepared) -> Job:
        """Put the files away and end the job with them. Blocks; in one go, because each way to a thread takes time.

        Where nobody else has the store, small files, which are in it with their job, come to their places later: to
        write them now would keep Python's lock from whoever tells that the job has ended."""
        outputs = keep(files, self._kit.assets, later=self._kit.jobs.claims_together)
        self._kept = True
        metrics = self._metrics(prepared)
        ending = Ending(step=Step.SUCCEEDED, outputs=outputs, receipts=receipts, metrics=metrics)
        return end(self.lease, ending, self._kit.jobs, self._kit.assets, early=self._ending)

    def _ending(self, job: Job) -> None:
        """Only the disk is waited for. Called in the store's thread."""
        if self._task is not None:
            fact = JobEnding(job.job_id, job)
            self._task.get_loop().call_soon_threadsafe(self._kit.news.publish, job.job_id, fact)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What was paid for is fetched, however long its worker takes to answer again, within limits."""
        until, pause_s = time.monotonic() + GIVE_UP_S, FETCH_AGAIN_S
        while True:
            try:
                return await ask()
            except WorkerUnreachable:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, SETTLE_AGAIN_S)

    async def _prepared(self, workflow: WorkflowVersion) -> Prepared:
        images = await self._brought() if self.job.ordered.images else {}
        worker, values = self._worker, self.job.ordered.values
        fitness, info = worker.fitness, worker.object_info
        worker.check_place(self.job.ordered)
        worker.check_pins(workflow)
        # The models were held to the day on which the job was accepted: one that is taken up again after its model's
        # end may have made its images long ago. What is asked for too late, the node refuses.
        day = self.job.submitted_at.date()
        try:
            return await fit(workflow, values, images, worker.link, info, fitness.fits, today=day)
        except (InvalidInput, UnknownInput, UnknownModel, WorkerRefused) as exc:
            # Before anything was sent: another worker may have what this one lacks, and this one does not get it again.
            exc.data["fault"] = UNFIT
            fitness.refused(self._needs(workflow).shape, exc)
            raise

    def _needs(self, workflow: WorkflowVersion) -> Needs:
        return needs_of(workflow, self.job.ordered.values, images=self.job.ordered.images)

    async def _brought(self) -> dict[str, Image]:
        await self.order.durable()
        return await self._kit.block(self._images)

    def _images(self) -> dict[str, Image]:
        return {name: self._image(name, digest) for name, digest in self.job.ordered.images.items()}

    def _image(self, name: str, digest: str) -> Image:
        data = self._kit.assets.read(digest)
        media_type, _, _ = inspect(data, max_pixels=self._kit.settings.max_pixels, what=name)
        return data, media_type, digest

    async def _begun(self, workflow: WorkflowVersion, prepared: Prepared) -> Attempt:
        ordered = self.job.ordered
        told = needs_context(prepared.graph)
        context = context_of(
            await self._prompt_id(),
            self._kit.settings,
            WorkflowRef(name=workflow.name, version=workflow.version, digest=workflow.digest),
            ordered.allowance_microusd,
            project=ordered.project,
            user=ordered.user,
            delivery=ordered.delivery,
            branch=ordered.branch,
            told=told,
        )
        seconds = await self._kit.seconds(ordered.workflow)
        shows = partial(self._kit.delivery.shows, context) if ordered.previews else None
        telling = self._telling = Telling(ordered.job_id, prepared.graph, self._kit.news, seconds, shows)
        return Attempt(
            link=self._worker.link,
            context=context,
            graph=prepared.graph,
            # Never extra_pnginfo: save nodes write that into files.
            extra={"preview_method": "auto"} if ordered.previews else {},
            heard=telling.hear,
            book=self._booking.book,
            local=local_work(self._kit.settings, prepared.graph, self._worker.hour_microusd),
            fresh=self.lease.fence == 1 and not self._resumed,
            begun=self.job.attempt > 1 or self._resumed,
            patience_s=GIVE_UP_S if self._is_tied(prepared.graph) else LOST_S,
            known=None if told else self._worker.health,
            kept=not _asks(prepared.graph),
            early=lambda: self.order.open,
            taken=partial(self.order.then, partial(self._worker.link.confirm, context.job_id)),
            # Whatever cancels us without a word (the loop, at the end of the process) must not end anybody's job.
            left=True,
        )

    def _is_tied(self, graph: Mapping[str, Any]) -> bool:
        """Whether nobody else can go on with this prompt, once it may have asked: its calls are in a journal that only
        this worker has."""
        return _asks(graph) and not (self._worker.shared and self._kit.goes_on)

    async def _prompt_id(self) -> str:
        if self.job.attempt == 1:
            return self.job.job_id
        return await self._kit.block(self._money.prompt_id)

    # -- ways out -----------------------------------------------------------------------------------------------------

    async def _forget(self) -> None:
        """Nothing is left of a prompt whose job never came to be. Where that fails its runner does it by itself
        in some minutes: it was told that the prompt is early, and nobody confirms it."""
        if self._attempt is not None and self._attempt.posts:
            try:
                await self._worker.link.forget(self.job.job_id, ())
            except MintmarkError as exc:
                logger.info("%s was not told: %s", self._worker.name, exc, extra=log.action("undone_untold"))

    async def _stopped(self, why: Stop) -> Ending:
        """It was canceled, or its time is up: the prompt was stopped on its worker, and what it cost is booked."""
        await self._settled()
        receipts = await self._kit.block(self._money.receipts)
        if why is Stop.CANCELED:
            return Ending(step=Step.CANCELED, receipts=receipts, metrics=self._metrics())
        failure = Failure(code=DeadlinePassed.code, message="The deadline passed while the job ran.")
        return Ending(step=Step.DEADLINE_PASSED, failure=failure, receipts=receipts, metrics=self._metrics())

    async def _failed(self, error: BaseException) -> Ending | Again:
        """What the error comes to, once what the attempt cost is booked."""
        lost = isinstance(error, LOST_WORKER)
        if not self._well and not is_unfit(error):
            self._worker.care.failed(self.job.job_id, error)
        # Judged first: settling closes the job's books on its worker, and the next attempt goes on in them.
        if isinstance(error, LOST_WORKER) and (again := judged(error, self._facts(spent=False))) is not None:
            await self._let_go(error)
            return again
        await self._let_go(error)
        closed = await self._settled(patient=not is_silent(error))
        receipts = await self._kit.block(self._money.receipts)
        elsewhere = is_unfit(error) and (closed or not self._asked) and await self._fits_elsewhere()
        spent = any(is_paid(each) for each in receipts)
        facts = self._facts(spent=spent, closed=closed and lost, elsewhere=elsewhere)
        if isinstance(error, MintmarkError) and (again := judged(error, facts)) is not None:
            return again
        if is_canceled(error):
            return Ending(step=Step.CANCELED, receipts=receipts, metrics=self._metrics())
        return Ending(step=Step.FAILED, failure=self._failure_of(error), receipts=receipts, metrics=self._metrics())

    async def _let_go(self, error: BaseException) -> None:
        """Stop its prompt on a worker that broke off and may run it all the same, unless somebody goes on with it."""
        gone = isinstance(error, (WorkerLost, WorkerUnreachable)) and self._attempt is not None
        goes_on = self._asked and self._worker.shared and self._kit.goes_on
        if gone and not goes_on and self._attempt is not None and (self._attempt.posts or self._resumed):
            await self._attempt.stop()

    def _failure_of(self, error: BaseException) -> Failure:
        tried = f" (tried {self.job.attempt} times)" if self.job.attempt > 1 else ""
        failure = failure_of(error, tried=tried)
        if is_unfit(error) and len(self._kit.workers) > 1:
            return failure.model_copy(update={"message": f"{failure.message} No other worker runs it either."})
        if not isinstance(error, MintmarkError) or not is_memory(error) or self._worker.smaller(self._kit.workers):
            return failure
        hint = f"{self._worker.name} ran out of memory, and no worker with more is there; ask for a smaller picture."
        return failure.model_copy(update={"hint": hint})

    async def _fits_elsewhere(self) -> bool:
        """Whether another worker would take the job, now or once it is there."""
        needs = self._needs(await self._kit.workflow(self.job.ordered.digest))
        listed = needs.files & frozenset().union(*(each.choices for each in self._kit.workers))
        others = (each for each in self._kit.workers if each is not self._worker)
        return any(each.might_run(self.job.ordered, needs, listed) for each in others)

    def _facts(self, *, spent: bool, closed: bool = False, elsewhere: bool = False) -> Facts:
        return Facts(
            attempt=self.job.attempt,
            most=self._most,
            spent=spent,
            closed=closed,
            repeatable=not self._asked or (self._worker.shared and self._kit.goes_on),
            larger=self._worker.smaller(self._kit.workers),
            elsewhere=elsewhere,
        )

    @property
    def _asked(self) -> bool:
        """Whether its prompt, as far as is known here, may have asked somebody for something."""
        attempt = self._attempt
        unposted = (attempt is None or attempt.posts == 0) and not self._resumed
        asks_nobody = attempt is not None and not _asks(attempt.graph)
        return not unposted and not asks_nobody

    async def _settled(self, *, patient: bool = True) -> bool:
        """Book what the attempt cost; whether its books are closed now. Where its worker does not answer: from the
        journal that we share with it, or, in the end, from what was heard. ``patient``: it was not waited for yet."""
        if self._attempt is None and not self._resumed:
            return False
        until = time.monotonic() + (GIVE_UP_S if patient else 0.0)
        while not await self._books():
            if self._worker.shared:
                prompt_id = await self._prompt_id()
                return await self._kit.block(self._money.from_journal, self._kit.journal, prompt_id)
            if time.monotonic() > until:
                await self._kit.block(self._money.doubt, self._attempt)
                return False
            await asyncio.sleep(SETTLE_AGAIN_S)
        return await self._is_closed()

    async def _is_closed(self) -> bool:
        """Whether the worker knows the prompt's books, and that they are closed. One that does not know them may have
        lost them."""
        try:
            return not (await self._worker.link.report(await self._prompt_id())).open
        except MintmarkError:
            return False

    async def _books(self) -> bool:
        """Book what the worker tells now; False where it does not answer."""
        if self._attempt is not None:
            return await settle_badly(self._booking, self._attempt)
        return await self._booking.settled(await self._prompt_id())

    def _metrics(self, prepared: Prepared | None = None) -> Metrics:
        now, ran = time.monotonic(), self._laps.ran or time.monotonic()
        started = self.job.started_at or utc_now()
        return Metrics(
            latency_ms=_ms((utc_now() - self.job.due_at).total_seconds()),
            queue_ms=_ms((started - self.job.due_at).total_seconds()),
            run_ms=_ms(ran - self._laps.began),
            post_ms=_ms(now - ran),
            steps=_steps(prepared.graph) if prepared else None,
        )

    def _end(self, ending: Ending | Again) -> Job:
        """Into the store. Blocks."""
        if not isinstance(ending, Again):
            return self._kit.jobs.end(self.lease, ending)
        job_id, reason = self.job.job_id, ending.reason
        self.refused = reason == REFUSED
        logger.info("Job %s waits again: %s", job_id, reason, extra=log.action("job_requeued", job_id=job_id))
        return self._kit.jobs.requeue(
            self.lease,
            reason=reason,
            delay_s=ending.delay_s,
            lane=self._lane(reason),
            counts=reason not in UNCOUNTED,
        )

    def _lane(self, reason: str) -> str | None:
        """Where another attempt has to wait; None: where it did. The same prompt goes on where its journal is, because
        elsewhere it would ask once more."""
        if reason == MEMORY:
            return LARGE
        if reason == REFUSED:
            return CHOSEN
        return OWN if self._asked and reason not in (*ANEW, GIVEN_BACK) else None

    async def _write(self, end: Callable[[], Job]) -> None:
        """Have the end written down, unless another attempt has taken this one's place meanwhile."""
        job: Job | None = None
        try:
            job = await self._kit.block(end)
        except (StaleLease, WrongState) as exc:
            logger.warning(
                "Job %s was ended by somebody else: %s",
                self.job.job_id,
                exc,
                extra=log.action("job_taken", job_id=self.job.job_id),
            )
        self.changed(job)

    def changed(self, job: Job | None) -> None:
        """Tell that something durable happened to the job, which is now as given; None: the store knows."""
        self._kit.news.publish(self.job.job_id, JobChanged(self.job.job_id, job=job))


def is_paid(receipt: Receipt) -> bool:
    """Whether somebody was paid, or may have been. The worker's own GPU is paid for by the hour, used or not."""
    return receipt.state != "local" and (receipt.microusd > 0 or receipt.state == "unknown")


def _asks(graph: Mapping[str, Any]) -> bool:
    return any(is_hosted(node) for node in graph.values())


def _ms(seconds: float) -> int:
    return max(round(seconds * 1000), 0)


def _steps(graph: Mapping[str, Any]) -> int | None:
    """How many steps its sampler, or its hosted model, takes, where one says so."""
    names = ("steps", "model.steps")
    found = [node.get("inputs", {}).get(name) for node in graph.values() for name in names]
    return next((steps for steps in found if isinstance(steps, int) and not isinstance(steps, bool)), None)
