"""The schema that Replicate publishes of a model's version: ``latest_version.openapi_schema`` of its model object."""

from __future__ import annotations

from typing import Any

from .replicate_models import Served
from .replicate_schema import Field

_KINDS: dict[str, dict[str, Any]] = {
    "file": {"type": "string", "format": "uri"},
    "files": {"type": "array", "items": {"type": "string", "format": "uri"}},
}


def latest_version(model: Served) -> dict[str, Any]:
    """The version as the model's object holds it."""
    return {"id": model.shown_version, "cog_version": "0.9.0", "openapi_schema": _schema(model)}


def _schema(model: Served) -> dict[str, Any]:
    file = {"type": "string", "format": "uri"}
    enums = {name: {"type": "string", "enum": list(one.choices)} for name, one in model.fields.items() if one.choices}
    return {
        "openapi": "3.0.2",
        "info": {"title": "Cog", "version": "0.1.0"},
        "paths": {},
        "components": {
            "schemas": {
                "Input": {
                    "type": "object",
                    "title": "Input",
                    "required": [name for name, one in model.fields.items() if one.required],
                    "properties": {
                        name: _input(name, one, place) for place, (name, one) in enumerate(model.fields.items())
                    },
                },
                "Output": {"type": "array", "items": file, "title": "Output"} if model.listed else {**file},
                **enums,
            }
        },
    }


def _input(name: str, one: Field, place: int) -> dict[str, Any]:
    about = {"title": name.replace("_", " ").title(), "x-order": place, "description": f"The {name.replace('_', ' ')}."}
    if one.choices:
        # Choices are a schema of their own that the input refers to.
        return {"allOf": [{"$ref": f"#/components/schemas/{name}"}], **about}
    bounds = {"minimum": one.low, "maximum": one.high} if one.kind in ("integer", "number") else {}
    if one.kind == "files":
        bounds = {"maxItems": one.high}
    kind = _KINDS.get(one.kind, {"type": one.kind})
    return {**kind, **about, **{limit: value for limit, value in bounds.items() if value is not None}}
