"""JSON for Stability's models on Bedrock, read and checked as there: what is wrong is one ValidationException."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from ..errors import ImageTooLarge, NotAnImage
from . import picture, stability_request
from .aws import Refused
from .bedrock_models import FORMATS, MODELS, STYLE_TRANSFER
from .exchange import Part
from .stability_request import Asked, read_form

_FILES = frozenset(("image", "mask", "init_image", "style_image"))


def read_body(model: str, body: Mapping[str, Any], seed: int) -> tuple[Asked, picture.Source | None]:
    """What is asked, and the style's picture of a style transfer. Raises :class:`Refused` naming what is wrong."""
    service = MODELS[model]
    fields = dict(body)
    style = None
    if model == STYLE_TRANSFER:
        style = fields.pop("style_image", None)
        if "image" in fields or style is None:
            raise invalid("init_image and style_image are required")
        fields["image"] = fields.pop("init_image", None)
    made = fields.get("output_format", "png")
    if made not in FORMATS.get(service.path, (made,)):
        raise invalid(f"output_format: must be one of {', '.join(FORMATS[service.path])}")
    numbers = {*service.ranges, "seed"}
    try:
        asked = read_form(service, [_part(name, value, name in numbers) for name, value in fields.items()], seed)
    except stability_request.Refused as refused:
        raise invalid(*refused.errors) from None
    return asked, _style(style)


def invalid(*errors: str) -> Refused:
    """The vendor's word for a request that is wrong."""
    return Refused(400, "ValidationException", "; ".join(errors))


def _part(name: str, value: Any, number: bool) -> Part:
    """A field as the form of Stability's own API has it; JSON's types are held to."""
    if name in _FILES:
        return Part(name, name, "application/octet-stream", decoded(name, value))
    if isinstance(value, bool) or not isinstance(value, (int, float) if number else str):
        raise invalid(f"{name}: expected a {'number' if number else 'string'}")
    return Part(name, None, "text/plain", str(value).encode())


def decoded(name: str, value: Any) -> bytes:
    """The bytes of a file in JSON: bare base64. Raises :class:`Refused`."""
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        raise invalid(f"{name}: is not valid base64") from None


def _style(value: Any) -> picture.Source | None:
    if value is None:
        return None
    try:
        return picture.read(decoded("style_image", value))
    except (NotAnImage, ImageTooLarge):
        raise invalid("style_image: must be a valid jpeg, png or webp image") from None
