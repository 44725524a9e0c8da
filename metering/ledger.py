"""The ledger: what jobs may spend and what they did. This file is the contract, ``tests/contracts/ledger.py`` its test.

The ledger is kept by whoever grants allowances: the orchestrator, or the machine itself for graphs run by hand. It
never learns of a call before its journal did, and it is the sum of what journals told it:

- :meth:`Ledger.allow` checks and writes in one transaction: settled + unknown + set aside + asked never exceeds the
  budget, and what fits is never refused.
- :meth:`Ledger.post` takes the same fact any number of times, in any order, from any journal: it counts once.
- An ``unknown`` call counts in full until it is settled or released by a later fact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Account(_Frozen):
    """Who and what a job's money is booked on."""

    project: str = "default"
    user: str = "local"
    workflow: str | None = None
    """``name@version``."""


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


class Line(Posting):
    """A call in the ledger as it stands, with its account."""

    project: str
    user: str
    workflow: str | None


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


class Ledger(ABC):
    """See the module's text for what must hold."""

    @abstractmethod
    def allow(self, job_id: str, microusd: int, account: Account, *, call_id: str | None = None) -> None:
        """Set ``microusd`` aside out of the budget, for a whole job, or (by hand) for one call of it.

        Repeating it changes nothing. Raises BudgetExceeded with what is left.
        """

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
    def lines(self, *, job_id: str | None = None, limit: int = 100) -> list[Line]:
        """Calls as they stand, newest first; of one job, or of all."""

    @abstractmethod
    def totals(self) -> Totals:
        """The sums of everything."""

    @abstractmethod
    def close(self) -> None:
        """Give back files and locks."""
