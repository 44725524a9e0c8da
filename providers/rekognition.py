"""Amazon Rekognition, for ``moderation/rekognition.py``: AWS JSON 1.1, where the operation stands in a header.

Wire facts: botocore 1.44.5 (its model of rekognition 2016-06-27, and what it sends to a local server). Rekognition
knows no API keys: it is asked as this machine's AWS account. AWS bills each image it looks at; that is not booked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import log
from ..errors import BadAnswer, ProviderAuth, ProviderError, RateLimited
from .aws import Account, bearer, error_of, region_of
from .base import NO_OPTIONS
from .hosts import base_of
from .http import Failure, HttpClient, Reply, passing
from .refusals import Vendor
from .secret import Secret

SANDBOX_PREFIX = "/rekognition"
_JSON = "application/x-amz-json-1.1"
_TARGET = "RekognitionService"
_BUSY = frozenset({"ThrottlingException", "ProvisionedThroughputExceededException"})
_STRANGER = frozenset(
    {
        *("AccessDeniedException", "ExpiredTokenException", "IncompleteSignatureException"),
        *("InvalidSignatureException", "MissingAuthenticationTokenException", "UnrecognizedClientException"),
    }
)
"""Either come with status 400: this protocol tells errors by name."""

VENDOR = Vendor(
    provider="rekognition",
    title="Rekognition",
    credit="Check the account's billing in the AWS console.",
    key="Check the account (aws sts get-caller-identity), and that it may do rekognition:DetectModerationLabels.",
)


class RekognitionClient:
    """What ``moderation/rekognition.py`` needs of HTTP. It changes nothing, so it is repeated like a poll."""

    def __init__(self, http: HttpClient, *, key: Secret, base_url: str, region: str) -> None:
        self._http, self._key, self._url, self._region = http, key, f"{base_url}/", region
        self._account = None if key else Account(VENDOR.provider)

    async def post_json(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer's JSON object; ``path`` is the operation. Raises ProviderError; nothing is ever booked."""
        headers = {"Content-Type": _JSON, "X-Amz-Target": f"{_TARGET}.{path}"}
        if self._account is None:
            # Only a sandbox or somebody's own gateway is asked with a key.
            sign = bearer(self._key)
        else:
            sign = self._account.signer("POST", self._url, service=VENDOR.provider, region=self._region)
        try:
            reply = await self._http.send(
                "POST", self._url, headers=headers, json=body, repeat="idempotent", again=_again, sign=sign
            )
        except Failure as failure:
            problem: ProviderError = VENDOR.submission(failure)
        else:
            if reply.status == 200:
                try:
                    return reply.json()
                except ValueError:
                    problem = BadAnswer("Rekognition's answer is no JSON.", provider=VENDOR.provider, status=200)
            else:
                problem = _refusal(reply)
        problem.charged = "no"
        raise problem


def rekognition_client(
    http: HttpClient,
    *,
    key: Secret,
    sandbox_url: str | None = None,
    base_url: str | None = None,
    options: Mapping[str, str] = NO_OPTIONS,
) -> RekognitionClient:
    """A client in the region of ``options``: live, a sandbox's, or behind a gateway.

    Raises BadSetting for a region that is none, and MissingExtra where an account needs botocore.
    """
    region = region_of(VENDOR.provider, options)
    live = f"https://rekognition.{region}.amazonaws.com"
    return RekognitionClient(
        http, key=key, base_url=base_of(live, SANDBOX_PREFIX, sandbox_url, base_url), region=region
    )


def _again(reply: Reply) -> bool:
    return passing(reply) or _read(reply)[0] in _BUSY


def _refusal(reply: Reply) -> ProviderError:
    code, message = _read(reply)
    if code in _BUSY:
        return RateLimited(
            f"Rekognition's rate limit is reached: {message}", provider=VENDOR.provider, status=reply.status
        )
    if code in _STRANGER:
        problem = f"Rekognition refuses the account ({code})."
        return ProviderAuth(problem, hint=VENDOR.key, provider=VENDOR.provider, status=reply.status)
    return VENDOR.refused(reply, message, word=code)


def _read(reply: Reply) -> tuple[str, str]:
    """(code, message), fit to be shown."""
    try:
        body = reply.json() if reply.status != 200 else {}
    except ValueError:
        body = {}
    code, message = error_of(reply.headers, body)
    return log.redact(code)[:64], log.redact(message)[:300] or "no reason given"
