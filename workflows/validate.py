"""Whether a worker can run a workflow version, asked of the worker's own ``object_info``, before anything is sent.

It judges like ComfyUI's own validation but says which public input is to blame, and it says everything at once. What
only the worker can judge (a node's own validation, files behind a remote list) is left to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .check import check, is_link
from .format import WorkflowVersion
from .object_info import ObjectInfo, Slot, connects, outputs, slot_of, slots
from .problem import Problem, listed, nearest, shown

__all__ = ["Problem", "check", "literal_problem", "missing_nodes", "offered", "validate"]

Graph = Mapping[str, Mapping[str, Any]]


def missing_nodes(version: WorkflowVersion, object_info: ObjectInfo) -> list[str]:
    """The class types of the graph that the worker does not have, sorted."""
    return sorted({node["class_type"] for node in version.graph.values()} - object_info.keys())


def offered(version: WorkflowVersion, object_info: ObjectInfo) -> dict[str, list[str]]:
    """What the worker offers for each input with ``choices_from``, by input; for ``bind(choices=...)`` and for display.

    An input whose node or choices the worker does not list is left out.
    """
    found: dict[str, list[str]] = {}
    for spec in version.inputs:
        if spec.choices_from is None or spec.choices_from.node not in version.graph:
            continue
        node = version.graph[spec.choices_from.node]
        info = object_info.get(node["class_type"], {})
        slot = slot_of(spec.choices_from.input, slots(info, node["inputs"]))
        if slot and slot.choices is not None:
            found[spec.name] = [str(choice) for choice in slot.choices]
    return found


def validate(version: WorkflowVersion, object_info: ObjectInfo, graph: Graph | None = None) -> list[Problem]:
    """Every reason why this worker would not run the version; none means that it should.

    ``graph`` is the bound one (``bind(...).graph``) where there is one; else the version's own, which is the workflow
    with its defaults. A problem at a bound input is told as ``inputs.<name>``, any other as ``graph.<node>...``.
    """
    asked: Graph = version.graph if graph is None else graph
    public = {(bind.node, bind.input): spec for spec in version.inputs for bind in spec.binds}
    uploads = _uploads(version)
    problems = [_missing(version, name) for name in missing_nodes(version, object_info)]
    for node_id, node in asked.items():
        if node["class_type"] not in object_info:
            continue
        for name, message, fix in _node(node_id, asked, object_info, uploads):
            spec = public.get((node_id, name))
            where = f"inputs.{spec.name}" if spec else f"graph.{node_id}.inputs.{name}"
            problems.append(Problem(where, f"{node['class_type']}: {message}" if spec else message, fix))
    return problems + list(_output_nodes(version, object_info))


Finding = tuple[str, str, str]
"""Input, message, fix."""


def _uploads(version: WorkflowVersion) -> set[tuple[str, str]]:
    """Node inputs that hold a file which is only uploaded just before the run."""
    return {(bind.node, bind.input) for spec in version.inputs if spec.type == "image" for bind in spec.binds}


def _missing(version: WorkflowVersion, name: str) -> Problem:
    packs = [pack for pack in version.requires.packs if name in pack.nodes]
    packs = packs or [pack for pack in version.requires.packs if not pack.nodes]
    ways = [f"{pack.name} {pack.version}".removesuffix(" *") for pack in packs]
    fix = f"install the node pack {' or '.join(ways)} on the worker" if ways else "install the node pack it comes from"
    return Problem("requires.nodes", f"the worker has no node {name}", fix)


def _node(node_id: str, graph: Graph, object_info: ObjectInfo, uploads: set[tuple[str, str]]) -> Iterator[Finding]:
    node = graph[node_id]
    info, inputs = object_info[node["class_type"]], node["inputs"]
    known = slots(info, inputs)
    for name in (name for name, slot in known.items() if slot.required and name not in inputs):
        yield name, "the node requires it", "give it a value or a link"
    for name, value in inputs.items():
        slot = slot_of(name, known)
        if slot is None:
            yield name, f"the node has no such input{nearest(name, known)}", f"use one of {listed(known)}"
        elif is_link(value):
            yield from _link(name, value, slot, graph, object_info)
        elif (node_id, name) not in uploads and (found := literal_problem(value, slot)):
            yield name, *found


def _link(name: str, value: list[Any], slot: Slot, graph: Graph, object_info: ObjectInfo) -> Iterator[Finding]:
    source = graph.get(value[0])
    info = object_info.get(source["class_type"]) if source else None
    if source is None or info is None:
        return  # told by check() and as a missing node
    given = outputs(info)
    if not 0 <= value[1] < len(given):
        message = f"it links to output {value[1]} of {source['class_type']}, which has {len(given)}"
        yield name, message, "link to an output that exists, counted from 0"
    elif not connects(given[value[1]], slot.types):
        message = f"it takes {_either(slot.types)}, but {source['class_type']} gives {_either(given[value[1]])} there"
        yield name, message, "link to an output of that type"


def literal_problem(value: Any, slot: Slot) -> tuple[str, str] | None:
    """What is wrong with a literal, and the fix. A wrapped one (``{"__value__": ...}``) is the worker's affair."""
    if "*" in slot.types or isinstance(value, dict):
        return None
    if slot.types == {"COMBO"}:
        return _choice(value, slot)
    if not any(_IS[kind](value) for kind in slot.types if kind in _IS):
        return f"{shown(value)} is no {_either(slot.types)}", _wanted(slot.types)
    if slot.minimum is not None and isinstance(value, (int, float)) and value < slot.minimum:
        return f"{value} is below the node's minimum of {slot.minimum}", f"give at least {slot.minimum}"
    if slot.maximum is not None and isinstance(value, (int, float)) and value > slot.maximum:
        return f"{value} is above the node's maximum of {slot.maximum}", f"give at most {slot.maximum}"
    return None


