"""The end of an attempt in money: the worker's journal is booked, then its own GPU, whatever became of the job."""

from __future__ import annotations

import asyncio

from ...errors import from_dict
from ...generation.context import Allowance, JobReport
from ..link.protocol import History
from .attempt import Attempt
from .booking import Booking
from .local_work import receipt


async def settle_well(booking: Booking, attempt: Attempt, history: History) -> JobReport:
    """Book everything that the job cost; its report, with a receipt for the worker's own GPU.

    Raises the error in which the prompt ended, where it did, once the money is booked.
    """
    if attempt.known is not None:
        report = _nothing_hosted(attempt)
    else:
        report = await booking.settle(attempt.context.job_id, attempt.hearsay)
    posting = attempt.local.posting(report.job_id, history.files)
    if posting is not None:
        await asyncio.to_thread(booking.ledger.post, [posting])
        report = report.model_copy(update={"receipts": (*report.receipts, receipt(posting))})
    check(history, report)
    return report


def _nothing_hosted(attempt: Attempt) -> JobReport:
    """The report of a job of which no node had anything to report."""
    allowance = Allowance(granted_microusd=attempt.context.allowance_microusd, held_microusd=0, settled_microusd=0)
    return JobReport(job_id=attempt.context.job_id, open=False, allowance=allowance)


async def settle_badly(booking: Booking, attempt: Attempt) -> bool:
    """Book what a job cost that came to no good end; False where the worker's books cannot be read now."""
    job_id = attempt.context.job_id
    if attempt.known is None and not await booking.settled(job_id, attempt.hearsay):
        return False
    if (posting := attempt.local.posting(job_id)) is not None:
        # A GPU that worked for nothing was paid for all the same. Booked already, it is not booked again.
        await asyncio.to_thread(booking.ledger.post, [posting])
    return True


def check(history: History, report: JobReport) -> None:
    """Raises the error in which the prompt ended, where it did."""
    if history.error is None:
        return
    if history.status == "error" and report.failures:
        # The journal kept the failure whole; the event only had its text.
        raise from_dict(report.failures[-1])
    raise history.error
