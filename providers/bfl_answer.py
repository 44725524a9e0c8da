"""What Black Forest Labs' answers say: the task that was accepted with its cost, and the image of one that is ready.

A submission answers ``{id, polling_url, cost, input_mp, output_mp}``: the cost in credits (one is a cent, fractions
occur), the areas in units of 1024 x 1024 pixels with two decimals. A poll answers ``{id, status, result, details}``.
Facts: docs.bfl.ai (FLUX.2 text-to-image, API reference, errors).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any

from .. import log
from ..errors import BadAnswer, Charged
from ..metering.prices import Quantities
from .base import Accepted, Answer, Prepared
from .http import Reply, parsed
from .inline import image_at

CREDIT_MICROUSD = 10_000
"""One credit is $0.01."""
_AREA = Decimal(1024 * 1024) / Decimal(1_000_000)
"""BFL's megapixel in ours."""
_AREAS = ("input_mp", "output_mp")
_MOST = 1_000_000
"""Credits or megapixels; more is no cost or area but nonsense, and would be booked."""


def accepted_of(reply: Reply, prepared: Prepared) -> Accepted:
    """The task that a submission started. Raises BadAnswer where the answer names none."""
    body = _exact(reply)
    request_id, url = body.get("id"), body.get("polling_url")
    if not (isinstance(request_id, str) and request_id and isinstance(url, str) and url):
        raise _bad(
            "answer to the submission names no task", "unknown", request_id if isinstance(request_id, str) else ""
        )
    told = {name: str(body[name]) for name in ("cost", *_AREAS) if _number(body.get(name)) is not None}
    asked = prepared.quantities.model_dump(include={"megapixels", "input_megapixels"}, exclude_none=True)
    return Accepted(request_id=request_id, handle={"polling_url": url, "model": prepared.path, **told, "asked": asked})


def cost_of(accepted: Accepted) -> int | None:
    """The charge in micro-dollars as the submission stated it, to the nearest one; None where it stated none."""
    cost = _number(accepted.handle.get("cost"))
    if cost is None:
        return None
    return int((cost * CREDIT_MICROUSD).quantize(Decimal(1), rounding=ROUND_HALF_UP))


def word_of(reply: Reply) -> str | None:
    """The status word of a poll, whatever its HTTP status is, or None where it has none."""
    try:
        word = reply.json().get("status")
    except ValueError:
        return None
    return word if isinstance(word, str) and word else None


def answer_of(reply: Reply, accepted: Accepted) -> Answer:
    """The answer of a task that is ready. Raises BadAnswer: the work was done, so it is charged."""
    result = reply.json().get("result")
    result = result if isinstance(result, dict) else {}
    url, seed = result.get("sample"), result.get("seed")
    if not (isinstance(url, str) and url):
        raise _bad("finished task has no image", "yes", accepted.request_id, cost_of(accepted))
    image = image_at(url, seed=seed if isinstance(seed, int) and not isinstance(seed, bool) else None)
    return Answer(
        request_id=accepted.request_id,
        images=(image,),
        usage=_usage(accepted.handle),
        charge_microusd=cost_of(accepted),
    )


def reasons(reply: Reply) -> str:
    """Why a task failed or was moderated, in BFL's words. Places of the reasons: seen in others' logs of answers."""
    try:
        body = reply.json()
    except ValueError:
        return ""
    for place in (body.get("details"), body.get("result")):
        if isinstance(place, dict) and place:
            found = place.get("Moderation Reasons") or place.get("error") or place
            return _clean(", ".join(map(str, found)) if isinstance(found, list) else str(found))
        if isinstance(place, str) and place:
            return _clean(place)
    return ""


def refusal_text(reply: Reply) -> str:
    """What an error answer says: FastAPI's ``{detail: text}`` or ``{detail: [{loc, msg, type}]}``."""
    try:
        detail = reply.json().get("detail")
    except ValueError:
        detail = None
    if isinstance(detail, list):
        return _clean("; ".join(_one(item) for item in detail if isinstance(item, dict)))
    return _clean(str(detail)) if detail else f"status {reply.status}"


def _exact(reply: Reply) -> dict[str, Any]:
    """The body with its fractions as they are written: money is in it."""
    try:
        body = parsed(reply.body, parse_float=Decimal)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _number(value: Any) -> Decimal | None:
    """A number that can be meant, from 0 on; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        return None
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number <= _MOST else None


def _usage(handle: Mapping[str, Any]) -> Quantities:
    """What BFL counted; where it counted nothing (a small image is 0.00), what was asked for."""
    asked = handle.get("asked")
    counted: dict[str, Any] = dict(asked) if isinstance(asked, dict) else {}
    for name, ours in zip(_AREAS, ("input_megapixels", "megapixels"), strict=True):
        if area := _number(handle.get(name)):
            counted[ours] = float(area * _AREA)
    return Quantities(images=1, **counted)


def _one(item: Mapping[str, Any]) -> str:
    loc = item.get("loc")
    where = ".".join(str(part) for part in loc if part != "body") if isinstance(loc, list) else ""
    text = str(item.get("msg", ""))
    return f"{where}: {text}" if where else text


def _clean(text: str) -> str:
    return log.redact(text)[:300]


def _bad(what: str, charged: Charged, request_id: str, microusd: int | None = None) -> BadAnswer:
    return BadAnswer(
        f"BFL's {what}.",
        provider="bfl",
        charged=charged,
        microusd=microusd,
        status=200,
        request_id=request_id or None,
    )
