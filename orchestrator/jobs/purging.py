"""What is done to jobs that are over: judged, forgotten; within one transaction.

Files are deleted once their transaction is over. Until then what is to be deleted is written down, so that whoever is
killed in between leaves it to the next one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import InvalidInput, WrongState
from ...storage.base import Part
from . import laid
from .job import CONTENTS, Content, Failure, Job
from .records import locked, ordered_document, result_document, searchable

if TYPE_CHECKING:
    from ...storage.base import Session
    from .change import Change

PART = Part("forgotten_assets", "CREATE TABLE forgotten_assets (asset TEXT PRIMARY KEY) {table};")
_SCHEMA = """
CREATE TABLE forgotten_jobs (
    job_id TEXT NOT NULL,
    place  TEXT NOT NULL,  -- a worker on which it ran; '' is here
    assets TEXT NOT NULL,  -- JSON: files of it that no job has any more
    at     TEXT NOT NULL,
    PRIMARY KEY (job_id, place)
) {table};
"""
ELSEWHERE = Part("forgotten_jobs", _SCHEMA)
PURGED = "purged"


class Elsewhere(NamedTuple):
    """A job that is forgotten here and is still to be forgotten in another place: on the worker of this name, or in
    what is kept beside the jobs (""). ``assets`` are files of it that no job has any more."""

    job_id: str
    place: str
    assets: tuple[str, ...]
    at: str


Held = Callable[["Session", Job], str]
"""Why nothing of a job may be forgotten, within a transaction; "" where it may."""
_JUDGED = {True: "accepted", False: "rejected", None: "unjudged"}

_RESULT = "UPDATE jobs SET result = :result WHERE seq = :seq"
_PURGE = "UPDATE jobs SET purged = :purged, result = :result, ordered = :ordered WHERE seq = :seq"
_UNCACHED = "UPDATE jobs SET cache_key = NULL WHERE seq = :seq"
_UNCACHED_EVERYWHERE = """
UPDATE jobs SET cache_key = NULL
WHERE cache_key IS NOT NULL AND project = :project
  AND seq IN (SELECT job_seq FROM job_assets WHERE asset = :asset AND role = 'output')
