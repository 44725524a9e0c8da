"""Black Forest Labs' API: submit, poll the URL that the answer names, download the image. There is no way to cancel.

Wire facts: docs.bfl.ai and api.bfl.ai/openapi.json. A task lives on one of several hosts of theirs, so its polling URL
is used as returned, and only under ``bfl.ai``: the key goes with it. The image's signed URL lasts about ten minutes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from typing_extensions import Self

from .. import log
from ..errors import ProviderDown
from .base import Accepted, Answer, OnAccepted, Prepared, Provider, ResultImage
from .bfl_answer import accepted_of, answer_of, word_of
from .bfl_errors import MODERATED, ended_badly, lost_track, refused_submit, unreached
from .bfl_request import prepared_of
from .download import downloaded
from .hosts import Hosts, below
from .http import MIB, Failure, HttpClient, NotSent, Reply, passing
from .model import Model
from .pace import Pace
from .request import GenerationRequest
from .secret import Secret
from .submission import Submission

BASE_URL = "https://api.bfl.ai/v1"
"""The global one; ``api.eu.bfl.ai`` and ``api.us.bfl.ai`` keep data in their region (MINTMARK_PROVIDER_URLS)."""
_LIMIT = 1 * MIB
_WORKING = frozenset({"Pending", "Reasoning", "Generating"})
_OVER = frozenset({"Error", "Task not found", *MODERATED})

logger = log.get("providers.bfl")


LIVE = Hosts(base=BASE_URL, api=("bfl.ai",), media=("bfl.ai",))


class Bfl(Provider):
    """See the module's text."""

    name: ClassVar[str] = "bfl"
    resumable: ClassVar[bool] = True

    def __init__(self, http: HttpClient, *, key: Secret, hosts: Hosts = LIVE) -> None:
        self._http, self._key, self._hosts = http, key, hosts
        self._pace = Pace()

    @classmethod
    def open(
        cls, http: HttpClient, *, key: Secret, sandbox_url: str | None = None, base_url: str | None = None
    ) -> Self:
        """Against the live API (``base_url``: a region's, or a gateway of the user's own), or a sandbox's."""
        if sandbox_url is not None:
            return cls(http, key=key, hosts=Hosts(base=f"{sandbox_url.rstrip('/')}/bfl/v1"))
        return cls(http, key=key, hosts=replace(LIVE, base=below(base_url, "/v1")) if base_url else LIVE)

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        return prepared_of(model, request)

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        submission = Submission()
        submitting = self._submit(prepared, submission)
        # Nothing can stop it, but whoever knows its name can learn what it costs.
        accepted = await submission.answered(submitting, provider=self.name, see_off=on_accepted)
        await on_accepted(accepted)
        return await self._wait(accepted, prepared.path)

    async def resume(self, prepared_model: Model, accepted: Accepted) -> Answer:
        return await self._wait(accepted)

    async def fetch(self, image: ResultImage) -> bytes:
        return await downloaded(
            self._http,
            image,
            allowed=self._hosts.is_media,
            provider=self.name,
            title="BFL",
            lifetime="its URL lasts about ten minutes",
        )

    async def cancel(self, accepted: Accepted) -> bool:
        """Always False: BFL has no such call. The task goes on, and what it costs is learned by resuming it."""
        return False

    # -- the steps of a call ------------------------------------------------------------------------------------

    async def _submit(self, prepared: Prepared, submission: Submission) -> Accepted:
        url = f"{self._hosts.base}/{prepared.path}"
        try:
            reply = await self._http.send(
                "POST",
                url,
                headers=self._headers(),
                json=prepared.fields,
                max_bytes=_LIMIT,
                repeat="unsent",
                submission=submission,
            )
        except Failure as failure:
            problem = unreached(failure, "no" if isinstance(failure, NotSent) else "unknown")
        else:
            if reply.status in (200, 201, 202):
                accepted = accepted_of(reply, prepared)
                self._polling_url(accepted)
                return accepted
            problem = refused_submit(reply)
        raise problem

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
        """The task was accepted, so whatever goes wrong here, its charge is unknown."""
        url = self._polling_url(accepted)
        try:
            # An answer with a status word is one, whatever HTTP status it comes with.
            return await self._http.send(
                "GET",
                url,
                headers=self._headers(),
                max_bytes=_LIMIT,
                repeat="idempotent",
                again=lambda reply: passing(reply) and word_of(reply) is None,
            )
        except Failure as failure:
            problem = unreached(failure, "unknown", accepted.request_id)
        raise problem

    def _too_late(self, accepted: Accepted) -> ProviderDown:
        return ProviderDown(
            f"BFL did not finish within {self._http.timeouts.total_s:g} s.",
            hint="Raise MINTMARK_PROVIDER_TIMEOUT_S, or try again later.",
            provider=self.name,
            charged="unknown",
            request_id=accepted.request_id,
        )

    def _headers(self) -> dict[str, str]:
        return {"x-key": self._key.reveal()}

    def _polling_url(self, accepted: Accepted) -> str:
        return self._hosts.followed(accepted, "polling_url", provider=self.name, title="BFL")
