"""The time: the one place that asks the system's clock for it. Whoever needs it takes a ``Clock``: tests set it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, aware and in UTC."""
    return datetime.now(timezone.utc)
