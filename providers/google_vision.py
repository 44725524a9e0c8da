"""Google Cloud Vision, for ``moderation/google_vision.py``: asked with a key, or as this machine's account.

Wire facts: the reference of ``images:annotate`` (v1). Google bills each image beyond the first 1,000 of a month; that
is not booked here. It changes nothing, so it is repeated like a poll.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import BadAnswer, ProviderError
from .base import NO_OPTIONS
from .google_account import Caller
from .google_errors import VENDOR, refusal, wait_of
from .google_place import caller_of
from .hosts import base_of
from .http import Failure, HttpClient
from .secret import Secret

BASE_URL = "https://vision.googleapis.com/v1"
SANDBOX_PREFIX = "/google/vision/v1"

_VENDOR = replace(
    VENDOR,
    provider="google-vision",
    title="Cloud Vision",
    key="Check the key (mintmark keys set google-vision) or the account, and that its project may use Cloud Vision.",
)


class VisionClient:
    """What ``moderation/google_vision.py`` needs of HTTP."""

    def __init__(self, http: HttpClient, caller: Caller, *, base_url: str = BASE_URL) -> None:
        self._http, self._caller, self._base_url = http, caller, base_url

    async def post_json(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer's JSON object. Raises ProviderError; nothing is ever booked."""
        headers = await self._caller.headers()
        url = f"{self._base_url}/{path.lstrip('/')}"
        try:
            reply = await self._http.send("POST", url, headers=headers, json=body, repeat="idempotent", wait_of=wait_of)
        except Failure as failure:
            problem: ProviderError = _VENDOR.submission(failure)
        else:
            if reply.status == 200:
                try:
                    return reply.json()
                except ValueError:
                    problem = BadAnswer("Cloud Vision's answer is no JSON.", provider=_VENDOR.provider, status=200)
            else:
                problem = refusal(reply, _VENDOR)
                if reply.status == 401:
                    self._caller.refused(headers)
        problem.charged = "no"
        raise problem


def google_vision_client(
    http: HttpClient,
    *,
    key: Secret,
    sandbox_url: str | None = None,
    base_url: str | None = None,
    options: Mapping[str, str] = NO_OPTIONS,
) -> VisionClient:
    """A client: live, a sandbox's, or behind a gateway. Raises MissingExtra where an account needs google-auth."""
    base = base_of(BASE_URL, SANDBOX_PREFIX, sandbox_url, base_url)
    return VisionClient(http, caller_of(key, sandbox_url), base_url=base)
