"""Replicate: a prediction is made, waited for or polled, and its files are downloaded; it can be canceled and resumed.

Wire facts: the HTTP API reference, the pages on the prediction lifecycle, billing, data retention and rate limits, the
changelog of 2025-10-16 (deadlines), and the official client replicate 1.0.7. A prediction's files are gone in an hour.

Two headers go with every paid POST. ``Prefer: wait=1`` lets a fast model answer at once; it is not longer, because only
the answer names the prediction: until then it can neither be written down nor canceled. ``Cancel-After`` makes
Replicate itself stop what nobody waits for any more; for a model that is billed by time it also bounds the price.
"""

from __future__ import annotations

from math import ceil
from typing import Any, ClassVar

from ..errors import BadAnswer, ProviderError
from .apps import replicate as apps
from .apps.asking import document, unknown
from .apps.published import Published
from .base import Accepted, Answer, OnAccepted, Prepared
from .hosts import Hosts
from .http import MIB, Failure, Reply, throttled
from .model import Model
from .multipart import Part
from .queued import Queued
from .refusals import Vendor
from .replicate_answer import WAITING, Prediction, answer_of, done, read
from .replicate_errors import VENDOR, asked_wait, ended, lost_track, refused
from .replicate_input import prepared as prepare_input
from .request import GenerationRequest
from .submission import Submission, canceled_with_us, told_to_stop
from .uploading import uploaded

_HOLD_S = 1
_FIRST_POLL_S, _LONGEST_POLL_S, _POLL_GROWTH = 0.25, 2.0, 1.5
_CANCEL_LOOKS = 5
_LONGEST_THROTTLE_S, _MOST_THROTTLES = 60.0, 3
_REPLY_LIMIT = 64 * MIB
"""An answer that was waited for may hold its images."""
_MADE = (200, 201, 202)
LARGEST_DATA_URI = 256 * 1024
"""Characters: the vendor's page on input files advises data URIs up to 256 kB; its own client uploads everything."""


