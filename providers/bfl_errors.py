"""What Black Forest Labs' refusals and failures mean, and what is known of the charge in each.

Documented: 400, 402 (no credits), 403 (key), 422, 429 (too many active tasks), 500, 503; moderated tasks cost nothing
(help.bfl.ai, 2026-06-12). What an ``Error`` costs is documented nowhere, and there is nothing to ask but the balance.
"""

from __future__ import annotations

from typing import Any

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
from .base import Accepted
from .bfl_answer import reasons, refusal_text
from .http import Failure, NotSent, Reply, TooLarge

MODERATED = {"Request Moderated": "the request", "Content Moderated": "the result"}
"""Terminal words of a task that the content policy stopped, and what of it."""
_POLICY = ("content_policy", "moderated", "moderation")


def refused_submit(reply: Reply) -> ProviderError:
    """A submission that was answered with an error: no task was started, except where a gateway lost the answer."""
    told, text = _told(reply), refusal_text(reply)
    if reply.status == 402:
        hint = "Add credits at dashboard.bfl.ai."
        return ProviderAuth("BFL's account has no credits left (402).", hint=hint, **told)
    if reply.status in (401, 403):
        hint = "Check the key (mintmark keys set bfl) and what it may do at dashboard.bfl.ai."
        return ProviderAuth(f"BFL refuses the key ({reply.status}).", hint=hint, **told)
    if reply.status == 429:
        return RateLimited(f"BFL's limit of active tasks is reached: {text}", hint="Wait, or ask for fewer.", **told)
    if reply.status in (400, 422) and any(word in text.casefold() for word in _POLICY):
        return ProviderBlocked(f"BFL's content policy blocked it: {text}", hint="Change the prompt.", **told)
    if 400 <= reply.status < 500 and reply.status != 408:
        return ProviderRefused(f"BFL refuses the request: {text}", **told)
    charged: Charged = "no" if reply.status == 503 else "unknown"
    return ProviderDown(f"BFL answers {reply.status}: {text}", charged=charged, **told)


def ended_badly(word: str, reply: Reply, accepted: Accepted) -> ProviderError:
    """A task whose terminal word is not Ready."""
    told = {**_told(reply), "request_id": accepted.request_id}
    why = reasons(reply)
    because = f": {why}" if why else ""
    if word in MODERATED:
        hint = "Change the prompt or the images; safety_tolerance sets how strict BFL is."
        return ProviderBlocked(f"BFL moderated {MODERATED[word]}{because}.", hint=hint, charged="no", **told)
    if word == "Task not found":
        return ResultLost("BFL does not know the task (any more).", charged="unknown", **told)
    return ProviderDown(f"BFL failed{because}.", charged="unknown", **told)


def lost_track(reply: Reply, accepted: Accepted) -> ProviderError:
    """A poll of an accepted task that has no status word."""
    told = {**_told(reply), "request_id": accepted.request_id, "charged": "unknown"}
    if reply.status == 404:
        return ResultLost("BFL does not know the task (any more).", **told)
    if reply.status in (401, 402, 403):
        return ProviderAuth(f"BFL refuses the key ({reply.status}).", hint="Check the key.", **told)
    if reply.status == 429:
        return RateLimited("BFL's rate limit is reached.", hint="Wait, or ask for fewer.", **told)
    if reply.status >= 400:
        return ProviderDown(f"BFL's status answers {reply.status}.", **told)
    return BadAnswer("BFL's poll has no status.", **told)


def unreached(failure: Failure, charged: Charged, request_id: str | None = None) -> ProviderError:
    """A request without a complete answer."""
    if isinstance(failure, TooLarge):
        return BadAnswer(f"BFL's answer is too large ({failure}).", provider="bfl", charged=charged)
    what = "cannot be reached" if isinstance(failure, NotSent) else "dropped the connection"
    return ProviderDown(f"BFL {what} ({failure}).", provider="bfl", charged=charged, request_id=request_id)


def _told(reply: Reply) -> dict[str, Any]:
    return {"provider": "bfl", "status": reply.status, "retry_after": reply.retry_after_s}
