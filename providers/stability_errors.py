"""What Stability's refusals and lost calls mean, and what is known of the charge in each.

Errors are ``{id, name, errors: [...]}``; those of the older gateway before it have ``message`` instead. Documented for
every service: "You will not be charged for failed generations."
"""

from __future__ import annotations

from typing import Any

from .. import log
from ..errors import BadAnswer, ProviderAuth, ProviderBlocked, ProviderDown, ProviderError, ProviderRefused, ResultLost
from .http import Failure, Reply, TooLarge
from .refusals import Vendor

VENDOR = Vendor(
    provider="stability",
    title="Stability",
    credit="Buy credits at platform.stability.ai/account/credits.",
    key="Check the key (mintmark keys set stability) and what its account may do.",
    doubtful=frozenset({408, 409}),
)
LOCKOUT_S = 60.0
"""Documented with status 429: "timed out for 60 seconds". There is no Retry-After."""

_BLOCKED = frozenset({"content_moderation", "public_figure", "copyrighted_content"})
_NO_MONEY = frozenset({"payment_required", "insufficient_balance"})


def refusal(reply: Reply) -> ProviderError:
    """The error that an answer to the paid request means."""
    name, message = error_of(reply)
    return VENDOR.refused(
        reply,
        message,
        word=name,
        blocked=name in _BLOCKED,
        broke=name in _NO_MONEY,
        # In its own words a 500 is a failed generation. Without them it is a gateway's, which may hide a good result.
        unworked=reply.status == 500 and name != "",
        request_id=_request_id(reply),
        retry_after=reply.retry_after_s or (LOCKOUT_S if reply.status == 429 else None),
    )


def lost_track(reply: Reply, request_id: str) -> ProviderError:
    """A generation that was accepted and whose result cannot be had. Nobody says what it cost."""
    name, message = error_of(reply)
    told: dict[str, Any] = {
        "provider": "stability",
        "status": reply.status,
        "request_id": request_id,
        "retry_after": reply.retry_after_s,
        "charged": "unknown",
    }
    if name in _BLOCKED:
        return ProviderBlocked(f"Stability's content policy blocked it: {message}", hint="Change the prompt.", **told)
    if reply.status == 404:
        return ResultLost("Stability does not know the generation (any more); results are kept for a day.", **told)
    if reply.status in (401, 403):
        return ProviderAuth(f"Stability refuses the key ({name or reply.status}).", hint="Check the key.", **told)
    if 400 <= reply.status < 500 and reply.status not in (408, 429):
        return ProviderRefused(f"Stability refuses to give the result: {message}", **told)
    if reply.status >= 400:
        return ProviderDown(f"Stability's result answers {reply.status}: {message}", **told)
    return BadAnswer(f"Stability's result answers {reply.status}, which its protocol does not have.", **told)


def error_of(reply: Reply) -> tuple[str, str]:
    """(name, message) of an error body; an empty name where it has not Stability's shape."""
    try:
        body = reply.json()
    except ValueError:
        body = {}
    texts = body.get("errors")
    texts = texts if isinstance(texts, list) else [body.get("message")]
    message = "; ".join(str(text) for text in texts if text) or "no reason given"
    return log.redact(str(body.get("name") or ""))[:64], log.redact(message)[:300]


def lost_poll(failure: Failure, request_id: str) -> ProviderError:
    """The result of an accepted generation cannot be reached."""
    told: dict[str, Any] = {"provider": "stability", "charged": "unknown", "request_id": request_id}
    if isinstance(failure, TooLarge):
        return BadAnswer(f"Stability's result is too large ({failure}).", **told)
    return ProviderDown(f"Stability's result cannot be reached ({failure}).", **told)


def _request_id(reply: Reply) -> str | None:
    """The id of the answer, or of its error: Stability's support asks for it."""
    if (given := reply.headers.get("x-request-id")) is not None:
        return given
    try:
        found = reply.json().get("id")
    except ValueError:
        return None
    return found[:128] if isinstance(found, str) else None
