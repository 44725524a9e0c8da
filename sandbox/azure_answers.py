"""Azure's answers as its gateway and its content filter word them.

Shapes: Microsoft's page "How to use Azure OpenAI image generation models" (``contentFilter``), its error schema
(``inner_error`` with ``content_filter_results``, the severities in words), and issue logs of 2026 for the rest.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

from aiohttp import web

from . import judge
from .exchange import Exchange
from .openai_request import Refused

_FILTERS = {
    "hate": ("hate", "hate/threatening", "harassment/threatening"),
    "self_harm": ("self-harm", "self-harm/instructions", "self-harm/intent"),
    "sexual": ("sexual", "sexual/minors"),
    "violence": ("violence", "violence/graphic", "illicit/violent"),
}
_BAD_KEY = (
    "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an "
    "active subscription and use a correct regional API endpoint for your resource."
)
_TOO_FAST = (
    "Requests to the ImageGenerations_Create Operation under Azure OpenAI API have exceeded call rate limit of your "
    "current pricing tier. Please retry later."
)
_GATEWAY: dict[int, tuple[str, str]] = {
    401: ("401", _BAD_KEY),
    403: ("403", "Access denied due to Virtual Network/Firewall rules."),
    404: ("404", "Resource not found"),
    408: ("Timeout", "The operation was timeout."),
    429: ("429", _TOO_FAST),
    500: ("InternalServerError", "The server had an error while processing your request. Sorry about that!"),
    503: ("ServiceUnavailable", "The service is temporarily unable to process your request. Please try again later."),
}
ABUSE = (
    "Your resource has been temporarily blocked because we detected behavior that may violate our content policy. For "
    "more details on Azure OpenAI service content policy, please visit https://aka.ms/aoaicodeofconduct"
)


class Failed(Exception):
    """An answer other than success: its status and what stands in ``error``."""

    def __init__(self, status: int, code: str | None, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status, self.error = status, {"code": code, "message": message, **more}


def gateway(status: int) -> Failed:
    """What Azure itself says with this status, before any model is asked."""
    return Failed(status, *_GATEWAY.get(status, _GATEWAY[500] if status >= 500 else ("BadRequest", "Bad request.")))


def by_model(refused: Refused) -> Failed:
    """A refusal of the model's own, which Azure passes on as OpenAI words it."""
    return Failed(refused.status, refused.code, refused.message, param=refused.param, type=refused.kind)


def no_deployment() -> Failed:
    """The answer to a deployment's name that the resource does not have."""
    return Failed(
        404,
        "DeploymentNotFound",
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
        "please wait a moment and try again.",
    )


def violation(exchange: Exchange, prompt: str, found: Iterable[str]) -> Failed:
    """A prompt that the content filter stops, with each filter's finding."""
    exchange.outcome = "blocked"
    inner = {
        "code": "ResponsibleAIPolicyViolation",
        "content_filter_results": {**filters(found), "jailbreak": {"detected": False, "filtered": False}},
        "revised_prompt": prompt,
    }
    message = "Your request was rejected as a result of our safety system."
    return Failed(400, "content_policy_violation", message, type="invalid_request_error", inner_error=inner)


def filtered(exchange: Exchange, message: str = "Your task failed as a result of our safety system.") -> Failed:
    """The filter's older and shorter form."""
    exchange.outcome = "blocked"
    return Failed(400, "contentFilter", message)


def filters(found: Iterable[str] = ()) -> dict[str, Any]:
    """``content_filter_results``: of each filter whether it stopped anything, and how severe it finds it, in a word."""
    hit = {name for name, categories in _FILTERS.items() if set(categories) & set(found)}
    return {name: {"filtered": name in hit, "severity": "high" if name in hit else "safe"} for name in _FILTERS}


def harms(prompt: str) -> list[str]:
    """Why the filter stops the prompt, if it does."""
    return judge.reasons(judge.text_scores(prompt))


def json_answer(exchange: Exchange, body: dict[str, Any], status: int = 200) -> web.Response:
    """JSON with the gateway's headers."""
    return answer(exchange, json.dumps(body).encode(), "application/json", status)


def answer(exchange: Exchange, body: bytes | AsyncIterator[bytes], kind: str, status: int = 200) -> web.Response:
    """A body with the gateway's headers, which name the call and say where it was served."""
    headers = {
        "apim-request-id": exchange.request_id,
        "x-ms-client-request-id": exchange.client_request_id or "Not-Set",
        "x-ms-region": "Sandbox",
    }
    return web.Response(body=body, status=status, content_type=kind, headers=headers)


def refused(exchange: Exchange, failed: Failed) -> web.Response:
    """The failure as its answer."""
    return json_answer(exchange, {"error": failed.error}, failed.status)
