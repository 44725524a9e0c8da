"""A resource of Azure: OpenAI's Images API, by deployment and version or in the v1 form, and Black Forest Labs' FLUX.

Wire facts: the official SDK 3.52.0 (``AzureOpenAI`` and, for v1, ``OpenAI``) and Microsoft's REST reference. Bodies and
answers are OpenAI's; what differs is where the resource is, how it names its models, who asks, and what a refusal says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from typing_extensions import Self

from ..errors import ProviderAuth, ProviderError
from .azure_entra import entra_tokens
from .azure_errors import BY_ACCOUNT, BY_KEY, NAMES_CALL, refusal, stopped, withheld
from .azure_flux import flux_answer, flux_request
from .azure_place import Resource, has_own_api, is_v1
from .base import NO_OPTIONS, Answer, Prepared, ResultImage
from .http import HttpClient, Reply
from .model import Model
from .openai import bearer
from .openai_answer import answer_of, image_of
from .openai_images import ImagesApi
from .openai_request import prepared_of
from .refusals import Vendor
from .request import GenerationRequest
from .secret import Secret
from .submission import Submission
from .tokens import Tokens


class Azure(ImagesApi):
    """See the module's text. Who asks is proved by ``key``, or by ``tokens`` of Entra ID where these are given."""

    name: ClassVar[str] = "azure"
    vendor: ClassVar[Vendor] = BY_KEY
    names_call: ClassVar[tuple[str, ...]] = NAMES_CALL

    def __init__(self, http: HttpClient, *, resource: Resource, key: Secret, tokens: Tokens | None = None) -> None:
        super().__init__(http)
        self._resource, self._key, self._tokens = resource, key, tokens

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
        """The resource at the option ``endpoint``, behind ``base_url`` where that is given, or a sandbox's."""
        resource = Resource.of(options, sandbox_url, base_url)
        tokens = None if key else entra_tokens(http, options, sandbox_url=sandbox_url)
        return cls(http, resource=resource, key=key, tokens=tokens)

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        if has_own_api(model):
            return flux_request(model, request, self._resource)
        prepared = prepared_of(model, request)
        fields = {**prepared.fields, "model": self._resource.deployment(model)}
        return replace(prepared, path=self._resource.images_path(model, prepared.path), fields=fields)

    def _url(self, path: str) -> str:
        return self._resource.url(path)

    async def _headers(self, prepared: Prepared, call_id: str) -> Mapping[str, str]:
        own_id = {"x-ms-client-request-id": call_id}
        if self._tokens is not None:
            return {**await self._tokens.headers(), **own_id}
        # As the official client of each form sends it.
        return {**(bearer(self._key) if is_v1(prepared.path) else {"api-key": self._key.reveal()}), **own_id}

    async def _sent(self, prepared: Prepared, call_id: str, submission: Submission) -> Reply:
        if self._tokens is None:
            return await super()._sent(prepared, call_id, submission)
        used = await self._tokens.get()
        try:
            return await super()._sent(prepared, call_id, submission)
        except ProviderAuth as refused:
            if refused.status != 401 or submission.leaving:
                raise
        # A token may be withdrawn before its end. Nothing was done for it, so a new one is tried, once.
        self._tokens.refused(used)
        submission.asked = False
        return await super()._sent(prepared, call_id, submission)

    def _refusal(self, reply: Reply) -> ProviderError:
        return refusal(reply, BY_ACCOUNT if self._tokens is not None else BY_KEY)

    def _read(self, prepared: Prepared, reply: Reply, request_id: str | None) -> Answer:
        if has_own_api(prepared.model):
            return flux_answer(prepared, reply, request_id)
        words: list[str] = []

        def read(item: object) -> ResultImage:
            if told := stopped(item):
                words.append(told)
                return ResultImage(blocked=True)
            return image_of(item)

        answer = answer_of(prepared, reply, request_id, vendor=self.vendor, refusal=self._refusal, read=read)
        if all(image.blocked for image in answer.images):
            raise withheld("; ".join(dict.fromkeys(words)), request_id)
        return answer
