"""What Bedrock's refusals mean, and what is known of the charge in each.

By botocore's model of InvokeModel (1.44.5): AccessDenied 403, ResourceNotFound 404, ModelTimeout 408, ModelError 424,
Throttling and ModelNotReady 429, Validation and ServiceQuotaExceeded 400, InternalServer 500, ServiceUnavailable 503. A
timeout or an error while the model works does not say that its work is free. There is no Retry-After.
"""

from __future__ import annotations

from typing import Any

from .. import log
from ..errors import ProviderError, ProviderRefused, RateLimited
from .aws import USUAL_REGION, error_of
from .http import Reply
from .model import Model
from .refusals import Vendor

REQUEST_ID = "x-amzn-requestid"

VENDOR = Vendor(
    provider="bedrock",
    title="Bedrock",
    credit="Check the account's billing in the AWS console.",
    key="Check the key or the account (aws sts get-caller-identity), its permission for bedrock:InvokeModel, "
    "and its access to this model in this region.",
    doubtful=frozenset({408, 424}),
)

BLOCKED = "content filters"
"""Documented of Nova: "This request has been blocked by our content filters." (ValidationException)"""
_QUOTA = "ServiceQuotaExceededException"


def refusal(reply: Reply, model: Model, region: str) -> ProviderError:
    """The error that an answer to the paid request means."""
    code, message = _read(reply)
    told: dict[str, Any] = {"request_id": reply.headers.get(REQUEST_ID)}
    if code == _QUOTA:
        hint = "Ask AWS for a higher quota, or ask for fewer at once."
        return RateLimited(f"Bedrock's quota is reached: {message}", hint=hint, provider="bedrock", status=400, **told)
    blocked = reply.status == 400 and BLOCKED in message
    problem = VENDOR.refused(reply, message, word=code, blocked=blocked, **told)
    if isinstance(problem, ProviderRefused):
        problem.hint = _elsewhere(reply.status, message, model, region)
    return problem


def _elsewhere(status: int, message: str, model: Model, region: str) -> str:
    """What to do where the model cannot be had: it is gone, or not in this region."""
    if status != 404 and "model identifier" not in message:
        return ""
    if model.lifecycle.replaced_by:
        return f"Use {model.lifecycle.replaced_by} instead."
    if region != USUAL_REGION:
        return f"It may not be in {region}: try bedrock.region={USUAL_REGION} in provider_options."
    return "What the account has there: mintmark models check."


def _read(reply: Reply) -> tuple[str, str]:
    """(code, message), fit to be shown."""
    try:
        body = reply.json()
    except ValueError:
        body = {}
    code, message = error_of(reply.headers, body)
    return log.redact(code)[:64], log.redact(message)[:300] or "no reason given"
