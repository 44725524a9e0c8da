"""fal.ai's queue: submit, poll, fetch the result, download the files; a submitted call can be canceled and resumed.

Wire facts: fal's docs (queue, errors, FAQ) and the official fal-client 1.0.3. There is no failed state: a call has
failed when its status is COMPLETED with an error, or when its result answers 4xx or 5xx. Server errors are documented
as never charged; a 422 may be, "if a runner spent GPU time" on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from typing_extensions import Self

from ..errors import BadAnswer, ProviderError
from ..metering.prices import Quantities
from .apps import fal as apps
from .apps.asking import document, unknown
from .apps.published import Published
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared
from .fal_answer import answer_of
from .fal_errors import VENDOR, completed_error, failed, lost_track, refused_submit, state_of
from .fal_input import put_input
from .fal_storage import LARGEST_DATA_URI, Storage
from .hosts import Hosts
from .http import MIB, Failure, HttpClient, Reply
from .limits import check, megapixels
from .model import Model
from .pace import Pace
from .queued import Queued
from .refusals import Vendor
from .request import GenerationRequest
from .secret import Secret
from .submission import Submission, canceled_with_us, told_to_stop
from .uploading import uploaded

_REST = "https://rest.fal.ai"
_STATUS_LIMIT = 1 * MIB
_RESULT_LIMIT = 64 * MIB
"""With ``sync_mode`` a result holds its images."""
_WAITING = frozenset({"IN_QUEUE", "IN_PROGRESS"})
_URLS = ("status_url", "response_url", "cancel_url")


class Fal(Queued):
    """See the module's text."""

    name: ClassVar[str] = "fal"
    vendor: ClassVar[Vendor] = VENDOR
    lifetime: ClassVar[str] = "how long it keeps files is set in its account"
    live: ClassVar[Hosts] = Hosts(base="https://queue.fal.run", api=("fal.run",), media=("fal.media", "fal.run"))
    sandbox: ClassVar[str] = "/fal/queue"

    def __init__(self, http: HttpClient, *, key: Secret, hosts: Hosts | None = None) -> None:
        super().__init__(http, key=key, hosts=hosts)
        self._pace = Pace()
        self._site = apps.SITE
        self._storage = Storage(http, rest=_REST, hosts=self._hosts, headers=self._headers)

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
        opened = super().open(http, key=key, sandbox_url=sandbox_url, base_url=base_url, options=options)
        if sandbox_url is not None:
            # A gateway stands before the queue alone; a sandbox has fal's other hosts too.
            at = f"{sandbox_url.rstrip('/')}/fal"
            opened._site = f"{at}/site"
            opened._storage = Storage(http, rest=f"{at}/rest", hosts=opened._hosts, headers=opened._headers)
        return opened

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        checked = check(model, request)
        fields: dict[str, Any] = {**_prompt(model, request), **checked.wire}
        if checked.seed is not None:
            fields["seed"] = checked.seed
        if model.negative_prompt and request.negative_prompt:
            fields["negative_prompt"] = request.negative_prompt
        if model.max_count > 1:
            fields[model.wire.get("count", "num_images")] = request.count
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
        url = self._url(accepted, "cancel_url")
        try:
            reply = await self._http.send("PUT", url, headers=self._headers(), repeat="idempotent")
            # An answer of 202 only says that the wish was heard: late in the queue a call may still be done. And one
            # that was canceled before is "already completed". So the call's status decides.
            status = await self._follow(accepted, "status_url", limit=_STATUS_LIMIT)
        except (Failure, ProviderError):
            return False
        forgotten = reply.status in (200, 202) and status.status == 404
        return forgotten or completed_error(status) is not None

    async def published(self, app: str) -> Published:
        """What fal publishes of an app; the document is anybody's, so no key goes with the question."""
        told = await document(self._http, f"{self._site}{apps.PATH}{app}", {}, vendor=VENDOR, app=app)
        found = apps.read(app, told)
        if found is None:
            raise unknown(VENDOR, app)
        return found

    # -- the steps of a call ------------------------------------------------------------------------------------

    async def _submit(self, prepared: Prepared, submission: Submission) -> Accepted:
        body = await uploaded(prepared.fields, self._storage.upload, largest=LARGEST_DATA_URI)
        reply = await self._post(prepared.path, body, submission, limit=_STATUS_LIMIT)
        if reply.status not in (200, 201, 202):
            raise refused_submit(reply)
        return self._accepted(prepared, reply)

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
        reply = await self._follow(accepted, "response_url", limit=_RESULT_LIMIT, again=again)
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
            reply = await self._follow(accepted, "status_url", limit=_STATUS_LIMIT)
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
        raise self._too_late(accepted, "no" if gone else "unknown")

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Key {self._key.reveal()}"}


def _prompt(model: Model, request: GenerationRequest) -> dict[str, str]:
    """An app has no such field where the catalog says so, and a default of its own where words are optional."""
    needs = model.prompt.get(request.task)
    return {} if needs == "none" or (needs and not request.prompt.strip()) else {"prompt": request.prompt}
