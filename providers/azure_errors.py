"""What Azure's refusals mean, and what is known of the charge in each.

Error bodies are OpenAI's, with codes of Azure's gateway and of its content filter beside them. Shapes: Microsoft's page
"How to use Azure OpenAI image generation models" (``contentFilter``) and its error schema (``inner_error``), LiteLLM's
issue 19328 (``content_policy_violation``), and issue logs of 2026 for the block of a whole resource.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .. import log
from ..errors import ProviderBlocked, ProviderDown, ProviderError
from .http import Reply
from .openai_errors import NO_MONEY, error_of
from .refusals import Vendor

BY_KEY = Vendor(
    provider="azure",
    title="Azure",
    credit="Check the subscription's billing and quota in the Azure portal.",
    key="Check that the key (mintmark keys set azure) belongs to the resource at azure.endpoint.",
    doubtful=frozenset({408, 409}),
)
BY_ACCOUNT = replace(
    BY_KEY, key="Check AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, and the client's role on the resource."
)
"""The same, asked with a token of Entra ID."""

NAMES_CALL = ("apim-request-id", "x-request-id")
"""Headers of an answer that name the call, in Azure's gateway and behind it."""

_POLICY = "ResponsibleAIPolicyViolation"
_BLOCKED = frozenset(
    {"contentFilter", "content_filter", "content_policy_violation", "moderation_blocked", _POLICY}
    | {"image_content_policy_violation"}
)
_USER_ERROR = "image_generation_user_error"


def refusal(reply: Reply, vendor: Vendor = BY_KEY) -> ProviderError:
    """The error that an answer other than 200 means, with what is known of the charge."""
    code, kind, message = error_of(reply)
    request_id = request_id_of(reply)
    if reply.status == 403 and "temporarily blocked" in message:
        return _abuse(reply, message, request_id)
    inner = _inner(reply)
    blocked = code in _BLOCKED or inner.get("code") == _POLICY or (kind == _USER_ERROR and not code)
    more: dict[str, Any] = {"hint": _DEPLOYMENT} if code == "DeploymentNotFound" else {}
    return vendor.refused(
        reply,
        with_words(message, filter_words(inner)),
        word=code or kind,
        blocked=reply.status == 400 and blocked,
        broke=code in NO_MONEY,
        request_id=request_id,
        **more,
    )


def request_id_of(reply: Reply) -> str | None:
    """Azure's name of the call, where it gives one."""
    return next((reply.headers[name] for name in NAMES_CALL if reply.headers.get(name)), None)


def stopped(item: Any) -> str:
    """Why the content filter withheld this entry of an answer's ``data``, in its own words; empty where it did not."""
    if not isinstance(item, Mapping) or item.get("b64_json"):
        return ""
    error = item.get("error")
    if isinstance(error, Mapping):
        return log.redact(str(error.get("message") or error.get("code") or "no reason given"))[:300]
    words = filter_words(item)
    return words if "filtered" in words else ""


def withheld(words: str, request_id: str | None) -> ProviderBlocked:
    """The error that a 200 means whose every image was withheld. Nobody says what such a call costs."""
    return ProviderBlocked(
        f"Azure's content policy blocked it: {words}",
        hint="Change the prompt or the images.",
        provider="azure",
        charged="unknown",
        status=200,
        request_id=request_id,
    )


def filter_words(told: Mapping[str, Any]) -> str:
    """What the content filter found, by category and in its own words: ``sexual: high, filtered; hate: low``."""
    found: list[str] = []
    for name in ("content_filter_results", "content_filter_result", "prompt_filter_results"):
        results = told.get(name)
        if isinstance(results, Mapping):
            found += [f"{name}: {words}" for name, one in results.items() if (words := _finding(one))]
    return log.redact("; ".join(found))[:300]


def with_words(message: str, words: str) -> str:
    """The vendor's sentence, followed by what its filter found."""
    return f"{message} ({words})" if words else message


def _finding(one: Any) -> str:
    """One category's finding; empty where there is nothing to tell."""
    if not isinstance(one, Mapping):
        return ""
    severity = str(one.get("severity") or ("detected" if one.get("detected") else "safe"))
    words = [] if severity == "safe" else [severity]
    return ", ".join([*words, "filtered"] if one.get("filtered") is True else words)


def _inner(reply: Reply) -> Mapping[str, Any]:
    try:
        error = reply.json().get("error")
    except ValueError:
        return {}
    inner = (error.get("inner_error") or error.get("innererror")) if isinstance(error, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _abuse(reply: Reply, message: str, request_id: str | None) -> ProviderDown:
    """The block of a whole resource for what was asked of it in sum: every prompt fails until Azure lifts it."""
    return ProviderDown(
        f"Azure has blocked the whole resource, whatever the prompt: {message}",
        hint="Use another resource (azure.endpoint), or ask Azure's support to lift the block.",
        provider="azure",
        charged="no",
        status=reply.status,
        request_id=request_id,
        retry_after=reply.retry_after_s,
    )


_DEPLOYMENT = (
    "Deploy the model in the resource, or say what its deployment is called: "
    "MINTMARK_PROVIDER_OPTIONS=azure.deployment.<model>=<name>."
)
