"""The ledger: what jobs may spend and what they did. This file is the contract, ``tests/contracts/ledger.py`` its test.

The ledger is kept by whoever grants allowances: the orchestrator, or the machine itself for graphs run by hand. It
never learns of a call before its journal did, and it is the sum of what journals told it:

- :meth:`Ledger.allow` checks and writes in one transaction: settled + unknown + set aside + asked never exceeds the
  budget, and what fits is never refused.
- :meth:`Ledger.post` takes the same fact any number of times, in any order, from any journal: it counts once.
- :meth:`Ledger.allow` holds a job's own limits, the budgets of everyone it concerns and prepaid credit in that same
  transaction, too.
- An ``unknown`` call counts in full until it is settled or released by a later fact, or corrected by hand.
- What is charged beyond an allowance is never lost: it is an overrun, and counts against the same budgets.

Every movement is an entry that is never changed: see docs/money.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from ..errors import BudgetExceeded
from .prices import usd

if TYPE_CHECKING:
    from .accounts import Owner
    from .budgets import Budget, Usage
    from .credit import Credit


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(_Frozen):
    """Who and what a job's money is booked on."""

    project: str = "default"
    user: str = "local"
    workflow: str | None = None
    """``name@version``."""
    api_key: str | None = None
    """The id of the key that the job came with; never the key itself."""


class Posting(_Frozen):
    """One outcome of a call. ``microusd`` is the charge, or the hold of an ``unknown`` call; 0 for ``released``."""

    call_id: str
    job_id: str
    kind: Literal["settled", "unknown", "released"]
    microusd: int = Field(ge=0)
    provider: str
    model: str
    request_id: str | None
    at: datetime
    images: int = Field(default=0, ge=0)
    cached: bool = False
    """Nothing was asked: the result of an earlier call was used again, for nothing."""
    reason: str | None = None
    """Why, where a person decided it."""


class Line(Posting):
    """A call in the ledger as it stands, with its account."""

    project: str
    user: str
    workflow: str | None
    api_key: str | None = None


class Correction(NamedTuple):
    """What a call is to be charged, in micro-dollars, whatever stood there, and why."""

    call_id: str
    microusd: int
    reason: str
    request_id: str | None = None
    """The provider's, where it becomes known only now."""


class Totals(_Frozen):
    """The ledger in one line, in micro-dollars."""

    settled_microusd: int
    unknown_microusd: int
    set_aside_microusd: int
    """What open jobs may still spend."""
    calls: int

    @property
    def taken_microusd(self) -> int:
        """What counts against the budget."""
        return self.settled_microusd + self.unknown_microusd + self.set_aside_microusd


class Limits(_Frozen):
    """The most that one job, and all jobs of one day, may take, in micro-dollars. None: no limit."""

    per_run_microusd: int | None = Field(default=None, ge=0)
    per_day_microusd: int | None = Field(default=None, ge=0)

    def and_(self, other: Limits) -> Limits:
        """Both together: of each limit the lower one."""
        return Limits(
            per_run_microusd=_lower(self.per_run_microusd, other.per_run_microusd),
            per_day_microusd=_lower(self.per_day_microusd, other.per_day_microusd),
        )


class Taken(_Frozen):
    """What somebody has taken already, in micro-dollars."""

    spent_microusd: int = 0
    """Settled, and ``unknown`` calls in full."""
    set_aside_microusd: int = 0

    def check(self, whose: str, asked: int, limit: int | None) -> None:
        """Raises BudgetExceeded, which names all four amounts, where ``asked`` comes on top and exceeds the limit."""
        left = None if limit is None else limit - self.spent_microusd - self.set_aside_microusd
        if limit is None or left is None or asked <= left:
            return
        raise BudgetExceeded(
            f"{whose}: {usd(self.spent_microusd)} spent, {usd(self.set_aside_microusd)} set aside, "
            f"{usd(asked)} asked; the limit is {usd(limit)}.",
            hint="Raise the limit on the Budget Guard, choose a cheaper model or ask for fewer images.",
            left_microusd=left,
            asked_microusd=asked,
        )


By = Literal["day", "project", "user", "api_key", "workflow", "provider", "model"]


class Spend(NamedTuple):
    """A line of a report: what calls made and cost, in micro-dollars. Unknown calls are counted beside, not within."""

    key: str
    calls: int
    images: int
    cached: int
    released: int
    unknown: int
    microusd: int
    unknown_microusd: int


THIS_RUN, TODAY = "This run", "Today (UTC)"


