"""Far more than usual: a key that orders many times what it did in the week before is flagged or held.

This finds a stolen key or a loop gone wild; it is no exact limit. Counts are kept in memory, and every few seconds
added to what all processes counted in this hour.
"""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ...metering.periods import stamp

if TYPE_CHECKING:
    from ...storage.base import Session

DAYS = 7
LEAST_HOURS = 24
"""A key younger than this has no usual rate yet."""
LEAST_JOBS = 20
"""Fewer jobs than this in an hour are never far more than usual."""

_COUNT = """
INSERT INTO key_orders (key_id, hour, jobs) VALUES (:key_id, :hour, :jobs)
ON CONFLICT (key_id, hour) DO UPDATE SET jobs = key_orders.jobs + excluded.jobs RETURNING jobs
"""
_USUAL = """
SELECT CAST(coalesce(sum(jobs), 0) AS BIGINT) AS jobs, min(hour) AS first FROM key_orders
WHERE key_id = :key_id AND hour >= :since AND hour < :hour
"""
_FORGET = "DELETE FROM key_orders WHERE hour < :since"


class Pace(NamedTuple):
    """How a key's orders stand. ``usual``: jobs an hour, None where it is too young to say."""

    hour: str
    jobs: int
    usual: float | None


class Velocity:
    """Safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: Counter[tuple[str, str]] = Counter()
        self._known: dict[str, Pace] = {}
        self.told: set[tuple[str, str]] = set()
        """Which key was flagged in which hour: once is enough."""

    def count(self, key_id: str, at: datetime) -> None:
        """One more job was ordered."""
        with self._lock:
            self._counted[key_id, hour_of(at)] += 1

    def pace(self, key_id: str, at: datetime) -> Pace:
        """How the key's orders stand in this hour, as far as is known here."""
        hour = hour_of(at)
        with self._lock:
            known, more = self._known.get(key_id), self._counted.get((key_id, hour), 0)
        if known is None or known.hour != hour:
            return Pace(hour, more, known.usual if known else None)
        return known._replace(jobs=known.jobs + more)

    def due(self) -> dict[tuple[str, str], int]:
        """What was counted since the last time; give it back with :meth:`again` where it could not be written."""
        with self._lock:
            counted, self._counted = self._counted, Counter()
        return dict(counted)

    def again(self, counted: dict[tuple[str, str], int]) -> None:
        """Count it the next time."""
        with self._lock:
            self._counted.update(counted)

    def learned(self, paces: dict[str, Pace]) -> None:
        """How things stand for all processes together."""
        with self._lock:
            self._known.update(paces)
        hours = {pace.hour for pace in paces.values()}
        self.told = {each for each in self.told if each[1] in hours} if hours else self.told


def too_fast(pace: Pace, times: float) -> bool:
    """Whether this is far more than usual."""
    return pace.usual is not None and pace.jobs > max(LEAST_JOBS, times * pace.usual)


def hour_of(at: datetime) -> str:
    """The hour of a time, as it is kept."""
    return stamp(at)[:13]


def write(db: Session, counted: dict[tuple[str, str], int]) -> dict[str, Pace]:
    """Add what was counted; how the keys stand then. Keys in one order, whoever else writes."""
    found = {}
    for key_id, hour in sorted(counted):
        (row,) = db.run(_COUNT, key_id=key_id, hour=hour, jobs=counted[key_id, hour])
        found[key_id] = Pace(hour, int(row["jobs"]), _usual(db, key_id, hour))
    return found


def forget(db: Session, at: datetime) -> None:
    """Remove what is older than is looked at."""
    db.run(_FORGET, since=hour_of(at - timedelta(days=DAYS + 1)))


def _usual(db: Session, key_id: str, hour: str) -> float | None:
    now = datetime.fromisoformat(f"{hour}:00:00+00:00")
    (row,) = db.run(_USUAL, key_id=key_id, hour=hour, since=hour_of(now - timedelta(days=DAYS)))
    if row["first"] is None:
        return None
    hours = (now - datetime.fromisoformat(f"{row['first']}:00:00+00:00")) / timedelta(hours=1)
    return None if hours < LEAST_HOURS else int(row["jobs"]) / hours
