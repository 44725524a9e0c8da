"""FLUX.2 on Azure: Black Forest Labs' own fields (``bfl_request``), answered at once in the form of OpenAI's API.

Wire facts: Microsoft's page "Deploy and use FLUX models in Microsoft Foundry" (path, fields, one image a call), third
parties' notes of 2026 (without ``model`` and ``n`` it answers 500) and LiteLLM (``request_meta``, whose megapixels are
of 1024 x 1024 pixels, as Azure's meters count them).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..errors import ImageTooLarge, NotAnImage
from ..metering.prices import MEGAPIXEL, PerMegapixel, Quantities
from .azure_errors import BY_KEY, stopped, withheld
from .azure_place import Resource
from .base import Answer, Prepared
from .bfl_request import prepared_of
from .http import Reply
from .imagefile import is_whole, size_of
from .model import Model
from .openai_answer import body_of, image_of, lacking
from .request import GenerationRequest, SourceImage

_VERSION = "api-version=preview"
_PIXELS = 1024 * 1024
_MOST_MEGAPIXELS = 1_000.0
"""Of one call; what is more is no measure but nonsense, and would be booked."""


def flux_request(model: Model, request: GenerationRequest, resource: Resource) -> Prepared:
    """The request as it is sent. Raises InvalidInput and UnsupportedTask."""
    prepared = prepared_of(model, request)
    fields = {"model": resource.deployment(model), **prepared.fields, "n": 1}
    return replace(prepared, path=f"{prepared.path}?{_VERSION}", fields=fields)


def flux_answer(prepared: Prepared, reply: Reply, request_id: str | None) -> Answer:
    """The answer that came with status 200. Raises BadAnswer, and ProviderBlocked where its image was withheld."""
    body = body_of(prepared, reply, request_id, BY_KEY)
    data = body.get("data")
    first = data[0] if isinstance(data, list) and data else None
    if words := stopped(first):
        raise withheld(words, request_id)
    meta = body.get("request_meta")
    image = image_of(first)
    data = image.data or b""
    if not is_whole(data):
        raise lacking(BY_KEY, "yes" if meta else "unknown", request_id, file=data or None)
    try:
        usage = _usage(prepared, meta, SourceImage(data=data, media_type=image.media_type))
    except (NotAnImage, ImageTooLarge):
        # It has the beginning and the end of a picture, and nothing to measure.
        raise lacking(BY_KEY, "unknown", request_id, file=data) from None
    return Answer(request_id=request_id, images=(image,), usage=usage)


def _usage(prepared: Prepared, meta: Any, image: SourceImage) -> Quantities:
    """The megapixels that Azure counted, else those of the image itself and of what went in."""
    told = meta if isinstance(meta, dict) else {}
    output, inputs = _megapixels(told.get("output_mp")), _megapixels(told.get("input_mp"))
    if output is None:
        width, height = size_of(image)
        output = width * height / MEGAPIXEL
    if inputs is None:
        inputs = prepared.quantities.input_megapixels
    by_area = isinstance(prepared.model.price, PerMegapixel)
    return Quantities(images=1, megapixels=output, input_megapixels=inputs if by_area else None)


def _megapixels(told: Any) -> float | None:
    """Azure's megapixels as ours, of a million pixels; None for what is none."""
    if isinstance(told, bool) or not isinstance(told, (int, float)) or not 0 <= told <= _MOST_MEGAPIXELS:
        return None
    return float(told) * _PIXELS / MEGAPIXEL
