"""Which fields a body has at a place in it, so that a misspelt one can be told what is close. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pydantic import BaseModel

from ...workflows.problem import nearest

_LONG = 64
"""No name of a field has so many characters: comparing takes its time, and anybody may send anything."""


def near(model: type[BaseModel], location: Sequence[int | str]) -> str:
    """`` (did you mean x?)`` where the model has a field close to the one that stands at ``location``, else nothing."""
    *within, name = location
    if len(str(name)) > _LONG:
        return ""
    whole = _schema(model)
    nodes = [whole]
    for part in within:
        # What is no field of any of them is pydantic's name of the kind of value that was tried there.
        nodes = [deeper for node in nodes for deeper in _at(whole, node, part)] or nodes
    known = {field for node in nodes for each in _kinds(whole, node) for field in each.get("properties", {})}
    return nearest(str(name), known)


@cache
def _schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _at(whole: dict[str, Any], node: dict[str, Any], part: int | str) -> Iterator[dict[str, Any]]:
    for each in _kinds(whole, node):
        found = each.get("items") if isinstance(part, int) else each.get("properties", {}).get(part)
        if isinstance(found, dict):
            yield found


def _kinds(whole: dict[str, Any], node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The schema itself, or those that it may be one of."""
    if (reference := node.get("$ref")) is not None:
        yield from _kinds(whole, whole["$defs"][reference.rpartition("/")[2]])
        return
    yield node
    for each in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        yield from _kinds(whole, each)
