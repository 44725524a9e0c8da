"""What a 200 of Bedrock says: images, or that a filter withheld them.

Stability (user guide): ``{seeds, finish_reasons, images}``; a filtered request has ``finish_reasons`` alone, such as
"Filter reason: prompt", and an "Inference error" is told there too. Nova (user guide, "Error handling"): ``{images,
error}``; where some images are withheld there are fewer of them and an ``error``, where all are there are none.
Neither says what a withheld image costs: AWS bills images that were made, so of one that was made and not given
nobody knows.
"""

from __future__ import annotations

from typing import Any

from .. import log
from ..errors import BadAnswer, Charged, ProviderBlocked, ProviderDown, ProviderError
from ..metering.prices import Quantities
from .base import Answer, Prepared, ResultImage
from .bedrock_errors import BLOCKED, REQUEST_ID
from .http import Reply
from .inline import check_some, image_in

_FILTERED = "Filter reason"
_OF_THE_RESULT = "output"

logger = log.get("providers.bedrock")


def answer_of(prepared: Prepared, reply: Reply) -> Answer:
    """The answer that came with status 200. Raises ProviderBlocked with the vendor's words, ProviderDown, BadAnswer."""
    request_id = reply.headers.get(REQUEST_ID)
    try:
        body = reply.json()
    except ValueError:
        raise _bad("is no JSON", "unknown", request_id) from None
    found, ended, error = body.get("images"), _told(body.get("finish_reasons")), _told([body.get("error")])
    if ended or (error and not found):
        raise _withheld((ended + error)[0], request_id)
    if not (isinstance(found, list) and found):
        raise _bad("has no images", "unknown", request_id)
    images = [image_in(text, seed=_seed(body.get("seeds"), number)) for number, text in enumerate(found)]
    check_some(images, lambda file: _bad("lacks a whole image", "yes", request_id, file))
    missing = prepared.quantities.images - len(images)
    if missing > 0 and error:
        logger.warning("withheld %d of the images: %s", missing, error[0], extra=log.action("partly_withheld"))
        images += [ResultImage(blocked=True)] * missing
    return Answer(request_id=request_id, images=tuple(images), usage=Quantities(images=len(images)))


def _told(reasons: Any) -> list[str]:
    """What the vendor says was wrong, in its own words; null is its word for "nothing"."""
    told = reasons if isinstance(reasons, list) else []
    return [log.redact(one)[:300] for one in told if isinstance(one, str) and one]


def _withheld(reason: str, request_id: str | None) -> ProviderError:
    told: dict[str, Any] = {"provider": "bedrock", "status": 200, "request_id": request_id}
    if reason.startswith(_FILTERED) or BLOCKED in reason:
        made = _OF_THE_RESULT in reason or BLOCKED in reason
        charged: Charged = "unknown" if made else "no"
        hint = "Change the prompt or the images."
        return ProviderBlocked(f"Bedrock's content policy blocked it: {reason}", hint=hint, charged=charged, **told)
    return ProviderDown(f"Bedrock made no image: {reason}", charged="unknown", **told)


def _seed(seeds: Any, number: int) -> int | None:
    """The seed that was used, also where the model chose it."""
    seed = seeds[number] if isinstance(seeds, list) and number < len(seeds) else None
    return seed if isinstance(seed, int) else None


def _bad(what: str, charged: Charged, request_id: str | None, file: bytes | None = None) -> BadAnswer:
    told = {"provider": "bedrock", "charged": charged, "status": 200, "request_id": request_id}
    return BadAnswer(f"Bedrock's answer {what}.", file=file, **told)
