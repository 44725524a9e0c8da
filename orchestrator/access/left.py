"""What is left of the limits that are counted in the database, as headers of an answer."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from ...config import MICRO
from ...metering.budgets import Budget
from ...metering.periods import stamp
from .jobs import jobs_of, spend_of
from .keys import KeyLimits

if TYPE_CHECKING:
    from ...storage.base import Session

_TAKEN = "SELECT taken FROM budget_usage WHERE budget_id = :budget_id AND period_start = :day"


def jobs_and_money(db: Session, key_id: str, limits: KeyLimits, end_user: str | None, at: datetime) -> dict[str, str]:
    """``Mintmark-Jobs-Remaining`` and the like: of each kind the tightest of the limits that are set."""
    jobs = [
        (most, most - jobs_of(db, key_id, whose, most))
        for whose, most in ((None, limits.jobs_at_once), (end_user, limits.user_jobs_at_once if end_user else None))
        if most is not None
    ]
    return {**_told("Jobs", jobs, 1), **_told("Spend", _money(db, key_id, limits, end_user, stamp(at)[:10]), MICRO)}


def _money(db: Session, key_id: str, limits: KeyLimits, end_user: str | None, day: str) -> list[tuple[int, int]]:
    found = []
    if (most := limits.spend_per_day_microusd) is not None:
        rows = db.run(_TAKEN, budget_id=Budget("api_key", key_id, "day", most).id, day=day)
        found.append((most, most - (int(rows[0]["taken"]) if rows else 0)))
    if end_user and (most := limits.user_spend_per_day_microusd) is not None:
        found.append((most, most - spend_of(db, key_id, end_user, day)))
    return found


def _told(name: str, limits: list[tuple[int, int]], unit: int) -> dict[str, str]:
    if not limits:
        return {}
    most, left = min(limits, key=lambda each: each[1])
    shown = [str(max(0, value)) if unit == 1 else f"{max(0, value) / unit:.6f}" for value in (most, left)]
    return {f"Mintmark-{name}-Limit": shown[0], f"Mintmark-{name}-Remaining": shown[1]}
