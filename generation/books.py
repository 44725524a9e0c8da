"""Where a job's money comes from: a granted job brought it in its context, one run by hand asks the local ledger."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from ..errors import BudgetExceeded
from ..metering.ledger import Account, Ledger, Posting
from .call import Entry
from .context import JobContext
from .journal import PAGE, Journal


def posting(entry: Entry) -> Posting | None:
    """What an entry means for a ledger, or None where it moves no settled money."""
    if entry.kind not in ("settled", "released", "unknown") or entry.call_id is None:
        return None
    amount = {"settled": "microusd", "unknown": "hold_microusd"}.get(entry.kind)
    return Posting(
        call_id=entry.call_id,
        job_id=entry.job_id,
        kind=entry.kind,
        microusd=int(entry.data[amount]) if amount else 0,
        provider=str(entry.data["provider"]),
        model=str(entry.data["model"]),
        request_id=entry.data.get("request_id"),
        at=entry.at,
    )


def postings(entries: Iterable[Entry]) -> list[Posting]:
    """What the entries mean for a ledger."""
    return [found for entry in entries if (found := posting(entry))]


def account_of(context: JobContext) -> Account:
    """Who and what the job is booked on."""
    ref = context.workflow
    return Account(project=context.project, user=context.user, workflow=f"{ref.name}@{ref.version}" if ref else None)


class LocalBooks:
    """The local ledger, fed from the local journal: for graphs run by hand, and for jobs that this machine granted."""

    def __init__(self, ledger: Ledger, journal: Journal, journal_id: str) -> None:
        self._ledger, self._journal, self._journal_id = ledger, journal, journal_id
        self._booking = threading.Lock()

    def allow(self, context: JobContext, call_id: str, microusd: int) -> None:
        """Set aside in the ledger what a call holds in the journal. Raises BudgetExceeded.

        The hold comes first: a crash between the two leaves a hold, which recovery releases, and no lost allowance.
        """
        try:
            self._ledger.allow(context.job_id, microusd, account_of(context), call_id=call_id)
        except BudgetExceeded:
            # Calls that are over may not be booked yet, and then more was set aside for them than they cost.
            self.catch_up()
            self._ledger.allow(context.job_id, microusd, account_of(context), call_id=call_id)

    def catch_up(self) -> None:
        """Book everything the journal knows and the ledger does not, for instance after a crash between the two."""
        # One at a time: those who wait meanwhile find that theirs was booked along, instead of reading it all again.
        with self._booking:
            while entries := self._journal.since(cursor := self._ledger.cursor(self._journal_id)):
                ours = [each for each in postings(entries) if self._is_ours(each.job_id)]
                self._ledger.post_page(self._journal_id, ours, max(cursor, entries[-1].seq))
                if len(entries) < PAGE:
                    break

    def _is_ours(self, job_id: str) -> bool:
        """Whether this ledger keeps the job's money: run by hand here, or granted here, perhaps by a dead process."""
        context = self._journal.job(job_id)
        return context is not None and (context.local or self._ledger.knows(job_id))
