"""One job from submission to signed files: allow, hand over, submit, follow, fetch, check, deliver, settle, give back.

Each step can be repeated after a crash without doing its work twice; see ``jobs.py`` for how a dead job is taken over.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import SecretStr

from .. import log
from ..config import Settings
from ..errors import ContextMissing, MintmarkError, StorageError, from_dict
from ..generation.context import JobContext, JobReport
from ..generation.graph_estimate import bound_microusd
from ..generation.sqlite_journal import utc_now
from ..metering.ledger import Ledger
from ..metering.local import hour_microusd
from .attempt import Attempt
from .booking import Booking
from .delivery import Delivery
from .events import FilesArrived, WorkerEvent
from .jobs import Job, JobStore, fingerprint
from .link import WorkerLink
from .local_work import LocalWork, receipt
from .preparing import Prepared, check_models, prepare
from .protocol import History
from .request import Clock, JobResult, RunRequest, succeeded

__all__ = ["JobResult", "JobRunner", "RunRequest", "check_models"]

logger = log.get("orchestrator.run")

TOKEN_LIFE = timedelta(hours=24)

Heard = Callable[[WorkerEvent], None]


@dataclass(kw_only=True)
class JobRunner:
    """Runs jobs on one worker, keeping this machine's ledger and jobs."""

    settings: Settings
    link: WorkerLink
    ledger: Ledger
    store: JobStore
    delivery: Delivery

    async def run(self, request: RunRequest, heard: Heard) -> JobResult:
        """Run one job to its end. Raises MintmarkError; whatever was charged until then is in the ledger."""
        clock = Clock()
        prepared = await prepare(request, self.link, self.settings)
        await self._abandon_old(request.worker_name)
        job, attempt = self._start(request, prepared, heard)
        try:
            return await self._finish(request, attempt, clock)
        except ContextMissing as exc:
            if job.resumed or not attempt.touched_nothing:
                raise
            # The worker was replaced between the context and the prompt. It has used the id up, so the same thing
            # is asked under another one, once: of the first job nothing ran, surely.
            logger.warning("Job %s is begun anew: %s", job.job_id, exc, extra=log.action("job_begun_anew"))
        _, attempt = self._start(request, prepared, heard)
        return await self._finish(request, attempt, clock)

    async def _finish(self, request: RunRequest, attempt: Attempt, clock: Clock) -> JobResult:
        """From the allowance to the end in the store, whatever that is."""
        context = attempt.context
        try:
            await asyncio.to_thread(self._booking.allow, context)
            clock.lap("prepare")
            history = await attempt.run()
            clock.lap("run")
            report = await self._booking.settle(context.job_id)
            report = await asyncio.to_thread(self._book_local, report, attempt, history)
            _check(history, report)
            outputs = await self.delivery.deliver(self.link, history, report, context, request)
            attempt.heard(FilesArrived(len(outputs)))
            clock.lap("deliver")
        except BaseException as exc:
            await asyncio.shield(self._end_badly(attempt, exc))
            raise
        await asyncio.to_thread(self._end, context.job_id)
        return succeeded(request, context.job_id, report, outputs, clock)

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
            context=self._context(job, request, self._allowance(prepared)),
            graph=prepared.graph,
            # Never extra_pnginfo: save nodes write that into files.
            extra={"preview_method": "auto"} if request.previews else {},
            heard=heard,
            book=self._booking.book,
            local=LocalWork(prepared.graph, hour_microusd(hour) if (hour := self.settings.gpu_hour) else None),
        )
        return job, attempt

    def _key(self, request: RunRequest, prepared: Prepared) -> str:
        return fingerprint(
            {
                "workflow": request.workflow.digest,
                "inputs": dict(prepared.asked),
                "worker": request.worker_name,
                "mode": self.settings.mode,
                "sandbox": self.settings.sandbox_url or "",
                "account": [self.settings.project, self.settings.user, self.settings.policy],
                "allowance": self.settings.allowance_microusd,
                "promises": [self.settings.on_unknown, self.settings.keep_prompt],
            }
        )

    def _allowance(self, prepared: Prepared) -> int:
        """What the job may spend: what its graph can cost at most where that is known, else what a job may at all.

        Setting aside more than a job can spend would keep others out of a budget in which they fit. Where a call of
        doubtful outcome may be asked again it can cost more than the graph tells.
        """
        bound = bound_microusd(prepared.graph) if self.settings.on_unknown == "strict" else None
        most = self.settings.allowance_microusd
        return most if bound is None else min(most, bound)

    def _context(self, job: Job, request: RunRequest, allowance_microusd: int) -> JobContext:
        return JobContext(
            job_id=job.job_id,
            project=self.settings.project,
            user=self.settings.user,
            policy=self.settings.policy,
            allowance_microusd=allowance_microusd,
            mode=self.settings.mode,
            on_unknown="available" if self.settings.on_unknown == "available" else "strict",
            keep_prompt=self.settings.keep_prompt,
            workflow=request.ref,
            token=SecretStr(secrets.token_urlsafe(32)),
            expires_at=utc_now() + TOKEN_LIFE,
        )

    # -- after ----------------------------------------------------------------------------------------------------

    def _book_local(self, report: JobReport, attempt: Attempt, history: History) -> JobReport:
        """Book what the worker's own GPU did; the report with its receipt."""
        posting = attempt.local.posting(report.job_id, history.files)
        if posting is None:
            return report
        self.ledger.post([posting])
        return report.model_copy(update={"receipts": (*report.receipts, receipt(posting))})

    async def _end_badly(self, attempt: Attempt, exc: BaseException) -> None:
        """End the job, unless the same thing asked again must find it.

        It must where the worker's books cannot be read now (its money stays set aside), and where what is paid for was
        refused by the disk or for want of a flag: the next run brings that home and asks nobody again.
        """
        job_id = attempt.context.job_id
        if not await self._booking.settled(job_id, attempt.hearsay):
            return
        if (posting := attempt.local.posting(job_id)) is not None:
            # A GPU that worked for nothing was paid for all the same. Booked already, it is not booked again.
            await asyncio.to_thread(self.ledger.post, [posting])
        if isinstance(exc, StorageError) or (isinstance(exc, MintmarkError) and exc.data.get("keep_open")):
            await asyncio.to_thread(self._booking.close, job_id)
            return
        canceled = isinstance(exc, asyncio.CancelledError)
        outcome = "canceled" if canceled or getattr(exc, "code", "") == "canceled" else "failed"
        await asyncio.to_thread(self._end, job_id, outcome, getattr(exc, "code", type(exc).__name__))

    def _end(self, job_id: str, outcome: Any = "succeeded", error: str | None = None) -> None:
        self._booking.close(job_id)
        self.store.end(job_id, outcome, error)


def _check(history: History, report: JobReport) -> None:
    if history.error is None:
        return
    if history.status == "error" and report.failures:
        # The journal kept the failure whole; the event only had its text.
        raise from_dict(report.failures[-1])
    raise history.error
