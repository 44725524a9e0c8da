"""Cloud Vision's ``images:annotate``, for SafeSearch alone: how likely an image is of each kind, in five words.

What the judge scores becomes a likelihood by fifths of the way from 0 to 1. Each image has a result of its own, and one
that cannot be read has an error in its place; the call as a whole is a 200 then.
"""

from __future__ import annotations

from typing import Any

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .exchange import Exchange
from .google_errors import Refused, invalid_value
from .google_json import unpacked

LIKELIHOODS = ("VERY_UNLIKELY", "UNLIKELY", "POSSIBLE", "LIKELY", "VERY_LIKELY")
_LARGEST_REQUEST = 10 * 1024 * 1024
_MOST_IMAGES = 16


def annotated(exchange: Exchange) -> dict[str, Any]:
    """The answer; raises :class:`Refused`."""
    if len(exchange.raw) > _LARGEST_REQUEST:
        raise Refused("Request payload size exceeds the limit: 10485760 bytes.")
    try:
        body = exchange.json()
    except ValueError as error:
        raise Refused("Invalid JSON payload received.") from error
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not 1 <= len(requests) <= _MOST_IMAGES:
        raise invalid_value("requests", "TYPE_MESSAGE", requests)
    return {"responses": [_one(request) for request in requests]}


def _one(request: Any) -> dict[str, Any]:
    features = request.get("features") if isinstance(request, dict) else None
    if not isinstance(features, list) or not features:
        return _error("Request must specify at least one feature.")
    if any(not isinstance(each, dict) or each.get("type") != "SAFE_SEARCH_DETECTION" for each in features):
        return _error("The sandbox serves SAFE_SEARCH_DETECTION alone.")
    image = request.get("image")
    content = image.get("content") if isinstance(image, dict) else None
    if not content:
        return _error("Request must specify image and features.")
    try:
        source = picture.read(unpacked(content))
    except (ValueError, NotAnImage, ImageTooLarge):
        return _error("Bad image data.")
    scores = judge.image_scores(source.pixels)
    told = {"adult": "sexual", "violence": "violence", "racy": "sexual"}
    found = {name: _likelihood(scores[category]) for name, category in told.items()}
    return {"safeSearchAnnotation": {**found, "spoof": LIKELIHOODS[0], "medical": LIKELIHOODS[0]}}


def _likelihood(score: float) -> str:
    return LIKELIHOODS[min(int(score * len(LIKELIHOODS)), len(LIKELIHOODS) - 1)]


def _error(message: str) -> dict[str, Any]:
    return {"error": {"code": 3, "message": message}}
