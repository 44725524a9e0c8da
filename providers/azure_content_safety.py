"""A client of Azure AI Content Safety, for ``moderation/content_safety.py``.

Wire facts: ``POST <endpoint>/contentsafety/<operation>?api-version=2024-09-01`` with ``Ocp-Apim-Subscription-Key``
(Microsoft's REST reference). Asking twice does no harm, so it is asked as patiently as a poll.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import BadAnswer, BadSetting, ProviderError
from .base import NO_OPTIONS
from .http import Failure, HttpClient
from .openai_errors import error_of
from .refusals import Vendor
from .secret import Secret

API_VERSION = "2024-09-01"
SANDBOX_PREFIX = "/azure"
VENDOR = Vendor(
    provider="content-safety",
    title="Azure Content Safety",
    credit="Check the subscription in the Azure portal.",
    key="Check that the key (mintmark keys set content-safety) belongs to the resource at content-safety.endpoint.",
)


class ContentSafetyClient:
    """What the checker needs of HTTP."""

    def __init__(self, http: HttpClient, *, key: Secret, endpoint: str) -> None:
        self._http, self._key, self._endpoint = http, key, endpoint.rstrip("/")

    async def post_json(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The answer's JSON object. Raises ProviderError; what Azure bills for it is not metered here.

        Raises BadSetting where the resource is not known: here, since only a policy that names the checker needs it.
        """
        if not self._endpoint:
            raise BadSetting(
                "Content Safety's resource is not known: content-safety.endpoint is not set.",
                hint="Set AZURE_CONTENT_SAFETY_ENDPOINT, such as https://….cognitiveservices.azure.com",
            )
        url = f"{self._endpoint}/contentsafety/{path.lstrip('/')}?api-version={API_VERSION}"
        headers = {"Ocp-Apim-Subscription-Key": self._key.reveal()}
        try:
            reply = await self._http.send("POST", url, headers=headers, json=body, repeat="idempotent")
        except Failure as failure:
            problem: ProviderError = VENDOR.submission(failure)
        else:
            if reply.status == 200:
                try:
                    return reply.json()
                except ValueError:
                    problem = BadAnswer("Content Safety's answer is no JSON.", provider="content-safety", status=200)
            else:
                code, _, message = error_of(reply)
                problem = VENDOR.refused(reply, message, word=code)
        problem.charged = "no"
        raise problem


def content_safety_client(
    http: HttpClient,
    *,
    key: Secret,
    sandbox_url: str | None = None,
    base_url: str | None = None,
    options: Mapping[str, str] = NO_OPTIONS,
) -> ContentSafetyClient:
    """A client of the resource at the option ``endpoint``, behind ``base_url`` where given, or of a sandbox."""
    place = f"{sandbox_url.rstrip('/')}{SANDBOX_PREFIX}" if sandbox_url else base_url or options.get("endpoint", "")
    return ContentSafetyClient(http, key=key, endpoint=place)
