"""The ledger in SQL, the same on SQLite and PostgreSQL. How it works, in words: docs/money.md."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, TypeVar

from .. import log
from ..clock import utc_now
from ..errors import InvalidInput
from ..storage.base import TryAgain
from .accounts import FUNDS, NEVER
from .ledger import THIS_RUN, TODAY, Account, By, Correction, Ledger, Limits, Line, Posting, Spend, Taken, Totals
from .ledger_batch import Batch
from .ledger_usage import LOCK, Counters, make_row
from .periods import MOST, SETTING, stamp

if TYPE_CHECKING:
    from ..storage.base import Session, Store
    from .accounts import Owner
    from .budgets import Budget, Usage
    from .credit import Credit

T = TypeVar("T")
logger = log.get("metering.ledger")

_PAYER = "SELECT 1 FROM credit_accounts LIMIT 1"


class SqlLedger(Ledger):
    """``budget_microusd`` is the most that all jobs together may take as far as this process grants (None: no limit);
    ``now`` tells when an allowance is granted, and with it to which period it belongs."""

    def __init__(
        self, store: Store, *, budget_microusd: int | None = None, now: Callable[[], datetime] = utc_now
    ) -> None:
        self.store, self._budget, self._now = store, budget_microusd, now
        if budget_microusd is not None:
            self._count_all()

    def _count_all(self) -> None:
        """Have the counter that MINTMARK_BUDGET_USD is held against; it costs a row that everybody shares, so it is
        there only once somebody asked for it."""
        sql = "SELECT 1 FROM budgets WHERE budget_id = :id"
        if self.store.read(lambda db: db.run(sql, id=SETTING)):
            return

        def make(db: Session) -> None:
            db.alone(LOCK)
            db.run(
                "INSERT INTO budgets (budget_id, scope, scope_value, period) VALUES (:id, 'overall', '', 'total') "
                "ON CONFLICT (budget_id) DO NOTHING",
                id=SETTING,
            )
            make_row(db, SETTING, "overall", "", "total", "")

        self.store.transact(make)

    # -- allowances ---------------------------------------------------------------------------------------------------

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
        asked = microusd, account, call_id, limits, today
        self._warn(self.store.transact(lambda db: self._granted(db, job_id, *asked)))

    def allow_within(self, db: Session, job_id: str, microusd: int, account: Account) -> None:
        """:meth:`allow` a job as part of a transaction of this ledger's store that does more than that."""
        self._warn(self._granted(db, job_id, microusd, account))

    def _granted(
        self,
        db: Session,
        job_id: str,
        microusd: int,
        account: Account,
        call_id: str | None = None,
        limits: Limits | None = None,
        today: date | None = None,
    ) -> list[str]:
        if not 0 <= microusd <= MOST:
            raise InvalidInput(f"{microusd} is no amount of money in micro-dollars.", hint=f"From 0 to {MOST}.")
        batch = self._batch(db)
        if limits is not None and limits != Limits():
            db.alone("limits")
        source = _source(db, account)
        if (
            source == FUNDS
            and limits is None
            and call_id is None
            and batch.allowances.start(job_id, job_id, account, microusd)
        ):
            return batch.finish(refuse=True)
        return self._allow(batch, job_id, microusd, account, source, call_id, limits, today)

    @staticmethod
    def _allow(
        batch: Batch,
        job_id: str,
        microusd: int,
        account: Account,
        source: str,
        call_id: str | None,
        limits: Limits | None,
        today: date | None,
    ) -> list[str]:
        from . import ledger_credit

        known = batch.allowances.find(call_id or job_id)
        if known is not None and (known.granted is not None or known.closed):
            return []
        if call_id is not None and known is None and batch.calls.call(call_id) is not None:
            # Its outcome was booked on the job before: there is nothing left to set aside for it.
            return []
        if known is None:
            _check_limits(batch.db, job_id, microusd, limits, today)
            if source != FUNDS:
                ledger_credit.draw(batch.db, source, call_id or job_id, microusd, batch.at)
            if batch.allowances.start(call_id or job_id, job_id, account, microusd, source) is None:
                raise TryAgain
        else:
            # A posting came first and opened it with nothing: what it spent is counted already.
            batch.calls.assign(known, account)
            more = max(0, microusd - known.taken)
            if source != FUNDS:
                ledger_credit.draw(batch.db, source, known.allowance_id, more, batch.at)
            batch.allowances.grant(known, microusd, source)
        return batch.finish(refuse=True)

    def _batch(self, db: Session) -> Batch:
        return Batch(db, stamp(self._now()), Counters(self._budget))

    def _warn(self, passed: Iterable[str]) -> None:
        for budget_id in passed:
            logger.warning("Budget %s has passed its soft limit.", budget_id, extra=log.action("soft_limit"))

    def close_job(self, job_id: str) -> None:
        self.store.transact(lambda db: self.close_job_within(db, job_id))

    def close_job_within(self, db: Session, job_id: str) -> None:
        """:meth:`close_job` as part of a transaction that does more than that."""
        self.close_jobs_within(db, [job_id])

    def close_jobs_within(self, db: Session, job_ids: Sequence[str]) -> None:
        """The same of several jobs."""
        batch = self._batch(db)
        for found in batch.allowances.find_all(job_ids):
            batch.allowances.close(found)
        batch.finish()

    # -- calls --------------------------------------------------------------------------------------------------------

    def post(self, postings: Iterable[Posting]) -> None:
        self._post(list(postings))

    def post_page(self, journal_id: str, postings: Iterable[Posting], read_up_to: int) -> None:
        self._post(list(postings), (journal_id, read_up_to))

    def _post(self, postings: list[Posting], read: tuple[str, int] | None = None) -> None:
        def work(db: Session) -> list[str]:
            batch = self._batch(db)
            batch.calls.post(postings)
            passed = batch.finish()
            if read is not None:
                db.run(_READ, journal_id=read[0], seq=read[1])
            return passed

        if postings or read is not None:
            self._warn(self.store.transact(work))

    def cursor(self, journal_id: str) -> int:
        sql = "SELECT seq FROM cursors WHERE journal_id = :journal_id"
        rows = self.store.read(lambda db: db.run(sql, journal_id=journal_id))
        return int(rows[0]["seq"]) if rows else 0

    def correct_all(self, corrections: Iterable[Correction]) -> None:
        # In one order, whoever else corrects at the same time.
        given = sorted(corrections, key=lambda each: each.call_id)
        if any(not 0 <= each.microusd <= MOST or not each.reason.strip() for each in given):
            raise InvalidInput("A correction needs an amount from 0 and a reason.")

        def work(db: Session) -> list[str]:
            batch = self._batch(db)
            for each in given:
                batch.calls.correct(each)
            return batch.finish()

        if given:
            self._warn(self.store.transact(work))

    # -- budgets and credit -------------------------------------------------------------------------------------------

    def set_budget(self, budget: Budget) -> None:
        from . import ledger_budgets

        self.store.transact(lambda db: ledger_budgets.put(db, budget, stamp(self._now())))

    def remove_budget(self, budget: Budget) -> bool:
        from . import ledger_budgets

        return self.store.transact(lambda db: ledger_budgets.remove(db, budget.id))

    def budgets(self) -> list[Usage]:
        from . import ledger_budgets

        return self.store.read(lambda db: ledger_budgets.usages(db, stamp(self._now())))

    def top_up(self, owner: Owner, name: str, microusd: int, *, key: str, expires_at: datetime | None = None) -> None:
        from . import ledger_credit
        from .accounts import credit_account

        until = NEVER if expires_at is None else stamp(expires_at)
        account, at = credit_account(owner, name), stamp(self._now())
        self.store.transact(lambda db: ledger_credit.top_up(db, account, microusd, key=key, expires_at=until, at=at))

    def refund(self, owner: Owner, name: str, microusd: int, *, key: str, reason: str = "") -> None:
        from . import ledger_credit
        from .accounts import credit_account

        account, at = credit_account(owner, name), stamp(self._now())
        self.store.transact(lambda db: ledger_credit.refund(db, account, microusd, key=key, reason=reason, at=at))

    def credit(self) -> list[Credit]:
        from . import ledger_credit

        return self.store.read(lambda db: ledger_credit.credits_of(db, stamp(self._now())))

    # -- reading ------------------------------------------------------------------------------------------------------

    def taken(self, *, job_id: str | None = None, but: str | None = None, day: date | None = None) -> Taken:
        from .ledger_reading import taken

        return self.store.read(lambda db: taken(db, job_id=job_id, but=but, day=day))

    def knows(self, job_id: str) -> bool:
        sql = "SELECT 1 FROM allowances WHERE job_id = :job_id LIMIT 1"
        return bool(self.store.read(lambda db: db.run(sql, job_id=job_id)))

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
        from .ledger_reading import lines

        asked = {"job_id": job_id, "kind": kind, "provider": provider, "model": model, "workflow": workflow}
        return self.store.read(lambda db: lines(db, asked, since=since, until=until, limit=limit))

    def totals(self) -> Totals:
        from .ledger_reading import totals

        return self.store.read(totals)

    def report(
        self, by: By, *, since: date | None = None, until: date | None = None, model: str | None = None
    ) -> list[Spend]:
        from .ledger_reading import report

        return self.store.read(lambda db: report(db, by, since=since, until=until, model=model))

    def problems(self) -> list[str]:
        from .ledger_check import problems

        return self.store.read(problems)

    def close(self) -> None:
        self.store.close()


_READ = """
INSERT INTO cursors (journal_id, seq) VALUES (:journal_id, :seq)
ON CONFLICT (journal_id) DO UPDATE SET seq = excluded.seq WHERE excluded.seq > cursors.seq
"""


def _source(db: Session, account: Account) -> str:
    """Who pays: an owner who prepaid, or nobody in particular."""
    if not db.run(_PAYER):
        return FUNDS
    from . import ledger_credit

    return ledger_credit.payer(db, account) or FUNDS


def _check_limits(db: Session, job_id: str, asked: int, limits: Limits | None, today: date | None) -> None:
    if limits is None or asked <= 0:
        return
    from .ledger_reading import taken

    if limits.per_run_microusd is not None:
        taken(db, job_id=job_id).check(THIS_RUN, asked, limits.per_run_microusd)
    if limits.per_day_microusd is not None:
        taken(db, day=today).check(TODAY, asked, limits.per_day_microusd)
