"""Whether a workflow version agrees with itself: everything that can be known without a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .digest import canonical
from .format import Bind, Input, WorkflowVersion
from .problem import Problem, listed, nearest, shown
from .values import LIMITS_OF, fit


def check(version: WorkflowVersion) -> list[Problem]:
    """Every contradiction in the file: bindings and outputs that point nowhere, limits and defaults that disagree,
    links that do not resolve, cycles, and requirements that are not those of the graph."""
    return [
        *_names(version),
        *_graph(version.graph),
        *(problem for spec in version.inputs for problem in _input(spec, version)),
        *_shared_bindings(version.inputs),
        *_outputs(version),
        *_requires(version),
    ]


def is_link(value: Any) -> bool:
    """Whether an input's value in a graph is a link: ``["<node id>", <output index>]``."""
    if not isinstance(value, list) or len(value) != 2:
        return False
    return isinstance(value[0], str) and isinstance(value[1], int) and not isinstance(value[1], bool)


def links(graph: dict[str, dict[str, Any]]) -> Iterator[tuple[str, str, str, int]]:
    """(node, input, source node, source output) of every link in a graph."""
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            if is_link(value):
                yield node_id, name, value[0], value[1]


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _names(version: WorkflowVersion) -> Iterator[Problem]:
    for kind, names in (
        ("inputs", [each.name for each in version.inputs]),
        ("outputs", [each.name for each in version.outputs]),
    ):
        for name in _twice(names):
            yield Problem(f"{kind}.{name}", "the name is used twice", "give each its own name")


def _graph(graph: dict[str, dict[str, Any]]) -> Iterator[Problem]:
    for node_id, node in graph.items():
        for name, value in node["inputs"].items():
            where = f"graph.{node_id}.inputs.{name}"
            if isinstance(value, list) and not is_link(value):
                yield Problem(
                    where, "a list is no link", 'write a link as ["node id", output] or wrap it in "__value__"'
                )
            elif is_link(value) and value[0] not in graph:
                yield Problem(
                    where, f"it links to node {value[0]!r}, which does not exist", "link to a node of the graph"
                )
            elif is_link(value) and value[1] < 0:
                yield Problem(where, "it links to a negative output", "count outputs from 0")
    yield from _cycle(graph)


def _cycle(graph: dict[str, dict[str, Any]]) -> Iterator[Problem]:
    order: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(graph, ()))
    for node, _, source, _ in links(graph):
        order.add(node, source)
    try:
        order.prepare()
    except CycleError as exc:
        yield Problem("graph", f"the nodes {' → '.join(exc.args[1])} wait for each other", "remove one of these links")


def _input(spec: Input, version: WorkflowVersion) -> Iterator[Problem]:
    where = f"inputs.{spec.name}"
    for name in sorted(spec.limits.model_dump(exclude_none=True).keys() - LIMITS_OF[spec.type]):
        yield Problem(f"{where}.limits.{name}", f"it means nothing for the type {spec.type}", "remove it")
    if spec.limits.min is not None and spec.limits.max is not None and spec.limits.min > spec.limits.max:
        yield Problem(f"{where}.limits", "the minimum is above the maximum", "swap them")
    yield from _choices(spec, where, version)
    yield from _default(spec, where)
    for bind in spec.binds:
        yield from _binding(spec, bind, f"{where}.binds", version)


def _choices(spec: Input, where: str, version: WorkflowVersion) -> Iterator[Problem]:
    sources = (spec.limits.choices is not None) + (spec.choices_from is not None)
    if spec.type == "choice" and sources != 1:
        yield Problem(where, "a choice needs its choices", "give either limits.choices or choices_from")
    if spec.type != "choice" and spec.choices_from is not None:
        yield Problem(f"{where}.choices_from", f"it means nothing for the type {spec.type}", "remove it")
    if spec.choices_from is not None:
        yield from _points_to_input(spec.choices_from, f"{where}.choices_from", version)


def _default(spec: Input, where: str) -> Iterator[Problem]:
    if spec.default is None:
        return
    if spec.required:
        yield Problem(f"{where}.default", "a required input has no use for a default", "remove it, or required")
    _, problem = fit(spec, spec.default)
    if problem:
        yield Problem(f"{where}.default", problem.message, problem.fix)


def _points_to_input(bind: Bind, where: str, version: WorkflowVersion) -> Iterator[Problem]:
    node = version.graph.get(bind.node)
    if node is None:
        yield Problem(where, f"there is no node {bind.node!r} in the graph", f"point to one of {listed(version.graph)}")
    elif bind.input not in node["inputs"]:
        found = f"node {bind.node!r} has no input {bind.input!r}{nearest(bind.input, node['inputs'])}"
        yield Problem(where, found, f"point to one of {listed(node['inputs'])}")


def _binding(spec: Input, bind: Bind, where: str, version: WorkflowVersion) -> Iterator[Problem]:
    lost = list(_points_to_input(bind, where, version))
    yield from lost
    if lost:
        return
    held = version.graph[bind.node]["inputs"][bind.input]
    if is_link(held):
        yield Problem(where, f"{bind.node}.{bind.input} is a link, which a value would cut", "bind a literal input")
    elif spec.default is not None and canonical(held) != canonical(spec.default):
        found = f"the graph holds {shown(held)} at {bind.node}.{bind.input}, the default is {shown(spec.default)}"
        yield Problem(where, found, "make them equal: the graph as it stands is the workflow with its defaults")


def _shared_bindings(inputs: tuple[Input, ...]) -> Iterator[Problem]:
    targets = Counter((bind.node, bind.input) for spec in inputs for bind in spec.binds)
    for (node, name), count in targets.items():
        if count > 1:
            yield Problem("inputs", f"{node}.{name} is bound {count} times", "bind each node input once")


def _outputs(version: WorkflowVersion) -> Iterator[Problem]:
    for output in version.outputs:
        if output.node not in version.graph:
            found = f"there is no node {output.node!r} in the graph"
            yield Problem(f"outputs.{output.name}.node", found, f"name one of {listed(version.graph)}")


def _requires(version: WorkflowVersion) -> Iterator[Problem]:
    used = {node["class_type"] for node in version.graph.values()}
    named = version.requires.nodes
    fix = "list each class type of the graph once"
    for name in _twice(named):
        yield Problem("requires.nodes", f"{name} stands twice", fix)
    if missing := used.difference(named):
        yield Problem("requires.nodes", f"it lacks {listed(sorted(missing))}", fix)
    if extra := set(named) - used:
        yield Problem("requires.nodes", f"the graph does not use {listed(sorted(extra))}", fix)
    for pack in version.requires.packs:
        if extra := set(pack.nodes) - used:
            where = f"requires.packs.{pack.name}.nodes"
            yield Problem(where, f"the graph does not use {listed(sorted(extra))}", "remove them there")
