"""The OpenAPI documents that fal publishes of its apps, as its site has them: ``/api/openapi/queue/openapi.json``."""

from __future__ import annotations

from typing import Any

from .fal_models import SPEEDS, App

VIDEO = "fal-ai/wan/v2.2-5b/text-to-video"
"""An app that gives no images: its document is published, and it cannot be run here."""
_RATIOS = ["21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16", "9:21"]
_PRESETS = ["square_hd", "square", "portrait_4_3", "portrait_16_9", "landscape_4_3", "landscape_16_9"]


def document(app: App) -> dict[str, Any]:
    """The document of an app that is served here."""
    properties = _properties(app)
    return _document(app.endpoint, "image-to-image" if app.source else "text-to-image", properties, _needed(app), app)


def video() -> dict[str, Any]:
    """The document of :data:`VIDEO`."""
    return _document(VIDEO, "text-to-video", {"prompt": {"type": "string"}}, ["prompt"], None)


def _document(
    endpoint: str, category: str, properties: dict[str, Any], needed: list[str], app: App | None
) -> dict[str, Any]:
    made: dict[str, Any] = {"video": {"allOf": [_ref("File")]}}
    if app is not None:
        image = _ref("File")
        made = {"image": image} if app.single else {"images": {"type": "array", "items": image}}
    answered = {"200": {"content": {"application/json": {"schema": _ref("Output")}}}}
    return {
        "openapi": "3.0.4",
        "info": {
            "title": f"Queue OpenAPI for {endpoint}",
            "version": "1.0.0",
            "x-fal-metadata": {"endpointId": endpoint, "category": category},
        },
        "components": {
            "schemas": {
                "Input": {
                    "title": "Input",
                    "type": "object",
                    "properties": properties,
                    "required": needed,
                    "x-fal-order-properties": list(properties),
                },
                "Output": {"title": "Output", "type": "object", "properties": made},
                "File": {"type": "object", "properties": {"url": {"type": "string"}}, "required": ["url"]},
                "ImageSize": {
                    "type": "object",
                    "properties": {
                        side: {"type": "integer", "default": 512, "exclusiveMinimum": 0, "maximum": 14142}
                        for side in ("width", "height")
                    },
                },
            }
        },
        "paths": {
            f"/{endpoint}": {
                "post": {"requestBody": {"required": True, "content": {"application/json": {"schema": _ref("Input")}}}}
            },
            f"/{endpoint}/requests/{{request_id}}": {"get": {"responses": answered}},
        },
        "servers": [{"url": "https://queue.fal.run"}],
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _needed(app: App) -> list[str]:
    worded = ["prompt"] if app.worded == "required" else []
    return [*worded, *([app.source] if app.source else []), *(["mask_url"] if app.mask else [])]


def _properties(app: App) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if app.worded != "no":
        found["prompt"] = {"type": "string", "title": "Prompt", "description": "The prompt.", "maxLength": 32_000}
    if app.source == "image_urls":
        found["image_urls"] = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 14}
    elif app.source == "controlnet_unions":
        found["controlnet_unions"] = {"type": "array", "items": {"type": "object"}}
    elif app.source:
        found["image_url"] = {"type": "string", "title": "Image Url"}
    if app.mask:
        found["mask_url"] = {"type": "string", "title": "Mask Url"}
    return {**found, **_sized(app), **_usual(app), **app.own}


def _sized(app: App) -> dict[str, Any]:
    if app.sized_by == "image_size":
        forms = [_ref("ImageSize"), {"type": "string", "enum": [*_PRESETS, "auto"]}]
        return {"image_size": {"anyOf": forms, "title": "Image Size", "default": app.default_size}}
    if app.sized_by == "aspect_ratio":
        return {"aspect_ratio": {"type": "string", "enum": [*_RATIOS, "auto"], "default": app.default_size}}
    return {"upscale_factor": {"type": "number", "minimum": 1, "maximum": 4}} if app.sized_by == "factor" else {}


def _usual(app: App) -> dict[str, Any]:
    found: dict[str, Any] = {
        "num_images": {"type": "integer", "minimum": 1, "maximum": app.most_images, "default": 1},
        "seed": {"anyOf": [{"type": "integer"}, {"type": "null"}], "description": "The same seed, the same image."},
        "output_format": {"type": "string", "enum": list(app.formats), "default": app.formats[0]},
        "sync_mode": {"type": "boolean", "default": False},
    }
    if app.checker:
        found["enable_safety_checker"] = {"type": "boolean", "default": True}
        found["num_inference_steps"] = {
            "type": "integer",
            "minimum": 1,
            "maximum": app.most_steps,
            "default": min(28, app.most_steps),
            "description": "The number of inference steps to perform.",
        }
        found["guidance_scale"] = {"type": "number", "minimum": 1, "maximum": 20, "default": 3.5}
    if app.speeds:
        found["rendering_speed"] = {"type": "string", "enum": list(SPEEDS), "default": "BALANCED"}
    return found
