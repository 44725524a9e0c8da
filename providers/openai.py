"""OpenAI's own Images API.

Wire facts: the official SDK 3.52.0 (fields, part names, error codes, headers) and OpenAI's API reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import Self

from ..errors import ProviderError
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared
from .hosts import base_of
from .http import HttpClient, Reply
from .model import Model
from .openai_batch import Batches
from .openai_errors import VENDOR, refusal
from .openai_images import ImagesApi
from .refusals import Vendor
from .secret import Secret

BASE_URL = "https://api.openai.com/v1"
SANDBOX_PREFIX = "/openai/v1"


class OpenAI(ImagesApi):
    """See the module's text."""

    name: ClassVar[str] = "openai"
    resumable: ClassVar[bool] = True  # what was ordered by batch; an image that is made at once has an empty handle
    vendor: ClassVar[Vendor] = VENDOR
    names_call: ClassVar[tuple[str, ...]] = ("x-request-id",)

    def __init__(self, http: HttpClient, *, key: Secret, base_url: str = BASE_URL) -> None:
        super().__init__(http)
        self._key, self._base_url = key, base_url

    @classmethod
    def open(
        cls,
        http: HttpClient,
        *,
        key: Secret,
        sandbox_url: str | None = None,
        base_url: str | None = None,
        options: Mapping[str, str] = NO_OPTIONS,
    ) -> Self:
        """Against the live API (behind ``base_url`` where that is given), or a sandbox's."""
        return cls(http, key=key, base_url=where(sandbox_url, base_url))

    def _url(self, path: str) -> str:
        return f"{self._base_url}/{path}"

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        if prepared.delivery == "batch":
            return await self._batches().ask(prepared, call_id=call_id, on_accepted=on_accepted)
        return await super().ask(prepared, call_id=call_id, on_accepted=on_accepted)

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        if "batch" in accepted.handle:
            return await self._batches().wait(model, accepted)
        return await super().resume(model, accepted)

    async def cancel(self, accepted: Accepted) -> bool:
        return "batch" in accepted.handle and await self._batches().cancel(accepted)

    def _batches(self) -> Batches:
        return Batches(self._http, self._base_url, bearer(self._key))

    async def _headers(self, prepared: Prepared, call_id: str) -> Mapping[str, str]:
        return {**bearer(self._key), "X-Client-Request-Id": call_id}

    def _refusal(self, reply: Reply) -> ProviderError:
        return refusal(reply)


def where(sandbox_url: str | None, base_url: str | None) -> str:
    """Where the API is: the sandbox's, the user's own gateway, or OpenAI's."""
    return base_of(BASE_URL, SANDBOX_PREFIX, sandbox_url, base_url)


def bearer(key: Secret) -> dict[str, str]:
    """The header that carries the key."""
    return {"Authorization": f"Bearer {key.reveal()}"}
