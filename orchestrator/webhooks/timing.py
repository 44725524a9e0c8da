"""How long deliveries took, for the service's promises of speed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from ...metering.periods import stamp

if TYPE_CHECKING:
    from ...storage.base import Session

_ENDED = "SELECT at, ended_at, state FROM webhook_deliveries WHERE ended_at IS NOT NULL AND ended_at >= :since"
_WAITING = "SELECT count(*) AS late FROM webhook_deliveries WHERE state = 'waiting' AND at >= :since AND at < :before"


class Timing(NamedTuple):
    """Seconds from each event to its delivery, and how many were not delivered in time, or at all."""

    seconds: list[float]
    late: int


def timing(db: Session, *, since: datetime, before: datetime) -> Timing:
    """Of deliveries that ended since then. Late is what waits since earlier than ``before``, and what was given up."""
    rows = db.run(_ENDED, since=stamp(since))
    delivered = [_between(row["at"], row["ended_at"]) for row in rows if row["state"] == "delivered"]
    waiting = int(db.run(_WAITING, since=stamp(since), before=stamp(before))[0]["late"])
    return Timing(delivered, len(rows) - len(delivered) + waiting)


def _between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
