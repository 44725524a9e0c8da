"""The next jobs as the store had them a moment ago, and what each needs: what all workers' loops place from."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from ...errors import MintmarkError
from ..jobs.base import Ready
from ..jobs.job import Job
from .kit import Kit
from .needs import Needs, needs_of

MOST = 200
"""Jobs that are looked at; those behind them have not had their turn."""
AGAIN_S = 0.5
"""How long a look is good for where nobody says that there is something new."""
HALF_LIFE_S = 600.0
"""What a model was asked for so long ago counts half."""

Kind = tuple[str, frozenset[str], frozenset[str]]
"""Lane, model files and node classes: jobs of which these are the same are alike."""


class Ahead:
    """Of one dispatcher. ``here``: the jobs that run here, or are about to."""

    def __init__(self, kit: Kit, here: Callable[[], Collection[str]]) -> None:
        self.jobs: dict[str, Ready] = {}
        """In the order of fairness, priority and age."""
        self.looks = 0
        self.wanted: Counter[str] = Counter()
        """How often each model file was asked for of late."""
        self._kit, self._here = kit, here
        self._needs: dict[str, Needs] = {}
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
            news = [ready for ready in found if ready.job.job_id not in self._needs]
            for ready in news:
                self._needs[ready.job.job_id] = await self.learn(ready.job)
            self._want(news, now)
            # What was claimed here meanwhile is not asked for again.
            here = self._here()
            self.jobs = {ready.job.job_id: ready for ready in found if ready.job.job_id not in here}
            self._needs = {each: its for each, its in self._needs.items() if each in self.jobs or each in here}
            self._looked_at, self._lanes, self.looks = now, lanes, self.looks + 1

    async def learn(self, job: Job) -> Needs:
        """What the job needs; nothing where its workflow is not known any more: whoever runs it says so."""
        if (known := self._needs.get(job.job_id)) is not None:
            return known
        try:
            workflow = await self._kit.workflow(job.ordered.digest)
        except MintmarkError:
            return Needs()
        return needs_of(workflow, job.ordered.values, self._size_of)

    def needs(self, job_id: str) -> Needs:
        """What one of the jobs needs, or one that runs here; nothing where that is not known."""
        return self._needs.get(job_id, Needs())

    def kinds(self) -> dict[Kind, Ready]:
        """The first job of each kind: those of a kind may go to the same places, and the first of them goes first."""
        found: dict[Kind, Ready] = {}
        for job_id, ready in self.jobs.items():
            needs = self.needs(job_id)
            found.setdefault((ready.lane, needs.files, needs.classes), ready)
        return found

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
