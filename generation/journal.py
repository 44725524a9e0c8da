"""The journal: the durable local record, on the machine that makes a hosted call, of what was asked and what came back.

This file is the specification; ``tests/contracts/journal.py`` holds every implementation to it.

- Every method that writes is durable when it returns: a SIGKILL or power cut afterwards loses nothing of it.
- A job draws on its allowance only through :meth:`Journal.hold`, which checks and writes in one transaction: the sum of
  holds and charges of a job never exceeds what was granted, however many callers there are.
- Within a job, a call's ``key`` is asked once, and never again unless the earlier attempt was released.
- Entries are appended, never changed, and numbered by ``seq`` without gaps a reader could miss: whoever has read up to
  ``seq`` asks for what came since, as often as they like.
- Several processes may share one journal. A call belongs to the process that holds it; what a dead process left is
  found by :meth:`Journal.adopt_orphans`, exactly once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

from ..metering.ledger import THIS_RUN, TODAY, Limits, Taken
from ..moderation.verdict import Verdict
from .call import Call, Entry, Kind, NewCall, State
from .context import Allowance, JobContext, JobReport
from .forgetting import Forgotten

PAGE = 1000
"""Entries that are read at once where nobody says how many."""


@dataclass(frozen=True)
class Within:
    """A job's limits beside its allowance. ``others``: what all other jobs have taken today."""

    limits: Limits
    others: Taken

    def check(self, own: Taken, asked: int) -> None:
        """Raises BudgetExceeded where ``asked`` is more than the job's ``own`` and the others' leave. What costs
        nothing is never refused."""
        if asked <= 0:
            return
        own.check(THIS_RUN, asked, self.limits.per_run_microusd)
        today = Taken(
            spent_microusd=self.others.spent_microusd + own.spent_microusd,
            set_aside_microusd=self.others.set_aside_microusd + own.set_aside_microusd,
        )
        today.check(TODAY, asked, self.limits.per_day_microusd)


def taken(allowance: Allowance) -> Taken:
    """What a job itself has taken of it: not the whole."""
    return Taken(spent_microusd=allowance.settled_microusd, set_aside_microusd=allowance.held_microusd)


class Journal(ABC):
    """See the module's text for what must hold."""

    @property
    @abstractmethod
    def owner(self) -> str:
        """This process in the journal: the ``owner`` of the calls it holds."""

    @abstractmethod
    def open_job(self, context: JobContext) -> None:
        """Grant the job its allowance. Repeating it is harmless; a different context for a known job is refused.

        Raises InvalidInput where the job is known with another context.
        """

    @abstractmethod
    def job(self, job_id: str) -> JobContext | None:
        """The job's context (without its token), or None."""

    @abstractmethod
    def hold(self, call: NewCall, *, grow: bool = False, within: Within | None = None) -> Call:
        """Set aside the call's share of the allowance and write down what is about to be asked: state ``held``.

        ``grow`` (for jobs run by hand) grants what the allowance lacks for it, in the same transaction; so ``within``
        is held: of several calls at once, as many are held as fit.
        Where the job already asked this key and the attempt was not released, that call is returned instead and
        nothing is written: it belongs to whoever held it, and its id tells it from a new one. Raises AllowanceExhausted
        (with what is left and what was asked), BudgetExceeded, UnknownJob, and Canceled where the job was closed.
        """

    @abstractmethod
    def begin(self, call_id: str) -> Call:
        """From ``held`` to ``asking``, once: only who has this call back may ask. Raises InternalError for a second."""

    @abstractmethod
    def drop(self, call_id: str, reason: str) -> bool:
        """From ``held`` to ``released``; False, and nothing done, where it is not (any more) held."""

    @abstractmethod
    def move(self, call_id: str, state: State, **facts: Any) -> Call:
        """Take the call to its next state. Taking it where it already is, is harmless and changes nothing.

        Facts by state: ``accepted``: request_id, handle. ``settled``: microusd, request_id, result. ``released`` and
        ``unknown``: reason. Raises InternalError for a step that :data:`~.call.STEPS` does not allow, and for
        ``asking``, which is :meth:`begin`'s.
        """

    @abstractmethod
    def forget_unknown(self, key: str) -> None:
        """Let a key be asked again though its call is ``unknown`` (policy ``available``); that call's hold stays."""

    @abstractmethod
    def store(self, call_id: str, url: str, sha256: str | None) -> Call:
        """The settled call's image at this URL is now safe in the spool under this digest."""

    @abstractmethod
    def note(self, job_id: str, kind: Kind, data: dict[str, Any], call_id: str | None = None) -> Entry:
        """Add a fact that moves no money: a verdict, a signed file, a failure."""

    @abstractmethod
    def verdict(self, job_id: str, digest: str, policy: str) -> Verdict | None:
        """The verdict this job already has on what has this digest, by this policy (name@version); or None."""

    @abstractmethod
    def job_of(self, sha256: str) -> str | None:
        """The job whose signed file has this digest, the latest of several; or None."""

    @abstractmethod
    def call(self, call_id: str) -> Call | None:
        """The call as it stands, or None."""

    @abstractmethod
    def unknown(self) -> list[Call]:
        """The calls of which nobody knows whether they were charged."""

    @abstractmethod
    def since(self, seq: int, *, job_id: str | None = None, limit: int = PAGE) -> list[Entry]:
        """The entries after ``seq``, oldest first; of one job, or of all."""

    @abstractmethod
    def report(self, job_id: str) -> JobReport:
        """The job's money, receipts, verdicts and failures so far. Raises UnknownJob."""

    @abstractmethod
    def close_job(self, job_id: str) -> JobReport:
        """Nothing more may be held; what is not spent goes back to whoever granted it. Harmless to repeat."""

    @abstractmethod
    def adopt_orphans(self) -> list[Call]:
        """Calls that are not over and whose process is dead; they now belong to this one."""

    @abstractmethod
    def calls_of(self, job_id: str) -> list[Call]:
        """The job's calls, in no order; none of a job that is not known."""

    @abstractmethod
    def forget(self, job_id: str) -> Forgotten:
        """Take the job's content out, and keep its accounting; what files are left to be deleted. Harmless to repeat,
        also for a job that is not known."""

    @abstractmethod
    def scrub(self, *, thorough: bool = False) -> bool:
        """Leave nothing behind of what was taken out, as :meth:`..storage.base.Store.scrub` does."""

    @abstractmethod
    def close(self) -> None:
        """Give back files and locks."""
