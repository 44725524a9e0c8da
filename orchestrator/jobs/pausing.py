"""When claiming was paused: what a job waited then says nothing of how fast the service is. Within a transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from ...metering.periods import stamp
from ...storage.base import Part

if TYPE_CHECKING:
    from ...storage.base import Session

PART = Part(
    "pauses",
    """
CREATE TABLE pauses (
    begun_at TEXT PRIMARY KEY,
    ended_at TEXT              -- NULL: it is paused now
) {table};
""",
)
KEPT = timedelta(days=100)

_PAUSE = "UPDATE claiming SET paused = :paused"
_BEGIN = """
INSERT INTO pauses (begun_at) SELECT CAST(:at AS TEXT) WHERE NOT EXISTS (SELECT 1 FROM pauses WHERE ended_at IS NULL)
ON CONFLICT (begun_at) DO NOTHING
"""
_END = "UPDATE pauses SET ended_at = :at WHERE ended_at IS NULL"
_FORGET = "DELETE FROM pauses WHERE ended_at < :before"
_ALL = "SELECT begun_at, ended_at FROM pauses WHERE ended_at IS NULL OR ended_at > :since ORDER BY begun_at"


class Pause(NamedTuple):
    """``ended_at`` None: it goes on."""

    begun_at: datetime
    ended_at: datetime | None


def pause(db: Session, at: datetime, *, paused: bool) -> None:
    """See :meth:`.base.JobStore.pause`."""
    db.run(_PAUSE, paused=int(paused))
    db.run(_BEGIN if paused else _END, at=stamp(at))
    db.run(_FORGET, before=stamp(at - KEPT))


def pauses(db: Session, since: datetime) -> list[Pause]:
    """See :meth:`.base.JobStore.pauses`."""
    parse = datetime.fromisoformat
    return [
        Pause(parse(row["begun_at"]), None if row["ended_at"] is None else parse(row["ended_at"]))
        for row in db.run(_ALL, since=stamp(since))
    ]


def paused_s(found: Iterable[Pause], since: datetime, until: datetime) -> float:
    """For how many seconds of that time it was paused. Pure."""
    spans = ((max(each.begun_at, since), min(each.ended_at or until, until)) for each in found)
    return sum(max((end - begin).total_seconds(), 0.0) for begin, end in spans)
