"""A result that a worker's cache gave to a job which did not pay for it: it gets receipts of zero of its own."""

from __future__ import annotations

import uuid

from .call import NewCall, call_key
from .carrying import note
from .context import JobContext, Receipt, receipt_of
from .journal import Journal
from .record import Record


def adopted(journal: Journal, record: Record, job: JobContext, node_id: str) -> Record:
    """The record as this job's own, where a worker's cache gave it a result another job paid for: at zero.

    A record that already is this job's comes back as it is.
    """
    if record.job_id == job.job_id:
        return record
    receipts = tuple(_receipt(journal, receipt, record, job, node_id) for receipt in record.receipts)
    note(journal, job.job_id, record.verdicts)
    return record.model_copy(
        update={
            "job_id": job.job_id,
            "receipts": receipts,
            "workflow": job.workflow,
            "cached_of": record.cached_of or record.job_id,
        }
    )


def _receipt(journal: Journal, paid: Receipt, record: Record, job: JobContext, node_id: str) -> Receipt:
    new = NewCall(
        call_id=str(uuid.uuid4()),
        job_id=job.job_id,
        key=call_key(job.job_id, record.node_id, record.request_digest, -1) + paid.call_id,
        node_id=node_id,
        provider=paid.provider,
        model=paid.model,
        request_digest=record.request_digest,
        hold_microusd=0,
    )
    call = journal.hold(new)
    if call.state == "held":
        facts = {"request_id": paid.request_id, "result": {"cached_of": paid.call_id}}
        call = journal.move(call.call_id, "settled", microusd=0, **facts)
    return Receipt.model_validate({**(receipt_of(call) or paid).model_dump(), "state": "cached"})
