"""What one release of a workflow does otherwise than another. Pure.

Only what means something is told: nodes, links, values, public inputs, outputs, needs. How the file is written (order
of keys, titles, where a node stands on the canvas) is not. A node is the same by its id; one whose id is gone is the
same as one under a new id that has its class and its inputs: it was merely renumbered.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from .check import is_link
from .format import Bind, Input, Output, WorkflowVersion


@dataclass(frozen=True)
class Change:
    """One difference.

    ``kind``: ``node_added``, ``node_removed``, ``node_class``, ``rewired``, ``value``, ``input_added``,
    ``input_removed``, ``input_type``, ``input_required``, ``input_default``, ``input_limits``, ``input_choices``,
    ``input_binds``, ``output_added``, ``output_removed``, ``output``, ``requires`` or ``lane``. ``where``: the field,
    such as ``graph.5.inputs.seed``; ``before`` and ``after``: as JSON, None where there is nothing.
    """

    kind: str
    where: str
    before: Any = None
    after: Any = None

    def __str__(self) -> str:
        before, after = map(_said, _apart(self.before, self.after))
        return f"{self.where}: {_WORDS[self.kind].format(before=before, after=after)}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"kind": self.kind, "where": self.where, "before": self.before, "after": self.after}


_LONGEST = 60
"""How many characters of a text are shown."""
_WORDS: Mapping[str, str] = {
    "node_added": "new node {after}",
    "node_removed": "the node {before} is gone",
    "node_class": "was a {before}, is a {after}",
    "rewired": "was {before}, is {after}",
    "value": "was {before}, is {after}",
    "input_added": "new input of type {after}",
    "input_removed": "the input of type {before} is gone",
    "input_type": "was of type {before}, is of type {after}",
    "input_required": "required: was {before}, is {after}",
    "input_default": "default: was {before}, is {after}",
    "input_limits": "limits: were {before}, are {after}",
    "input_choices": "choices come from {after}, came from {before}",
    "input_binds": "was bound to {before}, is bound to {after}",
    "output_added": "new output {after}",
    "output_removed": "the output {before} is gone",
    "output": "was {before}, is {after}",
    "requires": "was {before}, is {after}",
    "lane": "was {before}, is {after}",
}


def _apart(before: Any, after: Any) -> tuple[Any, Any]:
    """Of two objects, or two lists of objects, only what the other has not."""
    if isinstance(before, dict) and isinstance(after, dict):
        names = [name for name in _both(before, after) if before.get(name) != after.get(name)]
        return {name: before.get(name) for name in names}, {name: after.get(name) for name in names}
    if all(isinstance(side, list) and all(isinstance(each, dict) for each in side) for side in (before, after)):
        return [each for each in before if each not in after], [each for each in after if each not in before]
    return before, after


def _said(value: Any) -> str:
    """A value in words: a link by what it comes from, objects and lists by their parts, anything else as JSON."""
    if value is None or value in ([], {}):
        return "nothing"
    if is_link(value):
        return f"output {value[1]} of node {value[0]}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_said(each)}" for name, each in value.items())
    if isinstance(value, list):
        return ("; " if isinstance(value[0], dict) else ", ").join(map(_said, value))
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def diff(before: WorkflowVersion, after: WorkflowVersion) -> list[Change]:
    """All that ``after`` does otherwise: public inputs and outputs first, then the graph."""
    after = _under(after, _renumbered(before, after))
    return [
        *_different("lane", "lane", before.lane, after.lane),
        *_inputs(before.inputs, after.inputs),
        *_outputs(before.outputs, after.outputs),
        *_requires(before, after),
        *_graph(before, after),
    ]


def _renumbered(before: WorkflowVersion, after: WorkflowVersion) -> dict[str, str]:
    """The older ids of nodes that are the same but for their id, by the newer ones."""
    gone: dict[str, list[str]] = defaultdict(list)
    bound = _bound(before)
    for node_id in sorted(before.graph, key=_order):
        if node_id not in after.graph:
            gone[_meaning(before, node_id, {}, bound)].append(node_id)
    found: dict[str, str] = {}
    bound = _bound(after)
    for node_id in _sources_first(after) if gone else ():
        if node_id not in before.graph and (same := gone.get(_meaning(after, node_id, found, bound))):
            found[node_id] = same.pop(0)
    return found


def _bound(version: WorkflowVersion) -> dict[tuple[str, str], str]:
    """Which public input is written where."""
    return {(bind.node, bind.input): spec.name for spec in version.inputs for bind in spec.binds}


def _sources_first(version: WorkflowVersion) -> Iterator[str]:
    """The nodes, each after those that it is linked to; none where they go in a circle."""
    links = {
        node_id: [value[0] for value in node["inputs"].values() if is_link(value)]
        for node_id, node in version.graph.items()
    }
    sorter = TopologicalSorter(links)
    try:
        sorter.prepare()
    except CycleError:
        return
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=_order)
        yield from (node_id for node_id in ready if node_id in version.graph)
        sorter.done(*ready)


def _order(node_id: str) -> tuple[int, str]:
    """Of two that mean the same, the first is taken for the first."""
    return len(node_id), node_id


def _meaning(
    version: WorkflowVersion, node_id: str, ids: Mapping[str, str], bound: Mapping[tuple[str, str], str]
) -> str:
    """What a node is, whatever its own id; what it is linked to under the older ids."""
    node = version.graph[node_id]
    inputs: dict[str, list[Any]] = {}
    for name, value in node["inputs"].items():
        if is_link(value):
            inputs[name] = ["from", ids.get(value[0], value[0]), value[1]]
        else:
            public = bound.get((node_id, name))
            inputs[name] = ["is", value] if public is None else ["public", public]
    return json.dumps([node["class_type"], inputs], sort_keys=True)


def _under(version: WorkflowVersion, ids: Mapping[str, str]) -> WorkflowVersion:
    """The version with its nodes under these ids."""
    if not ids:
        return version

    def bind(it: Bind) -> Bind:
        return Bind(node=ids.get(it.node, it.node), input=it.input)

    def inputs(node: Mapping[str, Any]) -> dict[str, Any]:
        given = node["inputs"].items()
        return {name: [ids.get(it[0], it[0]), *it[1:]] if is_link(it) else it for name, it in given}

    return version.model_copy(
        update={
            "inputs": tuple(
                each.model_copy(
                    update={
                        "binds": tuple(map(bind, each.binds)),
                        "choices_from": each.choices_from and bind(each.choices_from),
                    }
                )
                for each in version.inputs
            ),
            "outputs": tuple(
                each.model_copy(update={"node": ids.get(each.node, each.node)}) for each in version.outputs
            ),
            "graph": {ids.get(key, key): {**node, "inputs": inputs(node)} for key, node in version.graph.items()},
        }
    )


def _inputs(before: Iterable[Input], after: Iterable[Input]) -> Iterator[Change]:
    old, new = ({spec.name: spec for spec in each} for each in (before, after))
    for name in _both(old, new):
        where = f"inputs.{name}"
        if name not in new:
            yield Change("input_removed", where, before=old[name].type)
        elif name not in old:
            yield Change("input_added", where, after=new[name].type)
        else:
            yield from _input(where, old[name], new[name])


def _input(where: str, old: Input, new: Input) -> Iterator[Change]:
    yield from _different("input_type", where, old.type, new.type)
    yield from _different("input_required", where, old.required, new.required)
    yield from _different("input_default", where, old.default, new.default)
    limits = (each.limits.model_dump(mode="json", exclude_none=True) for each in (old, new))
    yield from _different("input_limits", where, *limits)
    sources = (each.choices_from.model_dump() if each.choices_from else None for each in (old, new))
    yield from _different("input_choices", where, *sources)
    binds = (sorted(f"{bind.node}.{bind.input}" for bind in each.binds) for each in (old, new))
    yield from _different("input_binds", where, *binds)


def _outputs(before: Iterable[Output], after: Iterable[Output]) -> Iterator[Change]:
    old, new = ({each.name: f"{each.kind} of {each.node}" for each in every} for every in (before, after))
    for name in _both(old, new):
        where = f"outputs.{name}"
        if name not in new:
            yield Change("output_removed", where, before=old[name])
        elif name not in old:
            yield Change("output_added", where, after=new[name])
        else:
            yield from _different("output", where, old[name], new[name])


def _requires(before: WorkflowVersion, after: WorkflowVersion) -> Iterator[Change]:
    """Needed packs and model files; which classes are needed is told by the nodes."""
    for part in ("packs", "models"):
        old, new = (
            sorted((each.model_dump(mode="json", exclude_none=True) for each in getattr(one.requires, part)), key=str)
            for one in (before, after)
        )
        yield from _different("requires", f"requires.{part}", old, new)


def _graph(before: WorkflowVersion, after: WorkflowVersion) -> Iterator[Change]:
    bound = {(bind.node, bind.input) for each in (before, after) for spec in each.inputs for bind in spec.binds}
    for node_id in _both(before.graph, after.graph):
        where = f"graph.{node_id}"
        old, new = before.graph.get(node_id), after.graph.get(node_id)
        if old is None or new is None:
            kind = "node_added" if old is None else "node_removed"
            yield Change(kind, where, *(None if each is None else each["class_type"] for each in (old, new)))
            continue
        yield from _different("node_class", where, old["class_type"], new["class_type"])
        for name in _both(old["inputs"], new["inputs"]):
            # What a public input holds there is that input's default, told above.
            if (node_id, name) not in bound or is_link(old["inputs"].get(name)) or is_link(new["inputs"].get(name)):
                yield from _value(f"{where}.inputs.{name}", old["inputs"].get(name), new["inputs"].get(name))


def _value(where: str, old: Any, new: Any) -> Iterator[Change]:
    yield from _different("rewired" if is_link(old) or is_link(new) else "value", where, old, new)


def _different(kind: str, where: str, before: Any, after: Any) -> Iterator[Change]:
    # In JSON true is no 1, and Python thinks it is.
    if before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Change(kind, where, before, after)


def _both(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """The names of both, in the older one's order, then what is new."""
    return [*old, *(name for name in new if name not in old)]
