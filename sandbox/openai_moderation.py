"""OpenAI's moderations: 13 categories with scores, of text, of pictures, or of both together."""

from __future__ import annotations

import base64
import uuid
from typing import Any

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .exchange import Exchange
from .openai_models import MODERATION_MODELS
from .openai_request import Refused


def moderation(exchange: Exchange) -> dict[str, Any]:
    """The answer to ``POST /moderations``; raises :class:`Refused`."""
    model, entries = _request(exchange)
    return {"id": f"modr-{uuid.uuid4().hex}", "model": model, "results": [_judged(entry) for entry in entries]}


def _request(exchange: Exchange) -> tuple[str, list[list[dict[str, Any]]]]:
    """The model and what to judge: each entry is a list of text and image items that get one result together."""
    try:
        body = exchange.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused("We could not parse the JSON body of your request. The API expects a JSON payload.")
    model = body.get("model", MODERATION_MODELS[0])
    if model not in MODERATION_MODELS:
        raise Refused(f"The model '{model}' does not exist", param="model", code="model_not_found", status=404)
    given = body.get("input")
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, list) or not given:
        raise Refused("'$.input' is invalid. Please check the API reference.", param="input")
    if all(isinstance(item, str) for item in given):
        return model, [[{"type": "text", "text": item}] for item in given]
    return model, [[_item(item) for item in given]]


def _item(item: Any) -> dict[str, Any]:
    if isinstance(item, dict) and item.get("type") == "text" and isinstance(item.get("text"), str):
        return item
    image = item.get("image_url") if isinstance(item, dict) and item.get("type") == "image_url" else None
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str):
        raise Refused("'$.input' is invalid. Please check the API reference.", param="input")
    if not url.startswith("data:"):
        raise Refused("Failed to download image from the given URL.", param="input", code="image_url_unavailable")
    try:
        return {"type": "image", "source": picture.read(base64.b64decode(url.partition(",")[2], validate=True))}
    except (ValueError, NotAnImage, ImageTooLarge) as error:
        raise Refused("Invalid base64 image_url.", param="input", code="invalid_image") from error


def _judged(items: list[dict[str, Any]]) -> dict[str, Any]:
    scores = judge.text_scores("")
    for item in items:
        own = judge.text_scores(item["text"]) if item["type"] == "text" else judge.image_scores(item["source"].pixels)
        scores = judge.worst(scores, own)
    kinds = {item["type"] for item in items}
    flagged = {category: score >= judge.FLAGGED_FROM for category, score in scores.items()}
    return {
        "flagged": any(flagged.values()),
        "categories": flagged,
        "category_scores": scores,
        "category_applied_input_types": {category: _applied(category, kinds) for category in scores},
    }


def _applied(category: str, kinds: set[str]) -> list[str]:
    found = ["text"] if "text" in kinds else []
    return [*found, "image"] if "image" in kinds and category in judge.SEEN_IN_IMAGES else found
