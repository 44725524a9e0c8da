"""An API-format graph as a graph: links, reach, order and cycles. Pure, and without recursion: graphs may be deep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeGuard

Graph = dict[str, dict[str, Any]]


def is_link(value: Any) -> TypeGuard[list[Any]]:
    """Whether an input's value is a link ``[node id, output index]``."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def sources(node: Mapping[str, Any]) -> dict[str, tuple[str, int]]:
    """The linked inputs of a node: name to (node id, output index)."""
    inputs = node.get("inputs")
    if not isinstance(inputs, dict):
        return {}
    return {name: (value[0], value[1]) for name, value in inputs.items() if is_link(value)}


def reachable(graph: Graph, outputs: Iterable[str]) -> list[str]:
    """Every node that these outputs need, themselves included, each before what needs it. Cycles are cut somewhere."""
    order: list[str] = []
    seen: set[str] = set()
    stack = [(each, False) for each in reversed(list(outputs))]
    while stack:
        node_id, done = stack.pop()
        if done:
            order.append(node_id)
        elif node_id in graph and node_id not in seen:
            seen.add(node_id)
            stack.append((node_id, True))
            needed = dict.fromkeys(source for source, _ in sources(graph[node_id]).values())
            stack.extend((source, False) for source in reversed(list(needed)))
    return order


def cycle(graph: Graph, output: str, finished: set[str] | None = None) -> list[str]:
    """The first cycle met on the way from this output, in the order of its links; empty where there is none.

    ``finished`` remembers, from one output to the next, what was found to be free of cycles.
    """
    path: list[str] = []
    on_path: set[str] = set()
    finished = set() if finished is None else finished
    stack = [(output, False)]
    while stack:
        node_id, leaving = stack.pop()
        if leaving:
            on_path.discard(path.pop())
            finished.add(node_id)
        elif node_id in on_path:
            return path[path.index(node_id) :]
        elif node_id in graph and node_id not in finished:
            path.append(node_id)
            on_path.add(node_id)
            stack.append((node_id, True))
            stack.extend((source, False) for source, _ in reversed(list(sources(graph[node_id]).values())))
    return []


def dependents(graph: Graph, outputs: Iterable[str]) -> dict[str, list[str]]:
    """For each needed node, the outputs that need it."""
    found: dict[str, list[str]] = {}
    for output in outputs:
        for node_id in reachable(graph, [output]):
            found.setdefault(node_id, []).append(output)
    return found
