"""A workflow's public inputs as JSON Schema, so that every language's client knows them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter

from ...workflows.format import SEED_MAX, Input, InputType, Limits, WorkflowVersion
from ..generations.body import Picture

_PICTURE = TypeAdapter(Picture).json_schema()


def inputs_schema(version: WorkflowVersion) -> dict[str, Any]:
    """What ``inputs`` of a run may hold. A chosen model's own parameters (``model.steps``) are taken untyped."""
    found: dict[str, Any] = {
        "type": "object",
        "title": f"Inputs of {version.label}",
        "properties": {spec.name: _schema(spec) for spec in version.inputs},
        "required": [spec.name for spec in version.inputs if spec.required],
        "additionalProperties": False,
        "x-digest": version.digest,
    }
    owners = [spec.name for spec in version.inputs if spec.choices_from is not None]
    if owners:
        pattern = rf"^({'|'.join(owners)})\.[a-z][a-z0-9_.]*$"
        found["patternProperties"] = {pattern: {"description": "The chosen one's own parameter."}}
    return found


def _schema(spec: Input) -> dict[str, Any]:
    found = {"title": spec.title, **_TYPES[spec.type](spec.limits)}
    if spec.description:
        found["description"] = spec.description
    if spec.default is not None:
        found["default"] = spec.default
    return found


def _string(limits: Limits) -> dict[str, Any]:
    return {"type": "string", **_given(minLength=limits.min_length, maxLength=limits.max_length)}


def _number(kind: str, limits: Limits) -> dict[str, Any]:
    step = limits.step
    # JSON Schema counts steps from 0, a workflow from ``min``.
    multiple = step if step and (limits.min or 0) % step == 0 else None
    return {"type": kind, **_given(minimum=limits.min, maximum=limits.max, multipleOf=multiple)}


def _choice(limits: Limits) -> dict[str, Any]:
    return {"type": "string", **_given(enum=list(limits.choices) if limits.choices else None)}


def _seed(_: Limits) -> dict[str, Any]:
    digits = {"type": "string", "pattern": "^[0-9]{1,20}$"}
    return {"anyOf": [{"type": "integer", "minimum": 0, "maximum": SEED_MAX}, digits]}


_TYPES: Mapping[InputType, Callable[[Limits], dict[str, Any]]] = {
    "string": _string,
    "integer": lambda limits: _number("integer", limits),
    "number": lambda limits: _number("number", limits),
    "boolean": lambda _: {"type": "boolean"},
    "choice": _choice,
    "image": lambda _: {**_PICTURE, "description": "An upload of yours, an address, or a `data:` URL."},
    "seed": _seed,
}


def _given(**named: Any) -> dict[str, Any]:
    return {name: value for name, value in named.items() if value is not None}
