"""Deliveries taken to be sent, and what came of them. All functions work within somebody's transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from ...metering.periods import stamp

if TYPE_CHECKING:
    from ...storage.base import Row, Session

LEASE = timedelta(seconds=60)
"""Longer than any try takes. Whoever dies while sending leaves the delivery to others after it: it is sent again."""
KEPT = timedelta(days=30)
"""How long it is known what was delivered."""
_LOOKED_AT = 256

_CLAIM = """
UPDATE webhook_deliveries SET next_at = :until, lease = :lease, attempts = attempts + 1
WHERE seq = :seq AND state = 'waiting' AND next_at <= :at
RETURNING seq, delivery_id, job_id, type, at, data, project, url, target, attempts, earlier, begun_at
"""
_LOG = """
INSERT INTO webhook_attempts (delivery_id, number, at, status, latency_ms, error, response)
VALUES (:delivery_id, :number, :at, :status, :latency_ms, :error, :response) ON CONFLICT DO NOTHING
"""
_MARK = """
UPDATE webhook_deliveries SET state = :state, next_at = :next_at, lease = NULL, ended_at = :ended_at
WHERE seq = :seq AND lease = :lease
"""
_FORGET = """
DELETE FROM webhook_deliveries WHERE seq IN (
    SELECT seq FROM webhook_deliveries WHERE ended_at < :before LIMIT 500
) RETURNING delivery_id
"""


@dataclass(frozen=True)
class Due:
    """A delivery that is ours to send. Its URL shows in no repr."""

    row: Row
    lease: str

    @property
    def target(self) -> str:
        """Host and port."""
        return str(self.row["target"])

    @property
    def begun_at(self) -> datetime:
        """When it was first, or again, to be delivered."""
        return datetime.fromisoformat(self.row["begun_at"])

    def seconds(self, at: datetime) -> float:
        """How long after its event that is."""
        return max((at - datetime.fromisoformat(self.row["at"])).total_seconds(), 0.0)

    def __repr__(self) -> str:
        return f"Due({self.row['delivery_id']}, {self.target})"


@dataclass(frozen=True)
class Tried:
    """What came of a try. ``status`` None: no answer. ``again_at`` None: it is over, one way or the other."""

    at: datetime
    latency_ms: int
    status: int | None = None
    error: str | None = None
    response: str | None = None
    delivered: bool = False
    again_at: datetime | None = None

    @property
    def result(self) -> Literal["delivered", "failed", "dead"]:
        """In a word; ``failed`` is tried again."""
        return "delivered" if self.delivered else "failed" if self.again_at else "dead"


def choose(db: Session, at: datetime, busy: Mapping[str, int], *, most: int, per_target: int) -> list[int]:
    """Which due deliveries to claim: the longest due first, and of each target only as many as it may have at once.

    A target that has as many already is not looked at, so that its backlog hides nobody else's.
    """
    full = sorted(target for target, count in busy.items() if count >= per_target)
    names = {f"full_{number}": target for number, target in enumerate(full)}
    others = f"AND target NOT IN ({', '.join(f':{name}' for name in names)})" if names else ""
    sql = f"""SELECT seq, target FROM webhook_deliveries WHERE state = 'waiting' AND next_at <= :at {others}
              ORDER BY next_at LIMIT {_LOOKED_AT}"""  # noqa: S608 - names of values
    room, chosen = Counter(busy), list[int]()
    for row in db.run(sql, at=stamp(at), **names):
        if len(chosen) < most and room[row["target"]] < per_target:
            room[row["target"]] += 1
            chosen.append(int(row["seq"]))
    return chosen


def claim(db: Session, chosen: Sequence[int], at: datetime, lease: str) -> list[Due]:
    """Take these, those of them that nobody else took meanwhile."""
    found: list[Due] = []
    for seq in sorted(chosen):
        rows = db.run(_CLAIM, seq=seq, at=stamp(at), until=stamp(at + LEASE), lease=lease)
        found += [Due(row, lease) for row in rows]
    return found


def take_back(db: Session, at: datetime) -> None:
    """Have everything that is under way sent at once: whoever was sending it is known to be dead."""
    db.run(
        "UPDATE webhook_deliveries SET next_at = :at, lease = NULL WHERE state = 'waiting' AND lease IS NOT NULL",
        at=stamp(at),
    )


def mark(db: Session, due: Due, tried: Tried) -> None:
    """Write down what came of it. The state stays as it is where the lease was lost; what was tried is noted."""
    state = "delivered" if tried.delivered else "waiting" if tried.again_at else "dead"
    facts: dict[str, Any] = {
        "at": stamp(tried.at),
        "status": tried.status,
        "latency_ms": tried.latency_ms,
        "error": tried.error,
        "response": tried.response,
    }
    db.run(_LOG, delivery_id=due.row["delivery_id"], number=due.row["attempts"], **facts)
    db.run(
        _MARK,
        seq=due.row["seq"],
        lease=due.lease,
        state=state,
        next_at=stamp(tried.again_at or tried.at),
        ended_at=None if state == "waiting" else stamp(tried.at),
    )


def forget(db: Session, at: datetime) -> int:
    """Remove some of what ended long ago; how many."""
    rows = db.run(_FORGET, before=stamp(at - KEPT))
    for row in rows:
        db.run("DELETE FROM webhook_attempts WHERE delivery_id = :id", id=row["delivery_id"])
    return len(rows)