"""
_CACHED_AGAIN = "UPDATE jobs SET cache_key = :cache_key WHERE seq = :seq AND cache_key IS NULL"
_NOBODY = "UPDATE jobs SET user_name = :user WHERE seq = :seq"
_SAID = """
SELECT seq, data FROM job_events WHERE job_seq = :seq AND kind IN ('accepted', 'rejected', 'unjudged') ORDER BY seq
"""
_SAYS = "UPDATE job_events SET data = :data WHERE seq = :seq"
_WHO_AND_WHAT = ("index", "by")
"""What is kept of what was said of an output: not the words."""
_KEPT_NO_LONGER = "UPDATE jobs SET keep_until = NULL WHERE seq = :seq"
_RELEASE = "mintmark hold list; what is released can be purged."
_NO_METADATA = "DELETE FROM job_metadata WHERE name = :name AND value = :value AND job_seq = :job_seq"
_NO_ASSET = "DELETE FROM job_assets WHERE asset = :asset AND job_seq = :job_seq AND role = :role"
_HAS = "SELECT 1 FROM job_assets WHERE asset = :asset LIMIT 1"
_NOBODYS = "INSERT INTO forgotten_assets (asset) VALUES (:asset) ON CONFLICT (asset) DO NOTHING"
_FORGOTTEN = "SELECT asset FROM forgotten_assets ORDER BY asset LIMIT :most"
_CLAIMED = "SELECT data FROM job_events WHERE job_seq = :seq AND kind = 'claimed'"
_ELSEWHERE = """
INSERT INTO forgotten_jobs (job_id, place, assets, at) VALUES (:job_id, :place, :assets, :at)
ON CONFLICT (job_id, place) DO UPDATE SET assets = excluded.assets, at = excluded.at
"""
_ELSEWHERES = "SELECT job_id, place, assets, at FROM forgotten_jobs ORDER BY at, job_id LIMIT :most"
_GONE_ELSEWHERE = "DELETE FROM forgotten_jobs WHERE job_id = :job_id AND place = :place AND at = :at"
_GONE = "DELETE FROM forgotten_assets WHERE asset = :asset"


def judge(
    change: Change, job_id: str, index: int, *, accepted: bool | None, by: str | None = None, reason: str | None = None
) -> Job:
    """Note what a person says of an output. Raises UnknownJob and InvalidInput."""
    was = locked(change.db, job_id).job
    if index not in {made.index for made in was.outputs}:
        raise InvalidInput(f"Job {job_id} has no output {index}.", hint=f"It has {len(was.outputs)}.", field="index")
    outputs = tuple(
        made.model_copy(update={"accepted": accepted}) if made.index == index else made for made in was.outputs
    )
    job = was.model_copy(update={"outputs": outputs})
    change.db.run(_RESULT, seq=job.seq, result=result_document(job))
    _cache(change.db, was, job, index)
    change.tell(job, _JUDGED[accepted], {"index": index, "by": by, "reason": reason})
    return job


def _cache(db: Session, was: Job, job: Job, index: int) -> None:
    """A file that was rejected answers no other order of the project; a job of which nothing is rejected any more may
    do so again."""
    rejected = {made.asset for made in job.outputs if made.accepted is False}
    [before] = [made for made in was.outputs if made.index == index]
    if before.asset in rejected:
        db.run(_UNCACHED_EVERYWHERE, project=job.ordered.project, asset=before.asset)
    elif before.accepted is False and not rejected and not job.cached and job.ordered.cache_key:
        db.run(_CACHED_AGAIN, seq=job.seq, cache_key=job.ordered.cache_key)


def nobody(_db: Session, _job: Job) -> str:
    """Holds no job."""
    return ""


def purge(
    change: Change,
    job_id: str,
    contents: Sequence[Content] = CONTENTS,
    held: Held = nobody,
    *,
    by: str | None = None,
) -> list[str]:
    """Forget so much of the content; the digests of assets that nobody has now. Raises UnknownJob and WrongState."""
    found = locked(change.db, job_id)
    if not found.job.state.terminal:
        raise WrongState(f"Job {job_id} is {found.job.state.value}.", hint="Cancel it first.")
    going = [each for each in contents if each not in found.job.forgotten]
    if found.job.purged or not going:
        return []
    if why := held(change.db, found.job):
        raise WrongState(f"Job {job_id} is under legal hold, so nothing of it is forgotten: {why}.", hint=_RELEASE)
    job = _without(found.job, going)
    assets = _forget(change.db, found.job, job)
    _write(change, job)
    change.tell(job, PURGED, {"contents": None if job.purged else going, "by": by})
    orphans = [each for each in assets if not change.db.run(_HAS, asset=each)]
    for each in orphans:
        change.db.run(_NOBODYS, asset=each)
        laid.forget(change.db, each)
    _tell_elsewhere(change, job, orphans)
    return orphans


def forget_copies(change: Change, job_id: str, *, cached_only: bool) -> None:
    """See :meth:`.base.JobStore.forget_copies`."""
    job = locked(change.db, job_id).job
    change.db.run(_UNCACHED, seq=job.seq)
    if not cached_only:
        _tell_elsewhere(change, job, ())


def _tell_elsewhere(change: Change, job: Job, orphans: Sequence[str]) -> None:
    for place in ("", *_workers(change.db, job)):
        assets = json.dumps(list(orphans))
        change.db.run(_ELSEWHERE, job_id=job.job_id, place=place, assets=assets, at=change.stamp)


def _workers(db: Session, job: Job) -> list[str]:
    """Where it ever ran."""
    told = [json.loads(row["data"]) for row in db.run(_CLAIMED, seq=job.seq)]
    return sorted({str(each["worker"]) for each in told if each.get("worker")})


def _without(job: Job, going: Sequence[Content]) -> Job:
    """The job as it is then."""
    forgotten = tuple(each for each in CONTENTS if each in (*job.forgotten, *going))
    changes: dict[str, Any] = {"forgotten": forgotten, "purged": forgotten == CONTENTS}
    ordered: dict[str, Any] = {}
    if "prompts" in going:
        # What is still to be delivered has its own address.
        ordered |= {"values": {}, "metadata": {}, "asked": {}, "webhook_url": None, "webhook_events": ()}
        ordered["end_user"] = None
        # What a provider or a node says of a failure may quote what it was asked.
        if job.failure is not None:
            changes["failure"] = Failure(code=job.failure.code, message="What it said is forgotten.")
    if "inputs" in going:
        ordered["images"] = {}
    if "outputs" in going:
        changes["outputs"], ordered["cache_key"] = (), None
    return job.model_copy(update={**changes, "ordered": job.ordered.model_copy(update=ordered)})


def _write(change: Change, job: Job) -> None:
    its, run = job.ordered, change.db.run
    run(_PURGE, seq=job.seq, purged=int(job.purged), result=result_document(job), ordered=ordered_document(its))
    if "outputs" in job.forgotten:
        run(_UNCACHED, seq=job.seq)
    if "prompts" in job.forgotten:
        run(_NOBODY, seq=job.seq, user=its.user)
        _forget_words(change.db, job)
    if job.purged:
        run(_KEPT_NO_LONGER, seq=job.seq)


def _forget_words(db: Session, job: Job) -> None:
    """Who released or rejected which output stays."""
    for row in db.run(_SAID, seq=job.seq):
        said = json.loads(row["data"])
        left = {name: said[name] for name in _WHO_AND_WHAT if name in said}
        if left != said:
            db.run(_SAYS, seq=row["seq"], data=json.dumps(left))


def forgotten(db: Session, most: int) -> list[str]:
    """Files that were no job's any more, and of which nobody has said yet that they are deleted."""
    return [str(row["asset"]) for row in db.run(_FORGOTTEN, most=most)]


def orphaned(db: Session, asset: str) -> None:
    """A file may be nobody's any more: whoever deletes what is forgotten looks whether a job has it."""
    db.run(_NOBODYS, asset=asset)


def elsewhere(db: Session, most: int) -> list[Elsewhere]:
    """Jobs that are forgotten here, and of which nobody has said yet that they are there, the latest last."""
    found = db.run(_ELSEWHERES, most=most)
    return [Elsewhere(row["job_id"], row["place"], tuple(json.loads(row["assets"])), row["at"]) for row in found]


def gone_elsewhere(db: Session, its: Elsewhere) -> None:
    """It is forgotten there, too."""
    db.run(_GONE_ELSEWHERE, job_id=its.job_id, place=its.place, at=its.at)


def gone(db: Session, asset: str) -> None:
    """It is deleted, or somebody's again."""
    db.run(_GONE, asset=asset)


def _forget(db: Session, was: Job, job: Job) -> list[str]:
    """Delete what lists find it by; the assets that it has no more."""
    if not job.ordered.metadata:
        for name, value in searchable(was.ordered.metadata).items():
            db.run(_NO_METADATA, name=name, value=value, job_seq=job.seq)
    gone = [("output", made.asset) for made in was.outputs if not job.outputs]
    gone += [("input", asset) for asset in was.ordered.images.values() if not job.ordered.images]
    for role, asset in gone:
        db.run(_NO_ASSET, asset=asset, job_seq=job.seq, role=role)
    return sorted({asset for _, asset in gone})
