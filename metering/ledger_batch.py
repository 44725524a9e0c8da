"""One transaction's bookings: entries at once, sums at its end.

Rows that many allowances share (budgets, days) are written last, in one fixed order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ledger_allowances import Allowances
from .ledger_calls import Calls
from .ledger_days import Days
from .ledger_usage import LOCK, Counters

if TYPE_CHECKING:
    from ..storage.base import Session


class Batch:
    """``at``: when it is booked; ``counters``: what budgets the changes count against."""

    def __init__(self, db: Session, at: str, counters: Counters) -> None:
        self.db, self.at = db, at
        self._counters, self._days = counters, Days()
        self.allowances = Allowances(db, at, counters)
        self.calls = Calls(self.allowances, self._days)
        db.share(LOCK)

    def finish(self, *, refuse: bool = False) -> list[str]:
        """Write the sums. With ``refuse`` raises BudgetExceeded. Returns budgets that passed their soft limits."""
        self.allowances.save()
        passed = self._counters.apply(self.db, self.at, refuse=refuse)
        self._days.write(self.db)
        return passed
