"""What the ledger says: calls, sums, reports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from .ledger import By, Line, Spend, Taken, Totals

if TYPE_CHECKING:
    from ..storage.base import Session

_ASIDE = "SELECT CAST(coalesce(sum(balance), 0) AS BIGINT) AS sum FROM balances WHERE account LIKE 'allowance:%'"
_ASIDE_OF_JOB = """
SELECT CAST(coalesce(sum(b.balance), 0) AS BIGINT) AS sum
FROM allowances a JOIN balances b ON b.account = 'allowance:' || a.allowance_id WHERE a.job_id
"""
_SPENT = "SELECT CAST(coalesce(sum(microusd + unknown_microusd), 0) AS BIGINT) AS sum FROM daily"
_SPENT_BY_JOB = "SELECT CAST(coalesce(sum(microusd), 0) AS BIGINT) AS sum FROM calls WHERE job_id"
_TOTALS = f"""
SELECT CAST(coalesce(sum(microusd), 0) AS BIGINT) AS settled_microusd,
       CAST(coalesce(sum(unknown_microusd), 0) AS BIGINT) AS unknown_microusd,
       CAST(coalesce(sum(calls), 0) AS BIGINT) AS calls,
       ({_ASIDE}) AS set_aside_microusd
FROM daily
"""  # noqa: S608 - constants of this file
_LINES = """
SELECT c.call_id, c.job_id, c.kind, c.microusd, c.provider, c.model, c.request_id, c.at, c.images, c.cached,
       a.project, a.user_name, a.workflow, a.api_key
FROM calls c JOIN allowances a ON a.allowance_id = c.allowance_id
"""
_SUMS = ("calls", "images", "cached", "released", "unknown", "microusd", "unknown_microusd")
_COLUMN: dict[str, str] = {"user": "user_name"}
_WHERE = {"workflow": "(a.workflow = :workflow OR substr(a.workflow, 1, length(:workflow) + 1) = :workflow || '@')"}
"""What a line must be, where it is more than that a column of ``calls`` has the value."""


def taken(db: Session, *, job_id: str | None = None, but: str | None = None, day: date | None = None) -> Taken:
    """See :meth:`Ledger.taken`.

    It is one statement: between two of them another transaction may move money from what is set aside to what is
    spent, and the sum of both would lack it.
    """
    if job_id is None:
        spent, aside = f"({_SPENT}{' WHERE day = :day' if day else ''})", f"({_ASIDE})"
    else:
        spent, aside = _of_job("job_id", day)
    if job_id is None and but is not None:
        its_spent, its_aside = _of_job("but", day)
        spent, aside = f"{spent} - {its_spent}", f"{aside} - {its_aside}"
    values = {"job_id": job_id, "but": None if job_id else but, "day": day.isoformat() if day else None}
    given = {name: value for name, value in values.items() if value is not None}
    (row,) = db.run(f"SELECT CAST({spent} AS BIGINT) AS spent, CAST({aside} AS BIGINT) AS aside", **given)
    return Taken(spent_microusd=row["spent"], set_aside_microusd=row["aside"])


def _of_job(name: str, day: date | None) -> tuple[str, str]:
    """The two sums of one job, whose id is given under this name."""
    spent = f"{_SPENT_BY_JOB} = :{name}{' AND substr(at, 1, 10) = :day' if day else ''}"
    return f"({spent})", f"({_ASIDE_OF_JOB} = :{name})"


def totals(db: Session) -> Totals:
    """See :meth:`Ledger.totals`."""
    (row,) = db.run(_TOTALS)
    return Totals.model_validate(dict(row))


def lines(
    db: Session, asked: Mapping[str, str | None], *, since: date | None, until: date | None, limit: int | None
) -> list[Line]:
    """See :meth:`Ledger.lines`; ``asked`` by the columns' names."""
    wanted: dict[str, object] = {name: value for name, value in asked.items() if value is not None}
    where = [_WHERE.get(name, f"c.{name} = :{name}") for name in wanted]
    if since is not None:
        where, wanted["first"] = [*where, "c.at >= :first"], since.isoformat()
    if until is not None:
        where, wanted["behind"] = [*where, "c.at < :behind"], (until + timedelta(days=1)).isoformat()
    sql = f"{_LINES}{'WHERE ' + ' AND '.join(where) if where else ''} ORDER BY c.at DESC"
    if limit is not None:
        sql, wanted["most"] = f"{sql} LIMIT :most", limit
    return [_line(dict(row)) for row in db.run(sql, **wanted)]


def _line(facts: dict[str, object]) -> Line:
    facts["user"] = facts.pop("user_name")
    facts["cached"] = bool(facts["cached"])
    return Line.model_validate(facts)


def report(db: Session, by: By, *, since: date | None, until: date | None, model: str | None = None) -> list[Spend]:
    """See :meth:`Ledger.report`."""
    ends = {"since": since, "until": until}
    wanted = {name: value.isoformat() for name, value in ends.items() if value is not None}
    conditions = [f"day {'>=' if name == 'since' else '<='} :{name}" for name in wanted]
    if model is not None:
        conditions, wanted["model"] = [*conditions, "model = :model"], model
    where = " AND ".join(conditions)
    column = _COLUMN.get(by, by)
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in _SUMS)
    order = "day" if by == "day" else f"CAST(sum(microusd) AS BIGINT) DESC, {column}"
    rows = db.run(
        f"SELECT {column}, {sums} FROM daily {'WHERE ' + where if where else ''} GROUP BY {column} ORDER BY {order}",  # noqa: S608
        **wanted,
    )
    return [Spend(key=row[column], **{name: row[name] for name in _SUMS}) for row in rows if row["calls"]]
