"""Errors as OpenAI's clients read them: ``{"error": {"message", "type", "code", "param"}}``, with OpenAI's statuses.

The official client picks its exception by the status alone, and asks again by itself at 408, 409, 429 and 5xx unless
``x-should-retry`` says no; so what another try cannot mend says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import BaseModel, Field

from . import problems
from .routing import Faults

PREFIX = "/openai/"
MEDIA_TYPE = "application/json"

STATUS: Mapping[int, int] = {402: 429, 409: 400, 410: 404, 415: 400, 416: 400, 422: 400, 426: 400}
"""OpenAI's status by ours, where it is another one."""
_STATUS_OF: Mapping[str, int] = {"unknown_model": 404, "model_retired": 404, "waited_too_long": 504}
_CODES: Mapping[str, str] = {
    "unknown_model": "model_not_found",
    "model_retired": "model_not_found",
    "not_authenticated": "invalid_api_key",
    "too_many_requests": "rate_limit_exceeded",
    "queue_full": "rate_limit_exceeded",
    "budget_exceeded": "insufficient_quota",
    "credit_exhausted": "insufficient_quota",
    "allowance_exhausted": "insufficient_quota",
    "prompt_blocked": "moderation_blocked",
    "output_blocked": "moderation_blocked",
    "provider_blocked": "moderation_blocked",
}
"""OpenAI's word for what clients look for; any other code is our own."""
_TYPES: Mapping[int, str] = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_MENDABLE = frozenset({"too_many_requests", "queue_full", "rate_limited", "storage_error"})
"""What goes away by itself: there another try is worth it."""


class OpenAIFault(BaseModel):
    """What went wrong."""

    message: str
    type: str
    code: str | None = Field(description="OpenAI's word where clients look for one, else ours.")
    param: str | None = Field(description="The field that is wrong.")


class OpenAIError(BaseModel):
    """The body of every error."""

    error: OpenAIFault


FAULTS = Faults(model=OpenAIError, media_type=MEDIA_TYPE, statuses=STATUS)
"""How problems are told on OpenAI's routes."""


def status_of(problem: problems.Problem) -> int:
    """The status that OpenAI's clients expect of this."""
    return _STATUS_OF.get(problem.code) or STATUS.get(problem.status, problem.status)


def error_of(problem: problems.Problem) -> OpenAIError:
    """The body that OpenAI's clients expect of this."""
    status = status_of(problem)
    code = _CODES.get(problem.code, problem.code)
    kind = code if code == "insufficient_quota" else _TYPES.get(status)
    message = f"{problem.detail} {problem.hint}".strip()
    return OpenAIError(
        error=OpenAIFault(
            message=message,
            type=kind or ("server_error" if status >= 500 else "invalid_request_error"),
            code=code,
            param=problem.field,
        )
    )


def response(problem: problems.Problem, headers: Mapping[str, str] | None = None) -> web.Response:
    """The answer as OpenAI's clients expect it."""
    kept = {
        name: value for name, value in (headers or {}).items() if name.lower() not in ("content-type", "content-length")
    }
    retry = {} if problem.code in _MENDABLE else {"x-should-retry": "false"}
    return web.Response(
        status=status_of(problem),
        body=error_of(problem).model_dump_json().encode(),
        headers={**kept, **retry, "Content-Type": MEDIA_TYPE},
    )


@web.middleware
async def as_openai(request: web.Request, handler: Any) -> web.StreamResponse:
    """Outside of everything: what became a problem on a path of OpenAI's is told in OpenAI's words."""
    answer: web.StreamResponse = await handler(request)
    if not isinstance(answer, web.Response) or answer.content_type != problems.MEDIA_TYPE:
        return answer
    if not request.path.startswith(PREFIX):
        return answer
    return response(problems.Problem.model_validate_json(answer.text or ""), answer.headers)