def _lower(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)


class Ledger(ABC):
    """See the module's text for what must hold."""

    @abstractmethod
    def allow(
        self,
        job_id: str,
        microusd: int,
        account: Account,
        *,
        call_id: str | None = None,
        limits: Limits | None = None,
        today: date | None = None,
    ) -> None:
        """Set ``microusd`` aside out of the budget, for a whole job, or (by hand) for one call of it.

        ``limits`` are held in the same transaction; the day is that of ``today``, in UTC.
        Repeating it changes nothing. Raises BudgetExceeded with what is left.
        """

    @abstractmethod
    def taken(self, *, job_id: str | None = None, but: str | None = None, day: date | None = None) -> Taken:
        """What one job has taken, or all of them (``but`` one). With ``day``: only what was spent on it, in UTC; what
        is set aside counts whenever that was done."""

    @abstractmethod
    def knows(self, job_id: str) -> bool:
        """Whether money was set aside here for this job."""

    @abstractmethod
    def post(self, postings: Iterable[Posting]) -> None:
        """Book outcomes of calls. A job that is not known gets an allowance of zero: money spent is never ignored.

        A call's own allowance ends with its outcome.
        """

    @abstractmethod
    def post_page(self, journal_id: str, postings: Iterable[Posting], read_up_to: int) -> None:
        """Book what a journal told and remember, in the same transaction, how far it was read."""

    @abstractmethod
    def cursor(self, journal_id: str) -> int:
        """How far that journal was read; 0 at first."""

    @abstractmethod
    def close_job(self, job_id: str) -> None:
        """Give the rest of the job's allowance back to the budget. Harmless to repeat."""

    @abstractmethod
    def lines(
        self,
        *,
        job_id: str | None = None,
        kind: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        workflow: str | None = None,
        since: date | None = None,
        until: date | None = None,
        limit: int | None = 100,
    ) -> list[Line]:
        """Calls as they stand, newest first; of one job, kind, provider, model or workflow, or of any; from a first to
        a last day in UTC. ``workflow``: ``name`` is all versions, ``name@version`` that one. ``limit`` None: all."""

    @abstractmethod
    def totals(self) -> Totals:
        """The sums of everything."""

    @abstractmethod
    def report(
        self, by: By, *, since: date | None = None, until: date | None = None, model: str | None = None
    ) -> list[Spend]:
        """What was spent, the most first (days in order); from a first to a last day in UTC; on one model, or any."""

    def correct(self, call_id: str, microusd: int, *, reason: str, request_id: str | None = None) -> None:
        """Bring a call's charge to this amount, whatever stood there: an unknown one is settled, or released by 0; a
        settled or released one is adjusted. Repeating it changes nothing. Raises UnknownCall and InvalidInput."""
        self.correct_all([Correction(call_id, microusd, reason, request_id)])

    @abstractmethod
    def correct_all(self, corrections: Iterable[Correction]) -> None:
        """:meth:`correct` many calls in one transaction: where one cannot be corrected, none is."""

    @abstractmethod
    def set_budget(self, budget: Budget) -> None:
        """From now on hold this budget, in the place of an older one of the same scope, name and period. What was taken
        in the period before counts. Lowering it below that refuses nobody who has an allowance already."""

    @abstractmethod
    def remove_budget(self, budget: Budget) -> bool:
        """Hold it no more; whether there was one of this scope, name and period."""

    @abstractmethod
    def budgets(self) -> list[Usage]:
        """All budgets, and how they stand in the present period."""

    @abstractmethod
    def top_up(self, owner: Owner, name: str, microusd: int, *, key: str, expires_at: datetime | None = None) -> None:
        """Add prepaid credit. From the first time on, the owner's jobs draw their allowances from it. The same ``key``
        adds once; with another owner, amount or expiry it is refused (InvalidInput)."""

    @abstractmethod
    def refund(self, owner: Owner, name: str, microusd: int, *, key: str, reason: str = "") -> None:
        """Pay credit back, once for each ``key``. Raises CreditExhausted where there is not as much."""

    @abstractmethod
    def credit(self) -> list[Credit]:
        """Everybody's prepaid credit; what has expired by now is gone."""

    @abstractmethod
    def problems(self) -> list[str]:
        """What does not add up: entries against balances, budgets, credit and reports. Empty: the books are even.

        Reads everything, so it takes a while.
        """

    @abstractmethod
    def close(self) -> None:
        """Give back files and locks."""
