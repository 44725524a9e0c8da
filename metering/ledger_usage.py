"""What budgets have given in a period: rows that are made when first asked for, and counted in one fixed order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from .periods import NO_LIMIT, SETTING, Period, ceiling, period_end, period_start

if TYPE_CHECKING:
    from ..storage.base import Row, Session
    from .ledger import Account

LOCK = "budgets"
"""Alone under this name: who changes budgets. Shared: who counts against them."""

_MATCHING = """
SELECT b.budget_id, b.scope, b.scope_value, b.period, b.limit_microusd, b.soft_microusd, b.grace_microusd,
       u.taken, u.warned
FROM budgets b LEFT JOIN budget_usage u ON u.budget_id = b.budget_id
 AND u.period_start = CASE b.period WHEN 'day' THEN :day WHEN 'month' THEN :month ELSE '' END
WHERE (b.scope = 'overall' AND b.scope_value = '') OR (b.scope = 'project' AND b.scope_value = :project)
   OR (b.scope = 'user' AND b.scope_value = :user_name) OR (b.scope = 'api_key' AND b.scope_value = :api_key)
   OR (b.scope = 'workflow' AND b.scope_value IN (:workflow, :version))
"""
_WHOSE = {
    "overall": "(:value = '')",
    "project": "project = :value",
    "user": "user_name = :value",
    "api_key": "api_key = :value",
    # A budget for a workflow is for all its versions, one for name@version for that alone.
    "workflow": "(workflow = :value OR (:value NOT LIKE '%@%' AND substr(workflow, 1, length(:value) + 1)"
    " = :value || '@'))",
}
_TAKE = """
UPDATE budget_usage SET taken = taken + CAST(:asked AS BIGINT)
WHERE budget_id = :budget_id AND period_start = :start AND taken + CAST(:asked AS BIGINT) <= CAST(:ceiling AS BIGINT)
RETURNING taken
"""
_TAKEN = "SELECT taken FROM budget_usage WHERE budget_id = :budget_id AND period_start = :start"
_WARN = """
UPDATE budget_usage SET warned = 1 WHERE budget_id = :budget_id AND period_start = :start AND warned = 0
RETURNING taken
"""
_EVENT = """
INSERT INTO events (at, kind, budget_id, period_start, microusd) VALUES (:at, 'soft_limit', :budget_id, :start, :taken)
"""


class Counter(NamedTuple):
    """One budget in one period."""

    budget_id: str
    scope: str
    value: str
    period: Period
    start: str
    ceiling: int | None
    soft: int | None


class Counters:
    """The changes of one transaction, summed up, and applied at its end: so that everybody takes the rows, which many
    want at once, in one order, and keeps them short."""

    def __init__(self, limit_of_setting: int | None = None) -> None:
        self.limit_of_setting = limit_of_setting
        self._changes: dict[tuple[str, str], int] = {}
        self._known: dict[tuple[str, str], Counter] = {}

    def of(self, db: Session, account: Account, at: str) -> list[Counter]:
        """The budgets that concern an allowance granted then, each with a row for that period.

        Ask this before the allowance is changed: a row that is made now is counted from the allowances as they stand.
        """
        return self.ask(db, account, at)()

    def ask(self, db: Session, account: Account, at: str) -> Callable[[], list[Counter]]:
        """:meth:`of`, for who asks of several at once."""
        version = account.workflow or ""
        asked = db.ask(
            _MATCHING,
            day=at[:10],
            month=period_start("month", at),
            project=account.project,
            user_name=account.user,
            api_key=account.api_key or "",
            workflow=version.partition("@")[0],
            version=version,
        )
        return lambda: self._found(db, asked(), at)

    def _found(self, db: Session, rows: list[Row], at: str) -> list[Counter]:
        found = [self._counter(row, at) for row in rows]
        for row, counter in zip(rows, found, strict=True):
            if row["taken"] is None:
                make_row(db, counter.budget_id, counter.scope, counter.value, counter.period, counter.start)
        return found

    def _counter(self, row: Row, at: str) -> Counter:
        most = ceiling(row["limit_microusd"], row["soft_microusd"], row["grace_microusd"])
        if row["budget_id"] == SETTING:
            most = self.limit_of_setting
        start = period_start(row["period"], at)
        made = Counter(
            row["budget_id"], row["scope"], row["scope_value"], row["period"], start, most, row["soft_microusd"]
        )
        self._known[made.budget_id, start] = made
        return made

    def add(self, counters: Iterable[Counter], microusd: int) -> None:
        """Count, or give back where negative, for each of these budgets. Refuses nothing."""
        for each in counters:
            key = each.budget_id, each.start
            self._changes[key] = self._changes.get(key, 0) + microusd

    def apply(self, db: Session, at: str, *, refuse: bool) -> list[str]:
        """Write the sums. With ``refuse`` raises BudgetExceeded at the first budget without as much left.

        Returns what is to be logged: budgets that passed their soft limits for the first time in their period.
        """
        passed = [
            self._apply(db, self._known[key], self._changes[key], at, refuse=refuse)
            for key in sorted(self._changes)
            if self._changes[key]
        ]
        self._changes.clear()
        return [each for each in passed if each]

    def _apply(self, db: Session, counter: Counter, change: int, at: str, *, refuse: bool) -> str | None:
        key = {"budget_id": counter.budget_id, "start": counter.start}
        ceiling = counter.ceiling if refuse and change > 0 else None
        asked = {"asked": change, "ceiling": NO_LIMIT if ceiling is None else ceiling, **key}
        rows = db.run(_TAKE, **asked)
        if not rows and ceiling is not None:
            # A refusal is as true as a grant: nobody changes the row any more while it is decided.
            (row,) = db.run(f"{_TAKEN}{db.for_update}", **key)
            if row["taken"] + change > ceiling:
                raise _refusal(counter, row["taken"], change, ceiling)
            rows = db.run(_TAKE, **asked)
        if not rows or change < 0 or counter.soft is None or rows[0]["taken"] <= counter.soft:
            return None
        if not db.run(_WARN, **key):
            return None
        db.run(_EVENT, at=at, taken=rows[0]["taken"], **key)
        return counter.budget_id


def _refusal(counter: Counter, taken: int, asked: int, most: int) -> Exception:
    from .budgets import exceeded

    scope = SETTING if counter.budget_id == SETTING else counter.scope
    return exceeded(scope, counter.value, counter.period, counter.start, taken=taken, asked=asked, ceiling=most)


def counted(db: Session, scope: str, value: str, period: Period, start: str) -> int:
    """What the allowances granted in this period took, for whom the budget is."""
    whose = _WHOSE[scope]
    if period == "total":
        # What they took is what their calls cost and what is left in them; calls are summed up already.
        charged = f"SELECT sum(microusd + unknown_microusd) FROM daily WHERE {whose}"  # noqa: S608
        left = f"""SELECT sum(balance) FROM balances JOIN allowances ON allowance_id = substr(account, 11)
                   WHERE account LIKE 'allowance:%' AND {whose}"""  # noqa: S608
        sql = f"SELECT CAST(coalesce(({charged}), 0) + coalesce(({left}), 0) AS BIGINT) AS taken"
        (row,) = db.run(sql, value=value)
    else:
        sql = f"""SELECT CAST(coalesce(sum(taken), 0) AS BIGINT) AS taken FROM allowances
                  WHERE at >= :first AND at < :behind AND {whose}"""  # noqa: S608 - a constant of this file
        (row,) = db.run(sql, first=start, behind=period_end(period, start), value=value)
    return int(row["taken"])


def make_row(db: Session, budget_id: str, scope: str, value: str, period: Period, start: str) -> None:
    """The row of a budget's period, where there is none yet."""
    db.run(
        "INSERT INTO budget_usage (budget_id, period_start, taken) VALUES (:budget_id, :start, :taken) "
        "ON CONFLICT (budget_id, period_start) DO NOTHING",
        budget_id=budget_id,
        start=start,
        taken=counted(db, scope, value, period, start),
    )
