"""Several outboxes as one."""

from __future__ import annotations

from ...storage.base import Session
from ..jobs.base import Outbox
from ..jobs.job import Job, JobEvent


def all_of(*outboxes: Outbox) -> Outbox:
    """One that has each write what it has to, in this order."""

    def write(db: Session, job: Job, event: JobEvent) -> None:
        for outbox in outboxes:
            outbox(db, job, event)

    return write
