"""Hugging Face: its router passes a call to one of several runners; a dedicated Endpoint is called by its own URL.

Which runner is the parameter ``route`` of the model; under which id it knows the model is asked of the Hub first
(``huggingface_mapping``), and what it is told is in ``huggingface_routes``. Some runners answer with the image, others
name a call that is then asked about through the router, with Hugging Face's token and never the runner's. None of
them can be stopped that way. A model that is still being loaded (status 503) is waited for, within the time limit.

Wire facts: huggingface_hub 2.4.0 as recorded, and the pages of Inference Providers and Endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from typing_extensions import Self

from ..errors import BadAnswer, ChargeUnknown, InternalError
from ..metering.prices import Quantities, charge
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared, ResultImage
from .hosts import Hosts
from .http import MIB, HttpClient, Reply
from .huggingface_answer import Run, fal_images, image_in, no_image, run_of, seconds_of
from .huggingface_errors import VENDOR, ended, loading_s, refused, still_loading
from .huggingface_mapping import Runners
from .huggingface_request import Routed, prepared_of
from .huggingface_routes import ENDPOINT
from .inline import check_some
from .model import Model
from .queued import Queued
from .refusals import Vendor
from .request import GenerationRequest
from .secret import Secret
from .submission import Submission

HUB = "https://huggingface.co"
SANDBOX = "/huggingface"
_LIMIT = 64 * MIB
_FIRST_POLL_S, _LONGEST_POLL_S, _POLL_GROWTH = 0.25, 2.0, 1.5
_MADE = (200, 201, 202)
_MEDIA = (
    "fal.media",
    "replicate.delivery",
    "wavespeed.ai",
    # WaveSpeed's files; both stand in answers that its users have published.
    "d1q70pf5vjeyhc.cloudfront.net",
    "d2p7pge43lyniu.cloudfront.net",
)


class HuggingFace(Queued):
    """See the module's text."""

    name: ClassVar[str] = "huggingface"
    vendor: ClassVar[Vendor] = VENDOR
    lifetime: ClassVar[str] = "how long depends on who ran the model; with some it is an hour"
    live: ClassVar[Hosts] = Hosts(base="https://router.huggingface.co", media=_MEDIA)
    sandbox: ClassVar[str] = f"{SANDBOX}/router"

    def __init__(
        self,
        http: HttpClient,
        *,
        key: Secret,
        hosts: Hosts | None = None,
        hub: str = HUB,
        endpoints: Mapping[str, str] = NO_OPTIONS,
        bill_to: str = "",
    ) -> None:
        super().__init__(http, key=key, hosts=hosts)
        self._runners = Runners(http, hub)
        self._endpoints, self._bill_to = dict(endpoints), bill_to

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
        """Against the live router (or a gateway before it), or a sandbox's; an Endpoint's URL is one of the options."""
        prefix = f"{ENDPOINT}."
        own = {name.removeprefix(prefix): url for name, url in options.items() if name.startswith(prefix)}
        bill_to = options.get("bill_to", "")
        if sandbox_url is not None:
            at = f"{sandbox_url.rstrip('/')}{SANDBOX}"
            # Offline there is always one, and it stands for all of them.
            own = {name: f"{at}/endpoint/{name}" for name in own or {"sandbox": ""}}
            return cls(http, key=key, hosts=Hosts(f"{at}/router"), hub=f"{at}/hub", endpoints=own, bill_to=bill_to)
        hosts = replace(cls.live, base=base_url.rstrip("/")) if base_url else cls.live
        return cls(http, key=key, hosts=hosts, endpoints=own, bill_to=bill_to)

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        return prepared_of(model, request, self._endpoints)

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        if not isinstance(prepared, Routed):
            raise InternalError("huggingface: this request was prepared by another adapter.")
        routed = prepared

        async def see_off(named: tuple[Accepted, Run]) -> None:
            await on_accepted(named[0])

        submission = Submission()
        if routed.pipeline not in routed.route.goes_on:
            # An image takes longer than somebody who leaves can wait; only a name comes at once.
            work = self._answered(routed, submission)
            return await submission.at_once(work, provider=self.name, on_accepted=on_accepted)
        naming = self._named(routed, submission)
        accepted, run = await submission.answered(naming, provider=self.name, see_off=see_off)
        await on_accepted(accepted)
        return await self._wait(accepted, run)

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        if not accepted.handle:
            raise ChargeUnknown(
                "This runner cannot be asked about an earlier call.",
                provider=self.name,
                charged="unknown",
                request_id=accepted.request_id,
            )
        return await self._wait(accepted, None)

    async def cancel(self, accepted: Accepted) -> bool:
        """Always False: no runner's way to stop a call is known to lead through the router."""
        return False

    # -- the steps of a call ------------------------------------------------------------------------------------

    async def _submitted(self, routed: Routed, submission: Submission) -> Reply:
        """The first answer that says what became of the request. A model that is being loaded is waited for."""
        path, body = await self._addressed(routed)
        began = self._http.clock()
        while True:
            reply = await self._post(path, body, submission, limit=_LIMIT, more=_wishes(routed))
            if reply.status in _MADE:
                return reply
            pause = loading_s(reply, dedicated=routed.route.name == ENDPOINT) if routed.route.waits else None
            if pause is None:
                raise refused(reply)
            waited = self._http.clock() - began
            if waited + pause > self._http.timeouts.total_s or not await submission.rest(self._http.sleep, pause):
                raise still_loading(reply, waited)

    async def _addressed(self, routed: Routed) -> tuple[str, dict[str, Any]]:
        if routed.route.name == ENDPOINT:
            return routed.repo, routed.fields
        provider_id = await self._runners.provider_id(routed.repo, routed.route.name, routed.pipeline, self._headers())
        return routed.route.addressed(provider_id, routed.fields, routed.pipeline)

    async def _named(self, routed: Routed, submission: Submission) -> tuple[Accepted, Run]:
        """Of a runner that answers with a name, which its call goes on by."""
        run = run_of(routed.route.name, await self._submitted(routed, submission))
        if run is None:
            raise BadAnswer("Hugging Face's answer names no call.", provider=self.name, charged="unknown")
        urls = {"poll": run.poll, "result": run.result}
        handle = {name: f"{self._hosts.base}/{path}" for name, path in urls.items() if path}
        accepted = Accepted(request_id=run.id, handle={"route": routed.route.name, **handle})
        self._url(accepted, "poll")
        return accepted, run

    async def _answered(self, routed: Routed, submission: Submission) -> Answer:
        """Of a runner whose answer is the image."""
        reply = await self._submitted(routed, submission)
        request_id = reply.headers.get("x-request-id") or None
        seconds = seconds_of(reply)
        cost = _by_time(routed.model, seconds)
        images = fal_images(reply) if routed.route.name == "fal-ai" else (image_in(reply, request_id, cost),)
        if not images:
            raise no_image("unknown", request_id)
        check_some(images, lambda file: no_image("yes", request_id, cost, file=file))
        used = Quantities(images=len(images), megapixels=routed.quantities.megapixels, seconds=seconds)
        return Answer(request_id=request_id, images=images, usage=used)

    async def _wait(self, accepted: Accepted, run: Run | None) -> Answer:
        """The answer once the call is over. ``run`` is what its submission told, if that was just now."""
        until, pause = self._http.clock() + self._http.timeouts.total_s, _FIRST_POLL_S
        while run is None or run.state == "waiting":
            if run is not None:
                if self._http.clock() >= until:
                    raise self._too_late(accepted)
                await self._http.sleep(pause)
                pause = min(_LONGEST_POLL_S, pause * _POLL_GROWTH)
            run = await self._polled(accepted)
        if run.state == "failed":
            raise ended(run.error, accepted)
        if run.state == "unknown":
            raise BadAnswer(
                "The call has a status that its runner's protocol does not have.",
                provider=self.name,
                charged="unknown",
                request_id=accepted.request_id,
            )
        images = run.images or await self._result(accepted)
        if not images:
            raise no_image("yes", accepted.request_id)
        check_some(images, lambda file: no_image("yes", accepted.request_id, file=file))
        return Answer(request_id=accepted.request_id, images=images, usage=Quantities(images=len(images)))

    async def _polled(self, accepted: Accepted) -> Run:
        reply = await self._follow(accepted, "poll", limit=_LIMIT)
        run = run_of(str(accepted.handle.get("route")), reply) if reply.status in _MADE else None
        if run is None:
            raise VENDOR.lost_track(reply, accepted.request_id, "call")
        return run

    async def _result(self, accepted: Accepted) -> tuple[ResultImage, ...]:
        """fal's result, which is apart from its status; a call that has failed tells so here."""
        if "result" not in accepted.handle:
            return ()
        reply = await self._follow(accepted, "result", limit=_LIMIT)
        if reply.status == 200:
            return fal_images(reply)
        problem = refused(reply)
        problem.charged, problem.request_id = "unknown", accepted.request_id
        raise problem

    def _headers(self) -> dict[str, str]:
        paid_by = {"X-HF-Bill-To": self._bill_to} if self._bill_to else {}
        return {"Authorization": f"Bearer {self._key.reveal()}", **paid_by}


def _by_time(model: Model, seconds: float | None) -> int | None:
    """The charge itself, where time is what is paid for and it was told."""
    if model.price is None or model.price.unit != "second" or seconds is None:
        return None
    return charge(model.price, Quantities(seconds=seconds), {})


def _wishes(routed: Routed) -> dict[str, str]:
    """Headers that Hugging Face's own client sends with a call for an image."""
    prefer = {"Prefer": "wait"} if routed.route.name == "replicate" else {}
    return {"Accept": "image/png", **prefer}
