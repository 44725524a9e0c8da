"""Google's image models: Gemini by ``generateContent``, and Imagen by ``predict`` for those who still have it.

One wire, two doors: the Gemini API and Vertex (``google_place.py``). Both answer at once with base64; there is no
queue, no id of ours and nothing to cancel. What a lost call cost cannot be asked for later, so every doubt about one is
``charged="unknown"``. Wire facts: the official SDK google-genai 3.4.0, and the pages that the other files name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar

from typing_extensions import Self

from ..errors import BadAnswer, ChargeUnknown, ResultLost
from ..metering.prices import PerToken, Quantities
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared, Provider, ResultImage
from .google_answer import content_answer, predict_answer
from .google_errors import VENDOR, refusal, surely_unprocessed, wait_of
from .google_place import Place, place_of
from .google_request import content_of, predict_of, speaks_predict
from .http import Failure, HttpClient, Reply
from .limits import check
from .model import Model
from .request import GenerationRequest
from .secret import Secret
from .submission import Submission


class Google(Provider):
    """See the module's text."""

    name: ClassVar[str] = "google"
    resumable: ClassVar[bool] = False

    def __init__(self, http: HttpClient, place: Place) -> None:
        self._http, self._place = http, place

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
        """The Gemini API with a key; Vertex without one, or where ``options`` say so. Raises MissingExtra, too."""
        return cls(http, place_of(key, sandbox_url, base_url, options))

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        checked = check(model, request)
        endpoint = model.endpoint[request.task]
        predicts = speaks_predict(endpoint)
        said = predict_of if predicts else content_of
        fields, ignored = said(model, request, checked, vertex=self._place.vertex)
        return Prepared(
            model=model,
            path=f"models/{endpoint}:{'predict' if predicts else 'generateContent'}",
            fields=fields,
            seed=None if "seed" in ignored else checked.seed,
            ignored=checked.ignored + ignored,
            quantities=_bounds(model, request),
            parameters={name: value for name, value in checked.parameters.items() if name not in ignored},
        )

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        # Google has no field for an id of ours.
        submission = Submission()
        # Its answer is the image, which takes longer than somebody who leaves can wait.
        work = self._answered(prepared, submission)
        return await submission.at_once(work, provider=self.name, on_accepted=on_accepted)

    async def _answered(self, prepared: Prepared, submission: Submission) -> Answer:
        reply = await self._sent(prepared, submission)
        body = await asyncio.to_thread(_json, reply)
        if prepared.path.endswith(":predict"):
            return await asyncio.to_thread(predict_answer, body)
        return await asyncio.to_thread(content_answer, prepared, body)

    async def _sent(self, prepared: Prepared, submission: Submission) -> Reply:
        headers = await self._place.caller.headers()
        try:
            reply = await self._http.send(
                "POST",
                f"{self._place.base}/{prepared.path}",
                headers=headers,
                json=prepared.fields,
                repeat="unsent",
                again=surely_unprocessed,
                wait_of=wait_of,
                submission=submission,
            )
        except Failure as failure:
            problem = VENDOR.submission(failure)
        else:
            if reply.status == 200:
                return reply
            if reply.status == 401:
                self._place.caller.refused(headers)
            problem = refusal(reply)
        raise problem

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        raise ChargeUnknown(
            "Google cannot be asked about an earlier image call.",
            provider=self.name,
            charged="unknown",
            request_id=accepted.request_id,
        )

    async def fetch(self, image: ResultImage) -> bytes:
        if image.data is None:
            raise ResultLost("Google's answer had no image data.", provider=self.name, charged="yes")
        return image.data

    async def cancel(self, accepted: Accepted) -> bool:
        return False


def _bounds(model: Model, request: GenerationRequest) -> Quantities:
    """At most so much: no text has more tokens than bytes, and the catalog bounds an input image's."""
    per_image = model.price.input_image_tokens if isinstance(model.price, PerToken) else 0
    return Quantities(
        images=request.count,
        text_tokens=len(request.prompt.encode()),
        image_tokens=len(request.images) * per_image,
    )


def _json(reply: Reply) -> dict[str, Any]:
    """In a thread: it holds megabytes."""
    try:
        return reply.json()
    except ValueError:
        raise BadAnswer("Google's answer is no JSON.", provider="google", charged="unknown", status=200) from None
