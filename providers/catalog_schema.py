"""The JSON Schema of a catalog file, made from the models: docs/catalog.schema.json, for editors and other programs."""

from __future__ import annotations

from typing import Any

from .model import Model

_OWN = ("name", "title", "endpoint")
"""What each model says for itself, never ``shared``."""


def schema() -> dict[str, Any]:
    """The schema of ours and of a user's own file. What a model must say is said by it, by ``shared``, or by the model
    of ours that it is laid over: so nothing but its name is required here, and all of it when the file is read."""
    whole = Model.model_json_schema()
    definitions: dict[str, Any] = whole.pop("$defs")
    fields: dict[str, Any] = whole["properties"]
    parameters = fields["parameters"]
    parameters["additionalProperties"] = {"anyOf": [parameters["additionalProperties"], {"type": "null"}]}
    model = {"type": "object", "properties": fields, "required": ["name"], "additionalProperties": False}
    shared = {name: field for name, field in fields.items() if name not in _OWN}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Mintmark catalog",
        "description": "Models of a provider, or a user's own models and prices (MINTMARK_CATALOG): docs/catalog.md.",
        "type": "object",
        "required": ["models"],
        "additionalProperties": False,
        "properties": {
            "$schema": {"type": "string"},
            "shared": {"description": "Fields of all models of the file.", "$ref": "#/$defs/Shared"},
            "models": {"type": "array", "items": {"$ref": "#/$defs/Model"}},
        },
        "$defs": {
            **definitions,
            "Model": {"description": whole["description"], **model},
            "Shared": {"type": "object", "properties": shared, "additionalProperties": False},
        },
    }
