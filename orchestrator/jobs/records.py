"""A job as the database keeps it: columns for what is asked for and decided by, documents for the rest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic import TypeAdapter

from ...errors import UnknownJob
from ...metering.periods import stamp
from ...storage.base import Row, Session
from .job import Ending, Job, JobEvent, Ordered
from .states import State, Step

COLUMNS = (
    "seq, queue_id, state, outcome, ready, fence, attempt, worker, lease_owner, lease_until, cancel_asked, "
    "submitted_at, started_at, ended_at, cost, cached, purged, result, ordered"
)
_ONE = f"SELECT {COLUMNS} FROM jobs WHERE job_id = :job_id"  # noqa: S608 - our own words
_RESULT: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Any])
_LONGEST = 200
"""Of a value of metadata that can be searched for, in characters."""


class Stored(NamedTuple):
    """A job and what the store alone knows of it."""

    job: Job
    queue_id: str
    ready: bool
    fence: int
    cancel_asked: Step | None


def find(db: Session, job_id: str) -> Stored | None:
    """The job, or None."""
    rows = db.run(_ONE, job_id=job_id)
    return stored(rows[0]) if rows else None


def locked(db: Session, job_id: str) -> Stored:
    """The job, which nobody else changes until the transaction is over. Raises UnknownJob."""
    rows = db.run(_ONE + db.for_update, job_id=job_id)
    if not rows:
        raise UnknownJob(f"There is no job {job_id}.")
    return stored(rows[0])


def stored(row: Row) -> Stored:
    """What a row of :data:`COLUMNS` says."""
    asked = row["cancel_asked"]
    return Stored(job_of(row), row["queue_id"], bool(row["ready"]), row["fence"], Step(asked) if asked else None)


def job_of(row: Row) -> Job:
    """The job of a row of :data:`COLUMNS`."""
    result = {} if row["result"] is None else _RESULT.validate_json(row["result"])
    return Job(
        seq=row["seq"],
        ordered=Ordered.model_validate_json(row["ordered"]),
        state=State(row["state"]),
        outcome=Step(row["outcome"]) if row["outcome"] else None,
        attempt=row["attempt"],
        worker=row["worker"],
        submitted_at=datetime.fromisoformat(row["submitted_at"]),
        started_at=time_of(row["started_at"]),
        ended_at=time_of(row["ended_at"]),
        cost_microusd=row["cost"],
        cached=bool(row["cached"]),
        purged=bool(row["purged"]),
        **result,
    )


def event_of(row: Row, job_id: str) -> JobEvent:
    """The event of a row."""
    at = datetime.fromisoformat(row["at"])
    return JobEvent(seq=row["seq"], job_id=job_id, at=at, kind=row["kind"], data=json.loads(row["data"]))


def ordered_document(ordered: Ordered) -> str:
    """What was asked, as text. What is left out was None."""
    return ordered.model_dump_json(exclude_none=True)


def result_document(its: Job | Ending) -> str:
    """What came of it, as text."""
    return its.model_dump_json(include={"failure", "outputs", "receipts", "metrics", "forgotten"})


def searchable(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What of the metadata lists can be filtered by."""
    found = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in metadata.items()
        if isinstance(value, str | int | float | bool)
    }
    return {name: value for name, value in found.items() if len(name) <= _LONGEST and len(value) <= _LONGEST}


def time_of(text: str | None) -> datetime | None:
    """A kept time."""
    return None if text is None else datetime.fromisoformat(text)


def text_of(at: datetime | None) -> str | None:
    """A time as it is kept."""
    return None if at is None else stamp(at)
