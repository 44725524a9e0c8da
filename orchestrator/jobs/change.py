"""One change of the store: its transaction, its time, and who takes part in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
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
class PutOff:
    """What a change in which several jobs end leaves for all of them together, so that its rows are taken in one order
    and asked for in one piece."""

    closing: list[str] = field(default_factory=list)
    """The ids under which money was set aside for them."""
    told: list[tuple[Job, Callable[[], JobEvent]]] = field(default_factory=list)
    """Their events, and what tells of each."""


@dataclass(frozen=True)
class Change:
    """Rows that several changes may want at once are taken in one order: job, ledger, outbox, queue."""

    db: Session
    at: datetime
    ledger: SqlLedger
    outbox: Outbox | None = None
    counts: Counts = field(default_factory=Counts)
    """What happened to queues in it."""
    ended: list[Job] = field(default_factory=list)
    """Jobs that come to their end in it."""
    put_off: PutOff | None = None
    """Where it is not None, :meth:`catch_up` is to follow."""

    @property
    def stamp(self) -> str:
        """Its time, as it is kept."""
        return stamp(self.at)

    def tell(self, job: Job, kind: str, data: Mapping[str, Any] | None = None) -> None:
        """Write an event of the job, which is as it is after it, and what is to be delivered because of it."""
        told = self.told(job, kind, data)
        if self.put_off is None:
            told()
        else:
            self.put_off.told.append((job, told))

    def told(self, job: Job, kind: str, data: Mapping[str, Any] | None = None) -> Callable[[], JobEvent]:
        """Have an event written; what is returned tells of it, and is to be called once."""
        facts = {key: value for key, value in (data or {}).items() if value is not None}
        asked = self.db.ask(_EVENT, job_seq=job.seq, at=self.stamp, kind=kind, data=json.dumps(facts))

        def tell() -> JobEvent:
            [row] = asked()
            event = JobEvent(seq=row["seq"], job_id=job.job_id, at=self.at, kind=kind, data=facts)
            if self.outbox is not None:
                self.outbox(self.db, job, event)
            return event

        return tell

    def close(self, job_id: str) -> None:
        """Give back what is left of what was set aside under this id."""
        if self.put_off is None:
            self.ledger.close_job_within(self.db, job_id)
        else:
            self.put_off.closing.append(job_id)

    def catch_up(self) -> None:
        """Do what was put off."""
        if self.put_off is None:
            return
        self.ledger.close_jobs_within(self.db, self.put_off.closing)
        # An outbox may count by whose jobs they are: those rows are taken in one order, too.
        for _, tell in sorted(self.put_off.told, key=_whose):
            tell()

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


def _whose(told: tuple[Job, Callable[[], JobEvent]]) -> tuple[str, str, int]:
    job = told[0]
    return job.ordered.key_id or "", job.ordered.end_user or "", job.seq
