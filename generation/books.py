"""Where a job's money comes from: a granted job brought it in its context, one run by hand asks the local ledger."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from ..clock import utc_now
from ..errors import BudgetExceeded
from ..metering.ledger import Account, Ledger, Limits, Posting, Taken
from ..metering.local import PROVIDER, worked
from .call import Call, Entry, NewCall
from .context import JobContext
from .journal import PAGE, Journal, Within, taken

T = TypeVar("T")
MAX_LIMITED = 10_000
"""Jobs whose limits are remembered; a job is over long before so many others began."""


def posting(entry: Entry) -> Posting | None:
    """What an entry means for a ledger, or None where it moves no settled money."""
    if entry.kind not in ("settled", "released", "unknown") or entry.call_id is None:
        return None
    amount = {"settled": "microusd", "unknown": "hold_microusd"}.get(entry.kind)
    result = entry.data.get("result") or {}
    return Posting(
        call_id=entry.call_id,
        job_id=entry.job_id,
        kind=entry.kind,
        microusd=int(entry.data[amount]) if amount else 0,
        provider=str(entry.data["provider"]),
        model=str(entry.data["model"]),
        request_id=entry.data.get("request_id"),
        at=entry.at,
        # Those that the provider or a policy withheld were made, and paid for, too.
        images=len(result.get("images") or ()),
        cached="cached_of" in result,
        reason=entry.data.get("reason") or _worked(entry.data, result),
    )


def _worked(data: Mapping[str, Any], result: Mapping[str, Any]) -> str | None:
    """For how long the device worked, of a call that this machine made itself; see :mod:`..metering.local`."""
    seconds = (result.get("usage") or {}).get("seconds")
    return worked(seconds) if data.get("provider") == PROVIDER and seconds is not None else None


def postings(entries: Iterable[Entry]) -> list[Posting]:
    """What the entries mean for a ledger."""
    return [found for entry in entries if (found := posting(entry))]


def account_of(context: JobContext) -> Account:
    """Who and what the job is booked on."""
    ref = context.workflow
    return Account(project=context.project, user=context.user, workflow=f"{ref.name}@{ref.version}" if ref else None)


class LocalBooks:
    """The local ledger, fed from the local journal: for graphs run by hand, and for jobs that this machine granted."""

    def __init__(
        self, ledger: Ledger, journal: Journal, journal_id: str, *, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._ledger, self._journal, self._journal_id = ledger, journal, journal_id
        self._now = now
        self._limits: OrderedDict[str, Limits] = OrderedDict()
        self._booking = threading.Lock()

    def limit(self, job_id: str, limits: Limits) -> None:
        """From now on hold these limits for the job, too: no call of it is asked beyond them."""
        known = self._limits.get(job_id)
        self._limits[job_id] = limits if known is None else known.and_(limits)
        while len(self._limits) > MAX_LIMITED:
            self._limits.popitem(last=False)

    def hold(self, new: NewCall, context: JobContext) -> Call:
        """Hold a call in the journal, within the job's limits; of a job run by hand set it aside in the ledger, too.

        Raises BudgetExceeded, and as the journal. A granted job's allowance was set aside when it was granted: there
        the limits are held by the journal, with the hold. By hand the ledger holds them, and the journal's hold comes
        first: a crash between the two leaves a hold, which recovery releases, and no lost allowance.
        """
        if not context.local:
            return self._current(lambda: self._journal.hold(new, within=self._within(context)))
        call = self._journal.hold(new, grow=True)
        if call.call_id == new.call_id:
            try:
                self._current(lambda: self._allow(context, call.call_id, call.hold_microusd))
            except BaseException:
                self._journal.drop(call.call_id, "refused by the budget")
                raise
        return call

    def check(self, context: JobContext, asked: int) -> None:
        """Raises BudgetExceeded where the job's limits do not leave as much as ``asked``. Sets nothing aside."""
        self._current(lambda: self._check(context, asked))

    def _check(self, context: JobContext, asked: int) -> None:
        within = self._within(context)
        if within is not None:
            within.check(self._own(context), asked)

    def _within(self, context: JobContext) -> Within | None:
        """The job's limits, where it has any, and what others took today: their allowances count whole, so whatever
        they do meanwhile, the limit holds."""
        limits = self._limits.get(context.job_id)
        if limits is None:
            return None
        day = self._now().date()
        others = self._ledger.taken(but=context.job_id, day=day) if limits.per_day_microusd is not None else Taken()
        return Within(limits, others)

    def _own(self, context: JobContext) -> Taken:
        """A granted job's own money is what it holds and paid, not its whole allowance."""
        if context.local:
            return self._ledger.taken(job_id=context.job_id)
        return taken(self._journal.report(context.job_id).allowance)

    def _allow(self, context: JobContext, call_id: str, microusd: int) -> None:
        self._ledger.allow(
            context.job_id,
            microusd,
            account_of(context),
            call_id=call_id,
            limits=self._limits.get(context.job_id),
            today=self._now().date(),
        )

    def _current(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except BudgetExceeded:
            # Calls that are over may not be booked yet, and then more was set aside for them than they cost.
            self.catch_up()
            return ask()

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
