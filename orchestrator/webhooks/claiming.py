"""Deliveries taken to be sent, and what came of them. All functions work within somebody's transaction."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from ...metering.periods import stamp

if TYPE_CHECKING:
    from ...storage.base import Row, Session
    from .slots import Slots

LEASE = timedelta(seconds=60)
"""Longer than any try takes. Whoever dies while sending leaves the delivery to others after it: it is sent again."""
KEPT = timedelta(days=30)
"""How long it is known what was delivered."""
_LOOKED_AT = 64
"""Of one project at a time."""
_PROJECTS_LOOKED_AT = 128
_SEARCHED = 2000
"""Among so many of a project those for some targets are looked for: a backlog may be any length."""

# The index is asked for one project after the other: how much each of them has waiting does not matter.
_PROJECTS = """
WITH RECURSIVE found (project) AS (
    SELECT min(project) FROM webhook_deliveries WHERE state = 'waiting'
    UNION ALL
    SELECT (SELECT min(d.project) FROM webhook_deliveries d WHERE d.state = 'waiting' AND d.project > found.project)
    FROM found WHERE found.project IS NOT NULL
)
SELECT project FROM found
WHERE project IS NOT NULL AND EXISTS (
    SELECT 1 FROM webhook_deliveries d
    WHERE d.state = 'waiting' AND d.project = found.project AND d.next_at <= :at
)
"""
_DUE = """
SELECT seq, target FROM webhook_deliveries
WHERE state = 'waiting' AND project = :project AND next_at <= :at
  AND target NOT IN (SELECT value FROM {targets})
ORDER BY next_at LIMIT :most
"""
_DUE_THERE = f"""
SELECT seq, target FROM (
    SELECT seq, target, next_at FROM webhook_deliveries
    WHERE state = 'waiting' AND project = :project AND next_at <= :at
    ORDER BY next_at LIMIT {_SEARCHED}
) AS longest
WHERE target IN (SELECT value FROM {{targets}})
ORDER BY next_at LIMIT :most
"""  # noqa: S608 - a number of ours

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
UPDATE webhook_deliveries SET state = :state, next_at = :next_at, lease = NULL, ended_at = :ended_at,
    url = CASE WHEN forgotten = 1 AND :state <> 'waiting' THEN '' ELSE url END
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
        """How long after its event that is, or after it was to be sent again."""
        return max((at - self.begun_at).total_seconds(), 0.0)

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


def choose(db: Session, at: datetime, slots: Slots) -> tuple[list[int], str]:
    """Which due deliveries to claim, and the project whose turn was last: of each in turn the longest due, as far as
    ``slots`` have room; they count what is chosen, so give a copy of your own.

    What a project may not send now is not looked at, so that its backlog hides nothing else.
    """
    due = sorted(str(row["project"]) for row in db.run(_PROJECTS, at=stamp(at)))
    lines: dict[str, deque[tuple[int, str]]] = {}
    for project in slots.in_turn(due):
        if len(lines) < _PROJECTS_LOOKED_AT and (found := _due_of(db, project, at, slots)):
            lines[project] = deque(found)
    chosen = list[int]()
    while lines:
        for project in list(lines):
            if (seq := _first(lines[project], project, slots)) is None:
                del lines[project]
            else:
                chosen.append(seq)
                slots.after = project
    return chosen, slots.after


def _due_of(db: Session, project: str, at: datetime, slots: Slots) -> list[tuple[int, str]]:
    """The longest due of a project, by number and target, that there is room for."""
    sound, troubled = slots.rooms(project)
    if not (sound or troubled):
        return []
    full, there = slots.full(), slots.troubled()
    if sound:
        sql, targets = _DUE, full if troubled else [*full, *there]
    elif targets := [each for each in there if each not in full]:
        sql = _DUE_THERE
    else:
        return []
    asked = sql.format(targets=db.each("targets"))
    rows = db.run(asked, targets=json.dumps(targets), project=project, at=stamp(at), most=_LOOKED_AT)
    return [(int(row["seq"]), str(row["target"])) for row in rows]


def _first(line: deque[tuple[int, str]], project: str, slots: Slots) -> int | None:
    """The first of the line that may go; those before it may not, and will not in this round."""
    while line:
        seq, target = line.popleft()
        if slots.may(project, target):
            slots.take(project, target)
            return seq
    return None


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
