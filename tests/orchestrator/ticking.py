"""A clock that goes when it is told to."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone


class Clock:
    """``clock()`` is the time, ``clock.ticks()`` the seconds since the test began."""

    def __init__(self) -> None:
        self.start = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
        self.now = self.start

    def __call__(self) -> datetime:
        return self.now

    def ticks(self) -> float:
        return (self.now - self.start).total_seconds()

    def go(self, **time: float) -> None:
        self.now += timedelta(**time)
