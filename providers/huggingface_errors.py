"""What refusals through Hugging Face mean: its own, and those of the runners behind its router, each in its own shape.

Hugging Face says ``{error: text}``, Together and nscale ``{error: {message}}``, fal ``{detail: [{loc, msg, type}]}``,
Replicate ``{title, detail}`` and WaveSpeed ``{code, message}``. None of them has a status for a block: it is told by
fal's type and by the words of the others.
"""

from __future__ import annotations

import re
from typing import Any

from .. import log
from ..errors import ProviderBlocked, ProviderDown, ProviderError
from .base import Accepted
from .http import Reply
from .refusals import HAS_OWN_MEANING, Vendor

VENDOR = Vendor(
    provider="huggingface",
    title="Hugging Face",
    credit="Buy credits at huggingface.co/settings/billing, or name who pays: huggingface.bill_to.",
    key="Check the token (mintmark keys set huggingface): it must be allowed to call Inference Providers.",
)
BLOCKED = re.compile(
    r"\bE005\b|flagged|nsfw|content[ _]policy|content checker|safety (?:checker|filter|system)|moderat", re.IGNORECASE
)
_SHORTEST_WAIT_S, _USUAL_WAIT_S, _LONGEST_WAIT_S = 1.0, 5.0, 60.0


def refused(reply: Reply) -> ProviderError:
    """A submission that was answered with an error."""
    text = text_of(reply)
    own = reply.status >= 500 or reply.status in HAS_OWN_MEANING
    return VENDOR.refused(
        reply,
        text,
        blocked=not own and BLOCKED.search(text) is not None,
        request_id=reply.headers.get("x-request-id"),
    )


def loading_s(reply: Reply, *, dedicated: bool) -> float | None:
    """Seconds to wait for a model that is being loaded; None where the answer says something else.

    A dedicated Endpoint that was scaled to zero answers 503 with anything in it; hf-inference says that it loads.
    """
    if reply.status != 503:
        return None
    try:
        body = reply.json()
    except ValueError:
        body = {}
    told = body.get("estimated_time")
    if isinstance(told, (int, float)) and not isinstance(told, bool) and told > 0:
        return float(min(max(told, _SHORTEST_WAIT_S), _LONGEST_WAIT_S))
    return _USUAL_WAIT_S if dedicated or "loading" in text_of(reply) else None


def still_loading(reply: Reply, waited_s: float) -> ProviderError:
    """A model that was waited for and is not there yet."""
    return ProviderDown(
        f"The model is still being loaded after {waited_s:.0f} s.",
        hint="Raise MINTMARK_PROVIDER_TIMEOUT_S, or keep a replica of the Endpoint running.",
        provider="huggingface",
        charged="no",
        status=reply.status,
        retry_after=reply.retry_after_s,
    )


def ended(error: str, accepted: Accepted) -> ProviderError:
    """A call that was accepted and has failed. Hugging Face passes the runner's price on and says nothing of it."""
    told: dict[str, Any] = {"provider": "huggingface", "charged": "unknown", "request_id": accepted.request_id}
    if BLOCKED.search(error):
        return ProviderBlocked(
            f"Hugging Face's runner blocked it: {error}", hint="Change the prompt or the images.", **told
        )
    return ProviderDown(f"Hugging Face's runner failed: {error or 'it does not say why'}", **told)


def text_of(reply: Reply) -> str:
    """The reason of an error answer, masked and shortened."""
    try:
        body = reply.json()
    except ValueError:
        return f"status {reply.status}"
    told = next((body[name] for name in ("error", "detail", "message", "title") if body.get(name)), None)
    return log.redact(_words(told)).strip()[:300] or f"status {reply.status}"


def _words(told: Any) -> str:
    if isinstance(told, list):
        return "; ".join(_words(one) for one in told)
    if isinstance(told, dict):
        # fal's word for a block stands in the type alone.
        parts = (told.get("message"), told.get("msg"), told.get("type") if "msg" in told else None)
        return ", ".join(str(part) for part in parts if part)
    return "" if told is None else str(told)
