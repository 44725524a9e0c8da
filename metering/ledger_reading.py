"""What the ledger says: calls, sums, reports."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from .ledger import By, Line, Spend, Taken, Totals

if TYPE_CHECKING:
    from ..storage.sessions import Session

_ASIDE = "SELECT CAST(coalesce(sum(balance), 0) AS BIGINT) AS sum FROM balances WHERE account LIKE 'allowance:%'"
_ASIDE_OF_JOB = """
SELECT CAST(coalesce(sum(b.balance), 0) AS BIGINT) AS sum
FROM allowances a JOIN balances b ON b.account = 'allowance:' || a.allowance_id WHERE a.job_id = :job_id
"""
_SPENT = "SELECT CAST(coalesce(sum(microusd + unknown_microusd), 0) AS BIGINT) AS sum FROM daily"
_SPENT_BY_JOB = "SELECT CAST(coalesce(sum(microusd), 0) AS BIGINT) AS sum FROM calls WHERE job_id = :job_id"
_TOTALS = """
SELECT CAST(coalesce(sum(microusd), 0) AS BIGINT) AS settled_microusd,
       CAST(coalesce(sum(unknown_microusd), 0) AS BIGINT) AS unknown_microusd,
       CAST(coalesce(sum(calls), 0) AS BIGINT) AS calls
FROM daily
"""
_LINES = """
SELECT c.call_id, c.job_id, c.kind, c.microusd, c.provider, c.model, c.request_id, c.at, c.images, c.cached,
       a.project, a.user_name, a.workflow, a.api_key
FROM calls c JOIN allowances a ON a.allowance_id = c.allowance_id
"""
_SUMS = ("calls", "images", "cached", "released", "unknown", "microusd", "unknown_microusd")
_COLUMN: dict[str, str] = {"user": "user_name"}


def _sum(db: Session, sql: str, **values: object) -> int:
    (row,) = db.run(sql, **values)
    return int(row["sum"])


def taken(db: Session, *, job_id: str | None = None, but: str | None = None, day: date | None = None) -> Taken:
    """See :meth:`Ledger.taken`."""
    if job_id is not None:
        return Taken(spent_microusd=_spent_by_job(db, job_id, day), set_aside_microusd=_aside_of(db, job_id))
    spent = _sum(db, _SPENT) if day is None else _sum(db, f"{_SPENT} WHERE day = :day", day=day.isoformat())
    aside = _sum(db, _ASIDE)
    if but is not None:
        spent, aside = spent - _spent_by_job(db, but, day), aside - _aside_of(db, but)
    return Taken(spent_microusd=spent, set_aside_microusd=aside)


def _spent_by_job(db: Session, job_id: str, day: date | None) -> int:
    if day is None:
        return _sum(db, _SPENT_BY_JOB, job_id=job_id)
    return _sum(db, f"{_SPENT_BY_JOB} AND substr(at, 1, 10) = :day", job_id=job_id, day=day.isoformat())


def _aside_of(db: Session, job_id: str) -> int:
    return _sum(db, _ASIDE_OF_JOB, job_id=job_id)


def totals(db: Session) -> Totals:
    """See :meth:`Ledger.totals`."""
    (row,) = db.run(_TOTALS)
    return Totals.model_validate({**dict(row), "set_aside_microusd": _sum(db, _ASIDE)})


def lines(db: Session, *, job_id: str | None, kind: str | None, limit: int) -> list[Line]:
    """See :meth:`Ledger.lines`."""
    asked = {"job_id": job_id, "kind": kind}
    wanted = {name: value for name, value in asked.items() if value is not None}
    where = " AND ".join(f"c.{name} = :{name}" for name in wanted)
    sql = f"{_LINES}{'WHERE ' + where if where else ''} ORDER BY c.at DESC LIMIT :most"
    return [_line(dict(row)) for row in db.run(sql, most=limit, **wanted)]


def _line(facts: dict[str, object]) -> Line:
    facts["user"] = facts.pop("user_name")
    facts["cached"] = bool(facts["cached"])
    return Line.model_validate(facts)


def report(db: Session, by: By, *, since: date | None, until: date | None) -> list[Spend]:
    """See :meth:`Ledger.report`."""
    ends = {"since": since, "until": until}
    wanted = {name: value.isoformat() for name, value in ends.items() if value is not None}
    where = " AND ".join(f"day {'>=' if name == 'since' else '<='} :{name}" for name in wanted)
    column = _COLUMN.get(by, by)
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in _SUMS)
    order = "day" if by == "day" else f"CAST(sum(microusd) AS BIGINT) DESC, {column}"
    rows = db.run(
        f"SELECT {column}, {sums} FROM daily {'WHERE ' + where if where else ''} GROUP BY {column} ORDER BY {order}",  # noqa: S608
        **wanted,
    )
    return [Spend(key=row[column], **{name: row[name] for name in _SUMS}) for row in rows if row["calls"]]
