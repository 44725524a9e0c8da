"""Black Forest Labs' API: submit, poll the URL that the answer names, download the image. There is no way to cancel.

Wire facts: docs.bfl.ai and api.bfl.ai/openapi.json. A task lives on one of several hosts of theirs, so its polling URL
is used as returned, and only under ``bfl.ai``: the key goes with it. The image's signed URL lasts about ten minutes.
"""

from __future__ import annotations

from typing import ClassVar

from .. import log
from .base import Accepted, Answer, OnAccepted, Prepared
from .bfl_answer import accepted_of, answer_of, word_of
from .bfl_errors import MODERATED, VENDOR, ended_badly, lost_track, refused_submit
from .bfl_request import prepared_of
from .hosts import Hosts
from .http import MIB, HttpClient, Reply, passing
from .model import Model
from .pace import Pace
from .queued import Queued
from .refusals import Vendor
from .request import GenerationRequest
from .secret import Secret
from .submission import Submission

BASE_URL = "https://api.bfl.ai/v1"
"""The global one; ``api.eu.bfl.ai`` and ``api.us.bfl.ai`` keep data in their region (MINTMARK_PROVIDER_URLS)."""
_LIMIT = 1 * MIB
_POLL = "polling_url"
_WORKING = frozenset({"Pending", "Reasoning", "Generating"})
_OVER = frozenset({"Error", "Task not found", *MODERATED})

logger = log.get("providers.bfl")


class Bfl(Queued):
    """See the module's text."""

    name: ClassVar[str] = "bfl"
    vendor: ClassVar[Vendor] = VENDOR
    lifetime: ClassVar[str] = "its URL lasts about ten minutes"
    live: ClassVar[Hosts] = Hosts(base=BASE_URL, api=("bfl.ai",), media=("bfl.ai",))
    sandbox: ClassVar[str] = "/bfl/v1"
    bare: ClassVar[str] = "/v1"

    def __init__(self, http: HttpClient, *, key: Secret, hosts: Hosts | None = None) -> None:
        super().__init__(http, key=key, hosts=hosts)
        self._pace = Pace()

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        return prepared_of(model, request)

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        submission = Submission()
        submitting = self._submit(prepared, submission)
        # Nothing can stop it, but whoever knows its name can learn what it costs.
        accepted = await submission.answered(submitting, provider=self.name, see_off=on_accepted)
        await on_accepted(accepted)
        return await self._wait(accepted, prepared.path)

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        return await self._wait(accepted)

    async def cancel(self, accepted: Accepted) -> bool:
        """Always False: BFL has no such call. The task goes on, and what it costs is learned by resuming it."""
        return False

    # -- the steps of a call ------------------------------------------------------------------------------------

    async def _submit(self, prepared: Prepared, submission: Submission) -> Accepted:
        reply = await self._post(prepared.path, prepared.fields, submission, limit=_LIMIT)
        if reply.status not in (200, 201, 202):
            raise refused_submit(reply)
        accepted = accepted_of(reply, prepared)
        self._url(accepted, _POLL)
        return accepted

    async def _wait(self, accepted: Accepted, fresh: str | None = None) -> Answer:
        """The answer once the task is over. ``fresh`` is the endpoint of a task that was submitted just now."""
        since = self._http.clock()
        for pause in self._pace.pauses(fresh):
            if pause:
                await self._http.sleep(pause)
            reply = await self._poll(accepted)
            word = word_of(reply)
            if word is None:
                raise lost_track(reply, accepted)
            took = self._http.clock() - since
            if word == "Ready":
                if fresh is not None:
                    self._pace.took(fresh, took)
                return answer_of(reply, accepted)
            if word in _OVER:
                raise ended_badly(word, reply, accepted)
            if word not in _WORKING:
                # BFL's list of words has grown before, by ones that mean "not yet"; time bounds it all the same.
                logger.info("unknown status %r of %s", word[:40], accepted.request_id, extra=log.action("odd_status"))
            if took >= self._http.timeouts.total_s:
                break
        raise self._too_late(accepted)

    async def _poll(self, accepted: Accepted) -> Reply:
        # An answer with a status word is one, whatever HTTP status it comes with.
        return await self._follow(
            accepted, _POLL, limit=_LIMIT, again=lambda reply: passing(reply) and word_of(reply) is None
        )

    def _headers(self) -> dict[str, str]:
        return {"x-key": self._key.reveal()}