def _choice(value: Any, slot: Slot) -> tuple[str, str] | None:
    if slot.choices is None or value in slot.choices or (slot.late and isinstance(value, str)):
        return None
    if slot.file and isinstance(value, str) and ("/" in value or value.endswith("]")):
        return None  # a subfolder's file, or one of another folder: a worker lists neither, and looks when it validates
    if slot.file:
        mend = "upload it, or run a workflow with an image input: --image NAME=PATH"
        return f"the worker has no file {shown(value)} in its input folder", mend
    close = nearest(value, map(str, slot.choices)) if isinstance(value, str) else ""
    offer = (
        f"choose one of {listed(map(str, slot.choices))}" if slot.choices else "the worker offers none: add the file"
    )
    return f"{shown(value)} is none of the worker's choices{close}", offer


def _output_nodes(version: WorkflowVersion, object_info: ObjectInfo) -> Iterator[Problem]:
    for output in version.outputs:
        kind = version.graph[output.node]["class_type"] if output.node in version.graph else ""
        if kind in object_info and not object_info[kind].get("output_node"):
            where, message = f"outputs.{output.name}", f"{kind} is no output node, so a run reports nothing of it"
            yield Problem(where, message, "name a node that saves or shows something")


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_IS: Mapping[str, Callable[[Any], bool]] = {
    "STRING": lambda value: isinstance(value, str),
    "INT": _is_integer,
    "FLOAT": lambda value: _is_integer(value) or isinstance(value, float),
    "BOOLEAN": lambda value: isinstance(value, bool),
    "COMBO": lambda value: isinstance(value, (str, int, float)),
}
_WORDS = {"STRING": "a text", "INT": "an integer", "FLOAT": "a number", "BOOLEAN": "true or false", "COMBO": "a choice"}


def _either(types: frozenset[str]) -> str:
    return " or ".join(sorted(types))


def _wanted(types: frozenset[str]) -> str:
    words = [_WORDS[kind] for kind in sorted(types) if kind in _WORDS]
    return f"give {' or '.join(words)}" if words else "link it to a node that makes one"
