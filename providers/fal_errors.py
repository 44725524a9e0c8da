"""What fal's refusals and failures mean, and what is known of the charge in each."""

from __future__ import annotations

from typing import Any

from .. import log
from ..errors import Charged, ProviderAuth, ProviderBlocked, ProviderDown, ProviderError, ProviderRefused, ResultLost
from .base import Accepted
from .fal_answer import details
from .http import Reply
from .refusals import HAS_OWN_MEANING, Vendor

_BALANCE = "Check the key (mintmark keys set fal) and the account's balance at fal.ai/dashboard/billing."
VENDOR = Vendor(provider="fal", title="fal", credit=_BALANCE, key=_BALANCE)
"""A 403 is an exhausted balance as often as a wrong key."""


def state_of(reply: Reply) -> str | None:
    """The status word of a status answer, or None where it has none."""
    if reply.status >= 400:
        return None
    try:
        state = reply.json().get("status")
    except ValueError:
        return None
    return state if isinstance(state, str) else None


def completed_error(status: Reply) -> str | None:
    """What a COMPLETED status says went wrong, or None."""
    if state_of(status) != "COMPLETED":
        return None
    body = status.json()
    error = body.get("error") or body.get("error_type")
    return log.redact(str(error))[:300] if error else None


def _is_fals_word(reply: Reply) -> bool:
    return "x-fal-error-type" in reply.headers or details(reply).known


def refused_submit(reply: Reply) -> ProviderError:
    """A submission that was answered with an error: nothing was queued, except where a gateway lost the answer."""
    found = details(reply)
    return VENDOR.refused(
        reply,
        found.message,
        blocked=found.blocked and reply.status not in HAS_OWN_MEANING,
        unworked=reply.status == 500,
        request_id=_request_id(reply),
    )


def failed(reply: Reply, accepted: Accepted, error: str | None) -> ProviderError:
    """A call that was accepted and ended without a result."""
    told: dict[str, Any] = {
        "provider": "fal",
        "status": reply.status,
        "request_id": accepted.request_id,
        "retry_after": reply.retry_after_s,
    }
    found = details(reply)
    if found.blocked:
        # Documented: a 422 may be charged when a runner worked before it was found.
        hint = "Change the prompt or the images."
        return ProviderBlocked(
            f"fal's content policy blocked it: {found.message}", hint=hint, charged="unknown", **told
        )
    if reply.status == 404:
        return ResultLost("fal no longer knows the call.", charged="unknown", **told)
    if reply.status in (401, 402, 403):
        return ProviderAuth(f"fal refuses the key ({reply.status}).", charged="unknown", **told)
    if 400 <= reply.status < 500 and reply.status not in (408, 429):
        refused: Charged = "unknown" if reply.status == 422 and not found.unworked else "no"
        return ProviderRefused(f"fal refuses the request: {found.message}", charged=refused, **told)
    # A failure in fal's own words is one of a runner, which is never charged; a gateway's may hide a good result.
    surely = error is not None or _is_fals_word(reply)
    charged: Charged = "no" if surely else "unknown"
    return ProviderDown(f"fal failed: {error or found.message}", charged=charged, **told)


def lost_track(reply: Reply, accepted: Accepted) -> ProviderError:
    """The status of an accepted call cannot be read."""
    return VENDOR.lost_track(reply, accepted.request_id, "call")


def _request_id(reply: Reply) -> str | None:
    return reply.headers.get("x-fal-request-id")
