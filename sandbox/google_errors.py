"""Google's refusals: ``google.rpc.Status`` as JSON, with its details."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_TYPE = "type.googleapis.com/google.rpc."
CODES: Mapping[int, str] = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ABORTED",
    413: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 501: "UNIMPLEMENTED",
    503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip
"""google/rpc/code.proto: the canonical code of each HTTP status."""
MESSAGES: Mapping[int, str] = {
    400: "Request contains an invalid argument.",
    401: "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
    "authentication credential.",
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    429: "You exceeded your current quota, please check your plan and billing details.",
    500: "An internal error has occurred. Please retry or report in the Gemini API developer forum.",
    503: "The model is overloaded. Please try again later.",
    504: "Deadline expired before operation could complete.",
}


class Refused(Exception):
    """Google's answer to a request it does not accept. Not a failure of ours."""

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, details: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.details = message, status, tuple(details)
        self.code = code or CODES[status]


def body(message: str, status: int, code: str, details: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The error as JSON."""
    told = list(details)
    return {"error": {"code": status, "message": message, "status": code, **({"details": told} if told else {})}}


def retry_info(seconds: float) -> dict[str, Any]:
    """When to come back, as a protobuf Duration."""
    return {"@type": f"{_TYPE}RetryInfo", "retryDelay": f"{seconds:g}s"}


def quota_failure(model: str = "gemini-3.1-flash-image") -> dict[str, Any]:
    """Which limit was met."""
    quota = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_requests_per_model",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel",
        "quotaDimensions": {"model": model, "location": "global"},
        "quotaValue": "10",
    }
    return {"@type": f"{_TYPE}QuotaFailure", "violations": [quota]}


def error_info(reason: str, service: str) -> dict[str, Any]:
    """The reason as a word for machines."""
    return {
        "@type": f"{_TYPE}ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": {"service": service},
    }


def unknown_name(name: str, at: str) -> Refused:
    """A field that the message does not have."""
    told = f'Invalid JSON payload received. Unknown name "{name}"{f" at {at!r}" if at else ""}: Cannot find field.'
    violation = {"field": at, "description": told}
    return Refused(told, details=[{"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]}])


def invalid_value(at: str, kind: str, value: Any) -> Refused:
    """A field that cannot be what it is."""
    told = f"Invalid value at '{at}' ({kind}), {value!r}"
    violation = {"field": at, "description": told}
    return Refused(told, details=[{"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]}])
