"""What an answer of OpenAI's Images API says, wherever it is served: images as base64, and the tokens they took."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import BadAnswer, Charged, ProviderError
from ..metering.prices import PerToken, Quantities, charge, quote
from .base import Answer, Prepared, ResultImage
from .http import Reply
from .inline import check_some, image_in
from .openai_errors import refused_late
from .openai_stream import gathered
from .refusals import Vendor

_MOST_TOKENS = 1_000_000_000
"""Of one call; what is more is no count but nonsense, and would be booked."""
ReadItem = Callable[[Any], ResultImage]
"""Reads one entry of ``data``."""


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
    price = prepared.model.price
    usage = _usage(body, words_apart=isinstance(price, PerToken) and price.text_out > 0)
    paid = charge(price, usage, prepared.parameters) if price and usage else None
    data = body.get("data")
    images = tuple((read or image_of)(item) for item in data) if isinstance(data, list) else ()
    charged: Charged = "yes" if usage else "unknown"
    if not images:
        raise lacking(vendor, charged, request_id, paid)
    check_some(images, lambda file: lacking(vendor, charged, request_id, paid, file))
    # Without a count of its own the call is settled at the most it can have cost, never at nothing.
    bound = quote(price, prepared.quantities, prepared.parameters).at_most_microusd if price and not usage else None
    counted = (usage or prepared.quantities).model_copy(update={"images": len(images)})
    return Answer(request_id=request_id, images=images, usage=counted, charge_microusd=bound)


def body_of(prepared: Prepared, reply: Reply, request_id: str | None, vendor: Vendor) -> dict[str, Any]:
    """The JSON object, also of what came as a stream. Raises BadAnswer."""
    try:
        return gathered(reply.body) if "stream" in prepared.fields else reply.json()
    except ValueError:
        told: dict[str, Any] = {"provider": vendor.provider, "charged": "unknown", "request_id": request_id}
        raise BadAnswer(f"{vendor.title}'s answer is no JSON.", status=200, **told) from None


def image_of(item: Any) -> ResultImage:
    """One image of ``data``, whole or not."""
    return image_in(item.get("b64_json") if isinstance(item, dict) else None)


def lacking(
    vendor: Vendor, charged: Charged, request_id: str | None, microusd: int | None = None, file: bytes | None = None
) -> BadAnswer:
    """Of an answer that should hold an image and does not; ``file`` is what came instead."""
    told = {"provider": vendor.provider, "charged": charged, "microusd": microusd, "request_id": request_id}
    return BadAnswer(f"{vendor.title}'s answer lacks a whole image.", status=200, file=file, **told)


def _usage(body: Mapping[str, Any], *, words_apart: bool) -> Quantities | None:
    """The vendor's own count of tokens, or None where it gives none that can be used.

    ``words_apart``: words that come out have a price of their own.
    """
    usage = body.get("usage")
    if not isinstance(usage, dict):
        return None
    details = usage.get("input_tokens_details")
    details = details if isinstance(details, dict) else {"text_tokens": usage.get("input_tokens")}
    counts: list[Any] = [details.get("text_tokens") or 0, details.get("image_tokens") or 0, usage.get("output_tokens")]
    if not all(isinstance(count, int) and 0 <= count <= _MOST_TOKENS for count in counts):
        return None
    text, image, output = counts
    # Where it does not tell images from words, all that came counts as the dearer of the two.
    said = usage.get("output_tokens_details")
    drawn = said.get("image_tokens") if words_apart and isinstance(said, dict) else None
    if not isinstance(drawn, int) or not 0 <= drawn <= output:
        drawn = output
    words = output - drawn if words_apart else None
    return Quantities(text_tokens=text, image_tokens=image, output_tokens=drawn, output_text_tokens=words)
