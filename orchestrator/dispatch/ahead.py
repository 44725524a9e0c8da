"""The next jobs as the store had them a moment ago, and what each needs: what all workers' loops place from."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Sequence
from typing import NamedTuple

from ...errors import MintmarkError
from ..fleet.skew import Pin
from ..jobs.base import Ready
from ..jobs.job import Job
from .kit import Kit
from .needs import Needs, needs_of
from .tried import failed_at

MOST = 200
"""Jobs that are looked at; those behind them have not had their turn."""
FURTHER = 500
"""And so many of those behind them each time, where none of the first is for a worker that has room."""
AGAIN_S = 0.5
"""How long a look is good for where nobody says that there is something new."""
HALF_LIFE_S = 3600.0
"""What a model was asked for so long ago counts half."""


class Kind(NamedTuple):
    """Jobs of which all of this is the same are alike: they may go to the same places."""

    lanes: tuple[str, str]
    """In which it waits, and its own."""
    files: frozenset[str]
    classes: frozenset[str]
    pins: tuple[Pin, ...]
    region: str | None
    labels: tuple[str, ...]
    failed_at: frozenset[str]
    shape: Hashable
    """Where some worker does not run it; else None."""


class Ahead:
    """Of one dispatcher. ``here``: the jobs that run here, or are about to."""

    def __init__(self, kit: Kit, here: Callable[[], Collection[str]]) -> None:
        self.jobs: dict[str, Ready] = {}
        """In the order of fairness, priority and age."""
        self.looks = 0
        self.goes_on = False
        """Whether there are jobs behind those that were looked at."""
        self.wanted: Counter[str] = Counter()
        """How often each model file was asked for of late."""
        self._kit, self._here = kit, here
        self._needs: dict[str, Needs] = {}
        self._failed_at: dict[tuple[str, int], frozenset[str]] = {}
        self._beyond: dict[str, tuple[int, int]] | None = None
        self._bell = kit.news.bell()
        self._lock = asyncio.Lock()
        self._looked_at = self._faded_at = float("-inf")
        self._lanes: Sequence[str] = ()

    async def look(self, lanes: Sequence[str]) -> None:
        """See to it that the jobs are those of just now. Raises StorageError."""
        async with self._lock:
            rung, now = self._bell.heard(), time.monotonic()
            if not rung and lanes == self._lanes and now - self._looked_at < AGAIN_S:
                return
            found = await self._kit.block(self._kit.jobs.peek, lanes, most=MOST)
            self.goes_on = len(found) == MOST
            if self._beyond is not None:
                found = await self._further(lanes, found)
            news = [ready for ready in found if ready.job.job_id not in self._needs]
            for ready in news:
                self._needs[ready.job.job_id] = await self.learn(ready.job)
            for ready in found:
                await self._learn_failed(ready.job)
            self._want(news, now)
            # What was claimed here meanwhile is not asked for again.
            here = self._here()
            self.jobs = {ready.job.job_id: ready for ready in found if ready.job.job_id not in here}
            self._needs = {each: its for each, its in self._needs.items() if each in self.jobs or each in here}
            there = {(ready.job.job_id, ready.job.attempt) for ready in found}
            self._failed_at = {each: names for each, names in self._failed_at.items() if each in there}
            self._looked_at, self._lanes, self.looks = now, lanes, self.looks + 1

    def further(self) -> None:
        """None of these is for a worker that has room: from now on look at those behind them as well, a part at each
        look, until all were seen."""
        if self.goes_on and self._beyond is None:
            self._beyond = {}

    async def _further(self, lanes: Sequence[str], found: list[Ready]) -> list[Ready]:
        more = await self._kit.block(self._kit.jobs.peek, lanes, most=FURTHER, beyond=self._beyond)
        places = {ready.queue_id: ready.place for ready in more}
        # Once around, the first alone are looked at again, until those are for nobody.
        self._beyond = {**(self._beyond or {}), **places} if len(more) == FURTHER else None
        first = {ready.job.job_id for ready in found}
        return [*found, *(ready for ready in more if ready.job.job_id not in first)]

    async def _learn_failed(self, job: Job) -> None:
        """On which workers the job failed, where it was tried before."""
        its = job.job_id, job.attempt
        if job.attempt and its not in self._failed_at:
            self._failed_at[its] = failed_at(await self._kit.block(self._kit.jobs.events, job.job_id))

    def failed_at(self, job: Job) -> frozenset[str]:
        """The workers on which the job failed."""
        return self._failed_at.get((job.job_id, job.attempt), frozenset())

    def ring(self) -> None:
        """There are new jobs."""
        self._bell.ring()

    async def learn(self, job: Job) -> Needs:
        """What the job needs; nothing where its workflow is not known any more: whoever runs it says so."""
        if (known := self._needs.get(job.job_id)) is not None:
            return known
        try:
            workflow = await self._kit.workflow(job.ordered.digest)
        except MintmarkError:
            return Needs()
        return needs_of(workflow, job.ordered.values, self._size_of, job.ordered.images)

    def needs(self, job_id: str) -> Needs:
        """What one of the jobs needs, or one that runs here; nothing where that is not known."""
        return self._needs.get(job_id, Needs())

    def kinds(self, unfit: Collection[Hashable] = ()) -> dict[Kind, list[Ready]]:
        """The jobs of each kind: those of a kind may go to the same places, and the first of them goes first.
        ``unfit``: the shapes of those that some worker does not run."""
        found: dict[Kind, list[Ready]] = {}
        for ready in self.jobs.values():
            found.setdefault(self._kind(ready, unfit), []).append(ready)
        return found

    def _kind(self, ready: Ready, unfit: Collection[Hashable]) -> Kind:
        its, needs = ready.job.ordered, self.needs(ready.job.job_id)
        lanes, shape = (ready.lane, its.lane), needs.shape if needs.shape in unfit else None
        failed_at = self.failed_at(ready.job)
        return Kind(lanes, needs.files, needs.classes, needs.pins, its.region, its.labels, failed_at, shape)

    def files(self, job_ids: Collection[str]) -> frozenset[str]:
        """The model files of these jobs."""
        return frozenset(file for job_id in job_ids for file in self.needs(job_id).files)

    def close(self) -> None:
        """Listen no more."""
        self._bell.close()

    def _want(self, news: Sequence[Ready], now: float) -> None:
        if now - self._faded_at > HALF_LIFE_S:
            self._faded_at = now
            self.wanted = Counter({file: count // 2 for file, count in self.wanted.items() if count > 1})
        for ready in news:
            self.wanted.update(self.needs(ready.job.job_id).files)

    def _size_of(self, file: str) -> int | None:
        told = (worker.capabilities.sizes for worker in self._kit.workers if worker.capabilities is not None)
        return next((sizes[file] for sizes in told if file in sizes), None)
