"""What fal's answers say: images and usage of a result, and the reasons in an error body."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import log
from ..errors import BadAnswer, Charged
from ..metering.prices import Quantities
from .base import Accepted, Answer, ResultImage
from .http import Reply
from .inline import check_some, image_at

_LONGEST_SIDE = 100_000
"""Of a picture; what is more is no measure but nonsense, and would be booked."""


@dataclass(frozen=True)
class Details:
    """An error body in fal's words. ``known``: it has fal's shape at all. ``unworked``: it was found by looking at the
    input, so surely no runner worked for it."""

    message: str
    blocked: bool = False
    known: bool = False
    unworked: bool = False


# What fal's apps find before they run: pydantic's kinds (beside the ``_type`` and ``_parsing`` ones) and those that
# fal's page of model errors lists for input files.
_FOUND_IN_INPUT = frozenset(
    {
        *("missing", "extra_forbidden", "value_error", "literal_error", "enum", "one_of", "json_invalid"),
        *("less_than", "less_than_equal", "greater_than", "greater_than_equal", "multiple_of", "finite_number"),
        *("too_short", "too_long", "string_too_short", "string_too_long", "string_pattern_mismatch"),
        *("sequence_too_short", "sequence_too_long", "image_too_small", "image_too_large", "image_load_error"),
        *("file_download_error", "file_too_large", "unsupported_image_format"),
    }
)


def details(reply: Reply) -> Details:
    """Validation errors are ``{detail: [{loc, msg, type}]}``, infrastructure's ``{detail, error_type}``."""
    try:
        body = reply.json()
    except ValueError:
        return Details(message=f"status {reply.status}")
    detail = body.get("detail")
    if isinstance(detail, list):
        items = [item for item in detail if isinstance(item, dict)]
        message = "; ".join(_one(item) for item in items)
        blocked = any(item.get("type") == "content_policy_violation" for item in items)
        kinds = [str(item.get("type", "")) for item in items]
        unworked = bool(kinds) and all(
            kind in _FOUND_IN_INPUT or kind.endswith(("_type", "_parsing")) for kind in kinds
        )
        return Details(message=_clean(message), blocked=blocked, known=True, unworked=unworked)
    if "detail" in body or "error_type" in body:
        return Details(message=_clean(str(detail or body.get("error_type"))), known=True)
    return Details(message=f"status {reply.status}")


def answer_of(reply: Reply, accepted: Accepted) -> Answer:
    """The answer of a finished call. Raises BadAnswer: the work was done, so it is charged."""
    try:
        body = reply.json()
    except ValueError:
        raise _bad("is no JSON", accepted) from None
    # An upscaler gives one image, under a name of its own.
    items = body["images"] if "images" in body else [body["image"]] if "image" in body else None
    if not isinstance(items, list) or not items:
        raise _bad("has no image", accepted)
    flags = body.get("has_nsfw_concepts")
    flags = flags if isinstance(flags, list) else []
    seed = body.get("seed")
    images = tuple(
        _image(item, seed=seed if isinstance(seed, int) else None, blocked=index < len(flags) and flags[index] is True)
        for index, item in enumerate(items)
        if isinstance(item, dict) and isinstance(item.get("url"), str)
    )
    if len(images) != len(items):
        raise _bad("has an image without a URL", accepted)
    check_some(images, lambda file: _bad("holds a broken image", accepted, file))
    usage = Quantities(images=len(images), megapixels=_megapixels(items, accepted))
    return Answer(request_id=accepted.request_id, images=images, usage=usage)


def _image(item: Mapping[str, Any], *, seed: int | None, blocked: bool) -> ResultImage:
    return image_at(item["url"], kind=str(item.get("content_type") or ""), seed=seed, blocked=blocked)


def _megapixels(items: list[Any], accepted: Accepted) -> float | None:
    """Of the largest image, by the size fal reports; where it reports none, what was asked for."""
    pixels = [item["width"] * item["height"] for item in items if _is_side(item, "width") and _is_side(item, "height")]
    if len(pixels) == len(items):
        return float(max(pixels)) / 1_000_000
    asked = accepted.handle.get("megapixels")
    return float(asked) if isinstance(asked, (int, float)) else None


def _is_side(item: Mapping[str, Any], name: str) -> bool:
    side = item.get(name)
    return isinstance(side, int) and not isinstance(side, bool) and 0 < side <= _LONGEST_SIDE


def _one(item: Mapping[str, Any]) -> str:
    loc = item.get("loc")
    where = ".".join(str(part) for part in loc if part != "body") if isinstance(loc, list) else ""
    text = str(item.get("msg", ""))
    return f"{where}: {text}" if where else text


def _clean(text: str) -> str:
    return log.redact(text)[:300]


def _bad(what: str, accepted: Accepted, file: bytes | None = None) -> BadAnswer:
    charged: Charged = "yes"
    told = {"provider": "fal", "charged": charged, "status": 200, "request_id": accepted.request_id}
    return BadAnswer(f"fal's result {what}.", file=file, **told)
