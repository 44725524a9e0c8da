"""A job's money over all its attempts: what they cost, under which ids, and what is unknown where a worker is gone."""

from __future__ import annotations

import uuid

from ...clock import utc_now
from ...errors import UnknownJob
from ...generation.books import postings
from ...generation.context import Receipt
from ...generation.graph_estimate_links import is_hosted
from ...generation.journal import Journal
from ...metering.ledger import Account, Line, Posting
from ...metering.ledger_sql import SqlLedger
from ...metering.local import PROVIDER as LOCAL
from ...storage.base import Session
from ..execution.attempt import Attempt
from ..jobs.base import JobStore
from ..jobs.job import Job
from ..jobs.prompts import prompt_ids
from ..jobs.states import Step


class JobMoney:
    """All methods block: call them from a thread."""

    def __init__(self, jobs: JobStore, ledger: SqlLedger, job: Job) -> None:
        self._jobs, self._ledger, self._job = jobs, ledger, job
        self._ids: list[str] | None = None

    @property
    def account(self) -> Account:
        """Who the job is booked on."""
        ordered = self._job.ordered
        return Account(
            project=ordered.project,
            user=ordered.user,
            workflow=f"{ordered.workflow}@{ordered.version}",
            api_key=ordered.key_id,
        )

    def ids(self) -> list[str]:
        """The ids under which the job's prompts ran; see :mod:`..jobs.prompts`."""
        if self._ids is None:
            told = self._jobs.events(self._job.job_id) if self._job.attempt > 1 else []
            reasons = [each.data.get("reason") for each in told if each.kind == Step.REQUEUED.value]
            self._ids = prompt_ids(self._job.job_id, reasons)
        return self._ids

    def prompt_id(self) -> str:
        """The id of the present attempt's prompt; the job's allowance is moved to it."""
        *before, last = self.ids()
        if before:
            self._ledger.store.transact(lambda db: self._move(db, before, last))
        return last

    def _move(self, db: Session, before: list[str], last: str) -> None:
        for each in before:
            self._ledger.close_job_within(db, each)
        self._ledger.allow_within(db, last, self._job.ordered.allowance_microusd, self.account)

    def receipts(self) -> tuple[Receipt, ...]:
        """What the ledger has of the job so far."""
        lines = [line for each in self.ids() for line in self._ledger.lines(job_id=each, limit=None)]
        return tuple(_receipt(line) for line in lines if line.kind != "released")

    def from_journal(self, journal: Journal, prompt_id: str) -> bool:
        """Book what this journal has of the prompt, and close it there; whether it is closed now. Without a word of it
        nothing was spent."""
        try:
            journal.close_job(prompt_id)
        except UnknownJob:
            return False
        since = 0
        while entries := journal.since(since, job_id=prompt_id):
            self._ledger.post(postings(entries))
            since = entries[-1].seq
        return True

    def doubt(self, attempt: Attempt | None) -> None:
        """Its worker is gone with its journal: what was heard to be asked is unknown, and so is the rest of the
        allowance where more may have been."""
        if attempt is not None:
            self._ledger.post(attempt.hearsay.doubtful())
            if not any(is_hosted(node) for node in attempt.graph.values()):
                return
        prompt_id = self.prompt_id()
        taken = self._ledger.taken(job_id=prompt_id)
        left = self._job.ordered.allowance_microusd - taken.spent_microusd
        if left > 0:
            self._ledger.post([_rest(prompt_id, left)])


def _rest(prompt_id: str, microusd: int) -> Posting:
    return Posting(
        call_id=str(uuid.uuid5(uuid.UUID(prompt_id), "worker_lost")),
        job_id=prompt_id,
        kind="unknown",
        microusd=microusd,
        provider="unknown",
        model="unknown",
        request_id=None,
        at=utc_now(),
        reason="The worker is gone with its journal; what it asked for is not known.",
    )


def _receipt(line: Line) -> Receipt:
    state = "unknown" if line.kind == "unknown" else "cached" if line.cached else "settled"
    return Receipt(
        call_id=line.call_id,
        provider=line.provider,
        model=line.model,
        request_id=line.request_id,
        microusd=line.microusd,
        state="local" if line.provider == LOCAL and state == "settled" else state,
    )
