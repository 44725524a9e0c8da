"""fal.ai's queue: submit, poll, fetch the result, download the files; a submitted call can be canceled and resumed.

Wire facts: fal's docs (queue, errors, FAQ) and the official fal-client 1.0.3. There is no failed state: a call has
failed when its status is COMPLETED with an error, or when its result answers 4xx or 5xx. Server errors are documented
as never charged; a 422 may be, "if a runner spent GPU time" on it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlsplit

from typing_extensions import Self

from .. import log
from ..errors import BadAnswer, ProviderDown, ProviderError, ResultLost
from ..metering.prices import Quantities
from .base import Accepted, Answer, OnAccepted, Prepared, Provider, ResultImage
from .fal_answer import answer_of
from .fal_errors import completed_error, failed, lost_track, refused_submit, state_of, unreached
from .fal_input import put_input
from .http import MIB, Again, Failure, Forbidden, HttpClient, NotSent, Reply, TooLarge, is_safe, origin
from .imagefile import is_whole
from .limits import check, megapixels
from .model import Model
from .pace import Pace
from .request import GenerationRequest
from .secret import Secret

_CANCEL_PATIENCE_S = 5.0
_STATUS_LIMIT = 1 * MIB
_RESULT_LIMIT = 8 * MIB
_WAITING = frozenset({"IN_QUEUE", "IN_PROGRESS"})
_URLS = ("status_url", "response_url", "cancel_url")

logger = log.get("providers.fal")


@dataclass(frozen=True)
class Hosts:
    """Where fal is. ``media`` is a host suffix in live mode, and unused in a sandbox, which has one origin for all."""

    queue: str = "https://queue.fal.run"
    api: tuple[str, ...] = ("fal.run",)
    media: tuple[str, ...] = ("fal.media", "fal.run")

    def is_api(self, url: str) -> bool:
        """Whether the key may travel there."""
        return self._is_own(url, self.api)

    def is_media(self, url: str) -> bool:
        """Whether a result file may be fetched there (without the key)."""
        return self._is_own(url, self.media)

    def _is_own(self, url: str, domains: tuple[str, ...]) -> bool:
        if not is_safe(url):
            return False
        host = urlsplit(url).hostname or ""
        return origin(url) == origin(self.queue) or any(host == one or host.endswith(f".{one}") for one in domains)


class Fal(Provider):
    """See the module's text."""

    name: ClassVar[str] = "fal"
    resumable: ClassVar[bool] = True

    def __init__(self, http: HttpClient, *, key: Secret, hosts: Hosts | None = None) -> None:
        self._http, self._key, self._hosts = http, key, hosts or Hosts()
        self._pace = Pace()

    @classmethod
    def open(
        cls, http: HttpClient, *, key: Secret, sandbox_url: str | None = None, base_url: str | None = None
    ) -> Self:
        """Against the live queue (behind ``base_url`` where that is given), or a sandbox's."""
        if sandbox_url is None:
            return cls(http, key=key, hosts=Hosts(queue=base_url.rstrip("/")) if base_url else None)
        return cls(http, key=key, hosts=Hosts(queue=f"{sandbox_url.rstrip('/')}/fal/queue", api=(), media=()))

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        checked = check(model, request)
        fields: dict[str, Any] = {**_prompt(model, request), **checked.wire}
        if checked.seed is not None:
            fields["seed"] = checked.seed
        if model.negative_prompt and request.negative_prompt:
            fields["negative_prompt"] = request.negative_prompt
        if model.max_count > 1:
            fields["num_images"] = request.count
        size, ignored = put_input(model, request, fields)
        return Prepared(
            model=model,
            path=model.endpoint[request.task],
            fields=fields,
            seed=checked.seed,
            ignored=checked.ignored + ignored,
            quantities=Quantities(images=request.count, megapixels=megapixels(model, size)),
            parameters=checked.parameters,
        )

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        reply = await self._submit(prepared)
        accepted = self._accepted(prepared, reply)
        async with self._canceled_with_us(accepted):
            await on_accepted(accepted)
            return await self._wait(accepted, prepared.path)

    async def resume(self, prepared_model: Model, accepted: Accepted) -> Answer:
        async with self._canceled_with_us(accepted):
            return await self._wait(accepted)

    async def fetch(self, image: ResultImage) -> bytes:
        if image.data is not None:
            return image.data
        try:
            reply = await self._http.download(image.url or "", allowed=self._hosts.is_media)
        except (Forbidden, TooLarge) as failure:
            raise ResultLost(f"fal's file is not fetched ({failure}).", provider=self.name, charged="yes") from None
        except Failure as failure:
            raise ProviderDown(
                f"fal's file cannot be fetched ({failure}).", provider=self.name, charged="yes"
            ) from None
        if reply.status in (403, 404, 410):
            problem = f"fal no longer has the file (it answers {reply.status})."
            raise ResultLost(problem, provider=self.name, charged="yes", status=reply.status)
        if reply.status != 200:
            problem = f"fal's file answers {reply.status}."
            raise ProviderDown(problem, provider=self.name, charged="yes", status=reply.status)
        if not is_whole(reply.body):
            raise BadAnswer("fal's file is broken or no image.", provider=self.name, charged="yes", status=200)
        return reply.body

    async def cancel(self, accepted: Accepted) -> bool:
        url = self._url(accepted, "cancel_url")
        try:
            reply = await self._http.send("PUT", url, headers=self._headers(), repeat="idempotent")
            # An answer of 202 only says that the wish was heard: late in the queue a call may still be done. And one
            # that was canceled before is "already completed". So the call's status decides.
            status = await self._follow(accepted, "status_url", _STATUS_LIMIT)
        except (Failure, ProviderError):
            return False
        forgotten = reply.status in (200, 202) and status.status == 404
        return forgotten or completed_error(status) is not None

    # -- the steps of a call ------------------------------------------------------------------------------------

    async def _submit(self, prepared: Prepared) -> Reply:
        url = f"{self._hosts.queue}/{prepared.path}"
        try:
            reply = await self._http.send(
                "POST", url, headers=self._headers(), json=prepared.fields, max_bytes=_STATUS_LIMIT, repeat="unsent"
            )
        except Failure as failure:
            problem = unreached(failure, "no" if isinstance(failure, NotSent) else "unknown")
        else:
            if reply.status in (200, 201, 202):
                return reply
            problem = refused_submit(reply)
        raise problem

    def _accepted(self, prepared: Prepared, reply: Reply) -> Accepted:
        try:
            body = reply.json()
        except ValueError:
            body = {}
        texts = {name: body.get(name) for name in ("request_id", *_URLS)}
        if not all(isinstance(text, str) and text for text in texts.values()):
            raise BadAnswer("fal's answer to the submission names no request.", provider=self.name, charged="unknown")
        handle = {**texts, "app": prepared.path, "megapixels": prepared.quantities.megapixels}
        accepted = Accepted(request_id=str(body["request_id"]), handle=handle)
        for name in _URLS:
            self._url(accepted, name)
        return accepted

    async def _wait(self, accepted: Accepted, fresh: str | None = None) -> Answer:
        """The answer once there is one. ``fresh`` is the app of a call that was submitted just now."""
        error = completed_error(await self._poll(accepted, fresh))
        # The result of a call that has failed is its error: asking again would only tell the same.
        again = (lambda _: False) if error else None
        reply = await self._follow(accepted, "response_url", _RESULT_LIMIT, again)
        if reply.status != 200 or error is not None:
            raise failed(reply, accepted, error)
        return answer_of(reply, accepted)

    async def _poll(self, accepted: Accepted, fresh: str | None) -> Reply:
        """The first status that is neither waiting nor working."""
        since = self._http.clock()
        until = since + self._http.timeouts.total_s
        for pause in self._pace.pauses(fresh):
            if pause:
                await self._http.sleep(pause)
            reply = await self._follow(accepted, "status_url", _STATUS_LIMIT)
            state = state_of(reply)
            if state not in _WAITING:
                if fresh is not None:
                    self._pace.took(fresh, self._http.clock() - since)
                return self._ended(reply, state, accepted)
            if self._http.clock() >= until:
                break
        return await self._give_up(accepted)

    def _ended(self, reply: Reply, state: str | None, accepted: Accepted) -> Reply:
        if state == "COMPLETED":
            return reply
        if reply.status >= 400:
            raise lost_track(reply, accepted)
        problem = f"fal's status is {state!r}, which its protocol does not have."
        raise BadAnswer(problem, provider=self.name, charged="unknown", request_id=accepted.request_id)

    async def _give_up(self, accepted: Accepted) -> NoReturn:
        gone = await self.cancel(accepted)
        raise ProviderDown(
            f"fal did not finish within {self._http.timeouts.total_s:g} s.",
            hint="Raise MINTMARK_PROVIDER_TIMEOUT_S, or try again later.",
            provider=self.name,
            charged="no" if gone else "unknown",
            request_id=accepted.request_id,
        )

    @contextlib.asynccontextmanager
    async def _canceled_with_us(self, accepted: Accepted) -> AsyncIterator[None]:
        """When we are canceled, the remote call is too: otherwise it would go on and be charged."""
        try:
            yield
        except asyncio.CancelledError:
            logger.info("canceling %s", accepted.request_id, extra=log.action("remote_cancel"))
            asked = asyncio.create_task(self.cancel(accepted), name=f"fal-cancel-{accepted.request_id}")
            try:
                # Shielded: whoever cancels us twice is in a hurry, but not in such a hurry that money may burn.
                with contextlib.suppress(asyncio.TimeoutError, ProviderError):
                    await asyncio.wait_for(asyncio.shield(asked), _CANCEL_PATIENCE_S)
            finally:
                asked.add_done_callback(_retrieve)
            raise

    # -- requests -----------------------------------------------------------------------------------------------

    async def _follow(self, accepted: Accepted, name: str, limit: int, again: Again | None = None) -> Reply:
        """GET one of the call's URLs. The call was accepted, so whatever goes wrong here, its charge is unknown."""
        url = self._url(accepted, name)
        try:
            return await self._http.send(
                "GET", url, headers=self._headers(), max_bytes=limit, repeat="idempotent", again=again
            )
        except Failure as failure:
            problem = unreached(failure, "unknown", accepted.request_id)
        raise problem

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Key {self._key.reveal()}"}

    def _url(self, accepted: Accepted, name: str) -> str:
        """A URL as fal gave it, if the key may travel there."""
        url = str(accepted.handle.get(name, ""))
        if not self._hosts.is_api(url):
            raise BadAnswer(
                f"fal's {name} is not on fal's own hosts; the key is not sent there.",
                provider=self.name,
                charged="unknown",
                request_id=accepted.request_id,
            )
        return url


def _prompt(model: Model, request: GenerationRequest) -> dict[str, str]:
    """An app has no such field where the catalog says so, and a default of its own where words are optional."""
    needs = model.prompt.get(request.task)
    return {} if needs == "none" or (needs and not request.prompt.strip()) else {"prompt": request.prompt}


def _retrieve(task: asyncio.Task[bool]) -> None:
    """Look at the outcome of a task nobody waits for any more, so that asyncio does not complain of it."""
    if not task.cancelled():
        task.exception()
