"""What an answer of OpenAI's Images API says, wherever it is served: images as base64, and the tokens they took."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from ..errors import BadAnswer, Charged, ProviderError
from ..metering.prices import Quantities, charge, quote
from .base import Answer, Prepared, ResultImage
from .http import Reply
from .imagefile import is_whole, media_type
from .openai_errors import refused_late
from .openai_stream import gathered
from .refusals import Vendor

_MOST_TOKENS = 1_000_000_000
"""Of one call; what is more is no count but nonsense, and would be booked."""
ReadItem = Callable[[Any], ResultImage | None]
"""Reads one entry of ``data``; None where it is no whole image."""


def answer_of(
    prepared: Prepared,
    reply: Reply,
    request_id: str | None,
    *,
    vendor: Vendor,
    refusal: Callable[[Reply], ProviderError],
    read: ReadItem | None = None,
) -> Answer:
    """The answer that came with status 200. Raises BadAnswer, and what ``refusal`` makes of an error inside of it.

    ``read`` is for who also answers with entries that are no images; by default :func:`image_of`.
    """
    body = body_of(prepared, reply, request_id, vendor)
    if "error" in body and not body.get("data"):
        raise refused_late(reply, body, refusal)
    usage = _usage(body)
    price = prepared.model.price
    paid = charge(price, usage, prepared.parameters) if price and usage else None
    data = body.get("data")
    found = [(read or image_of)(item) for item in data] if isinstance(data, list) else []
    images = tuple(image for image in found if image is not None)
    if not images or len(images) < len(found):
        lacking(vendor, "yes" if usage else "unknown", request_id, paid)
    # Without a count of its own the call is settled at the most it can have cost, never at nothing.
    bound = quote(price, prepared.quantities, prepared.parameters).at_most_microusd if price and not usage else None
    counted = (usage or prepared.quantities).model_copy(update={"images": len(images)})
    return Answer(request_id=request_id, images=images, usage=counted, charge_microusd=bound)


def body_of(prepared: Prepared, reply: Reply, request_id: str | None, vendor: Vendor) -> dict[str, Any]:
    """The JSON object, also of what came as a stream. Raises BadAnswer."""
    try:
        return gathered(reply.body) if "stream" in prepared.fields else reply.json()
    except ValueError:
        _bad(vendor, f"{vendor.title}'s answer is no JSON.", "unknown", request_id)


def image_of(item: Any) -> ResultImage | None:
    """One image of ``data``; None where there is no whole one."""
    text = item.get("b64_json") if isinstance(item, dict) else None
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (binascii.Error, ValueError):
        return None
    return ResultImage(data=data, media_type=media_type(data) or "") if is_whole(data) else None


def lacking(vendor: Vendor, charged: Charged, request_id: str | None, microusd: int | None = None) -> NoReturn:
    """Raise BadAnswer for an answer that should hold an image and does not."""
    _bad(vendor, f"{vendor.title}'s answer lacks a whole image.", charged, request_id, microusd)


def _usage(body: Mapping[str, Any]) -> Quantities | None:
    """The vendor's own count of tokens, or None where it gives none that can be used."""
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    details = usage.get("input_tokens_details")
    details = details if isinstance(details, dict) else {"text_tokens": usage.get("input_tokens")}
    counts = (details.get("text_tokens") or 0, details.get("image_tokens") or 0, usage.get("output_tokens"))
    if not all(isinstance(count, int) and 0 <= count <= _MOST_TOKENS for count in counts):
        return None
    text, image, output = counts
    return Quantities(text_tokens=text, image_tokens=image, output_tokens=output)


def _bad(
    vendor: Vendor, message: str, charged: Charged, request_id: str | None, microusd: int | None = None
) -> NoReturn:
    raise BadAnswer(
        message, provider=vendor.provider, charged=charged, microusd=microusd, status=200, request_id=request_id
    ) from None
