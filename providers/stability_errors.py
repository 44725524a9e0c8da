"""What Stability's refusals and lost calls mean, and what is known of the charge in each.

Errors are ``{id, name, errors: [...]}``; those of the older gateway before it have ``message`` instead. Documented for
every service: "You will not be charged for failed generations."
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import log
from ..errors import (
    BadAnswer,
    Charged,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
    ResultLost,
)
from .http import Failure, NotSent, Reply, TooLarge

LOCKOUT_S = 60.0
"""Documented with status 429: "timed out for 60 seconds". There is no Retry-After."""

_BLOCKED = frozenset({"content_moderation", "public_figure", "copyrighted_content"})
_NO_MONEY = frozenset({"payment_required", "insufficient_balance"})


def refusal(reply: Reply) -> ProviderError:
    """The error that an answer to the paid request means."""
    name, message = error_of(reply)
    told = _told(reply)
    if name in _BLOCKED:
        hint = "Change the prompt or the image."
        return ProviderBlocked(f"Stability's content policy blocked it: {message}", hint=hint, **told)
    if reply.status == 402 or name in _NO_MONEY:
        hint = "Buy credits at platform.stability.ai/account/credits."
        return ProviderAuth(f"Stability refuses for lack of credits ({name or reply.status}).", hint=hint, **told)
    if reply.status in (401, 403):
        # The text is left out: it might quote the key.
        hint = "Check the key (mintmark keys set stability) and what its account may do."
        return ProviderAuth(f"Stability refuses the key ({name or reply.status}).", hint=hint, **told)
    if reply.status == 429:
        told = {**told, "retry_after": reply.retry_after_s or LOCKOUT_S}
        return RateLimited(f"Stability's rate limit is reached: {message}", hint="Ask for fewer at once.", **told)
    if 400 <= reply.status < 500 and reply.status not in (408, 409):
        return ProviderRefused(f"Stability refuses the request: {message}", **told)
    # In its own words a 500 is a failed generation. Without them it is a gateway's, which may hide a good result.
    failed = reply.status == 503 or (reply.status == 500 and name != "")
    charged: Charged = "no" if failed else "unknown"
    return ProviderDown(f"Stability answers {reply.status}: {message}", charged=charged, **told)


def lost_track(reply: Reply, request_id: str) -> ProviderError:
    """A generation that was accepted and whose result cannot be had. Nobody says what it cost."""
    name, message = error_of(reply)
    told = {**_told(reply), "request_id": request_id, "charged": "unknown"}
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


def unreached(failure: Failure) -> ProviderError:
    """The paid request did not get a whole answer."""
    if isinstance(failure, NotSent):
        return ProviderDown(f"Stability cannot be reached ({failure}).", provider="stability", charged="no")
    if isinstance(failure, TooLarge):
        return BadAnswer(f"Stability's answer is too large ({failure}).", provider="stability", charged="unknown")
    problem = f"The connection to Stability was lost ({failure})."
    return ProviderDown(problem, provider="stability", charged="unknown")


def lost_poll(failure: Failure, request_id: str) -> ProviderError:
    """The result of an accepted generation cannot be reached."""
    told: dict[str, Any] = {"provider": "stability", "charged": "unknown", "request_id": request_id}
    if isinstance(failure, TooLarge):
        return BadAnswer(f"Stability's result is too large ({failure}).", **told)
    return ProviderDown(f"Stability's result cannot be reached ({failure}).", **told)


def _told(reply: Reply) -> Mapping[str, Any]:
    return {
        "provider": "stability",
        "status": reply.status,
        "request_id": reply.headers.get("x-request-id") or _error_id(reply),
        "retry_after": reply.retry_after_s,
    }


def _error_id(reply: Reply) -> str | None:
    """Stability's support asks for it."""
    try:
        found = reply.json().get("id")
    except ValueError:
        return None
    return found[:128] if isinstance(found, str) else None
