"""How long deliveries took, for the service's promises of speed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ...metering.periods import stamp
from .backoff import GIVEN_UP_AFTER

if TYPE_CHECKING:
    from ...storage.base import Session

# What is sent again by hand begins then, so that it says nothing of how long after its event the first try was.
_ENDED = """
SELECT at, ended_at, state FROM webhook_deliveries WHERE ended_at IS NOT NULL AND ended_at >= :since AND begun_at = at
"""
_WAITING = """
SELECT count(*) AS late FROM webhook_deliveries
WHERE state = 'waiting' AND at >= :since AND at < :before AND begun_at = at
"""
_NEARLY = timedelta(minutes=1)


class Timing(NamedTuple):
    """Seconds from each event to its delivery, and how many were not delivered in time, or at all."""

    seconds: list[float]
    late: int


def timing(db: Session, *, since: datetime, before: datetime) -> Timing:
    """Of deliveries that ended since then. Late is what waits since earlier than ``before``, and what was given up
    because the receiver did not come back. One that may not be reached, or says that it wants no more, is nobody's
    delay; what was sent again by hand neither."""
    rows = db.run(_ENDED, since=stamp(since))
    delivered = [_between(row["at"], row["ended_at"]) for row in rows if row["state"] == "delivered"]
    dead = [_between(row["at"], row["ended_at"]) for row in rows if row["state"] == "dead"]
    given_up = sum(each >= (GIVEN_UP_AFTER - _NEARLY).total_seconds() for each in dead)
    waiting = int(db.run(_WAITING, since=stamp(since), before=stamp(before))[0]["late"])
    return Timing(delivered, given_up + waiting)


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
