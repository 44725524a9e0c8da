"""One job from submission to signed files: allow, hand over, submit, follow, fetch, check, deliver, settle, give back.

Each step can be repeated after a crash without doing its work twice; see ``local_jobs.py`` for how a dead job is taken
over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ... import log
from ...clock import Clock as UtcClock
from ...clock import utc_now
from ...config import Settings
from ...errors import ContextMissing, MintmarkError, StorageError
from ...metering.ledger import Ledger
from ..link.base import Link
from ..link.events import FilesArrived, WorkerEvent
from .attempt import Attempt
from .booking import Booking
from .delivery import Delivery
from .granting import allowance_microusd, context_of, local_work
from .local_jobs import Job, JobStore, fingerprint
from .preparing import Prepared, prepare
from .request import Clock, JobResult, RunRequest, succeeded
from .settling import settle_badly, settle_well
from .words import having

logger = log.get("orchestrator.run")

Heard = Callable[[WorkerEvent], None]


@dataclass(kw_only=True)
class JobRunner:
    """Runs jobs on one worker, keeping this machine's ledger and jobs."""

    settings: Settings
    link: Link
    ledger: Ledger
    store: JobStore
    delivery: Delivery
    now: UtcClock = utc_now

    async def run(self, request: RunRequest, heard: Heard) -> JobResult:
        """Run one job to its end. Raises MintmarkError; whatever was charged until then is in the ledger."""
        clock = Clock()
        prepared = await prepare(request, self.link, self.settings, self.now().date())
        await self._abandon_old(request.worker_name)
        job, attempt = self._start(request, prepared, heard)
        try:
            return await self._finish(request, prepared, attempt, clock)
        except ContextMissing as exc:
            if job.resumed or not attempt.touched_nothing:
                raise
            # The worker was replaced between the context and the prompt. It has used the id up, so the same thing
            # is asked under another one, once: of the first job nothing ran, surely.
            logger.warning(
                "Job %s is begun anew: %s", job.job_id, exc, extra=log.action("job_begun_anew", job_id=job.job_id)
            )
        _, attempt = self._start(request, prepared, heard)
        return await self._finish(request, prepared, attempt, clock)

    async def _finish(self, request: RunRequest, prepared: Prepared, attempt: Attempt, clock: Clock) -> JobResult:
        """From the allowance to the end in the store, whatever that is."""
        context = attempt.context
        try:
            await asyncio.to_thread(self._booking.allow, context)
            said = await self.delivery.read(context, prepared.words)
            clock.lap("prepare")
            history = await attempt.run()
            clock.lap("run")
            report = having(await settle_well(self._booking, attempt, history), said)
            outputs = await self.delivery.deliver(self.link, history, report, context, request, attempt.graph)
            attempt.heard(FilesArrived(len(outputs)))
            clock.lap("deliver")
        except BaseException as exc:
            await asyncio.shield(self._end_badly(attempt, exc))
            raise
        await asyncio.to_thread(self._end, context.job_id)
        return succeeded(request, context.job_id, report, outputs, clock, prepared.warnings)

    # -- before ---------------------------------------------------------------------------------------------------

    @property
    def _booking(self) -> Booking:
        return Booking(self.link, self.ledger)

    async def _abandon_old(self, worker: str) -> None:
        """End what nobody took over on this worker, with its money booked; what cannot be booked now waits."""
        for job_id in await asyncio.to_thread(self.store.old, worker):
            if await self._booking.settled(job_id):
                await asyncio.to_thread(self._end, job_id, "abandoned")

    def _start(self, request: RunRequest, prepared: Prepared, heard: Heard) -> tuple[Job, Attempt]:
        """A job, or the open one of a dead process that asked for the same; and its try on the worker."""
        job = self.store.start(self._key(request, prepared), request.workflow.label, request.worker_name)
        attempt = Attempt(
            link=self.link,
            context=context_of(
                job.job_id,
                self.settings,
                request.ref,
                allowance_microusd(self.settings, prepared.graph, prepared.picture),
                branch=request.branch,
            ),
            graph=prepared.graph,
            # Never extra_pnginfo: save nodes write that into files.
            extra={"preview_method": "auto"} if request.previews else {},
            heard=heard,
            book=self._booking.book,
            local=local_work(self.settings, prepared.graph),
        )
        return job, attempt

    def _key(self, request: RunRequest, prepared: Prepared) -> str:
        return fingerprint(
            {
                "workflow": request.workflow.digest,
                "inputs": dict(prepared.asked),
                "worker": request.worker_name,
                "mode": self.settings.mode,
                **({"branch": request.branch} if request.branch else {}),
                "sandbox": self.settings.sandbox_url or "",
                "account": [self.settings.project, self.settings.user, self.settings.policy],
                "allowance": self.settings.allowance_microusd,
                "promises": [self.settings.on_unknown, self.settings.keep_prompt],
            }
        )

    # -- after ----------------------------------------------------------------------------------------------------

    async def _end_badly(self, attempt: Attempt, exc: BaseException) -> None:
        """End the job, unless the same thing asked again must find it.

        It must where the worker's books cannot be read now (its money stays set aside), and where what is paid for was
        refused by the disk or for want of a flag: the next run brings that home and asks nobody again.
        """
        job_id = attempt.context.job_id
        if not await settle_badly(self._booking, attempt):
            return
        if isinstance(exc, StorageError) or (isinstance(exc, MintmarkError) and exc.data.get("keep_open")):
            await asyncio.to_thread(self._booking.close, job_id)
            return
        canceled = isinstance(exc, asyncio.CancelledError)
        outcome = "canceled" if canceled or getattr(exc, "code", "") == "canceled" else "failed"
        await asyncio.to_thread(self._end, job_id, outcome, getattr(exc, "code", type(exc).__name__))

    def _end(self, job_id: str, outcome: Any = "succeeded", error: str | None = None) -> None:
        self._booking.close(job_id)
        self.store.end(job_id, outcome, error)
