"""Jobs and their events as the job store would hand them on."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from mintmark.orchestrator.jobs.job import Job, JobEvent, Ordered
from mintmark.orchestrator.jobs.states import State


def job(at: datetime, state: State = State.QUEUED, *, cost: int = 0, **ordered: Any) -> Job:
    """A job in that state; ``ordered`` is what differs from a small one without a key."""
    asked = {
        "job_id": str(uuid.uuid4()),
        "project": "acme",
        "user": "mia",
        "workflow": "text-to-image",
        "version": "1.0.0",
        "digest": "d" * 64,
        "lane": "hosted",
        "values": {"prompt": "a red fox"},
        "allowance_microusd": 1000,
    }
    return Job(seq=1, ordered=Ordered(**{**asked, **ordered}), state=state, submitted_at=at, cost_microusd=cost)


def event(job: Job, kind: str, at: datetime, seq: int = 1) -> JobEvent:
    """A fact of the job's life."""
    return JobEvent(seq=seq, job_id=job.job_id, at=at, kind=kind)


def over(job: Job, state: State = State.SUCCEEDED, cost: int = 0) -> Job:
    """The job after its end."""
    return job.model_copy(update={"state": state, "cost_microusd": cost})
