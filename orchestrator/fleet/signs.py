"""What a worker's jobs tell of the worker itself. Pure; each bound is one of :mod:`.bounds`."""

from __future__ import annotations

import statistics
from collections import OrderedDict, deque
from collections.abc import Hashable, Mapping
from typing import Any, Literal

from .bounds import (
    DEAF_IN_A_ROW,
    HISTORY_LEAST,
    HISTORY_MOST,
    KINDS_MOST,
    MEMORY_IN_A_ROW,
    SLOW_IN_A_ROW,
    SLOW_LEAST_S,
    SLOW_TIMES,
)
from .entries import Reason

Fault = Literal["memory", "disk"]


class Signs:
    """Of one worker. Each method gives the reason for a quarantine, or None."""

    def __init__(self) -> None:
        self._memory: set[str] = set()
        self._slow = 0
        self._kinds: OrderedDict[Hashable, deque[float]] = OrderedDict()

    def failed(self, job_id: str, fault: Fault | None) -> Reason | None:
        """A job failed there for want of memory, of room on the disk, or of anything else."""
        if fault == "disk":
            return "disk"
        if fault == "memory":
            self._memory.add(job_id)
        if len(self._memory) < MEMORY_IN_A_ROW:
            return None
        self._memory.clear()
        return "memory"

    def succeeded(self, kind: Hashable | None, seconds: float) -> Reason | None:
        """A job ended well there, and its prompt took so long. ``kind``: what its like have in common; None where its
        device had nothing to do, so that this says nothing of it, nor of its memory."""
        if kind is None:
            return None
        self._memory.clear()
        known = self._known(kind)
        if not _is_slow(seconds, known):
            self._slow = 0
            known.append(seconds)
            return None
        # What is slow is no part of what is usual, or it soon would be.
        self._slow += 1
        if self._slow < SLOW_IN_A_ROW:
            return None
        self._slow = 0
        # From now on this is what it is measured by: a worker that stays as it is must not stay away for ever.
        known.clear()
        return "slow"

    def listened(self, deaf_in_a_row: int) -> Reason | None:
        """So many of its sockets in a row brought nothing."""
        return "deaf" if deaf_in_a_row >= DEAF_IN_A_ROW else None

    def _known(self, kind: Hashable) -> deque[float]:
        known = self._kinds.setdefault(kind, deque(maxlen=HISTORY_MOST))
        self._kinds.move_to_end(kind)
        if len(self._kinds) > KINDS_MOST:
            self._kinds.popitem(last=False)
        return known


def _is_slow(seconds: float, known: deque[float]) -> bool:
    if len(known) < HISTORY_LEAST:
        return False
    usual = statistics.median(known)
    return seconds > usual * SLOW_TIMES and seconds - usual > SLOW_LEAST_S


def kind_of(digest: str, graph: Mapping[str, Any]) -> Hashable:
    """What runs of a workflow have in common that should take as long: how many steps, how large, how many."""
    told = [
        (node_id, name, value)
        for node_id, node in sorted(graph.items())
        for name, value in sorted(node.get("inputs", {}).items())
        if name in _SIZES and isinstance(value, int)
    ]
    return digest, tuple(told)


_SIZES = frozenset({"steps", "width", "height", "batch_size", "length", "frames"})
