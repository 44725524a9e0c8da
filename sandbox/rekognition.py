"""Amazon Rekognition's DetectModerationLabels as its wire speaks it: AWS JSON 1.1, the operation in ``X-Amz-Target``.

Written from botocore's model of the service and the developer guide's page on moderation. What is harmful is the
sandbox's own idea of it (``judge.py``), told in Rekognition's labels. Beside a signature a bearer is taken, which the
real service knows nothing of: offline there is no account to sign with.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import uuid
from typing import Any

from aiohttp import web

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .aws import Refused, check_caller, error
from .base import Provider, Route
from .exchange import Desk, Exchange

_JSON = "application/x-amz-json-1.1"
_TARGET = "RekognitionService.DetectModerationLabels"
_MOST_BYTES = 5_242_880
_LEAST_SIDE = 50
_USUAL_CONFIDENCE = 50.0
LABELS: dict[str, tuple[str, ...]] = {
    "sexual": ("Explicit", "Explicit Sexual Activity"),
    "violence": ("Violence", "Graphic Violence", "Physical Violence"),
    "violence/graphic": ("Violence", "Graphic Violence", "Blood & Gore"),
    "self-harm": ("Violence", "Graphic Violence", "Self-Harm"),
}
"""By the sandbox's category: the label of each level."""


class Rekognition(Provider):
    """The stand-in for rekognition in all its regions."""

    name = "rekognition"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        return (Route("POST", "/", self._detect, "moderation"),)

    async def start(self) -> None:
        """Nothing is kept: every call is answered at once."""

    async def stop(self) -> None:
        """There are no tasks."""

    def reset(self) -> None:
        """There is nothing to forget."""

    def new_request_id(self) -> str:
        return str(uuid.uuid4())

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        code, message = _STATUS_ERRORS.get(status, _STATUS_ERRORS[500])
        answer = _refused(exchange, Refused(status, code, message))
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return _refused(
            exchange, Refused(404, "UnknownOperationException", "Unable to determine service/operation name")
        )

    async def _detect(self, exchange: Exchange) -> web.Response:
        try:
            _check_caller(exchange)
            if exchange.request.headers.get("X-Amz-Target") != _TARGET or exchange.request.content_type != _JSON:
                raise Refused(400, "UnknownOperationException", "The operation is not known")
            source, least = await asyncio.to_thread(_read, exchange)
        except Refused as refused:
            return _refused(exchange, refused)
        labels = _labels(judge.image_scores(source.pixels), least)
        body = json.dumps({"ModerationLabels": labels, "ModerationModelVersion": "7.0", "ContentTypes": []})
        headers = {"x-amzn-RequestId": exchange.request_id}
        return web.Response(body=body.encode(), content_type=_JSON, headers=headers)


_STATUS_ERRORS: dict[int, tuple[str, str]] = {
    400: ("InvalidParameterException", "Request has invalid parameters"),
    401: ("UnauthorizedException", "Unauthorized"),
    403: ("AccessDeniedException", "You are not authorized to perform the action."),
    429: ("ThrottlingException", "Rate exceeded"),
    500: ("InternalServerError", "Amazon Rekognition experienced a service issue. Try your call again."),
    503: ("ServiceUnavailableException", "Service unavailable"),
}


def _check_caller(exchange: Exchange) -> None:
    """As everywhere, but this protocol tells every refusal with status 400."""
    try:
        check_caller(exchange, "rekognition", bearers=True)
    except Refused as refused:
        raise Refused(400, refused.code, refused.message) from None


def _read(exchange: Exchange) -> tuple[picture.Source, float]:
    """The image, and from which confidence labels are told. Raises :class:`Refused`."""
    try:
        body = exchange.json()
    except ValueError:
        body = None
    if not isinstance(body, dict) or not isinstance(body.get("Image"), dict):
        raise Refused(400, "SerializationException", "The request cannot be read")
    least = body.get("MinConfidence", _USUAL_CONFIDENCE)
    if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least <= 100:
        raise Refused(400, "InvalidParameterException", "MinConfidence must be between 0 and 100")
    return _image(body["Image"].get("Bytes")), float(least)


def _image(text: Any) -> picture.Source:
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        data = b""
    if len(data) > _MOST_BYTES:
        raise Refused(400, "ImageTooLargeException", "Image size is too large")
    if data[:4] not in (b"\x89PNG", b"\xff\xd8\xff\xe0", b"\xff\xd8\xff\xe1", b"\xff\xd8\xff\xdb"):
        raise Refused(400, "InvalidImageFormatException", "Request has invalid image format")
    try:
        source = picture.read(data)
    except (NotAnImage, ImageTooLarge):
        raise Refused(400, "InvalidImageFormatException", "Request has invalid image format") from None
    if min(source.size) < _LEAST_SIDE:
        raise Refused(400, "InvalidParameterException", "Request has invalid parameters: the image is too small")
    return source


def _labels(scores: dict[str, float], least: float) -> list[dict[str, Any]]:
    """Labels of every level, the surest first; a parent is as sure as its surest child."""
    found: dict[str, dict[str, Any]] = {}
    for category, path in LABELS.items():
        confidence = round(scores[category] * 100, 4)
        for level, name in enumerate(path, 1):
            if confidence >= least and confidence > found.get(name, {}).get("Confidence", -1.0):
                parent = path[level - 2] if level > 1 else ""
                found[name] = {"Name": name, "ParentName": parent, "Confidence": confidence, "TaxonomyLevel": level}
    return sorted(found.values(), key=lambda label: -float(label["Confidence"]))


def _refused(exchange: Exchange, refused: Refused) -> web.Response:
    return error(exchange, refused, _JSON, __type=refused.code)
