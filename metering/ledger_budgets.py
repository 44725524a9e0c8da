"""Budgets in the ledger: set, removed and shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .budgets import Budget, Usage
from .ledger_usage import LOCK, counted, make_row
from .periods import SETTING, period_start

if TYPE_CHECKING:
    from ..storage.base import Row, Session

_PUT = """
INSERT INTO budgets (budget_id, scope, scope_value, period, limit_microusd, soft_microusd, grace_microusd)
VALUES (:id, :scope, :value, :period, :limit, :soft, :grace)
ON CONFLICT (budget_id) DO UPDATE SET limit_microusd = excluded.limit_microusd,
    soft_microusd = excluded.soft_microusd, grace_microusd = excluded.grace_microusd
"""
_ALL = """
SELECT b.*, u.taken FROM budgets b LEFT JOIN budget_usage u ON u.budget_id = b.budget_id
 AND u.period_start = CASE b.period WHEN 'day' THEN :day WHEN 'month' THEN :month ELSE '' END
WHERE b.budget_id <> :setting ORDER BY b.scope, b.scope_value, b.period
"""


def put(db: Session, budget: Budget, at: str) -> None:
    """Hold this budget from now on. Nobody counts meanwhile, so its first sum misses nothing."""
    db.alone(LOCK)
    db.run(
        _PUT,
        id=budget.id,
        scope=budget.scope,
        value=budget.value,
        period=budget.period,
        limit=budget.limit_microusd,
        soft=budget.soft_microusd,
        grace=budget.grace_microusd,
    )
    start = period_start(budget.period, at)
    make_row(db, budget.id, budget.scope, budget.value, budget.period, start)
    # Another limit is another thing to be warned of.
    sql = "UPDATE budget_usage SET warned = 0 WHERE budget_id = :id AND period_start = :start"
    db.run(sql, id=budget.id, start=start)


def remove(db: Session, budget_id: str) -> bool:
    """Hold it no more, and forget its counters: they can be counted again."""
    db.alone(LOCK)
    db.run("DELETE FROM budget_usage WHERE budget_id = :id", id=budget_id)
    return bool(db.run("DELETE FROM budgets WHERE budget_id = :id RETURNING budget_id", id=budget_id))


def _budget(row: Row) -> Budget:
    amounts = (row["limit_microusd"], row["soft_microusd"], row["grace_microusd"])
    return Budget(row["scope"], row["scope_value"], row["period"], *amounts)


def usages(db: Session, at: str) -> list[Usage]:
    """All budgets as they stand at this time."""
    found = []
    for row in db.run(_ALL, day=at[:10], month=period_start("month", at), setting=SETTING):
        budget = _budget(row)
        start = period_start(budget.period, at)
        taken = row["taken"]
        if taken is None:
            taken = counted(db, budget.scope, budget.value, budget.period, start)
        found.append(Usage(budget, start, taken))
    return found
