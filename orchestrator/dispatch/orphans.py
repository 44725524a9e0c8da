"""Attempts on workers that this service no longer has: they are decided by what can still be learned of them."""

from __future__ import annotations

import asyncio

from ... import log
from ...errors import MintmarkError, StaleLease, WorkerLost, WrongState
from ..jobs.job import Ending, Lease
from ..jobs.queueing import OWN
from ..jobs.states import Step
from .kit import Kit
from .money import JobMoney
from .news import JobChanged
from .outcomes import LOST, failure_of
from .worker import is_own

logger = log.get("orchestrator.orphans")


class Orphans:
    """Own runners share this data folder's journal, whatever their name was: then it tells what was spent, and another
    attempt goes on in it, on one of them. Of any other worker nothing can be learned."""

    def __init__(self, kit: Kit, *, most_attempts: int) -> None:
        self._kit = kit
        self._most = most_attempts
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def job_ids(self) -> list[str]:
        """The jobs that are being decided."""
        return list(self._tasks)

    def decide(self, lease: Lease) -> None:
        """End this attempt, or have the job wait again."""
        job_id = lease.job.job_id
        self._tasks[job_id] = asyncio.create_task(self._one(lease), name=f"orphan {job_id}")

    async def _one(self, lease: Lease) -> None:
        job = lease.job
        try:
            await self._kit.block(self._decide, lease)
        except (StaleLease, WrongState):
            pass  # somebody else has decided
        except MintmarkError as exc:
            logger.warning(
                "Job %s could not be ended: %s",
                job.job_id,
                exc,
                extra=log.action("orphan_end_failed", job_id=job.job_id),
            )
        finally:
            self._tasks.pop(job.job_id, None)
        self._kit.news.publish(job.job_id, JobChanged(job.job_id))
        self._kit.news.wake()

    def _decide(self, lease: Lease) -> None:
        job, money = lease.job, JobMoney(self._kit.jobs, self._kit.ledger, lease.job)
        known = self._kit.journal.job(money.prompt_id()) is not None
        ours = known or is_own(job.worker, self._kit.journal_id)
        if ours and self._kit.goes_on and job.attempt < self._most:
            self._kit.jobs.requeue(lease, reason=LOST, lane=OWN)
            return
        if ours:
            money.from_journal(self._kit.journal, money.prompt_id())
        else:
            money.doubt(None)
        lost = WorkerLost(
            f"The worker {job.worker} that ran the job is no longer one of this service's.",
            hint="What it may have asked for counts as unknown; settle it with `mintmark ledger unknown`.",
        )
        self._kit.jobs.end(lease, Ending(step=Step.FAILED, failure=failure_of(lost), receipts=money.receipts()))
