"""Replicate's ``GET /v1/models/{owner}/{name}``: the schema of a model's latest version, and how it is run.

Wire facts: replicate.com/docs/reference/http (models.get, ``latest_version.openapi_schema``), the official client.
A model that Replicate keeps itself is run by its name; any other one by its version alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .published import Published
from .schema import Schema, inlined, types_of

_VERSION = re.compile(r"[0-9a-f]{64}")


def read(name: str, document: Mapping[str, Any]) -> Published | None:
    """What the model's object says; None where it has no version that could be run."""
    version = document.get("latest_version")
    if not isinstance(version, Mapping) or not isinstance(version.get("openapi_schema"), Mapping):
        return None
    root = version["openapi_schema"]
    inputs = inlined({"$ref": "#/components/schemas/Input"}, root)
    if not isinstance(inputs.get("properties"), Mapping):
        return None
    pinned = version.get("id")
    by_version = document.get("is_official") is not True and isinstance(pinned, str) and _VERSION.fullmatch(pinned)
    return Published(
        app=f"{name}:{pinned}" if by_version else name,
        title=name,
        inputs=inputs,
        source=f"https://api.replicate.com/v1/models/{name}",
        gives_images=_gives_files(inlined({"$ref": "#/components/schemas/Output"}, root)),
        notes=" ".join(str(document.get("description") or "").split())[:300],
    )


def _gives_files(output: Schema) -> bool:
    """An output of files is a URI or a list of them. (Of what kind they are, it does not say.)"""
    form = output.get("items") if "array" in types_of(output) else output
    return not output or (isinstance(form, Mapping) and form.get("format") == "uri")
