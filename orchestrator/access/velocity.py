"""Far more than usual: a key that orders many times what it did in the week before is flagged or held, and so is an end
user of one.

This finds a stolen key or a loop gone wild; it is no exact limit. Counts are kept in memory, and every few seconds
added to what all processes counted in this hour. What is counted goes by its name: a key's id, or :func:`user_of` it.
"""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ...metering.periods import stamp

if TYPE_CHECKING:
    from ...storage.base import Session
    from .audit import Fact

DAYS = 7
LEAST_HOURS = 24
"""A key younger than this has no usual rate yet."""
LEAST_JOBS = 20
"""Fewer jobs than this in an hour are never far more than usual."""

MOST_USERS = 2000
"""End users that are counted until it is written down: of more the rest is not."""
_OF = "/"

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
        """Who was flagged in which hour: once is enough."""
        self._untold: list[Fact] = []

    def count(self, name: str, at: datetime) -> None:
        """One more job was ordered."""
        with self._lock:
            its = name, hour_of(at)
            if _OF not in name or its in self._counted or len(self._counted) < MOST_USERS:
                self._counted[its] += 1

    def pace(self, name: str, at: datetime) -> Pace:
        """How orders stand in this hour, as far as is known here."""
        hour = hour_of(at)
        with self._lock:
            known, more = self._known.get(name), self._counted.get((name, hour), 0)
        if known is None or known.hour != hour:
            return Pace(hour, more, known.usual if known else None)
        return known._replace(jobs=known.jobs + more)

    def tell(self, its: Fact) -> None:
        """Have it written into the audit log with what was counted."""
        with self._lock:
            self._untold.append(its)

    def untold(self) -> list[Fact]:
        """What is to be written there; give it back with :meth:`tell` where that could not be."""
        with self._lock:
            untold, self._untold = self._untold, []
        return untold

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
        hours = {pace.hour for pace in paces.values()}
        with self._lock:
            self._known.update(paces)
            # Keys are few. Of end users only those are known that order much in this hour.
            now = max(hours, default="")
            self._known = {name: pace for name, pace in self._known.items() if _OF not in name or pace.hour >= now}
        self.told = {each for each in self.told if each[1] in hours} if hours else self.told


def too_fast(pace: Pace, times: float) -> bool:
    """Whether this is far more than usual."""
    return pace.usual is not None and pace.jobs > max(LEAST_JOBS, times * pace.usual)


def hour_of(at: datetime) -> str:
    """The hour of a time, as it is kept."""
    return stamp(at)[:13]


def user_of(key_id: str, end_user: str) -> str:
    """What an end user of a key is counted by: whom somebody served is written down nowhere."""
    return f"{key_id}{_OF}{digest_of_user(end_user)}"


def digest_of_user(name: str) -> str:
    """What stands for a user where a name must not outlive his content: 32 hex digits of its SHA-256."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def write(db: Session, counted: dict[tuple[str, str], int]) -> dict[str, Pace]:
    """Add what was counted; how the keys stand then, and those end users who order much. Names in one order, whoever
    else writes."""
    found = {}
    for name, hour in sorted(counted):
        (row,) = db.run(_COUNT, key_id=name, hour=hour, jobs=counted[name, hour])
        jobs = int(row["jobs"])
        if _OF not in name or jobs > LEAST_JOBS:
            found[name] = Pace(hour, jobs, _usual(db, name, hour))
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
