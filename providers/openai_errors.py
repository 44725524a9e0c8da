"""What OpenAI's refusals and lost calls mean, and what is known of the charge in each."""

from __future__ import annotations

import json as jsonlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .. import log
from ..errors import ProviderBlocked, ProviderError
from .http import Reply
from .refusals import Vendor

VENDOR = Vendor(
    provider="openai",
    title="OpenAI",
    credit="Check the account's billing and limits at platform.openai.com/settings/organization/billing.",
    key="Check the key (mintmark keys set openai) and what its project may do.",
    doubtful=frozenset({408, 409}),
)
_BLOCKED = frozenset({"moderation_blocked", "content_policy_violation", "image_content_policy_violation"})
NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"})


def refusal(reply: Reply) -> ProviderError:
    """The error that an answer other than 200 means, with what is known of the charge."""
    code, kind, message = error_of(reply)
    return VENDOR.refused(
        reply,
        message,
        word=code or kind,
        blocked=reply.status == 400 and (code in _BLOCKED or kind == "image_generation_user_error"),
        broke=code in NO_MONEY,
        request_id=reply.headers.get("x-request-id"),
    )


def refused_late(reply: Reply, body: Mapping[str, Any], told: Callable[[Reply], ProviderError]) -> ProviderError:
    """The error that an answer, begun with 200, ended with: a block costs nothing, of another nobody knows.

    ``told`` says what the same error means where it comes with its own status.
    """
    late = replace(reply, status=400, body=jsonlib.dumps({"error": body["error"]}).encode())
    problem = told(late)
    if not isinstance(problem, ProviderBlocked):
        problem.charged = "unknown"
    return problem


def error_of(reply: Reply) -> tuple[str, str, str]:
    """(code, type, message) of OpenAI's error body, empty where it has none; no secret and no endless text."""
    try:
        error = reply.json().get("error")
    except ValueError:
        error = None
    error = error if isinstance(error, dict) else {}
    message = log.redact(str(error.get("message") or "no reason given"))[:300]
    return str(error.get("code") or ""), str(error.get("type") or ""), message


def surely_unprocessed(reply: Reply) -> bool:
    """429 (but not for lack of credit, which waiting does not mend) and 503; the server may forbid either."""
    if reply.headers.get("x-should-retry") == "false":
        return False
    return reply.status == 503 or (reply.status == 429 and error_of(reply)[0] not in NO_MONEY)
