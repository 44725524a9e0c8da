"""How far a job is, as one number. Pure: fed with the job's events, in whatever order and number they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..link.events import (
    Ended,
    FilesArrived,
    NodeExecuted,
    NodeProgress,
    NodesCached,
    NodesProgressed,
    NodeStarted,
    WorkerEvent,
)

FETCHING = 1.0
"""What bringing the files home counts, in nodes: without it the bar is full before anything can be looked at."""


class Progress:
    """``fraction`` is 0..1, never falls, and is 1 only once the files are there.

    A node counts 1, and one that takes a number of ``steps`` counts each of them too: a sampler of 30 steps is not
    done when the text encoder before it is.
    """

    def __init__(self, graph: Mapping[str, Mapping[str, Any]]) -> None:
        self._weights = {node: _weight(spec) for node, spec in graph.items()}
        self._whole = sum(self._weights.values()) + FETCHING
        self._done: dict[str, float] = {}
        self._current: str | None = None
        self._stated = False
        self._fraction = 0.0

    @property
    def fraction(self) -> float:
        return self._fraction

    def hear(self, event: WorkerEvent) -> float:
        """Take an event in; the fraction after it."""
        if isinstance(event, FilesArrived):
            self._fraction = 1.0
            return self._fraction
        self._take(event)
        reached = sum(self._weights[node] * part for node, part in self._done.items()) / self._whole
        self._fraction = max(self._fraction, reached)
        return self._fraction

    def _take(self, event: WorkerEvent) -> None:
        if isinstance(event, NodeStarted):
            self._finish_current(event.node)
        elif isinstance(event, NodeProgress):
            self._reach(event.node, event.value / event.max)
        elif isinstance(event, NodesProgressed):
            self._stated = True
            for node, at in event.nodes.items():
                self._reach(node, 1.0 if at.state == "finished" else at.value / at.max)
        elif isinstance(event, NodesCached):
            for node in event.nodes:
                self._reach(node, 1.0)
        elif isinstance(event, NodeExecuted):
            self._reach(event.node, 1.0)
        elif isinstance(event, Ended):
            for node in self._weights:
                self._reach(node, 1.0)

    def _finish_current(self, node: str) -> None:
        # Where no states are told (an older ComfyUI, one node at a time), the next one's beginning is a node's end.
        if not self._stated and self._current is not None and self._current != node:
            self._reach(self._current, 1.0)
        self._current = node

    def _reach(self, node: str, part: float) -> None:
        # A node made by expansion ("7.0.2") is not in the graph that was sent and counts nothing.
        if node in self._weights:
            self._done[node] = max(self._done.get(node, 0.0), min(max(part, 0.0), 1.0))


def _weight(node: Mapping[str, Any]) -> float:
    steps = node.get("inputs", {}).get("steps")
    return 1.0 + (steps if isinstance(steps, int) and steps > 0 else 0)
