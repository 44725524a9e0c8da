"""Which jobs a purge is of, and doing it: what it would do first, then the thing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput, UnknownJob, WrongState
from ...metering.periods import stamp
from ..access import audit
from ..access.velocity import digest_of_user
from ..jobs.base import Filter
from ..jobs.job import CONTENTS, Content, Job
from .holds import held

if TYPE_CHECKING:
    from ...storage.base import Store
    from ..jobs.base import JobStore

PAGE = 500


@dataclass(frozen=True)
class Selection:
    """The jobs that are over and of which all of this is true. ``before``: they had ended by then."""

    jobs: tuple[str, ...] = ()
    user: str | None = None
    project: str | None = None
    before: datetime | None = None
    contents: tuple[Content, ...] = CONTENTS

    def told(self) -> dict[str, Any]:
        """As the audit log has it, which is for ever: of a user's name only its digest, for it is what is purged."""
        before = None if self.before is None else stamp(self.before)
        user = None if self.user is None else digest_of_user(self.user)
        its = {"jobs": list(self.jobs), "user_sha256": user, "project": self.project, "before": before}
        return {**{name: value for name, value in its.items() if value}, "contents": list(self.contents)}


@dataclass
class Purge:
    """What came of it, or would: the jobs of which content was forgotten, those that are held with why, and those that
    are not over."""

    purged: list[str] = field(default_factory=list)
    held: dict[str, str] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)


def selected(jobs: JobStore, which: Selection) -> Iterable[Job]:
    """The jobs that are meant and still have some of that content. Raises UnknownJob, and InvalidInput for all jobs."""
    if which.jobs:
        found = [(job_id, jobs.get(job_id)) for job_id in which.jobs]
        if missing := [job_id for job_id, job in found if job is None]:
            raise UnknownJob(f"There is no job {missing[0]}.")
        yield from (job for _, job in found if job is not None and _matches(job, which))
        return
    if which.user is None and which.project is None and which.before is None:
        raise InvalidInput(
            "A purge names jobs, a user, a project or an age.", hint="Nothing purges everything at once."
        )
    where, before = Filter(user=which.user, project=which.project), None
    while page := jobs.find(where, before=before, limit=PAGE):
        yield from (job for job in page if _matches(job, which))
        before = page[-1].seq


def _matches(job: Job, which: Selection) -> bool:
    its = job.ordered
    return (
        which.user in (None, its.user, its.end_user)
        and which.project in (None, its.project)
        and (which.before is None or job.ended_at is None or job.ended_at <= which.before)
        and not set(which.contents) <= set(job.forgotten)
        and not job.purged
    )


def purge(
    store: Store,
    jobs: JobStore,
    which: Selection,
    *,
    dry_run: bool,
    actor: str,
    at: datetime,
    forget_assets: Callable[[Iterable[str]], None],
) -> Purge:
    """Forget what is meant, or with ``dry_run`` say what that would be. Raises UnknownJob and InvalidInput. Blocks."""
    found = Purge()
    for job in selected(jobs, which):
        if not job.state.terminal:
            if which.before is None:
                found.running.append(job.job_id)
        elif why := store.read(lambda db, job=job: held(db, job)):  # type: ignore[misc]  # bound here
            found.held[job.job_id] = why
        elif dry_run or _forgotten(jobs, job.job_id, which.contents, forget_assets):
            found.purged.append(job.job_id)
    if not dry_run:
        told = {**which.told(), "purged": len(found.purged), "held": sorted(found.held)}
        store.transact(lambda db: audit.chain(db, [audit.fact(at, actor, "purge", which.project or "", told)]))
    return found


def _forgotten(
    jobs: JobStore, job_id: str, contents: Sequence[Content], forget_assets: Callable[[Iterable[str]], None]
) -> bool:
    try:
        forget_assets(jobs.purge(job_id, contents))
    except WrongState:
        return False  # held since, a moment ago
    return True
