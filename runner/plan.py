"""What of a prompt's graph is to be done, and when: ready is a node whose needs are done. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

from . import graph
from .graph import Graph
from .registry import NodeType


class Plan:
    """``answered`` says which nodes have their answer; whoever keeps those lets the plan look at them."""

    def __init__(
        self, whole: Graph, types: Mapping[str, NodeType], outputs: Sequence[str], answered: Container[str]
    ) -> None:
        self._graph, self._types, self._outputs, self._answered = whole, types, outputs, answered
        self._waits: dict[str, set[str]] = {}
        self._needed_by: dict[str, list[str]] = {}
        self.ready: list[str] = []
        self._used_slots = self._count_slots()

    def _count_slots(self) -> dict[str, int]:
        used: dict[str, int] = {}
        for node_id in self._types:
            for source, slot in graph.sources(self._graph[node_id]).values():
                used[source] = max(used.get(source, 0), slot + 1)
        return used

    def used_slots(self, node_id: str) -> int:
        """How many of a node's outputs are used, counted to the last used one."""
        return self._used_slots.get(node_id, 0)

    def want(self, node_ids: Sequence[str]) -> None:
        """Plan these nodes and what they need first."""
        todo = list(reversed(node_ids))
        while todo:
            node_id = todo.pop()
            if node_id in self._waits or (node_id in self._answered and node_id not in self._outputs):
                continue
            waits = [] if node_id in self._answered else self._first_needs(node_id)
            todo.extend(self.wait(node_id, waits))

    def wait(self, node_id: str, needs: Sequence[str]) -> list[str]:
        """Let a node wait for what it needs; it is ready when that is there. Returns what is not there yet."""
        waits = [each for each in dict.fromkeys(needs) if each not in self._answered]
        self._waits[node_id] = set(waits)
        for each in waits:
            self._needed_by.setdefault(each, []).append(node_id)
        if not waits:
            self.ready.append(node_id)
        return waits

    def done(self, node_id: str) -> None:
        """A node has its answer: nobody waits for it any more."""
        for waiting in self._needed_by.pop(node_id, ()):
            self._waits[waiting].discard(node_id)
            if not self._waits[waiting]:
                self.ready.append(waiting)

    def _first_needs(self, node_id: str) -> list[str]:
        return [source for source, _ in self.links(node_id, lazy=False).values()]

    def links(self, node_id: str, *, lazy: bool) -> dict[str, tuple[str, int]]:
        """The links of inputs that count. Lazy inputs are those of a node that says which it needs."""
        node_type, node = self._types[node_id], self._graph[node_id]
        asks = node_type.overrides("check_lazy_status") is not None
        active = node_type.active(node["inputs"])
        links = {name: link for name, link in graph.sources(node).items() if name in active}
        return {name: link for name, link in links.items() if bool(asks and active[name][0].lazy) is lazy}
