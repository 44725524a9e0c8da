"""A call whose end is not known when its job ends keeps its money, until its end is booked."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from mintmark.generation.context import Allowance, JobReport, JournalPage
from mintmark.metering.ledger import Account
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.execution.booking import Booking
from mintmark.orchestrator.link.base import Link

from .test_hearsay import JOB, entry


class Journal:
    """What a worker tells of one job whose call was accepted by its provider."""

    def __init__(self) -> None:
        self.entries = [entry(1, "asking"), entry(2, "accepted")]

    async def close_job(self, job_id: str) -> JobReport:
        held = 0 if len(self.entries) > 2 else 4000
        allowance = Allowance(granted_microusd=9000, held_microusd=held, settled_microusd=0)
        return JobReport(job_id=job_id, open=False, allowance=allowance)

    async def journal(self, since: int, job_id: str | None) -> JournalPage:
        found = tuple(each for each in self.entries if each.seq > since)
        return JournalPage(journal_id="j", entries=found, next=found[-1].seq if found else since)

    def settle(self) -> None:
        done = entry(3, "settled")
        facts: dict[str, Any] = {**done.data, "microusd": 3000}
        self.entries.append(done.model_copy(update={"data": facts}))


@pytest.mark.parametrize("ends", [False, True])
async def test_a_call_that_is_under_way_when_its_job_ends_counts_as_unknown(tmp_path: Path, ends: bool) -> None:
    ledger, journal = SqliteLedger(tmp_path), Journal()
    booking = Booking(cast(Link, journal), ledger)
    try:
        ledger.allow(JOB, 9000, Account(project="acme", user="mia"))
        assert await booking.settled(JOB)
        booking.close(JOB)
        if ends:
            journal.settle()
            assert await booking.settled(JOB)
        totals = ledger.totals()
        found = (totals.settled_microusd, totals.unknown_microusd, totals.set_aside_microusd)
        assert found == ((3000, 0, 0) if ends else (0, 4000, 0))
        assert ledger.problems() == []
    finally:
        ledger.close()
