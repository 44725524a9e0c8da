"""Whether a graph can run, answered in ComfyUI's words: which outputs may run, the error, and what is wrong where."""

from __future__ import annotations

import traceback
from dataclasses import dataclass, field
from typing import Any

from . import graph as graphs
from .checks import Problem, node_problems, problem
from .graph import Graph
from .registry import NodeType, Registry


@dataclass
class Verdict:
    """``outputs`` may run; ``error`` is set where none may; ``node_errors`` also tells of outputs that were dropped."""

    outputs: list[str] = field(default_factory=list)
    error: Problem | None = None
    node_errors: dict[str, Any] = field(default_factory=dict)


async def validate(graph: Graph, registry: Registry, targets: list[str] | None = None) -> Verdict:
    """Check a graph. ``targets`` limits the outputs that are wanted (``partial_execution_targets``).

    The graph's values are cast to their inputs' types in place, as ComfyUI does.
    """
    missing = missing_types(graph, registry)
    if missing is not None:
        return Verdict(error=missing)
    types = {node_id: registry[node["class_type"]] for node_id, node in graph.items()}
    wanted = [each for each in graph if types[each].is_output and (targets is None or each in targets)]
    if not wanted:
        return Verdict(error=problem("prompt_no_outputs", "Prompt has no outputs", ""))
    return _judge(graph, types, wanted, await _problems(graph, types, wanted))


WHERE_IT_RUNS = "This is the light runner. The graph runs on a ComfyUI where these nodes are installed."


def missing_types(graph: Graph, registry: Registry) -> Problem | None:
    """ComfyUI's error for the first node whose class is not here, with all such nodes besides; None without any."""
    unknown = {node_id: node for node_id, node in graph.items() if registry.get(node.get("class_type")) is None}
    if not unknown:
        return None
    missing = [_missing(node_id, node) for node_id, node in unknown.items()]
    first = missing[0]
    if first["class_type"] is None:
        why = "has no class_type. The workflow may be corrupted or a custom node is missing."
    else:
        why = "not found. The custom node may not be installed."
    classes = sorted({each["class_type"] for each in missing if isinstance(each["class_type"], str)})
    extra = {**first, "missing": missing, "missing_classes": classes, "hint": WHERE_IT_RUNS}
    message = f"Node '{first['node_title']}' {why}"
    return problem("missing_node_type", message, f"Node ID '#{first['node_id']}'", **extra)


def _missing(node_id: str, node: dict[str, Any]) -> dict[str, Any]:
    class_type, meta = node.get("class_type"), node.get("_meta")
    title = meta.get("title") if isinstance(meta, dict) else None
    return {
        "node_id": node_id,
        "class_type": class_type,
        "node_title": title or class_type or f"Node ID #{node_id}",
    }


async def _problems(graph: Graph, types: dict[str, NodeType], wanted: list[str]) -> dict[str, list[Problem]]:
    """Problems by node; what escapes from a node's check is one of them."""
    found = _cycles(graph, types, wanted)
    crashed: dict[str, BaseException] = {}
    order = graphs.reachable(graph, wanted)
    for node_id in order:
        if node_id in found:
            continue
        try:
            own = await node_problems(graph, node_id, types)
        # Whatever a pack's own check raises is an error of the graph, never of the server.
        except (Exception, SystemExit) as error:  # noqa: BLE001
            crashed[node_id] = error
        else:
            found[node_id] = own
    for node_id, crash in crashed.items():
        found[node_id] = [_told_crash(graph, types, node_id, crash, wanted, order)]
    return {node_id: own for node_id, own in found.items() if own}


def _told_crash(
    graph: Graph, types: dict[str, NodeType], node_id: str, error: BaseException, wanted: list[str], order: list[str]
) -> Problem:
    """The crash of an output names itself; that of an inner node names the input that led to it."""
    links = ((other, name, link) for other in order for name, link in graphs.sources(graph[other]).items())
    for other, name, link in links:
        spec = types[other].active(graph[other]["inputs"]).get(name) if link[0] == node_id else None
        if spec is not None and node_id not in wanted:
            config = types[other].config(spec[0])
            extra = {"input_name": name, "input_config": config, "linked_node": list(link)}
            message = {"exception_message": str(error)}
            return _crash("exception_during_inner_validation", "inner node", error, **extra, **message)
    return _crash("exception_during_validation", "node", error)


def _crash(kind: str, where: str, error: BaseException, **extra: Any) -> Problem:
    extra["exception_type"] = type(error).__name__
    extra["traceback"] = traceback.format_tb(error.__traceback__)
    return problem(kind, f"Exception when validating {where}", str(error), **extra)


def _cycles(graph: Graph, types: dict[str, NodeType], wanted: list[str]) -> dict[str, list[Problem]]:
    found: dict[str, list[Problem]] = {}
    clean: set[str] = set()
    for output in wanted:
        ring = graphs.cycle(graph, output, clean)
        if not ring:
            continue
        details = " -> ".join(f"{each} ({types[each].name})" for each in [*ring, ring[0]])
        for each in ring:
            extra = {"node_id": each, "cycle_nodes": ring}
            found[each] = [problem("dependency_cycle", "Dependency cycle detected", details, **extra)]
    return found


def _judge(graph: Graph, types: dict[str, NodeType], wanted: list[str], found: dict[str, list[Problem]]) -> Verdict:
    needed_by = graphs.dependents(graph, wanted) if found else {}
    node_errors = {
        node_id: {"errors": own, "dependent_outputs": needed_by[node_id], "class_type": types[node_id].name}
        for node_id, own in found.items()
    }
    bad = {output for node_id in found for output in needed_by[node_id]}
    outputs = [output for output in wanted if output not in bad]
    if outputs:
        return Verdict(outputs, None, node_errors)
    lines = [f"{each['message']}: {each['details']}" for output in wanted for each in found.get(output, [])]
    message = "Prompt outputs failed validation"
    error = problem("prompt_outputs_failed_validation", message, "\n".join(lines))
    return Verdict([], error, node_errors)
