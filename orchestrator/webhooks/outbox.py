"""What is to be delivered because of a job's event, written in the event's own transaction: it is never lost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...metering.periods import stamp
from ...storage.base import Part

if TYPE_CHECKING:
    from ...storage.base import Session
    from ..jobs.job import Job, JobEvent


def _to_2(db: Session) -> None:
    """What is due is looked for project by project."""
    db.script("DROP INDEX webhook_due")
    db.script("CREATE INDEX webhook_due_of ON webhook_deliveries (project, next_at) WHERE state = 'waiting'")


def _to_3(db: Session) -> None:
    """An address is forgotten with its job."""
    db.script("ALTER TABLE webhook_deliveries ADD COLUMN forgotten INTEGER NOT NULL DEFAULT 0")


PART = Part(
    "webhooks",
    (Path(__file__).parent / "schema.sql").read_text(encoding="utf-8"),
    version=3,
    upgrades={1: _to_2, 2: _to_3},
)

_ENDS = frozenset({"succeeded", "failed", "canceled", "superseded", "deadline_passed"})
_UNDER_WAY = {"claimed": "job.running", "requeued": "job.queued"}
"""Told of where the caller asked for ``progress``."""

_ADD = """
INSERT INTO webhook_deliveries (delivery_id, job_id, type, at, data, project, url, target, state, attempts, earlier,
                                begun_at, next_at)
VALUES (:delivery_id, :job_id, :type, :at, :data, :project, :url, :target, 'waiting', 0, 0, :at, :at)
ON CONFLICT (delivery_id) DO NOTHING
"""

_FORGET = """
UPDATE webhook_deliveries SET forgotten = 1, url = CASE WHEN ended_at IS NULL THEN url ELSE '' END
WHERE job_id = :job_id
"""


def outbox(db: Session, job: Job, event: JobEvent) -> None:
    """An :class:`~..jobs.base.Outbox`: writes the delivery of this event, where the job has a webhook."""
    url, kind = job.ordered.webhook_url, type_of(job, event)
    if url is None or kind is None:
        return
    delivery_id = f"msg_{job.job_id.replace('-', '')}_{event.seq}"
    add(db, delivery_id, kind, stamp(event.at), url, project=job.ordered.project, job_id=job.job_id)


def type_of(job: Job, event: JobEvent) -> str | None:
    """What the event is called in a webhook; None: it is not told of."""
    if event.kind in _ENDS and job.state.terminal:
        return f"job.{job.state.value}"
    return _UNDER_WAY.get(event.kind) if "progress" in job.ordered.webhook_events else None


def add(
    db: Session,
    delivery_id: str,
    kind: str,
    at: str,
    url: str,
    *,
    project: str,
    job_id: str | None = None,
    data: str | None = None,
) -> None:
    """Have something delivered; the same id once. ``data``: JSON, of what is no job."""
    db.run(
        _ADD,
        delivery_id=delivery_id,
        job_id=job_id,
        type=kind,
        at=at,
        data=data,
        project=project,
        url=url,
        target=target_of(url),
    )


def forget_addresses(db: Session, job_id: str) -> None:
    """Forget where a job was told of: what is over now, what is still to be delivered once that is over."""
    db.run(_FORGET, job_id=job_id)


def target_of(url: str) -> str:
    """Host and port of a URL: what may be shown of it, and what is slow or down as one."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()[:300]
    except ValueError:
        return "?"
