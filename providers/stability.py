"""Stability AI's v2beta: a form goes in and an image comes back at once; two services answer later.

Wire facts: Stability's own OpenAPI of v2beta (fields, limits, error shapes, headers, credits), read 2026-11-21 in the
copy that tryAGI/StabilityAI keeps. A synchronous call that is cut off cannot be asked about, so its charge is unknown,
and its handle is empty; a creative upscaling is named by its generation id and can be finished by any process.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

from typing_extensions import Self

from ..errors import BadAnswer, ChargeUnknown, ProviderDown, ResultLost
from ..metering.prices import Quantities
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared, Provider, ResultImage
from .hosts import base_of
from .http import Failure, HttpClient, Reply, passing
from .limits import check
from .model import Model
from .multipart import Part
from .request import GenerationRequest
from .secret import Secret
from .stability_answer import answer_of
from .stability_errors import LOCKOUT_S, VENDOR, lost_poll, lost_track, refusal
from .stability_request import fields_of, files_of
from .submission import Submission

BASE_URL = "https://api.stability.ai"
SANDBOX_PREFIX = "/stability"

POLL_S = 10.0
"""Documented: "Rate-limiting or other errors may occur if you poll more than once every 10 seconds"."""
_MOST_TROUBLES = 5
_LATER = frozenset({"upscale/creative", "edit/replace-background-and-relight"})
"""Services that answer with an id."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Stability(Provider):
    """See the module's text."""

    name: ClassVar[str] = "stability"
    resumable: ClassVar[bool] = True

    def __init__(self, http: HttpClient, *, key: Secret, base_url: str = BASE_URL) -> None:
        self._http, self._key, self._base_url = http, key, base_url

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
        return cls(http, key=key, base_url=base_of(BASE_URL, SANDBOX_PREFIX, sandbox_url, base_url))

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        checked = check(model, request)
        fields, ignored = fields_of(model, request, checked)
        return Prepared(
            model=model,
            path=model.endpoint[request.task],
            fields=fields,
            files=files_of(model, request),
            seed=checked.seed,
            ignored=checked.ignored + ignored,
            quantities=Quantities(images=1),
            parameters=checked.parameters,
        )

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        # Stability has no field for an id of ours.
        submission = Submission()
        if prepared.path not in _LATER:
            # An image takes longer than somebody who leaves can wait; only a name comes at once.
            work = self._answered(prepared, submission)
            return await submission.at_once(work, provider=self.name, on_accepted=on_accepted)
        submitting = self._submitted(prepared, submission)
        accepted = await submission.answered(submitting, provider=self.name, see_off=on_accepted)
        await on_accepted(accepted)
        return await self._wait(accepted, POLL_S)

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        if not accepted.handle:
            raise ChargeUnknown(
                "Stability cannot be asked about an earlier call of this model.",
                provider=self.name,
                charged="unknown",
                request_id=accepted.request_id,
            )
        return await self._wait(accepted, 0.0)

    async def fetch(self, image: ResultImage) -> bytes:
        if image.data is None:
            raise ResultLost("Stability's answer had no image data.", provider=self.name, charged="yes")
        return image.data

    async def cancel(self, accepted: Accepted) -> bool:
        # There is no such call.
        return False

    # -- the steps of a call ------------------------------------------------------------------------------------

    async def _answered(self, prepared: Prepared, submission: Submission) -> Answer:
        reply = await self._post(prepared, submission)
        return answer_of(reply, reply.headers.get("x-request-id") or None)

    async def _submitted(self, prepared: Prepared, submission: Submission) -> Accepted:
        return self._accepted(await self._post(prepared, submission))

    async def _post(self, prepared: Prepared, submission: Submission) -> Reply:
        """The first answer that says what became of the request. A lockout is waited out once."""
        reply = await self._sent(prepared, submission)
        locked_out = reply.status == 429 and reply.retry_after_s is None
        if locked_out and await submission.rest(self._http.sleep, LOCKOUT_S):
            reply = await self._sent(prepared, submission)
        if reply.status == 200 or (reply.status == 202 and prepared.path in _LATER):
            return reply
        raise refusal(reply)

    async def _sent(self, prepared: Prepared, submission: Submission) -> Reply:
        try:
            return await self._http.send(
                "POST",
                f"{self._base_url}/v2beta/stable-image/{prepared.path}",
                headers=self._headers(),
                form=_parts(prepared),
                repeat="unsent",
                again=_says_when,
                submission=submission,
            )
        except Failure as failure:
            problem = VENDOR.submission(failure)
        raise problem

    def _accepted(self, reply: Reply) -> Accepted:
        try:
            generation = reply.json().get("id")
        except ValueError:
            generation = None
        if not (isinstance(generation, str) and _ID.fullmatch(generation)):
            raise BadAnswer("Stability's answer names no generation.", provider=self.name, charged="unknown")
        # The URL is for those who read the journal; what is asked is made of the id, so that the key stays at home.
        return Accepted(request_id=generation, handle={"id": generation, "result_url": self._result_url(generation)})

    async def _wait(self, accepted: Accepted, pause: float) -> Answer:
        until = self._http.clock() + self._http.timeouts.total_s
        troubles = 0
        while True:
            await self._http.sleep(pause)
            reply = await self._poll(accepted)
            if reply.status == 200:
                return answer_of(reply, accepted.request_id)
            troubles = troubles + 1 if passing(reply) else 0
            if (reply.status != 202 and not troubles) or troubles > _MOST_TROUBLES:
                raise lost_track(reply, accepted.request_id)
            pause = max(POLL_S, reply.retry_after_s or (LOCKOUT_S if reply.status == 429 else POLL_S))
            if self._http.clock() >= until or pause > self._http.timeouts.total_s:
                raise self._impatient(accepted)

    async def _poll(self, accepted: Accepted) -> Reply:
        url = self._result_url(str(accepted.handle.get("id")))
        try:
            # Answers are never repeated in there: its pauses are shorter than Stability allows.
            return await self._http.send(
                "GET", url, headers=self._headers(), repeat="idempotent", again=lambda _: False
            )
        except Failure as failure:
            problem = lost_poll(failure, accepted.request_id)
        raise problem

    def _impatient(self, accepted: Accepted) -> ProviderDown:
        return ProviderDown(
            f"Stability did not finish within {self._http.timeouts.total_s:g} s.",
            hint="Raise MINTMARK_PROVIDER_TIMEOUT_S. The result can be asked for again within a day.",
            provider=self.name,
            charged="unknown",
            request_id=accepted.request_id,
        )

    def _result_url(self, generation: str) -> str:
        return f"{self._base_url}/v2beta/results/{quote(generation, safe='')}"

    def _headers(self) -> dict[str, str]:
        # Bytes and not JSON: finish reason and seed come as headers, and nothing is wrapped in base64.
        return {"Authorization": f"Bearer {self._key.reveal()}", "Accept": "image/*"}


def _says_when(reply: Reply) -> bool:
    return reply.status == 429 and reply.retry_after_s is not None


def _parts(prepared: Prepared) -> list[Part]:
    """The form. Without a file an empty one makes it one all the same, as in Stability's own examples."""
    plain: list[Part] = [Part(name=name, data=_text(value).encode()) for name, value in prepared.fields.items()]
    files = [Part(name=name, data=data, filename=file, media_type=kind) for name, file, kind, data in prepared.files]
    return [*plain, *(files or [Part(name="none", data=b"", filename="none")])]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
