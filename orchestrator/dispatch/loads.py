"""How fast each worker loads models, and how long jobs run without a load: learned from how long devices were at work.
Pure."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Container
from typing import NamedTuple

from . import needs

REMEMBERED = 20
"""Runs, of each workflow and of each worker."""
MEASURABLE_S = 0.5
"""What took less beyond a run without a load says nothing of how fast a worker loads."""


class _Begun(NamedTuple):
    worker: str
    workflow: str
    size: int


class Loads:
    """Of all workers of one service. Rates are bytes a second; until one is known, :data:`.needs.LOAD_RATE`."""

    def __init__(self) -> None:
        self._begun: dict[str, _Begun] = {}
        self._rates: dict[str, deque[float]] = {}
        self._runs: dict[str, deque[float]] = {}

    def begins(self, job_id: str, worker: str, workflow: str, size: int) -> None:
        """A job goes to this worker, which has so many bytes of its files yet to load."""
        self._begun[job_id] = _Begun(worker, workflow, size)

    def ended(self, job_id: str, seconds: float) -> None:
        """The job ended well, and for so long the device was at work; 0: it was not, or nobody knows."""
        begun = self._begun.pop(job_id, None)
        if begun is None or seconds <= 0:
            return
        if not begun.size:
            self._runs.setdefault(begun.workflow, deque(maxlen=REMEMBERED)).append(seconds)
        elif (run_s := self.run_s(begun.workflow)) is not None and seconds - run_s > MEASURABLE_S:
            rates = self._rates.setdefault(begun.worker, deque(maxlen=REMEMBERED))
            rates.append(begun.size / (seconds - run_s))

    def keep(self, job_ids: Container[str]) -> None:
        """No other job is on its way, or runs."""
        self._begun = {job_id: begun for job_id, begun in self._begun.items() if job_id in job_ids}

    def left(self, job_id: str) -> float:
        """How long what the job's worker had yet to load for it takes there, in seconds; 0 where that was nothing."""
        begun = self._begun.get(job_id)
        return begun.size / self.rate(begun.worker) if begun is not None else 0.0

    def rate(self, worker: str) -> float:
        """How fast this worker loads; as fast as the others where it has not loaded anything yet."""
        known = self._rates.get(worker)
        return statistics.median(known) if known else self.usual_rate

    @property
    def usual_rate(self) -> float:
        """How fast a worker loads of which nothing else is known."""
        known = [statistics.median(rates) for rates in self._rates.values()]
        return statistics.median(known) if known else needs.LOAD_RATE

    def run_s(self, workflow: str) -> float | None:
        """How long a job of this workflow runs whose files are in memory, in seconds; None where none is known."""
        known = self._runs.get(workflow)
        return statistics.median(known) if known else None
