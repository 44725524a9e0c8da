"""A job's money on this machine: set aside before it, booked from the worker's journal, given back after it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from ... import log
from ...errors import MintmarkError, UnknownJob
from ...generation.books import account_of, postings
from ...generation.context import JobContext, JobReport, JournalPage
from ...generation.journal import PAGE
from ...metering.ledger import Ledger
from ..link.base import Link
from .hearsay import Hearsay

logger = log.get("orchestrator.booking")

_BEYOND = 10**17
"""More entries than a journal ever has: to learn which one it is."""


@dataclass(frozen=True)
class Booking:
    """``ledger`` is this machine's; the worker's journal comes over ``link``."""

    link: Link
    ledger: Ledger

    def allow(self, context: JobContext) -> None:
        """Set the job's allowance aside. Raises BudgetExceeded."""
        self.ledger.allow(context.job_id, context.allowance_microusd, account_of(context))

    def book(self, entries: Any) -> None:
        """Book what moves money among these journal entries. Booking one twice is harmless."""
        self.ledger.post(postings(entries))

    async def settle(self, job_id: str, hearsay: Hearsay | None = None) -> JobReport:
        """Close the job on the worker and book its whole journal. Of a job of which no call was heard and none is
        reported, there is nothing to book. One that is still under way counts as unknown until its end is booked."""
        report = await self.link.close_job(job_id)
        if hearsay is not None and hearsay.nothing and not report.receipts and not report.allowance.held_microusd:
            return report
        since, told, calls = 0, PAGE, Hearsay()
        while told == PAGE:
            page = await self.link.journal(since, job_id)
            await asyncio.to_thread(self.book, page.entries)
            for entry in page.entries:
                calls.take(entry)
            since, told = page.next, len(page.entries)
        if report.allowance.held_microusd:
            await asyncio.to_thread(self.ledger.post, calls.doubtful())
        return report

    async def catch_up(self) -> None:
        """Book what the worker's journal has on jobs of this ledger, from where it was read last. What was booked
        before is not booked again; what others ran there is theirs."""
        journal_id = (await self.link.journal(_BEYOND, None)).journal_id
        since, told = await asyncio.to_thread(self.ledger.cursor, journal_id), PAGE
        while told == PAGE:
            page = await self.link.journal(since, None)
            await asyncio.to_thread(self._book_page, page)
            since, told = page.next, len(page.entries)

    def _book_page(self, page: JournalPage) -> None:
        ours = {job_id for job_id in {each.job_id for each in page.entries} if self.ledger.knows(job_id)}
        found = postings(each for each in page.entries if each.job_id in ours)
        self.ledger.post_page(page.journal_id, found, page.next)

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
            logger.warning(
                "Job %s could not be settled: %s", job_id, problem, extra=log.action("settle_failed", job_id=job_id)
            )
            return False
        return True

    def close(self, job_id: str) -> None:
        """Give back what the job did not spend."""
        self.ledger.close_job(job_id)
