"""Ideogram: a form goes in, and the answer to it names the images; nothing can be asked about later, or stopped.

Wire facts: Ideogram's own OpenAPI (stored copies of developer.ideogram.ai: generate, remix, inpaint, reframe and
replace-background of v3; and of tryAGI/Ideogram), read 2026-11-21; v4's fields: its page in Comfy's router docs and
clients that call it. These are v1 of the API, which v2 replaces; no end of v1 is announced. A call has no name of its
own; what comes closest is the name of its first file. URLs are signed and last "a limited period of time".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from typing_extensions import Self

from ..errors import ChargeUnknown
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared, Provider, ResultImage
from .download import downloaded
from .hosts import Hosts, base_of
from .http import MIB, Failure, HttpClient, Reply
from .ideogram_answer import answer_of
from .ideogram_errors import VENDOR, refusal
from .ideogram_request import parts_of, prepared_of
from .model import Model
from .request import GenerationRequest
from .secret import Secret
from .submission import Submission

BASE_URL = "https://api.ideogram.ai"
SANDBOX_PREFIX = "/ideogram"
_FILES_FROM = ("ideogram.ai",)
_LIMIT = 1 * MIB


class Ideogram(Provider):
    """See the module's text."""

    name: ClassVar[str] = "ideogram"
    resumable: ClassVar[bool] = False

    def __init__(self, http: HttpClient, *, key: Secret, hosts: Hosts | None = None) -> None:
        self._http, self._key = http, key
        self._hosts = hosts or Hosts(BASE_URL, media=_FILES_FROM)

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
        base = base_of(BASE_URL, SANDBOX_PREFIX, sandbox_url, base_url)
        return cls(http, key=key, hosts=Hosts(base, media=() if sandbox_url else _FILES_FROM))

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        return prepared_of(model, request)

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        # Ideogram has no field for an id of ours. Who leaves cannot wait as long as an image takes.
        submission = Submission()
        work = self._answered(prepared, submission)
        return await submission.at_once(work, provider=self.name, on_accepted=on_accepted)

    async def _answered(self, prepared: Prepared, submission: Submission) -> Answer:
        return answer_of(await self._post(prepared, submission))

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        raise ChargeUnknown(
            "Ideogram cannot be asked about an earlier call.",
            provider=self.name,
            charged="unknown",
            request_id=accepted.request_id,
        )

    async def fetch(self, image: ResultImage) -> bytes:
        return await downloaded(
            self._http,
            image,
            allowed=self._hosts.is_media,
            provider=self.name,
            title=VENDOR.title,
            lifetime="its URL lasts for a limited time only",
        )

    async def cancel(self, accepted: Accepted) -> bool:
        # There is no such call.
        return False

    async def _post(self, prepared: Prepared, submission: Submission) -> Reply:
        try:
            reply = await self._http.send(
                "POST",
                f"{self._hosts.base}/v1/{prepared.path}",
                headers={"Api-Key": self._key.reveal()},
                form=parts_of(prepared),
                max_bytes=_LIMIT,
                repeat="unsent",
                submission=submission,
            )
        except Failure as failure:
            problem = VENDOR.submission(failure)
        else:
            if reply.status == 200:
                return reply
            problem = refusal(reply)
        raise problem
