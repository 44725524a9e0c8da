"""OpenAI's moderations endpoint, for ``moderation/openai.py``. It is free, so it is asked as patiently as a poll."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadAnswer, ProviderError
from .base import NO_OPTIONS
from .http import Failure, HttpClient
from .openai import BASE_URL, bearer, where
from .openai_errors import VENDOR, refusal
from .secret import Secret


class ModerationsClient:
    """What ``moderation/openai.py`` needs of HTTP. Moderations are free, so they are repeated like polls."""

    def __init__(self, http: HttpClient, *, key: Secret, base_url: str = BASE_URL) -> None:
        self._http, self._key, self._base_url = http, key, base_url

    async def post_json(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer's JSON object. Raises ProviderError; nothing is ever charged."""
        url = f"{self._base_url}/{path.lstrip('/')}"
        try:
            reply = await self._http.send("POST", url, headers=bearer(self._key), json=body, repeat="idempotent")
        except Failure as failure:
            problem: ProviderError = VENDOR.submission(failure)
        else:
            if reply.status == 200:
                try:
                    return reply.json()
                except ValueError:
                    problem = BadAnswer("OpenAI's moderation answer is no JSON.", provider="openai", status=200)
            else:
                problem = refusal(reply)
        problem.charged = "no"
        raise problem


def openai_moderations_client(
    http: HttpClient,
    *,
    key: Secret,
    sandbox_url: str | None = None,
    base_url: str | None = None,
    options: Mapping[str, str] = NO_OPTIONS,
) -> ModerationsClient:
    """A client for OpenAI's moderations: live, a sandbox's, or behind a gateway."""
    return ModerationsClient(http, key=key, base_url=where(sandbox_url, base_url))
