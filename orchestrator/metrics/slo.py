"""How well the service keeps its promises of speed, from its own data: ``mintmark slo``."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ..jobs.base import Filter
from ..jobs.pausing import paused_s
from ..jobs.states import State
from ..webhooks.timing import timing

if TYPE_CHECKING:
    from ...storage.base import Store
    from ..jobs.base import JobStore
    from ..jobs.job import Job, Metrics
    from ..jobs.pausing import Pause

SMALL = 512
"""The longest side of what counts as a small image, in pixels."""
_PAGE = 500


@dataclass(frozen=True)
class Objective:
    """``share`` of all are to take less than ``seconds``."""

    name: str
    seconds: float
    share: float


IMAGES = Objective(f"images up to {SMALL} px", 5.0, 0.99)
WEBHOOKS = Objective("webhooks", 10.0, 0.95)


@dataclass(frozen=True)
class Attainment:
    """How an objective was met: ``within`` of ``total``."""

    objective: Objective
    within: int
    total: int
    p50_s: float | None
    p95_s: float | None
    p99_s: float | None

    @property
    def share(self) -> float | None:
        """The share that was in time; None where there was nothing to measure."""
        return self.within / self.total if self.total else None

    @property
    def met(self) -> bool | None:
        """Whether that is as much as was promised."""
        return None if self.share is None else self.share >= self.objective.share


def attainment(objective: Objective, seconds: Iterable[float], *, late: int = 0) -> Attainment:
    """``late``: how many more there are that were never done in time. Pure."""
    taken = sorted(seconds)
    return Attainment(
        objective=objective,
        within=sum(each < objective.seconds for each in taken),
        total=len(taken) + late,
        p50_s=percentile(taken, 0.50),
        p95_s=percentile(taken, 0.95),
        p99_s=percentile(taken, 0.99),
    )


def percentile(taken: list[float], share: float) -> float | None:
    """The nearest-rank percentile of sorted values; None of nothing."""
    if not taken:
        return None
    # A hair less, so that 0.99 of 100 is the 99th, whatever floats make of the product.
    return taken[max(0, math.ceil(share * len(taken) - 1e-9) - 1)]


def measure(jobs: JobStore, store: Store, *, days: float, now: datetime) -> list[Attainment]:
    """Both objectives over the last ``days``. A job that failed made no image, so it is not among them; nor is one that
    was ordered to take a day, as a part of a vendor's batch. What was waited while the service was paused does not
    count."""
    since = now - timedelta(days=days)
    pauses = jobs.pauses(since)
    small = [job for job in _ended(jobs, since) if _is_small(job) and job.ordered.delivery == "now"]
    seconds = [_seconds(job, job.metrics, pauses) for job in small if job.metrics is not None]
    before = now - timedelta(seconds=WEBHOOKS.seconds)
    told = store.read(lambda db: timing(db, since=since, before=before))
    return [attainment(IMAGES, seconds), attainment(WEBHOOKS, told.seconds, late=told.late)]


def _seconds(job: Job, metrics: Metrics, pauses: Sequence[Pause]) -> float:
    waited = paused_s(pauses, job.due_at, job.started_at) if job.started_at else 0.0
    return max(metrics.latency_ms / 1000 - waited, 0.0)


def _ended(jobs: JobStore, since: datetime) -> Iterator[Job]:
    before: int | None = None
    while page := jobs.find(Filter(states=(State.SUCCEEDED,), since=since), before=before, limit=_PAGE):
        yield from page
        before = page[-1].seq


def _is_small(job: Job) -> bool:
    """Whether it made images, and none of them is larger; one that was given again from the cache was not made."""
    sides = [max(made.width, made.height) for made in job.outputs if made.width and made.height]
    return bool(sides) and max(sides) <= SMALL and not job.cached
