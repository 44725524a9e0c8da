"""A job's money on this machine: set aside before it, booked from the worker's journal, given back after it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from .. import log
from ..errors import MintmarkError, UnknownJob
from ..generation.books import account_of, postings
from ..generation.context import JobContext, JobReport
from ..metering.ledger import Ledger
from .hearsay import Hearsay
from .link import WorkerLink

logger = log.get("orchestrator.booking")


@dataclass(frozen=True)
class Booking:
    """``ledger`` is this machine's; the worker's journal comes over ``link``."""

    link: WorkerLink
    ledger: Ledger

    def allow(self, context: JobContext) -> None:
        """Set the job's allowance aside. Raises BudgetExceeded."""
        self.ledger.allow(context.job_id, context.allowance_microusd, account_of(context))

    def book(self, entries: Any) -> None:
        """Book what moves money among these journal entries. Booking one twice is harmless."""
        self.ledger.post(postings(entries))

    async def settle(self, job_id: str) -> JobReport:
        """Close the job on the worker and book its whole journal."""
        report = await self.link.close_job(job_id)
        since = 0
        while (page := await self.link.journal(since, job_id)).entries:
            await asyncio.to_thread(self.book, page.entries)
            since = page.next
        return report

    async def settled(self, job_id: str, hearsay: Hearsay | None = None) -> bool:
        """Settle if that can be done now.

        A worker that does not know the job has spent nothing for it, unless something else was heard: then its journal
        is gone, and every call whose end was not heard counts as unknown.
        """
        try:
            await self.settle(job_id)
        except UnknownJob:
            if hearsay is not None:
                await asyncio.to_thread(self.ledger.post, hearsay.doubtful())
            return True
        except MintmarkError as problem:
            logger.warning("Job %s could not be settled: %s", job_id, problem, extra=log.action("settle_failed"))
            return False
        return True

    def close(self, job_id: str) -> None:
        """Give back what the job did not spend."""
        self.ledger.close_job(job_id)
