"""The ledger in a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from ..errors import BudgetExceeded
from ..storage.database import Database
from .ledger import THIS_RUN, TODAY, Account, Ledger, Limits, Line, Posting, Taken, Totals
from .prices import usd

_SCHEMA = Path(__file__).with_name("ledger.sql")
_TOTALS = """
SELECT coalesce(sum(CASE WHEN kind = 'settled' THEN microusd END), 0) AS settled_microusd,
       coalesce(sum(CASE WHEN kind = 'unknown' THEN microusd END), 0) AS unknown_microusd,
       (SELECT coalesce(sum(set_aside), 0) FROM open_allowances) AS set_aside_microusd,
       count(*) AS calls
FROM calls
"""
_TAKEN = """
SELECT (SELECT coalesce(sum(microusd), 0) FROM calls
        WHERE (:job IS NULL OR job_id = :job) AND (:but IS NULL OR job_id != :but)
          AND (:day IS NULL OR date(at) = :day)) AS spent_microusd,
       (SELECT coalesce(sum(o.set_aside), 0) FROM open_allowances o JOIN allowances a USING (allowance_id)
        WHERE (:job IS NULL OR a.job_id = :job) AND (:but IS NULL OR a.job_id != :but)) AS set_aside_microusd
"""


class SqliteLedger(Ledger):
    """``folder`` holds ``ledger.sqlite3``; ``budget_microusd`` is the most that all jobs may take (None: no limit)."""

    def __init__(self, folder: Path, *, budget_microusd: int | None = None) -> None:
        self._db = Database(folder / "ledger.sqlite3", _SCHEMA.read_text(encoding="utf-8"))
        self._budget = budget_microusd

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
        with self._db.transaction() as db:
            allowance_id = call_id or job_id
            known = db.execute(
                "SELECT granted, closed FROM allowances WHERE allowance_id = ?", (allowance_id,)
            ).fetchone()
            if known is None:
                self._check_budget(db, microusd)
                _check_limits(db, job_id, microusd, limits, today)
                _open(db, allowance_id, job_id, account, microusd)
            elif known["granted"] == 0 and not known["closed"]:
                # A posting came first and opened it with nothing: what it spent is counted already.
                self._check_budget(db, max(0, microusd - _spent(db, allowance_id)))
                _grant(db, allowance_id, account, microusd)

    def taken(self, *, job_id: str | None = None, but: str | None = None, day: date | None = None) -> Taken:
        with self._db.transaction() as db:
            return _taken(db, job_id=job_id, but=but, day=day)

    def _check_budget(self, db: sqlite3.Connection, asked: int) -> None:
        if self._budget is None:
            return
        taken = _totals(db).taken_microusd
        if taken + asked > self._budget:
            raise BudgetExceeded(
                f"The budget has {usd(max(0, self._budget - taken))} left of {usd(self._budget)}, "
                f"and {usd(asked)} was asked.",
                hint="Raise MINTMARK_BUDGET_USD or lower the job's allowance (MINTMARK_ALLOWANCE_USD).",
                left_microusd=self._budget - taken,
                asked_microusd=asked,
            )

    def knows(self, job_id: str) -> bool:
        return self._db.row("SELECT 1 FROM allowances WHERE job_id = ? LIMIT 1", job_id) is not None

    def post(self, postings: Iterable[Posting]) -> None:
        with self._db.transaction() as db:
            for posting in postings:
                _post(db, posting)

    def post_page(self, journal_id: str, postings: Iterable[Posting], read_up_to: int) -> None:
        with self._db.transaction() as db:
            for posting in postings:
                _post(db, posting)
            db.execute(
                "INSERT INTO cursors VALUES (?, ?) ON CONFLICT (journal_id) DO UPDATE SET seq = max(seq, excluded.seq)",
                (journal_id, read_up_to),
            )

    def cursor(self, journal_id: str) -> int:
        row = self._db.row("SELECT seq FROM cursors WHERE journal_id = ?", journal_id)
        return int(row["seq"]) if row else 0

    def close_job(self, job_id: str) -> None:
        with self._db.transaction() as db:
            db.execute("UPDATE allowances SET closed = 1 WHERE allowance_id = ?", (job_id,))

    def lines(self, *, job_id: str | None = None, limit: int = 100) -> list[Line]:
        rows = self._db.rows(
            "SELECT * FROM calls WHERE ? IS NULL OR job_id = ? ORDER BY at DESC LIMIT ?", job_id, job_id, limit
        )
        columns = set(Line.model_fields)
        return [Line.model_validate({k: v for k, v in dict(row).items() if k in columns}) for row in rows]

    def totals(self) -> Totals:
        with self._db.transaction() as db:
            return _totals(db)

    def close(self) -> None:
        self._db.close()


def _check_limits(db: sqlite3.Connection, job_id: str, asked: int, limits: Limits | None, today: date | None) -> None:
    if limits is not None and asked > 0:
        _taken(db, job_id=job_id).check(THIS_RUN, asked, limits.per_run_microusd)
        _taken(db, day=today).check(TODAY, asked, limits.per_day_microusd)


def _taken(
    db: sqlite3.Connection, *, job_id: str | None = None, but: str | None = None, day: date | None = None
) -> Taken:
    asked = {"job": job_id, "but": but, "day": day.isoformat() if day else None}
    return Taken.model_validate(dict(db.execute(_TAKEN, asked).fetchone()))


def _totals(db: sqlite3.Connection) -> Totals:
    return Totals.model_validate(dict(db.execute(_TOTALS).fetchone()))


def _open(db: sqlite3.Connection, allowance_id: str, job_id: str, account: Account, microusd: int) -> None:
    db.execute(
        "INSERT INTO allowances (allowance_id, job_id, project, user, workflow, granted) VALUES (?, ?, ?, ?, ?, ?)",
        (allowance_id, job_id, account.project, account.user, account.workflow, microusd),
    )


def _grant(db: sqlite3.Connection, allowance_id: str, account: Account, microusd: int) -> None:
    db.execute(
        "UPDATE allowances SET project = ?, user = ?, workflow = ?, granted = ? WHERE allowance_id = ?",
        (account.project, account.user, account.workflow, microusd, allowance_id),
    )


def _spent(db: sqlite3.Connection, allowance_id: str) -> int:
    sql = "SELECT coalesce(sum(microusd), 0) FROM calls WHERE allowance_id = ?"
    return int(db.execute(sql, (allowance_id,)).fetchone()[0])


def _post(db: sqlite3.Connection, posting: Posting) -> None:
    own = db.execute("SELECT allowance_id FROM allowances WHERE allowance_id = ?", (posting.call_id,)).fetchone()
    allowance_id = posting.call_id if own else posting.job_id
    if not db.execute("SELECT 1 FROM allowances WHERE allowance_id = ?", (allowance_id,)).fetchone():
        _open(db, allowance_id, posting.job_id, Account(), 0)
    db.execute(
        "INSERT INTO postings (call_id, kind, allowance_id, microusd, provider, model, request_id, at) "
        "VALUES (:call_id, :kind, :allowance_id, :microusd, :provider, :model, :request_id, :at) "
        "ON CONFLICT DO NOTHING",
        {**posting.model_dump(mode="json"), "allowance_id": allowance_id},
    )
    if own and posting.kind != "unknown":
        db.execute("UPDATE allowances SET closed = 1 WHERE allowance_id = ?", (posting.call_id,))
