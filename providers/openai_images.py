"""An adapter for OpenAI's Images API, whoever serves it: generations (JSON) and edits (multipart), answered at once.

What a lost call cost cannot be asked for later, so every doubt about one is ``charged="unknown"``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from ..errors import ChargeUnknown, InternalError, ProviderError, ResultLost
from .base import Accepted, Answer, OnAccepted, Prepared, Provider, ResultImage
from .http import Failure, HttpClient, Reply
from .model import Model
from .openai_answer import answer_of
from .openai_errors import surely_unprocessed
from .openai_request import parts_of, prepared_of
from .openai_stream import previewing
from .refusals import Vendor
from .request import GenerationRequest
from .submission import Submission


class ImagesApi(Provider):
    """What all who serve the API share. A subclass says where it is, who asks, and what its refusals mean."""

    resumable: ClassVar[bool] = False
    vendor: ClassVar[Vendor]
    names_call: ClassVar[tuple[str, ...]]
    """Headers of an answer that name the call; the first that is there counts."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    @abstractmethod
    def _url(self, path: str) -> str:
        """The whole URL of a prepared request's path."""

    @abstractmethod
    async def _headers(self, prepared: Prepared, call_id: str) -> Mapping[str, str]:
        """Those that prove who asks and carry our own id of the call. Raises ProviderError, nothing sent yet."""

    @abstractmethod
    def _refusal(self, reply: Reply) -> ProviderError:
        """The error that an answer other than 200 means, with what is known of the charge."""

    def _read(self, prepared: Prepared, reply: Reply, request_id: str | None) -> Answer:
        return answer_of(prepared, reply, request_id, vendor=self.vendor, refusal=self._refusal)

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        return prepared_of(model, request)

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        # Documented by OpenAI for the caller's own id of a request: ASCII, at most 512 characters.
        if not (call_id.isascii() and call_id.isprintable() and len(call_id) <= 512):
            raise InternalError("A call id must be at most 512 printable ASCII characters.")
        submission = Submission()
        work = self._answered(prepared, call_id, submission)
        # Its answer is the image, which takes longer than somebody who leaves can wait.
        return await submission.at_once(work, provider=self.name, on_accepted=on_accepted)

    async def _answered(self, prepared: Prepared, call_id: str, submission: Submission) -> Answer:
        reply = await self._sent(prepared, call_id, submission)
        return self._read(prepared, reply, self._request_id(reply))

    async def _sent(self, prepared: Prepared, call_id: str, submission: Submission) -> Reply:
        headers = await self._headers(prepared, call_id)
        parts = parts_of(prepared)
        try:
            reply = await self._http.send(
                "POST",
                self._url(prepared.path),
                headers=headers,
                json=None if parts else prepared.fields,
                form=parts,
                repeat="unsent",
                again=surely_unprocessed,
                submission=submission,
                on_chunk=previewing(prepared.fields["partial_images"]) if "stream" in prepared.fields else None,
            )
        except Failure as failure:
            problem = self.vendor.submission(failure)
        else:
            if reply.status == 200:
                return reply
            problem = self._refusal(reply)
        raise problem

    def _request_id(self, reply: Reply) -> str | None:
        return next((reply.headers[name] for name in self.names_call if reply.headers.get(name)), None)

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        raise ChargeUnknown(
            f"{self.vendor.title} cannot be asked about an earlier image call.",
            provider=self.name,
            charged="unknown",
            request_id=accepted.request_id,
        )

    async def fetch(self, image: ResultImage) -> bytes:
        if image.data is None:
            raise ResultLost(f"{self.vendor.title}'s answer had no image data.", provider=self.name, charged="yes")
        return image.data

    async def cancel(self, accepted: Accepted) -> bool:
        return False
