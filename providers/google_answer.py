"""What an answer of Google's says: images with their tokens, or, with the same status 200, why there are none.

Wire facts: the official SDK google-genai 3.4.0 (``promptFeedback.blockReason``, ``finishReason`` and their values) and
Google's guides. A prompt that is blocked never reached the model ("before it is sent to the model"), so it costs
nothing; of anything later the tokens that Google counted are what it costs, unless it says that it will not charge.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from .. import log
from ..errors import BadAnswer, Charged, ProviderBlocked
from ..metering.prices import Quantities, charge, quote
from .base import Answer, Prepared
from .inline import check_some, image_in

_MOST_TOKENS = 1_000_000_000
"""Of one call; what is more is no count but nonsense, and would be booked."""
_BLOCKS = frozenset(
    {"SAFETY", "PROHIBITED_CONTENT", "SPII", "BLOCKLIST", "RECITATION", "LANGUAGE", "OTHER", "MODEL_ARMOR"}
    | {"ESCALATION", "PUP_LIMITED_DISABLED", "NO_IMAGE"}
    | {"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER"}
)
"""Finish reasons by which Google declines; the others are troubles of the model."""
_FREE = "not be charged"
"""Google's own words where it waives the charge."""


def content_answer(prepared: Prepared, body: Mapping[str, Any]) -> Answer:
    """The answer to ``generateContent``. Raises ProviderBlocked with the vendor's own words, and BadAnswer."""
    request_id = text_of(body, "responseId")
    _check_prompt(body, request_id)
    candidates = _objects(body.get("candidates"))
    parts = [part for each in candidates for part in _objects(_object(each.get("content")).get("parts"))]
    # Drafts that a model made while it thought are no results.
    shown = [part for part in parts if part.get("thought") is not True]
    found = [image_in(_object(part["inlineData"]).get("data")) for part in shown if "inlineData" in part]
    usage = _usage(body, images=len(found))
    paid = _paid(prepared, usage)
    if not found:
        _no_image(candidates, shown, request_id, paid)
    charged: Charged = "yes" if usage else "unknown"
    check_some(found, lambda file: _broken(charged, request_id, paid, file))
    price = prepared.model.price
    # Without a count of its own the call is settled at the most it can have cost, never at nothing.
    bound = quote(price, prepared.quantities, prepared.parameters).at_most_microusd if price and not usage else None
    return Answer(
        request_id=request_id,
        images=tuple(found),
        usage=(usage or prepared.quantities).model_copy(update={"images": len(found)}),
        model_version=text_of(body, "modelVersion"),
        charge_microusd=bound,
    )


def predict_answer(body: Mapping[str, Any]) -> Answer:
    """The answer to ``predict``: fewer images than asked for where the filter took some, which are not charged."""
    predictions = _objects(body.get("predictions"))
    reasons = [str(each["raiFilteredReason"]) for each in predictions if each.get("raiFilteredReason")]
    found = [image_in(each["bytesBase64Encoded"]) for each in predictions if "bytesBase64Encoded" in each]
    if not found:
        _blocked("; ".join(reasons) or "no image came back, which is how its filter takes them all", "no", None)
    check_some(found, lambda file: _broken("yes", None, None, file))
    return Answer(request_id=None, images=tuple(found), usage=Quantities(images=len(found)))


def text_of(body: Mapping[str, Any], name: str) -> str | None:
    """A name that the answer gives, or None."""
    value = body.get(name)
    return value[:128] if isinstance(value, str) and value else None


def _check_prompt(body: Mapping[str, Any], request_id: str | None) -> None:
    feedback = _object(body.get("promptFeedback"))
    if not feedback.get("blockReason"):
        return
    rated = [
        str(rating.get("category", "")).removeprefix("HARM_CATEGORY_")
        for rating in _objects(feedback.get("safetyRatings"))
        if rating.get("blocked") is True or rating.get("probability") in ("MEDIUM", "HIGH")
    ]
    words = [str(feedback["blockReason"]), *rated, str(feedback.get("blockReasonMessage") or "")]
    _blocked(": ".join(word for word in words if word), "no", request_id)


def _no_image(
    candidates: list[dict[str, Any]], shown: list[dict[str, Any]], request_id: str | None, paid: int | None
) -> NoReturn:
    """Google finished without an image: it declined, talked instead, or broke down."""
    reason = str(candidates[0].get("finishReason") or "") if candidates else ""
    said = " ".join(str(part["text"]).strip() for part in shown if part.get("text"))
    message = str(candidates[0].get("finishMessage") or "") if candidates else ""
    charged: Charged = "yes" if paid is not None else "unknown"
    # What the model says does not count: anybody's prompt can make it say that it is free.
    if _FREE in message:
        charged, paid = "no", None
    if reason in _BLOCKS:
        _blocked(": ".join(word for word in (reason, message, said) if word), charged, request_id, paid)
    if reason == "STOP" and said:
        # It stopped of its own accord and only talked: that is how the model itself says no.
        _blocked(f"no image, but words: {said}", charged, request_id, paid)
    why = f"{reason}: {message}" if reason and message else reason or "it gives no reason"
    _bad(f"Google's answer has no image ({_words(why)}).", charged, request_id, paid)


def _usage(body: Mapping[str, Any], *, images: int) -> Quantities | None:
    """Google's own count of tokens, or None where it gives none that can be used."""
    usage = _object(body.get("usageMetadata"))
    counts = [usage.get(name, 0) for name in ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount")]
    if not usage or not all(_is_count(count) for count in counts) or (images and not counts[1]):
        return None
    into, out, thoughts = counts
    seen = min(_tokens(usage.get("promptTokensDetails"), "IMAGE") or 0, into)
    # Where it does not tell images from words, all that came counts as the dearer of the two.
    drawn = _tokens(usage.get("candidatesTokensDetails"), "IMAGE")
    drawn = min(out if drawn is None and images else drawn or 0, out)
    return Quantities(
        images=images,
        text_tokens=into - seen,
        image_tokens=seen,
        output_tokens=drawn,
        output_text_tokens=out - drawn + thoughts,
    )


def _tokens(details: Any, modality: str) -> int | None:
    found = [each.get("tokenCount", 0) for each in _objects(details) if each.get("modality") == modality]
    return sum(found) if found and all(_is_count(count) for count in found) else None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS


def _paid(prepared: Prepared, usage: Quantities | None) -> int | None:
    price = prepared.model.price
    return charge(price, usage, prepared.parameters) if price and usage else None


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _words(text: str) -> str:
    return log.redact(text)[:500]


def _blocked(words: str, charged: Charged, request_id: str | None, microusd: int | None = None) -> NoReturn:
    raise ProviderBlocked(
        f"Google's content policy blocked it: {_words(words)}",
        hint="Change the prompt or the images.",
        provider="google",
        charged=charged,
        microusd=microusd,
        status=200,
        request_id=request_id,
    )


def _bad(message: str, charged: Charged, request_id: str | None, microusd: int | None = None) -> NoReturn:
    raise BadAnswer(message, provider="google", charged=charged, microusd=microusd, status=200, request_id=request_id)


def _broken(charged: Charged, request_id: str | None, microusd: int | None, file: bytes | None) -> BadAnswer:
    told = {"provider": "google", "charged": charged, "microusd": microusd, "status": 200, "request_id": request_id}
    return BadAnswer("Google's answer lacks a whole image.", file=file, **told)
