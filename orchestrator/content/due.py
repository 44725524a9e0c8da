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
_NO_RULE = " AND NOT EXISTS (SELECT 1 FROM retention_rules r WHERE r.project = jobs.project)"
_OF_OTHERS = _ENDED + _NO_RULE + " ORDER BY ended_at, job_id LIMIT :most"
_SEEN = "SELECT ended_at, job_id FROM retention_seen WHERE project = :project AND content = :content"
_SEE = """
INSERT INTO retention_seen (project, content, ended_at, job_id) VALUES (:project, :content, :ended_at, :job_id)
ON CONFLICT (project, content) DO UPDATE SET ended_at = excluded.ended_at, job_id = excluded.job_id
"""
_SKIP = "INSERT INTO retention_skipped (job_id, content) VALUES (:job_id, :content) ON CONFLICT DO NOTHING"
_SKIPPED = "SELECT job_id, content FROM retention_skipped WHERE job_id > :after ORDER BY job_id LIMIT :most"
# From here on it is found among those that were skipped.
_NO_OWN_TIME = "UPDATE jobs SET keep_until = NULL WHERE job_id = :job_id"
_MET = "DELETE FROM retention_skipped WHERE job_id = :job_id AND content = :content"


@dataclass(frozen=True)
class Due:
    """A job of which so much is to be forgotten. ``seen``: under which project's rule, and when it had ended; what is
    written down once it was seen to. Empty of a job whose own order says how long it is kept."""

    job_id: str
    contents: tuple[Content, ...]
    seen: tuple[tuple[Content, str, str], ...] = ()


def due(db: Session, default: Rule, at: datetime) -> list[Due]:
    """Some of those that are, the same job once; none where there are no more."""
    own = [Due(row["job_id"], CONTENTS) for row in db.run(_OWN_TIME, at=stamp(at), most=AT_ONCE)]
    found: dict[str, Due] = {}
    for rule in (*rules(db), default):
        for content, job_id, ended_at in _of(db, rule, at):
            known = found.get(job_id, Due(job_id, ()))
            seen = (*known.seen, (content, rule.project, ended_at))
            found[job_id] = Due(job_id, (*known.contents, content), seen)
    return own + list(found.values())


def _of(db: Session, rule: Rule, at: datetime) -> Iterator[tuple[Content, str, str]]:
    """What, of which job, which had ended when."""
    for content, time in rule.times():
        rows = db.run(_SEEN, project=rule.project, content=content)
        seen, job_id = (rows[0]["ended_at"], rows[0]["job_id"]) if rows else ("", "")
        facts = {"before": stamp(at - time), "seen": seen, "job_id": job_id, "most": AT_ONCE}
        found = db.run(_OF_PROJECT, project=rule.project, **facts) if rule.project else db.run(_OF_OTHERS, **facts)
        yield from ((content, row["job_id"], row["ended_at"]) for row in found)


def see(db: Session, its: Due, *, held: bool) -> None:
    """It was seen to; or it is held, and is to be looked at again."""
    for content, project, ended_at in its.seen:
        db.run(_SEE, project=project, content=content, ended_at=ended_at, job_id=its.job_id)
    for content in its.contents:
        db.run(_SKIP if held else _MET, job_id=its.job_id, content=content)
    if held and not its.seen:
        db.run(_NO_OWN_TIME, job_id=its.job_id)


def skipped(db: Session, after: str = "") -> list[Due]:
    """Those that were held when their time was over, by their ids, behind this one."""
    return [Due(row["job_id"], (row["content"],)) for row in db.run(_SKIPPED, after=after, most=AT_ONCE)]
