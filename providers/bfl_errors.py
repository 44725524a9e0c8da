"""What Black Forest Labs' refusals and failures mean, and what is known of the charge in each.

Documented: 400, 402 (no credits), 403 (key), 422, 429 (too many active tasks), 500, 503; moderated tasks cost nothing
(help.bfl.ai, 2026-06-12). What an ``Error`` costs is documented nowhere, and there is nothing to ask but the balance.
"""

from __future__ import annotations

from typing import Any

from ..errors import ProviderBlocked, ProviderDown, ProviderError, ResultLost
from .base import Accepted
from .bfl_answer import reasons, refusal_text
from .http import Reply
from .refusals import Vendor

VENDOR = Vendor(
    provider="bfl",
    title="BFL",
    credit="Add credits at dashboard.bfl.ai.",
    key="Check the key (mintmark keys set bfl) and what it may do at dashboard.bfl.ai.",
)
MODERATED = {"Request Moderated": "the request", "Content Moderated": "the result"}
"""Terminal words of a task that the content policy stopped, and what of it."""
_POLICY = ("content_policy", "moderated", "moderation")


def refused_submit(reply: Reply) -> ProviderError:
    """A submission that was answered with an error: no task was started, except where a gateway lost the answer."""
    text = refusal_text(reply)
    blocked = reply.status in (400, 422) and any(word in text.casefold() for word in _POLICY)
    return VENDOR.refused(reply, text, blocked=blocked)


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
    return VENDOR.lost_track(reply, accepted.request_id, "task")


def _told(reply: Reply) -> dict[str, Any]:
    return {"provider": "bfl", "status": reply.status, "retry_after": reply.retry_after_s}
