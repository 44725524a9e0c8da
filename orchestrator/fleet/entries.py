"""A worker as the registry has it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

State = Literal["up", "draining", "quarantined"]
Reason = Literal["unreachable", "deaf", "prompt_thread", "memory", "disk", "version", "slow"]

REASONS: dict[Reason, str] = {
    "unreachable": "it did not answer, or was started again",
    "deaf": "its websocket brought nothing, several times in a row",
    "prompt_thread": "it no longer runs prompts",
    "memory": "job after job ran out of memory there",
    "disk": "its disk is full",
    "version": "its Mintmark nodes are of another major version",
    "slow": "its jobs take far longer than they did there before",
}
"""Why a worker may be in quarantine, in words."""
OF_THE_LINE: frozenset[Reason] = frozenset({"unreachable", "deaf"})
"""What may be the fault of the way there: it holds for the process that met it, and is not told to other replicas."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """``url`` is None of a runner of a service and of a worker that its settings name: the registry only has how it
    stands. ``until``: in quarantine at least so long. ``strikes``: how often in a row that was."""

    name: str
    url: str | None
    labels: frozenset[str] = frozenset()
    region: str | None = None
    hour_microusd: int | None = None
    warm: tuple[str, ...] = ()
    """Model files that it is to have in memory."""
    canary: int | None = None
    """It is tried: it gets so many percent of the jobs that it could have."""
    state: State = "up"
    reason: Reason | None = None
    until: datetime | None = None
    strikes: int = 0
    struck_at: datetime | None = None
    told_at: datetime | None = None
    """When a service first heard what it has; None: none ever did."""
    added_at: datetime
    added_by: str
