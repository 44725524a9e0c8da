"""What is done to jobs that are over: judged, forgotten; within one transaction.

Files are deleted once their transaction is over. Until then what is to be deleted is written down, so that whoever is
killed in between leaves it to the next one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ...errors import InvalidInput, WrongState
from ...metering.periods import stamp
from ...storage.base import Part
from .job import Job
from .records import Stored, locked, ordered_document, result_document, searchable

if TYPE_CHECKING:
    from ...storage.base import Session
    from .change import Change

PART = Part("forgotten_assets", "CREATE TABLE forgotten_assets (asset TEXT PRIMARY KEY) {table};")
PURGED = "purged"
_JUDGED = {True: "accepted", False: "rejected", None: "unjudged"}

_RESULT = "UPDATE jobs SET result = :result WHERE seq = :seq"
_PURGE = """
UPDATE jobs SET purged = 1, keep_until = NULL, cache_key = NULL, user_name = :user, result = :result,
       ordered = :ordered
WHERE seq = :seq
"""
_NO_METADATA = "DELETE FROM job_metadata WHERE name = :name AND value = :value AND job_seq = :job_seq"
_NO_ASSET = "DELETE FROM job_assets WHERE asset = :asset AND job_seq = :job_seq"
_HAS = "SELECT 1 FROM job_assets WHERE asset = :asset LIMIT 1"
_NOBODYS = "INSERT INTO forgotten_assets (asset) VALUES (:asset) ON CONFLICT (asset) DO NOTHING"
_FORGOTTEN = "SELECT asset FROM forgotten_assets ORDER BY asset LIMIT :most"
_GONE = "DELETE FROM forgotten_assets WHERE asset = :asset"
_OWN_TIME = "SELECT job_id FROM jobs WHERE keep_until IS NOT NULL AND keep_until <= :at ORDER BY keep_until LIMIT :most"
_USUAL_TIME = """
SELECT job_id FROM jobs WHERE ended_at IS NOT NULL AND keep_until IS NULL AND purged = 0 AND ended_at <= :before
ORDER BY ended_at LIMIT :most
"""


def judge(change: Change, job_id: str, index: int, *, accepted: bool | None) -> Job:
    """Note what a person says of an output. Raises UnknownJob and InvalidInput."""
    job = locked(change.db, job_id).job
    if index not in {made.index for made in job.outputs}:
        raise InvalidInput(f"Job {job_id} has no output {index}.", hint=f"It has {len(job.outputs)}.", field="index")
    outputs = tuple(
        made.model_copy(update={"accepted": accepted}) if made.index == index else made for made in job.outputs
    )
    job = job.model_copy(update={"outputs": outputs})
    change.db.run(_RESULT, seq=job.seq, result=result_document(job))
    change.tell(job, _JUDGED[accepted], {"index": index})
    return job


def purge(change: Change, job_id: str) -> list[str]:
    """Forget the content; the digests of assets that nobody has now. Raises UnknownJob and WrongState."""
    found = locked(change.db, job_id)
    if not found.job.state.terminal:
        raise WrongState(f"Job {job_id} is {found.job.state.value}.", hint="Cancel it first.")
    if found.job.purged:
        return []
    assets = _forget(change.db, found)
    # What is still to be delivered has its own address.
    whom = {"webhook_url": None, "webhook_events": (), "end_user": None}
    ordered = found.job.ordered.model_copy(
        update={"values": {}, "images": {}, "metadata": {}, "asked": {}, "cache_key": None, **whom}
    )
    job = found.job.model_copy(update={"ordered": ordered, "outputs": (), "purged": True})
    document = ordered_document(ordered)
    change.db.run(_PURGE, seq=job.seq, user=ordered.user, result=result_document(job), ordered=document)
    change.tell(job, PURGED)
    orphans = [each for each in assets if not change.db.run(_HAS, asset=each)]
    for each in orphans:
        change.db.run(_NOBODYS, asset=each)
    return orphans


def forgotten(db: Session, most: int) -> list[str]:
    """Files that were no job's any more, and of which nobody has said yet that they are deleted."""
    return [str(row["asset"]) for row in db.run(_FORGOTTEN, most=most)]


def gone(db: Session, asset: str) -> None:
    """It is deleted, or somebody's again."""
    db.run(_GONE, asset=asset)


def _forget(db: Session, found: Stored) -> list[str]:
    """Delete what lists find it by; the assets that it had."""
    job = found.job
    for name, value in searchable(job.ordered.metadata).items():
        db.run(_NO_METADATA, name=name, value=value, job_seq=job.seq)
    assets = sorted({made.asset for made in job.outputs} | set(job.ordered.images.values()))
    for asset in assets:
        db.run(_NO_ASSET, asset=asset, job_seq=job.seq)
    return assets


def due(change: Change, default_days: float | None, limit: int) -> list[str]:
    """Jobs whose content was kept for long enough."""
    own = change.db.run(_OWN_TIME, at=change.stamp, most=limit)
    usual = []
    if default_days is not None:
        before = stamp(change.at - timedelta(days=default_days))
        usual = change.db.run(_USUAL_TIME, before=before, most=limit)
    return [row["job_id"] for row in [*own, *usual]][:limit]
