"""Days as people write them on the command line. Days are those of UTC."""

from __future__ import annotations

from datetime import date, datetime, timezone

from ..errors import UsageError


def day_of(name: str, text: str) -> date:
    """``2027-01-31``. Raises UsageError naming the option."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--{name}: {text!r} is no date.", hint="Write 2027-01-31.") from None


def end_of(name: str, text: str) -> datetime:
    """The end of that day. Raises UsageError naming the option."""
    day = day_of(name, text)
    return datetime(day.year, day.month, day.day, 23, 59, 59, 999_999, tzinfo=timezone.utc)


def start_of(name: str, text: str) -> datetime:
    """The beginning of that day. Raises UsageError naming the option."""
    day = day_of(name, text)
    return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
