"""On which workers a job was tried in vain, told from its events. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from ..jobs.job import JobEvent
from ..jobs.prompts import FAULT
from ..jobs.states import Step
from .outcomes import UNCOUNTED

_NOT_THE_WORKER = frozenset({FAULT, *UNCOUNTED})
"""Reasons for another attempt that say nothing of the worker."""


def failed_at(events: Iterable[JobEvent]) -> frozenset[str]:
    """The workers that had the job when something went wrong that may have been their fault."""
    found, worker = set(), None
    for event in events:
        if event.kind == Step.CLAIMED.value:
            worker = event.data.get("worker")
        elif event.kind == Step.REQUEUED.value and worker and event.data.get("reason") not in _NOT_THE_WORKER:
            found.add(worker)
    return frozenset(found)
