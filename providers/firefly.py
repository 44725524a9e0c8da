"""Adobe Firefly Services: images are uploaded, a job is submitted, its status asked by URL, its files downloaded.

Wire facts: Adobe's own OpenAPI of the Firefly API 3.0.0 (the copy that ahmed-musallam/adobe-firefly-client keeps) and
developer.adobe.com/firefly-services, read 2026-11-21. Who asks is a client id (``x-api-key``) and a token of Adobe's
IMS, which the client secret buys (``firefly_ims.py``). Jobs live on several hosts of Adobe's (firefly-epo*.adobe.io):
their URLs are used as returned, and only below ``adobe.io``, as the token goes with them. Files are on Adobe's storage
in others' clouds, at signed URLs that last an hour.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from typing_extensions import Self

from ..errors import BadAnswer, BadSetting, ProviderError
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared
from .firefly_answer import accepted_of, answer_of, word_of
from .firefly_errors import CANCELED, VENDOR, ended, lost_track, refused, rejects_token
from .firefly_ims import ims_tokens
from .firefly_request import placed, prepared_of
from .hosts import Hosts, base_of
from .http import MIB, Failure, HttpClient, Reply
from .model import Model
from .pace import Pace
from .queued import Queued
from .refusals import Vendor
from .request import GenerationRequest
from .secret import Secret
from .submission import Submission, canceled_with_us, told_to_stop
from .tokens import Tokens

BASE_URL = "https://firefly-api.adobe.io"
_LIMIT = 1 * MIB
_STATUS, _CANCEL = "statusUrl", "cancelUrl"
_OVER = frozenset({"failed", "timeout", *CANCELED})
_SANDBOX_CLIENT = "sandbox"


class Firefly(Queued):
    """See the module's text."""

    name: ClassVar[str] = "firefly"
    vendor: ClassVar[Vendor] = VENDOR
    lifetime: ClassVar[str] = "its URL lasts an hour"
    live: ClassVar[Hosts] = Hosts(
        base=BASE_URL,
        api=("adobe.io",),
        # Where signed URLs point is not documented: Adobe's own hosts, and the clouds it names for what goes in.
        media=("adobe.io", "adobe.com", "amazonaws.com", "windows.net", "storage.googleapis.com"),
    )
    sandbox: ClassVar[str] = "/firefly"

    def __init__(
        self, http: HttpClient, *, key: Secret, client_id: str, tokens: Tokens, hosts: Hosts | None = None
    ) -> None:
        super().__init__(http, key=key, hosts=hosts)
        self._client_id, self._tokens = client_id, tokens
        self._pace = Pace()

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
        """Against the live API (behind ``base_url`` where that is given; tokens still come from Adobe), or a sandbox's.

        Raises BadSetting where the client id is not known.
        """
        client_id = options.get("client_id") or (_SANDBOX_CLIENT if sandbox_url else "")
        if not client_id:
            raise BadSetting(
                "Firefly's client id is not known.",
                hint="Set FIREFLY_SERVICES_CLIENT_ID, or MINTMARK_PROVIDER_OPTIONS=firefly.client_id=...",
            )
        tokens = ims_tokens(http, client_id=client_id, secret=key, sandbox_url=sandbox_url)
        base = base_of(cls.live.base, cls.sandbox, sandbox_url, base_url)
        hosts = Hosts(base) if sandbox_url else Hosts(base, api=cls.live.api, media=cls.live.media)
        return cls(http, key=key, client_id=client_id, tokens=tokens, hosts=hosts)

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        return prepared_of(model, request)

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        async def see_off(accepted: Accepted) -> None:
            await on_accepted(accepted)
            await told_to_stop(self.cancel, accepted)

        submission = Submission()
        submitting = self._submit(prepared, submission)
        accepted = await submission.answered(submitting, provider=self.name, see_off=see_off)
        async with canceled_with_us(self.cancel, accepted):
            await on_accepted(accepted)
            return await self._wait(accepted, prepared.path)

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        async with canceled_with_us(self.cancel, accepted):
            return await self._wait(accepted)

    async def cancel(self, accepted: Accepted) -> bool:
        url = self._url(accepted, _CANCEL)
        try:
            headers = await self._authorized()
            await self._http.send("PUT", url, headers=headers, max_bytes=_LIMIT, repeat="idempotent")
            # The wish may be pending, or too late: the job's own word decides.
            return word_of(await self._poll(accepted)) in CANCELED
        except (Failure, ProviderError):
            return False

    # -- the steps of a call ------------------------------------------------------------------------------------

    async def _submit(self, prepared: Prepared, submission: Submission) -> Accepted:
        uploads = {place: await self._upload(data, kind) for place, _, kind, data in prepared.files}
        body = placed(prepared.fields, uploads)
        version = prepared.model.wire.get("version")
        more = {"x-model-version": version} if version else {}
        reply = await self._renewing(
            lambda: self._post(prepared.path, body, submission, limit=_LIMIT, more=more), submission
        )
        if reply.status not in (200, 201, 202):
            raise refused(reply)
        accepted = accepted_of(reply)
        for name in (_STATUS, _CANCEL):
            self._url(accepted, name)
        return accepted

    async def _upload(self, data: bytes, media_type: str) -> str:
        """The id of a stored image. Nothing was asked for yet, so nothing of this is charged."""

        async def sent() -> Reply:
            headers = {**await self._authorized(), "Content-Type": media_type}
            url = f"{self._hosts.base}/v2/storage/image"
            return await self._http.send("POST", url, headers=headers, data=data, max_bytes=_LIMIT, repeat="idempotent")

        try:
            reply = await self._renewing(sent)
        except Failure as failure:
            raise self.vendor.unreached(failure, "no") from None
        if reply.status != 200:
            problem = refused(reply)
            problem.charged = "no"
            raise problem
        try:
            upload = reply.json()["images"][0]["id"]
        except (ValueError, KeyError, IndexError, TypeError):
            upload = None
        if not (isinstance(upload, str) and upload):
            raise BadAnswer("Firefly's answer to the upload names no image.", provider=self.name, charged="no")
        return upload

    async def _wait(self, accepted: Accepted, fresh: str | None = None) -> Answer:
        """The answer once the job is over. ``fresh`` is the endpoint of a job that was submitted just now."""
        since = self._http.clock()
        for pause in self._pace.pauses(fresh):
            if pause:
                await self._http.sleep(pause)
            reply = await self._poll(accepted)
            word = word_of(reply)
            if word is None:
                raise lost_track(reply, accepted)
            took = self._http.clock() - since
            if word == "succeeded":
                if fresh is not None:
                    self._pace.took(fresh, took)
                return answer_of(reply, accepted)
            if word in _OVER:
                raise ended(word, reply, accepted)
            # Any other word means "not yet": pending, running, cancel_pending, or one that is new.
            if took >= self._http.timeouts.total_s:
                break
        raise await self._given_up(accepted)

    async def _given_up(self, accepted: Accepted) -> ProviderError:
        gone = await self.cancel(accepted)
        return self._too_late(accepted, "no" if gone else "unknown")

    async def _poll(self, accepted: Accepted) -> Reply:
        try:
            return await self._renewing(lambda: self._follow(accepted, _STATUS, limit=_LIMIT))
        except ProviderError as problem:
            # Where only the token is missing, the job goes on all the same.
            problem.charged = "unknown"
            problem.request_id = accepted.request_id
            raise

    # -- who asks -----------------------------------------------------------------------------------------------

    async def _renewing(self, ask: Callable[[], Awaitable[Reply]], submission: Submission | None = None) -> Reply:
        """The answer to a request. A token that is not taken any more is renewed, once: nothing was done for it."""
        token = await self._tokens.get()
        reply = await ask()
        if not rejects_token(reply):
            return reply
        self._tokens.refused(token)
        if submission is not None and not await submission.rest(self._http.sleep, 0.0):
            return reply
        return await ask()

    async def _authorized(self) -> dict[str, str]:
        return {**self._headers(), **await self._tokens.headers()}

    def _headers(self) -> dict[str, str]:
        return {"x-api-key": self._client_id}
