"""What Replicate's refusals and failed predictions mean, and what is known of the charge in each.

Billing facts (replicate.com/docs: billing, predictions/lifecycle): a public model that is billed by time costs the time
it was active, also when it is then canceled; one that is billed by output costs the output; a prediction that never
started costs nothing. What a failed prediction of a model costs that is billed for its input too is written nowhere.
"""

from __future__ import annotations

import re
from typing import Any

from .. import log
from ..errors import BadAnswer, Charged, ProviderBlocked, ProviderDown, ProviderError
from ..metering.prices import Quantities, charge
from .base import Accepted
from .http import Reply
from .model import Model
from .refusals import HAS_OWN_MEANING, Vendor
from .replicate_answer import Prediction

VENDOR = Vendor(
    provider="replicate",
    title="Replicate",
    credit="Add credit at replicate.com/account/billing.",
    key="Check the key: mintmark keys set replicate.",
)
_BLOCKED = re.compile(
    r"\bE005\b|flagged as sensitive|nsfw|content policy|safety (?:checker|filter|system)|moderat", re.IGNORECASE
)
"""There is no code for it: these are the words of the models that have a filter."""
_RESETS = re.compile(r"resets in ~?(\d+(?:\.\d+)?)\s*s", re.IGNORECASE)


def refused(reply: Reply) -> ProviderError:
    """A submission that was answered with an error: no prediction was made, unless a gateway lost the answer."""
    detail = _detail(reply)
    known = reply.status >= 500 or reply.status in HAS_OWN_MEANING
    blocked = not known and _BLOCKED.search(detail) is not None
    return VENDOR.refused(reply, detail, blocked=blocked, retry_after=asked_wait(reply))


def ended(prediction: Prediction, accepted: Accepted, model: Model) -> ProviderError:
    """A prediction that has ended without a result."""
    told: dict[str, Any] = {
        "provider": "replicate",
        "request_id": accepted.request_id,
        "charged": charge_of(prediction, model),
        "microusd": _amount(prediction, model),
    }
    if prediction.state == "unknown":
        return BadAnswer("Replicate's prediction has a status that its protocol does not have.", **told)
    if prediction.state in ("canceled", "aborted"):
        when = "after it had started" if prediction.started and prediction.state == "canceled" else "before it started"
        return ProviderDown(f"Replicate's prediction was {prediction.state} {when}.", hint="Ask again.", **told)
    if _BLOCKED.search(prediction.error):
        hint = "Change the prompt or the images."
        return ProviderBlocked(f"Replicate's model blocked it: {prediction.error}", hint=hint, **told)
    return ProviderDown(f"Replicate's model failed: {prediction.error or 'it does not say why'}", **told)


def charge_of(prediction: Prediction, model: Model) -> Charged:
    """What is known of the charge of a prediction that gave nothing."""
    if prediction.state == "aborted":
        return "no"
    if prediction.state == "unknown" or model.price is None:
        return "unknown"
    if prediction.state == "canceled":
        return "yes" if prediction.started else "no"
    if model.price.unit == "second":
        return "yes" if prediction.started else "no"
    return "no" if model.price.unit == "image" else "unknown"


def _amount(prediction: Prediction, model: Model) -> int | None:
    """The charge itself, where the time it took is told and is what is paid for."""
    if model.price is None or model.price.unit != "second" or prediction.seconds is None:
        return None
    return charge(model.price, Quantities(seconds=prediction.seconds), {})


def lost_track(reply: Reply, accepted: Accepted) -> ProviderError:
    """An accepted prediction cannot be read."""
    return VENDOR.lost_track(reply, accepted.request_id, "prediction", retry_after=asked_wait(reply))


def asked_wait(reply: Reply) -> float | None:
    """Seconds that a throttled answer asks to wait: its header, else the words of its detail ("resets in ~30s")."""
    if reply.retry_after_s is not None:
        return reply.retry_after_s
    found = _RESETS.search(_detail(reply)) if reply.status == 429 else None
    return float(found[1]) if found else None


def _detail(reply: Reply) -> str:
    """Errors are ``{title, detail, status}``."""
    try:
        body = reply.json()
    except ValueError:
        return f"status {reply.status}"
    told = body.get("detail") or body.get("title") or body.get("error")
    return log.redact(str(told)).strip()[:300] if told else f"status {reply.status}"
