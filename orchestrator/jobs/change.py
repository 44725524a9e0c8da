"""One change of the store: its transaction, its time, and who takes part in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...metering.periods import stamp
from ...storage.base import Session
from .base import Outbox
from .counts import Counts
from .job import Job, JobEvent

if TYPE_CHECKING:
    from ...metering.ledger_sql import SqlLedger

_EVENT = "INSERT INTO job_events (job_seq, at, kind, data) VALUES (:job_seq, :at, :kind, :data) RETURNING seq"


@dataclass(frozen=True)
class Change:
    """Rows that several changes may want at once are taken in one order: job, ledger, queue."""

    db: Session
    at: datetime
    ledger: SqlLedger
    outbox: Outbox | None = None
    counts: Counts = field(default_factory=Counts)
    """What happened to queues in it."""
    ended: list[Job] = field(default_factory=list)
    """Jobs that come to their end in it."""

    @property
    def stamp(self) -> str:
        """Its time, as it is kept."""
        return stamp(self.at)

    def tell(self, job: Job, kind: str, data: Mapping[str, Any] | None = None) -> JobEvent:
        """Write an event of the job, which is as it is after it, and what is to be delivered because of it."""
        facts = {key: value for key, value in (data or {}).items() if value is not None}
        text = json.dumps(facts)
        [row] = self.db.run(_EVENT, job_seq=job.seq, at=self.stamp, kind=kind, data=text)
        event = JobEvent(seq=row["seq"], job_id=job.job_id, at=self.at, kind=kind, data=facts)
        if self.outbox is not None:
            self.outbox(self.db, job, event)
        return event

    @contextmanager
    def part(self) -> Iterator[None]:
        """Of it: where that raises, it alone is undone."""
        ended, counts = len(self.ended), self.counts.copy()
        try:
            with self.db.part():
                yield
        except BaseException:
            del self.ended[ended:]
            self.counts.restore(counts)
            raise
