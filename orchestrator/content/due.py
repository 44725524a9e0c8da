"""Which jobs' content has been kept for long enough. Within a transaction.

Jobs are seen in the order of their ends, each once for each content: so a look costs what is new, however many there
are. One that is held is written down, and looked at again until it is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from ...metering.periods import stamp
from ..jobs.job import CONTENTS, Content
from .rules import Rule, rules

if TYPE_CHECKING:
    from ...storage.base import Session

AT_ONCE = 100
_OWN_TIME = "SELECT job_id FROM jobs WHERE keep_until IS NOT NULL AND keep_until <= :at ORDER BY keep_until LIMIT :most"
_ENDED = """
SELECT job_id, ended_at FROM jobs
WHERE ended_at IS NOT NULL AND keep_until IS NULL AND purged = 0 AND ended_at <= :before
  AND (ended_at > :seen OR (ended_at = :seen AND job_id > :job_id))
"""
_OF_PROJECT = _ENDED + " AND project = :project ORDER BY ended_at, job_id LIMIT :most"
_OF_OTHERS = (
    _ENDED
    + " AND NOT EXISTS (SELECT 1 FROM retention_rules r WHERE r.project = jobs.project) "
    + "ORDER BY ended_at, job_id LIMIT :most"
)
_SEEN = "SELECT ended_at, job_id FROM retention_seen WHERE project = :project AND content = :content"
_SEE = """
INSERT INTO retention_seen (project, content, ended_at, job_id) VALUES (:project, :content, :ended_at, :job_id)
ON CONFLICT (project, content) DO UPDATE SET ended_at = excluded.ended_at, job_id = excluded.job_id
"""
_SKIP = "INSERT INTO retention_skipped (job_id, content) VALUES (:job_id, :content) ON CONFLICT DO NOTHING"
_SKIPPED = "SELECT job_id, content FROM retention_skipped ORDER BY job_id LIMIT 1000"
_MET = "DELETE FROM retention_skipped WHERE job_id = :job_id AND content = :content"


@dataclass(frozen=True)
class Due:
    """A job of which so much is to be forgotten."""

    job_id: str
    contents: tuple[Content, ...]
    project: str = ""
    ended_at: str = ""
    """Set where it is to be written down that it was seen."""


def due(db: Session, default: Rule, at: datetime) -> list[Due]:
    """Some of those that are; none where there are no more."""
    own = [Due(row["job_id"], CONTENTS) for row in db.run(_OWN_TIME, at=stamp(at), most=AT_ONCE)]
    return own + [each for rule in (*rules(db), default) for each in _of(db, rule, at)]


def _of(db: Session, rule: Rule, at: datetime) -> Iterator[Due]:
    for content, time in rule.times():
        rows = db.run(_SEEN, project=rule.project, content=content)
        seen, job_id = (rows[0]["ended_at"], rows[0]["job_id"]) if rows else ("", "")
        facts = {"before": stamp(at - time), "seen": seen, "job_id": job_id, "most": AT_ONCE}
        found = db.run(_OF_PROJECT, project=rule.project, **facts) if rule.project else db.run(_OF_OTHERS, **facts)
        for row in found:
            yield Due(row["job_id"], (content,), rule.project, row["ended_at"])


def see(db: Session, its: Due, *, skipped: bool) -> None:
    """It was seen to; or it is held, and is to be looked at again."""
    for content in its.contents:
        if its.ended_at:
            db.run(_SEE, project=its.project, content=content, ended_at=its.ended_at, job_id=its.job_id)
        db.run(_SKIP if skipped else _MET, job_id=its.job_id, content=content)


def skipped(db: Session) -> list[Due]:
    """Those that were held when their time was over."""
    return [Due(row["job_id"], (row["content"],)) for row in db.run(_SKIPPED)]
