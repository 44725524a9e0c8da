"""What Google's refusals and lost calls mean, and what is known of the charge in each.

Errors are ``google.rpc.Status``: a code, a message, and details, among them a reason for machines (ErrorInfo), when to
come back (RetryInfo, as Google has no Retry-After) and which quota was met (QuotaFailure).
Documented: a request that fails with 400 or 500 is not charged (Gemini API, billing FAQ); of what came through a
gateway nobody knows.
"""

from __future__ import annotations

import re
from typing import Any

from .. import log
from ..errors import ProviderAuth, ProviderError
from .http import Reply
from .refusals import Vendor

VENDOR = Vendor(
    provider="google",
    title="Google",
    credit="Set up billing for the project: aistudio.google.com/projects, or console.cloud.google.com/billing.",
    key="Check the key (mintmark keys set google) or the account, and what its project may do.",
    doubtful=frozenset({408, 409, 499}),
)
_NO_KEY = frozenset({"API_KEY_INVALID", "API_KEY_EXPIRED", "API_KEY_SERVICE_BLOCKED"})
_NO_MONEY = frozenset({"BILLING_DISABLED", "BILLING_NOT_ACTIVE"})
_NOTHING_AT_ALL = re.compile(r"\blimit: 0\b")
"""A quota of zero: the project pays for nothing, and waiting does not mend it."""
_FILTERED = re.compile(r"Responsible AI practices|Support codes?:")
"""Imagen's words for a prompt that its filter stopped."""
_DURATION = re.compile(r"(\d{1,9}(?:\.\d+)?)s")


def refusal(reply: Reply, vendor: Vendor = VENDOR) -> ProviderError:
    """The error that an answer other than 200 means; ``vendor`` is which of Google's services gave it."""
    code, message, reason = error_of(reply)
    if reply.status == 400 and reason in _NO_KEY:
        # The message is left out: its details may quote the key.
        problem = f"{vendor.title} refuses the key ({reason})."
        return ProviderAuth(problem, hint=vendor.key, provider=vendor.provider, status=reply.status)
    return vendor.refused(
        reply,
        message,
        word=reason or code,
        blocked=reply.status == 400 and _FILTERED.search(message) is not None,
        broke=reason in _NO_MONEY or (reply.status == 429 and _pays_nothing(message)),
    )


def surely_unprocessed(reply: Reply) -> bool:
    """429 (but not where nothing is allowed at all, which waiting does not mend) and 503."""
    return reply.status == 503 or (reply.status == 429 and not _pays_nothing(error_of(reply)[1]))


def wait_of(reply: Reply) -> float | None:
    """Seconds until Google wants to be asked again; None where it does not say."""
    if reply.status < 400:
        return None
    for detail in _details(_error(reply)):
        found = _DURATION.fullmatch(str(detail.get("retryDelay")))
        if found:
            return float(found[1])
    return None


def error_of(reply: Reply) -> tuple[str, str, str]:
    """(code, message, reason), empty where there are none; no secret and no endless text."""
    error = _error(reply)
    reasons = [str(detail["reason"]) for detail in _details(error) if isinstance(detail.get("reason"), str)]
    message = log.redact(str(error.get("message") or "no reason given").strip())[:500]
    return str(error.get("status") or "")[:64], message, reasons[0][:64] if reasons else ""


def _pays_nothing(message: str) -> bool:
    return _NOTHING_AT_ALL.search(message) is not None


def _error(reply: Reply) -> dict[str, Any]:
    try:
        error = reply.json().get("error")
    except ValueError:
        return {}
    return error if isinstance(error, dict) else {}


def _details(error: dict[str, Any]) -> list[dict[str, Any]]:
    details = error.get("details")
    return [each for each in details if isinstance(each, dict)] if isinstance(details, list) else []
