"""The checks of one node's inputs, in ComfyUI's error shapes. Pure but for the node's own check."""

from __future__ import annotations

import inspect
from typing import Any

from . import calling
from .comfy_api.latest.inputs import Input
from .graph import Graph, is_link
from .registry import NodeType

Problem = dict[str, Any]

CASTS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
LONG_LIST = 20
"""A list longer than this is not repeated in an error."""


def problem(kind: str, message: str, details: str, **extra: Any) -> Problem:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


async def node_problems(graph: Graph, node_id: str, types: dict[str, NodeType]) -> list[Problem]:
    """What is wrong with this node's own inputs. Casts the values in the graph, as ComfyUI does.

    Raises:
        KeyError, IndexError: a link leads nowhere; the caller turns whatever escapes into an error of the graph.
    """
    node_type, given = types[node_id], graph[node_id]["inputs"]
    found: list[Problem] = []
    own_checks, own_all = node_type.validates or (set(), False)
    linked_types: dict[str, str] = {}
    for name, (spec, prefix) in node_type.active(given).items():
        if name not in given:
            if not spec.optional:
                details = name[len(prefix) :]
                found.append(problem("required_input_missing", "Required input is missing", details, input_name=name))
        elif isinstance(given[name], list):
            found += _link_problems(
                given[name], name, spec, node_type, types, linked_types, "input_types" in own_checks
            )
        else:
            skip_limits = own_all or name in own_checks
            found += _value_problems(given, name, spec, node_type, skip_limits)
    missing = any(each["type"] == "required_input_missing" for each in found)
    return (
        found if missing or node_type.validates is None else found + await _own_problems(node_type, given, linked_types)
    )


def _link_problems(
    link: list[Any],
    name: str,
    spec: Input,
    node_type: NodeType,
    types: dict[str, NodeType],
    linked_types: dict[str, str],
    types_are_theirs: bool,
) -> list[Problem]:
    if not is_link(link):
        message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
        extra = {"input_name": name, "input_config": node_type.config(spec), "received_value": link}
        return [problem("bad_linked_input", message, name, **extra)]
    if link[1] < 0:
        raise IndexError("list index out of range")
    received = types[link[0]].outputs[link[1]].get_io_type()
    linked_types[name] = received
    if types_are_theirs or fits(received, spec.get_io_type()):
        return []
    details = f"{name}, received_type({received}) mismatch input_type({spec.get_io_type()})"
    config = node_type.config(spec)
    extra = {"input_name": name, "input_config": config, "received_type": received, "linked_node": link}
    return [problem("return_type_mismatch", "Return type mismatch between linked nodes", details, **extra)]


def fits(received: str, wanted: str) -> bool:
    """Whether an output of one type may be linked to an input of another; each may be a comma list."""
    if "*" in (received, wanted):
        return True
    return set(received.split(",")) <= set(wanted.split(","))


def _value_problems(
    given: dict[str, Any], name: str, spec: Input, node_type: NodeType, skip_limits: bool
) -> list[Problem]:
    value = given[name]
    # A list that is meant as a value travels in a box, so that it is not taken for a link.
    if isinstance(value, dict) and "__value__" in value:
        value = given[name] = value["__value__"]
    io_type = spec.get_io_type()
    cast = CASTS.get(io_type)
    if cast is not None:
        try:
            value = given[name] = cast(value)
        except (ValueError, TypeError, OverflowError) as error:
            extra = {"input_name": name, "input_config": node_type.config(spec), "received_value": value}
            message = f"Failed to convert an input value to a {io_type} value"
            details = f"{name}, {value}, {error}"
            return [problem("invalid_input_type", message, details, **extra, exception_message=str(error))]
    return [] if skip_limits else _limit_problems(name, value, spec, node_type)


def _limit_problems(name: str, value: Any, spec: Input, node_type: NodeType) -> list[Problem]:
    options = node_type.options(spec)
    if "min" in options and value < options["min"]:
        kind, message = "value_smaller_than_min", f"Value {value} smaller than min of {options['min']}"
    elif "max" in options and value > options["max"]:
        kind, message = "value_bigger_than_max", f"Value {value} bigger than max of {options['max']}"
    elif spec.get_io_type() == "COMBO" and value not in options["options"]:
        return [_not_in_list(name, value, options["options"], node_type.config(spec))]
    else:
        return []
    extra = {"input_name": name, "input_config": node_type.config(spec), "received_value": value}
    return [problem(kind, message, name, **extra)]


def _not_in_list(name: str, value: Any, allowed: list[Any], config: list[Any]) -> Problem:
    extra = {"input_name": name, "input_config": config, "received_value": value}
    if len(allowed) > LONG_LIST:
        extra = {**extra, "input_config": None}
        details = f"{name}: '{value}' not in (list of length {len(allowed)})"
    else:
        details = f"{name}: '{value}' not in {allowed}"
    return problem("value_not_in_list", "Value not in list", details, **extra)


async def _own_problems(node_type: NodeType, given: dict[str, Any], linked_types: dict[str, str]) -> list[Problem]:
    """What ``validate_inputs`` says: one problem for each input it was given."""
    names, takes_all = node_type.validates or (set(), False)
    active = node_type.active(given)
    asked = [name for name in active if name in given]
    asked = [name for name in asked if takes_all or name in names or name.partition(".")[0] in names]
    values = {name: None if is_link(given[name]) else given[name] for name in asked}
    arguments = calling.nested(values, {name: active[name] for name in asked})
    if "input_types" in names:
        arguments["input_types"] = linked_types
        asked.append("input_types")
    answer = node_type.cls.validate_inputs(**arguments)
    if inspect.isawaitable(answer):
        answer = await answer
    if answer is True:
        return []
    why = f" - {answer}" if isinstance(answer, str) else ""
    message = "Custom validation failed for node"
    return [problem("custom_validation_failed", message, f"{name}{why}", input_name=name) for name in asked]
