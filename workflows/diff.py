"""What one release of a workflow does otherwise than another. Pure.

Only what means something is told: nodes, links, values, public inputs, outputs, needs. How the file is written (order
of keys, titles, where a node stands on the canvas) is not. Node ids are never renumbered, so a node is the same by its
id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .check import is_link
from .format import Input, Output, WorkflowVersion
from .problem import shown


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
        said = _WORDS[self.kind].format(before=shown(self.before, 60), after=shown(self.after, 60))
        return f"{self.where}: {said}"

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"kind": self.kind, "where": self.where, "before": self.before, "after": self.after}


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


def diff(before: WorkflowVersion, after: WorkflowVersion) -> list[Change]:
    """All that ``after`` does otherwise: public inputs and outputs first, then the graph."""
    return [
        *_different("lane", "lane", before.lane, after.lane),
        *_inputs(before.inputs, after.inputs),
        *_outputs(before.outputs, after.outputs),
        *_requires(before, after),
        *_graph(before, after),
    ]


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
