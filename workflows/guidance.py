"""What becomes of a negative conditioning: how strongly a sampler steers away from it decides whether it does at all.

With classifier-free guidance the picture is ``cfg`` parts of the positive prompt and ``1 - cfg`` parts of the negative
one. So from 1 on the negative is left out, below 1 it is in the picture, and at 0 it is all there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from .check import is_link
from .object_info import ANY, NodeInfo, ObjectInfo, outputs, slots

Graph = Mapping[str, Mapping[str, Any]]
Role = Literal["positive", "negative", "either"]
"""What words are to a picture: wanted, left out, or one of the two and nobody can say which before it runs."""

_SCALES = frozenset({"cfg", "cfg_scale", "guidance_scale", "cfg_conds", "cfg_cond2_negative"})
"""Inputs that say how strongly a node steers away from its negative."""
_NUMBERS = frozenset({"FLOAT", "INT", *ANY})
_PICTURES = frozenset({"LATENT", "IMAGE", "MASK"})
_MOST_STEPS = 64
"""Links that are followed from one input."""


def of_negative(node_id: str, graph: Graph, object_info: ObjectInfo) -> set[Role]:
    """What a node that takes a negative conditioning makes of it, by its scale; one that has none hands it on, packed,
    so those behind it are asked. Where nowhere is any scale to be set, it is taken at its word."""
    found = set(_roles(node_id, graph, object_info))
    for behind in _behind(node_id, graph, object_info) if not found else ():
        found |= set(_roles(behind, graph, object_info))
    return found or {"negative"}


def _roles(node_id: str, graph: Graph, object_info: ObjectInfo) -> Iterator[Role]:
    node = graph[node_id]
    known = slots(object_info.get(node["class_type"]) or {}, node["inputs"])
    for name in {**known, **node["inputs"]}:
        if name.rpartition(".")[2].lower() in _SCALES:
            slot = known.get(name)
            least = slot.minimum if slot is not None else None
            yield _by_scale(_number(node["inputs"].get(name), graph, object_info), least)


def _by_scale(scale: float | None, least: float | None) -> Role:
    if scale is None:
        return "negative" if least is not None and least >= 1 else "either"
    return "negative" if scale >= 1 else "positive"


def _number(value: Any, graph: Graph, object_info: ObjectInfo) -> float | None:
    """The number that an input is given, over links through nodes that hold one; None where that cannot be known."""
    for _ in range(_MOST_STEPS):
        if not is_link(value):
            return _literal(value)
        if value[0] not in graph:
            return None
        node = graph[value[0]]
        held = list(_held(node, object_info.get(node["class_type"]) or {}))
        if len(held) != 1:
            return None
        value = held[0]
    return None


def _held(node: Mapping[str, Any], info: NodeInfo) -> Iterator[Any]:
    """What a node could be handing on as a number."""
    known = slots(info, node["inputs"])
    for name, value in node["inputs"].items():
        slot = known.get(name)
        if slot is None or slot.types & _NUMBERS:
            yield value


def _literal(value: Any) -> float | None:
    # A worker takes a number written as text, too.
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return 0.0 if math.isnan(number) else number


def _behind(node_id: str, graph: Graph, object_info: ObjectInfo) -> Iterator[str]:
    """The nodes that what this one gives leads to, pictures apart: what is sampled is no conditioning any more."""
    seen, ahead = {node_id}, [node_id]
    while ahead:
        given = ahead.pop()
        types = outputs(object_info.get(graph[given]["class_type"]) or {})
        for user, node in graph.items():
            if user not in seen and any(_leads(value, given, types) for value in node["inputs"].values()):
                seen.add(user)
                ahead.append(user)
                yield user


def _leads(value: Any, given: str, types: list[frozenset[str]]) -> bool:
    if not is_link(value) or value[0] != given:
        return False
    return value[1] >= len(types) or not types[value[1]] & _PICTURES
