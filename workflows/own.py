"""A model's own parameters, set by name: ``model.steps=4`` where ``model`` is an input that chooses a node's option.

They are no inputs of the workflow: which ones there are depends on the model that is chosen, and the worker's node says
so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .format import Bind, Input, WorkflowVersion
from .object_info import ObjectInfo, Slot, slots
from .problem import Problem, listed, nearest, shown
from .validate import literal_problem

_OWN = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_.]*")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(e[+-]?[0-9]{1,3})?", re.ASCII | re.IGNORECASE)
_SWITCH = {"true": "on", "yes": "on", "1": "on", "false": "off", "no": "off", "0": "off"}


def owner(version: WorkflowVersion, name: str) -> Input | None:
    """The input that this name is a parameter of (``model`` of ``model.steps``); None where it is no such name."""
    base = name.partition(".")[0]
    found = next((spec for spec in version.inputs if spec.name == base), None)
    is_own = found is not None and found.choices_from is not None and _OWN.fullmatch(name) is not None
    return found if is_own else None


def targets(spec: Input, name: str) -> list[Bind]:
    """Where in the graph the parameter is written to."""
    rest = name.partition(".")[2]
    return [Bind(node=each.node, input=f"{each.input}.{rest}") for each in spec.binds]


def fit_own(
    name: str, value: Any, target: Bind, graph: Mapping[str, Any], object_info: ObjectInfo | None
) -> tuple[Any, Problem | None]:
    """The value as the node takes it, and what is wrong with it. ``graph`` has the choice in it already.

    Without ``object_info`` a text becomes a number where it looks like one, and the worker is the judge.
    """
    node = graph[target.node]
    info = (object_info or {}).get(node["class_type"])
    if info is None:
        return _guessed(value), None
    known = {key: slot for key, slot in slots(info, node["inputs"]).items() if not slot.grows}
    slot = known.get(target.input)
    if slot is None:
        return value, _unknown(name, target, node, known)
    became = _typed(value, slot)
    found = literal_problem(became, slot)
    return became, Problem(name, *found) if found else None


def _unknown(name: str, target: Bind, node: Mapping[str, Any], known: Mapping[str, Slot]) -> Problem:
    combo = target.input.partition(".")[0]
    base, _, short = name.partition(".")
    offered = [key.removeprefix(f"{combo}.") for key in known if key.startswith(f"{combo}.")]
    fix = f"use one of {listed(f'{base}.{each}' for each in offered)}" if offered else "leave it out"
    who = shown(node["inputs"].get(combo)).strip("'")
    return Problem(name, f"{who} has no such parameter{nearest(short, offered)}", fix)


def _typed(value: Any, slot: Slot) -> Any:
    """A text as what the slot takes; other values as they are."""
    if isinstance(value, bool) and slot.choices and "on" in slot.choices:
        return "on" if value else "off"
    if not isinstance(value, str):
        return str(value) if slot.types == {"COMBO"} else value
    if slot.types == {"COMBO"}:
        # A yes or no of the model's stands on the node as a choice of on, off and auto.
        return _SWITCH.get(value.lower(), value) if slot.choices and value not in slot.choices else value
    return value if "STRING" in slot.types else _guessed(value)


def _guessed(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.strip()
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else value
