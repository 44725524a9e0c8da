"""Azure AI Content Safety: ``text:analyze`` and ``image:analyze`` of API version 2024-09-01.

Written from its REST reference: four categories, severities 0 to 7 of a text (in steps of two unless eight levels are
asked for) and 0, 2, 4, 6 of an image; at most 10,000 characters; an image as base64, at most 4 MB and 50 to 7200
pixels a side. What is harmful is the sandbox's own idea of it, folded into the four categories.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from aiohttp import web

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .azure_answers import Failed, json_answer
from .exchange import Exchange

VERSIONS = frozenset(("2023-10-01", "2024-09-01"))
_CATEGORIES: dict[str, tuple[str, ...]] = {
    "Hate": ("harassment", "harassment/threatening", "hate", "hate/threatening"),
    "SelfHarm": ("self-harm", "self-harm/instructions", "self-harm/intent"),
    "Sexual": ("sexual", "sexual/minors"),
    "Violence": ("violence", "violence/graphic", "illicit/violent"),
}
_MOST_CHARACTERS = 10_000
_MOST_BYTES = 4 * 1024 * 1024
_SIDES = (50, 7200)
_LEVELS = {"FourSeverityLevels": 2, "EightSeverityLevels": 1}
"""Steps between severities by ``outputType``."""


async def analyze_text(exchange: Exchange) -> web.Response:
    """The answer to ``text:analyze``; raises :class:`Failed`."""
    body = _body(exchange)
    text = body.get("text")
    if not isinstance(text, str) or not text:
        raise _wrong("The field text is required.")
    if len(text) > _MOST_CHARACTERS:
        raise _wrong(f"The length of text cannot exceed {_MOST_CHARACTERS}. Learn more: https://aka.ms/content-safety")
    found = _analysis(judge.text_scores(text), body, _LEVELS)
    return json_answer(exchange, {"blocklistsMatch": [], "categoriesAnalysis": found})


async def analyze_image(exchange: Exchange) -> web.Response:
    """The answer to ``image:analyze``; raises :class:`Failed`."""
    body = _body(exchange)
    source = await asyncio.to_thread(_image, body.get("image"))
    found = _analysis(judge.image_scores(source.pixels), body, {"FourSeverityLevels": 2})
    return json_answer(exchange, {"categoriesAnalysis": found})


def _body(exchange: Exchange) -> dict[str, Any]:
    if exchange.request.query.get("api-version") not in VERSIONS:
        raise Failed(404, "404", "Resource not found")
    try:
        body = exchange.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise _wrong("The request body is not valid JSON.")
    return body


def _image(given: Any) -> picture.Source:
    content = given.get("content") if isinstance(given, dict) else None
    if not isinstance(content, str):
        raise _wrong("The field image.content is required.")
    try:
        data = base64.b64decode(content, validate=True)
        source = picture.read(data)
    except (ValueError, NotAnImage, ImageTooLarge):
        raise _wrong("The image is invalid.") from None
    low, high = _SIDES
    if len(data) > _MOST_BYTES or not all(low <= side <= high for side in source.size):
        raise _wrong(f"The image size or dimensions are not within 4 MB and {low} to {high} pixels.")
    return source


def _analysis(scores: dict[str, float], body: dict[str, Any], levels: dict[str, int]) -> list[dict[str, Any]]:
    asked = body.get("categories") or list(_CATEGORIES)
    step = levels.get(body.get("outputType") or "FourSeverityLevels")
    if step is None or not isinstance(asked, list) or not set(asked) <= _CATEGORIES.keys():
        raise _wrong("outputType or categories is invalid.")
    found = {name: max(scores[one] for one in _CATEGORIES[name]) for name in asked}
    return [{"category": name, "severity": int(score * 7) // step * step} for name, score in found.items()]


def _wrong(message: str) -> Failed:
    return Failed(400, "InvalidRequestBody", message, target=None, details=[])
