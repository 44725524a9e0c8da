"""From a graph to the descent of the images that come over one of its links.

ComfyUI's graphs may be large and may come from strangers: every node is looked at once, none recursively.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from . import kinds
from .values import By, Descent, Root, Step

Graph = Mapping[str, Any]
Types = Callable[[str], "tuple[str, ...] | None"]
"""The types of a node class's outputs, in order; None for one that is not known."""

MOST_WAYS = 64
"""Descents kept of one image, where batches are joined again and again; and files kept that models were shown."""
MOST_STEPS = 100
"""Steps kept of one descent: the last ones."""


def descents(graph: Graph, link: Any, *, types: Types = lambda _: None, hosted: Collection[str] = ()) -> list[Descent]:
    """How the images that come over this link came to be, each way once; empty where the graph does not tell.

    ``types`` says what unknown nodes give, as the worker tells it. ``hosted``: classes, beside ours, that ask a
    provider.
    """
    if not _is_link(link) or link[0] not in graph:
        return []
    trace = _Trace(graph, types, kinds.HOSTED.union(hosted))
    return trace.of(link[0])


class _Trace:
    """One walk over one graph."""

    def __init__(self, graph: Graph, types: Types, hosted: Collection[str]) -> None:
        self._graph = graph
        self._types = types
        self._hosted = hosted
        self._known: dict[str, list[Descent]] = {}
        self._outside: dict[str, tuple[Root, ...]] = {}
        self._models: dict[str, str] = {}

    def of(self, wanted: str) -> list[Descent]:
        """The descents of what this node gives."""
        needs = {node_id: _needs(self._graph, node_id) for node_id in self._needed(wanted)}
        try:
            order = list(TopologicalSorter(needs).static_order())
        except CycleError:
            return []
        for node_id in order:
            self._look_at(node_id, self._node(node_id))
        return self._known[wanted]

    def _look_at(self, node_id: str, node: Mapping[str, Any]) -> None:
        """Work out all that nodes below will ask of this one; those above it are known."""
        self._known[node_id] = ways = list(dict.fromkeys(self._made_by(node_id, node)))[:MOST_WAYS]
        if node["class_type"] in kinds.FILES or node["class_type"] in self._hosted:
            self._outside[node_id] = _roots((way.root, *way.fed) for way in ways)
        else:
            self._outside[node_id] = self._shown(node["inputs"])
        self._models[node_id] = self._model(node["inputs"])

    def _needed(self, wanted: str) -> set[str]:
        found, todo = {wanted}, [wanted]
        while todo:
            new = _needs(self._graph, todo.pop()) - found
            found |= new
            todo += new
        return found

    def _node(self, node_id: str) -> Mapping[str, Any]:
        node = self._graph.get(node_id)
        inputs = node.get("inputs") if isinstance(node, Mapping) else None
        name = str(node.get("class_type", "")) if isinstance(node, Mapping) else ""
        return {"class_type": name, "inputs": inputs if isinstance(inputs, Mapping) else {}}

    def _made_by(self, node_id: str, node: Mapping[str, Any]) -> Iterator[Descent]:
        name, inputs = node["class_type"], node["inputs"]
        if name in kinds.FILES:
            yield Descent(Root("file", node_id, name, _text(inputs.get(kinds.FILES[name]))))
        elif name in self._hosted:
            yield Descent(Root("hosted", node_id, name, _text(inputs.get("model"))), fed=self._shown(inputs))
        elif name in kinds.EMPTY:
            yield Descent(Root("empty", node_id, name))
        elif name in kinds.DRAWN:
            yield Descent(Root("drawn", node_id, name))
        elif name in kinds.SAMPLERS:
            yield from self._sampled(node_id, node, kinds.SAMPLERS[name])
        elif name in kinds.PASSES:
            yield from (way for each in kinds.PASSES[name] for way in self._grown(inputs, each))
        elif name in kinds.CHANGES:
            yield from self._changed(node)
        else:
            yield from self._unknown(node_id, node)

    def _over(self, link: Any) -> list[Descent]:
        return self._known.get(link[0], []) if _is_link(link) else []

    def _grown(self, inputs: Mapping[str, Any], name: str) -> Iterator[Descent]:
        """Over the input of this name, and over those that a node grew below it (``images.image0``)."""
        for key, link in inputs.items():
            if key == name or key.startswith(f"{name}."):
                yield from self._over(link)

    def _sampled(self, node_id: str, node: Mapping[str, Any], latent: str) -> Iterator[Descent]:
        name, inputs = node["class_type"], node["inputs"]
        model = self._model(inputs)
        shown = self._shown({key: value for key, value in inputs.items() if key != latent})
        for way in self._over(inputs.get(latent)):
            fed = _without(way.root, (*way.fed, *shown))
            if way.root.kind == "empty":
                yield Descent(Root("model", node_id, name, model), fed=fed)
            else:
                by: By = "ai" if way.root.kind in ("model", "hosted") else "composite"
                yield _then(way, Step("c2pa.edited", name, by, model), fed)

    def _changed(self, node: Mapping[str, Any]) -> Iterator[Descent]:
        name, inputs, change = node["class_type"], node["inputs"], kinds.CHANGES[node["class_type"]]
        if name == "MintmarkModerationGate" and not _may_hide(inputs):
            yield from self._over(inputs.get(change.of))
            return
        others = [way for each in change.places for way in self._over(inputs.get(each))]
        placed = _roots((way.root,) for way in others if way.root.kind in ("file", "hosted"))
        made = any(way.root.kind == "model" or any(step.by for step in way.steps) for way in others)
        action = change.action if placed or not change.places else "c2pa.edited"
        by = change.by or ("composite" if made else None)
        model = self._model(inputs) if change.by else ""
        fed = _roots(way.fed for way in others)
        for way in self._over(inputs.get(change.of)):
            yield _then(way, Step(action, name, by, model, placed), (*way.fed, *fed))

    def _unknown(self, node_id: str, node: Mapping[str, Any]) -> Iterator[Descent]:
        """The first input with pixels is what was edited; what the others bring was shown to the node."""
        name, inputs = node["class_type"], node["inputs"]
        first, *others = [self._over(link) for _, link in self._pixels(inputs)] or [[]]
        shown = _roots((way.root, *way.fed) for ways in others for way in ways)
        fed = _outside(shown)
        for way in first:
            if way.root.kind == "empty":
                yield Descent(Root("unknown", node_id, name), fed=(*way.fed, *fed))
            else:
                yield _then(way, Step("c2pa.edited", name, known=False), _without(way.root, (*way.fed, *fed)))
        if not first:
            yield Descent(Root("unknown", node_id, name), fed=fed)

    def _pixels(self, inputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """The inputs that bring pixels, in order; masks last."""
        found = [
            (key, link)
            for key, link in inputs.items()
            if _is_link(link) and self._carries(key, link) and self._over(link)
        ]
        yield from sorted(found, key=lambda pair: "mask" in pair[0].lower())

    def _carries(self, key: str, link: Any) -> bool:
        name = self._node(link[0])["class_type"]
        types = self._types(name)
        if types is not None:
            return link[1] in range(len(types)) and types[link[1]] in kinds.PIXELS
        return key.split(".")[-1] in kinds.NAMES or _gives_pixels(name) or name in self._hosted

    def _shown(self, inputs: Mapping[str, Any]) -> tuple[Root, ...]:
        """What from outside the graph lies above these inputs, by whatever way, and what that was made from: a model
        was shown it, as its image, in its conditioning or as a word about it."""
        return _roots(self._outside[node_id] for node_id in self._above(inputs))[:MOST_WAYS]

    def _model(self, inputs: Mapping[str, Any]) -> str:
        """The file of the model that comes over these inputs, or that they name."""
        names = [inputs.get(each) for each in kinds.MODEL_FILES]
        links = {key: value for key, value in inputs.items() if key in kinds.MODEL_LINKS}
        above = [self._models[node_id] for node_id in self._above(links)]
        return next((name for name in (*names, *above) if isinstance(name, str) and name), "")

    def _above(self, inputs: Mapping[str, Any]) -> list[str]:
        return [value[0] for value in inputs.values() if _is_link(value) and value[0] in self._known]


def _then(way: Descent, step: Step, fed: Iterable[Root]) -> Descent:
    steps = way.steps if way.steps[-1:] == (step,) else (*way.steps, step)
    return Descent(way.root, steps[-MOST_STEPS:], tuple(dict.fromkeys(fed))[:MOST_WAYS])


def _roots(groups: Iterable[Iterable[Root]]) -> tuple[Root, ...]:
    return tuple(dict.fromkeys(root for group in groups for root in group))


def _outside(roots: Iterable[Root]) -> tuple[Root, ...]:
    return tuple(root for root in roots if root.kind in ("file", "hosted"))


def _without(root: Root, fed: Iterable[Root]) -> tuple[Root, ...]:
    return tuple(each for each in dict.fromkeys(fed) if each != root)


def _may_hide(inputs: Mapping[str, Any]) -> bool:
    """Whether a gate may show something else in place of a picture: a link, too, can say so."""
    words = [inputs.get("on_flagged", "pass"), inputs.get("on_blocked", "stop")]
    return any(word not in ("pass", "stop") for word in words)


def _gives_pixels(name: str) -> bool:
    known = (kinds.FILES, kinds.HOSTED, kinds.EMPTY, kinds.DRAWN, kinds.SAMPLERS, kinds.PASSES, kinds.CHANGES)
    return any(name in each for each in known)


def _needs(graph: Graph, node_id: str) -> set[str]:
    node = graph.get(node_id)
    inputs = node.get("inputs") if isinstance(node, Mapping) else None
    values = inputs.values() if isinstance(inputs, Mapping) else ()
    return {value[0] for value in values if _is_link(value) and value[0] in graph}


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
