"""The words that a plain graph turns into pictures: what its text encoders are given, as far as the graph itself says.

A text encoder is a node with text going in and ``CONDITIONING`` coming out, by what the worker says of it. Its text may
come over links, through nodes that hold, join or change text; all that stands in those is taken. What a node makes up
while it runs cannot be known here, nor what a patch of a model does with its guidance.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .check import is_link
from .guidance import Role, of_negative
from .object_info import ANY, ObjectInfo, outputs, slots

Graph = Mapping[str, Mapping[str, Any]]

_CONDITIONING, _TEXT = "CONDITIONING", "STRING"


class Words(NamedTuple):
    """A prompt, and what it wants left out."""

    text: str
    negative: str = ""


def words_of(graph: Graph, object_info: ObjectInfo) -> tuple[Words, ...]:
    """What to judge of a graph: each encoder's words, and all of them together, since one picture is made of them.

    An encoder all of whose uses end in a ``negative`` input says what is to be left out, where that input steers away
    from it; where nobody can say, it is read as both.
    """
    wanted: dict[str, None] = {}
    unwanted: dict[str, None] = {}
    for node_id in sorted(graph):
        if _encodes(node_id, graph, object_info):
            roles = _roles(node_id, None, graph, object_info, set())
            read = dict.fromkeys(_readings(node_id, graph, object_info))
            if roles != {"negative"}:
                wanted.update(read)
            if roles and "positive" not in roles:
                unwanted.update(read)
    negative = "\n".join(unwanted)
    found = [*wanted, "\n".join(wanted)] if len(wanted) > 1 else list(wanted)
    if not found and negative:
        found = [""]
    return tuple(Words(text, negative) for text in found)


def _encodes(node_id: str, graph: Graph, object_info: ObjectInfo) -> bool:
    info = object_info.get(graph[node_id]["class_type"])
    if info is None or not _conditionings(node_id, graph, object_info):
        return False
    return any(_TEXT in slot.types for slot in slots(info, graph[node_id]["inputs"]).values())


def _conditionings(node_id: str, graph: Graph, object_info: ObjectInfo) -> list[int]:
    """Which of the node's outputs are conditionings."""
    info = object_info.get(graph[node_id]["class_type"]) or {}
    return [place for place, types in enumerate(outputs(info)) if _CONDITIONING in types]


def _readings(node_id: str, graph: Graph, object_info: ObjectInfo) -> Iterator[str]:
    """The encoder's words with gaps between what comes from different places; and without, as a node may join them."""
    pieces = [piece for piece in _pieces(node_id, graph, object_info, set()) if piece.strip()]
    if pieces:
        yield " ".join(pieces)
    if len(pieces) > 1:
        yield "".join(pieces)


def _pieces(node_id: str, graph: Graph, object_info: ObjectInfo, seen: set[str]) -> Iterator[str]:
    """Every text that stands in a node, and in those that its texts come from, in the order of its inputs."""
    if node_id in seen or node_id not in graph:
        return
    seen.add(node_id)
    node = graph[node_id]
    info = object_info.get(node["class_type"]) or {}
    known = slots(info, node["inputs"])
    order = [
        *(name for name in known if name in node["inputs"]),
        *(name for name in node["inputs"] if name not in known),
    ]
    for name in order:
        slot, value = known.get(name), node["inputs"][name]
        if slot is not None and not slot.types & {_TEXT, *ANY}:
            continue
        if isinstance(value, str):
            yield value
        elif is_link(value) and _gives_text(value, graph, object_info):
            yield from _pieces(value[0], graph, object_info, seen)


def _gives_text(link: list[Any], graph: Graph, object_info: ObjectInfo) -> bool:
    node_id, place = link
    info = object_info.get(graph[node_id]["class_type"]) if node_id in graph else None
    types = outputs(info) if info else []
    return place >= len(types) or bool(types[place] & {_TEXT, *ANY})


def _roles(
    node_id: str, place: int | None, graph: Graph, object_info: ObjectInfo, seen: set[tuple[str, int | None]]
) -> set[Role]:
    """What the node's conditioning (of this output; None: of any) is used as in the end."""
    if (node_id, place) in seen:
        return set()
    seen.add((node_id, place))
    found: set[Role] = set()
    for user, node in graph.items():
        for name, value in node["inputs"].items():
            if is_link(value) and value[0] == node_id and place in (None, value[1]):
                onward = _onward(user, name, graph, object_info)
                further = set().union(*(_roles(user, each, graph, object_info, seen) for each in onward))
                found |= further or _role(user, name, graph, object_info)
    return found


def _role(user: str, name: str, graph: Graph, object_info: ObjectInfo) -> set[Role]:
    """What a node makes of the conditioning that ends in this input of it."""
    return of_negative(user, graph, object_info) if "negative" in name.lower() else {"positive"}


def _onward(node_id: str, name: str, graph: Graph, object_info: ObjectInfo) -> list[int]:
    """The outputs by which a conditioning that went in under this name comes out again: those that are named like it,
    where there are such, as of a node that takes a positive and a negative one."""
    places = _conditionings(node_id, graph, object_info)
    names = (object_info.get(graph[node_id]["class_type"]) or {}).get("output_name") or []
    alike = [place for place in places if place < len(names) and str(names[place]).lower() == name.lower()]
    return alike or places
