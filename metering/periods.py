"""Periods and limits of budgets: what every allowance needs of them, and therefore little. Pure."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Literal

Scope = Literal["user", "project", "api_key", "workflow", "overall"]
Period = Literal["day", "month", "total"]

SETTING = "setting"
"""The budget of MINTMARK_BUDGET_USD: overall, in total, and with the limit of whoever asks."""
NO_LIMIT = 2**62
MOST = 10**15
"""The largest amount, in micro-dollars: a billion dollars. Sums of such amounts still fit a database's integer."""


def ceiling(limit: int | None, soft: int | None, grace: int | None) -> int | None:
    """What may be taken at most; None where there is only a warning, or nothing."""
    let_through = None if soft is None or grace is None else soft + grace
    limits = [each for each in (limit, let_through) if each is not None]
    return min(limits) if limits else None


def stamp(at: datetime) -> str:
    """A time as the ledger keeps it: UTC, always of the same length."""
    return at.astimezone(timezone.utc).isoformat(timespec="microseconds")


def period_start(period: Period, at: str) -> str:
    """The first day of the period which the stamp falls into; empty for the total, which has none."""
    return {"day": at[:10], "month": f"{at[:7]}-01", "total": ""}[period]


def period_end(period: Period, start: str) -> str:
    """The first text that sorts after every stamp of the period."""
    return {"day": f"{start}U", "month": f"{start[:7]}-U", "total": "U"}[period]
