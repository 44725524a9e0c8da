"""fal's OpenAPI document of an app: ``fal.ai/api/openapi/queue/openapi.json?endpoint_id=…``, which is public.

Wire fact: the document as fal links it from each model page ("OpenAPI"): the POST's body refers to the app's Input, the
request's GET to its Output, and ``info.x-fal-metadata.category`` says what kind of app it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .published import Published
from .schema import Schema, inlined, types_of

SITE = "https://fal.ai"
PATH = "/api/openapi/queue/openapi.json?endpoint_id="


def read(app: str, document: Mapping[str, Any]) -> Published | None:
    """What the document says of the app; None where it is no such document."""
    paths, info = document.get("paths"), document.get("info")
    paths = paths if isinstance(paths, Mapping) else {}
    body = _at(paths, f"/{app}", "post", "requestBody", "content", "application/json", "schema")
    if body is None:
        return None
    inputs = inlined(body, document)
    told = _at(paths, f"/{app}/requests/{{request_id}}", "get", "responses", "200", "content", "application/json")
    output = inlined((told or {}).get("schema"), document)
    metadata = info.get("x-fal-metadata") if isinstance(info, Mapping) else None
    category = str(metadata.get("category", "")) if isinstance(metadata, Mapping) else ""
    return Published(
        app=app,
        title=app,
        inputs=inputs,
        source=f"{SITE}{PATH}{app}",
        gives_images=_gives_images(output),
        notes=f"fal calls it {category}." if category else "",
    )


def _gives_images(output: Schema) -> bool:
    """A result of images has ``images``, or one ``image``; a document that says nothing of it may be anything."""
    made = output.get("properties")
    if not isinstance(made, Mapping):
        return True
    return any(kind in types_of(made.get(name, {})) for name, kind in (("images", "array"), ("image", "object")))


def _at(value: Any, *path: str) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