class Replicate(Queued):
    """See the module's text."""

    name: ClassVar[str] = "replicate"
    vendor: ClassVar[Vendor] = VENDOR
    lifetime: ClassVar[str] = "it keeps files for an hour"
    live: ClassVar[Hosts] = Hosts(
        base="https://api.replicate.com/v1", api=("api.replicate.com",), media=("replicate.delivery",)
    )
    sandbox: ClassVar[str] = "/replicate/v1"

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        return prepare_input(model, request)

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        async def see_off(submitted: tuple[Accepted, Prediction]) -> None:
            await on_accepted(submitted[0])
            await told_to_stop(self.cancel, submitted[0])

        submission = Submission()
        submitting = self._submitted(prepared, submission)
        accepted, prediction = await submission.answered(submitting, provider=self.name, see_off=see_off)
        async with canceled_with_us(self.cancel, accepted):
            await on_accepted(accepted)
            if not done(prediction, prepared.model, prepared.quantities.images):
                prediction = await self._poll(accepted)
            return self._answer(prediction, accepted, prepared.model)

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        async with canceled_with_us(self.cancel, accepted):
            return self._answer(await self._poll(accepted), accepted, model)

    async def cancel(self, accepted: Accepted) -> bool:
        """True only where it never started: what had started is charged for the time it ran."""
        try:
            url = self._url(accepted, "cancel")
            await self._http.send("POST", url, headers=self._headers(), max_bytes=_REPLY_LIMIT, repeat="idempotent")
            for _ in range(_CANCEL_LOOKS):
                prediction = await self._look(accepted)
                if prediction.state not in WAITING:
                    return prediction.state in ("canceled", "aborted") and not prediction.started
                await self._http.sleep(_FIRST_POLL_S)
        except (Failure, ProviderError):
            pass
        return False

    async def published(self, app: str) -> Published:
        """What Replicate publishes of the latest version of a model."""
        url = f"{self._hosts.base}/models/{app}"
        told = await document(self._http, url, self._headers(), vendor=VENDOR, app=app)
        found = apps.read(app, told)
        if found is None:
            raise unknown(VENDOR, app)
        return found

    # -- the steps of a call ------------------------------------------------------------------------------------

    async def _submitted(self, prepared: Prepared, submission: Submission) -> tuple[Accepted, Prediction]:
        body = await uploaded(prepared.fields, self._upload, largest=LARGEST_DATA_URI)
        reply = await self._made(prepared, body, submission)
        prediction = read(reply)
        if prediction is None:
            raise BadAnswer("Replicate's answer names no prediction.", provider=self.name, charged="unknown")
        used = prepared.quantities
        handle = {
            **{name: prediction.urls.get(name, "") for name in ("get", "cancel")},
            "images": used.images,
            "megapixels": used.megapixels,
            "input_megapixels": used.input_megapixels,
        }
        accepted = Accepted(request_id=prediction.id, handle=handle)
        for name in ("get", "cancel"):
            self._url(accepted, name)
        return accepted, prediction

    async def _made(self, prepared: Prepared, body: Any, submission: Submission) -> Reply:
        """The answer that made the prediction. A throttle that says how long only in words is waited out here."""
        wishes = {
            "Prefer": f"wait={_HOLD_S}",
            "Cancel-After": f"{deadline_min(prepared.model, self._http.timeouts.total_s)}m",
        }
        for tries in range(1, _MOST_THROTTLES + 1):
            reply = await self._post(
                prepared.path, body, submission, limit=_REPLY_LIMIT, more=wishes, again=_plain_wait
            )
            if reply.status in _MADE:
                return reply
            problem = refused(reply)
            wait = None if not throttled(reply) or reply.retry_after_s is not None else asked_wait(reply)
            if wait is None or wait > _LONGEST_THROTTLE_S or tries == _MOST_THROTTLES:
                break
            if not await submission.rest(self._http.sleep, wait):
                break
        raise problem

    async def _upload(self, data: bytes, media_type: str) -> str:
        """Store an input file; its URL. Nothing was asked for yet, so nothing of this is charged."""
        part = Part(name="content", data=data, filename="image", media_type=media_type)
        try:
            reply = await self._http.send(
                "POST",
                f"{self._hosts.base}/files",
                headers=self._headers(),
                form=[part],
                max_bytes=MIB,
                repeat="idempotent",
            )
        except Failure as failure:
            raise self.vendor.unreached(failure, "no") from None
        if reply.status not in _MADE:
            problem = refused(reply)
            problem.charged = "no"
            raise problem
        try:
            url = reply.json()["urls"]["get"]
        except (ValueError, KeyError, TypeError):
            url = None
        if not isinstance(url, str):
            raise BadAnswer("Replicate's answer to the upload names no file.", provider=self.name, charged="no")
        return url

    def _answer(self, prediction: Prediction, accepted: Accepted, model: Model) -> Answer:
        if prediction.state in ("succeeded", "processing"):
            return answer_of(prediction, accepted)
        raise ended(prediction, accepted, model)

    async def _poll(self, accepted: Accepted) -> Prediction:
        """The prediction when it has ended."""
        until = self._http.clock() + self._http.timeouts.total_s
        pause = _FIRST_POLL_S
        while True:
            prediction = await self._look(accepted)
            if prediction.state not in WAITING:
                return prediction
            if self._http.clock() >= until:
                return await self._given_up(accepted)
            await self._http.sleep(pause)
            pause = min(_LONGEST_POLL_S, pause * _POLL_GROWTH)

    async def _look(self, accepted: Accepted) -> Prediction:
        reply = await self._follow(accepted, "get", limit=_REPLY_LIMIT)
        prediction = read(reply) if reply.status == 200 else None
        if prediction is None:
            raise lost_track(reply, accepted)
        return prediction

    async def _given_up(self, accepted: Accepted) -> Prediction:
        """What became of a prediction that is stopped for taking too long: its end tells what it costs."""
        gone = await self.cancel(accepted)
        if not gone and (prediction := await self._look(accepted)).state not in WAITING:
            return prediction
        raise self._too_late(accepted, "no" if gone else "unknown")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key.reveal()}"}


def deadline_min(model: Model, total_s: float) -> int:
    """Minutes after which Replicate stops the prediction: a little later than we give up on it.

    Whole minutes: the one form of the header that is documented. A price by time holds for no longer than its bound.
    """
    if model.price is not None and model.price.unit == "second":
        return max(1, int(min(total_s + 60, model.price.at_most_seconds) // 60))
    return ceil(total_s / 60) + 1


def _plain_wait(reply: Reply) -> bool:
    """Throttled, and the shared client can tell how long from the header, or need not: nobody says."""
    return throttled(reply) and (reply.retry_after_s is not None or asked_wait(reply) is None)
