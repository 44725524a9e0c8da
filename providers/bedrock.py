"""Image models on Amazon Bedrock: one JSON body in, one JSON answer with the images in it (InvokeModel).

Wire facts: botocore 1.44.5 (its model of bedrock-runtime 2023-09-30, and what it sends to a local server); the user
guides of Bedrock ("Stability AI models", "Stability AI Image Services") and of Nova ("Image generation and editing",
"Error handling"), read in excerpts 2026-11-21. A call has no name that one could ask about later, so a lost one's
charge is unknown; and the SDK's own repeating of such calls is not imitated.

There are two vendors' words behind the one call: see ``bedrock_request.py`` and ``bedrock_nova.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import quote

from typing_extensions import Self

from ..errors import ChargeUnknown, ResultLost
from ..metering.prices import Quantities
from . import bedrock_nova, bedrock_request
from .aws import Account, bearer, region_of
from .base import NO_OPTIONS, Accepted, Answer, OnAccepted, Prepared, Provider, ResultImage
from .bedrock_answer import answer_of
from .bedrock_errors import VENDOR, refusal
from .hosts import base_of
from .http import Failure, HttpClient, Reply
from .limits import check
from .model import Model
from .request import GenerationRequest
from .secret import Secret
from .submission import Submission

SANDBOX_PREFIX = "/bedrock"
_SERVICE = "bedrock"
"""As which requests are signed; the host is called otherwise."""
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class Bedrock(Provider):
    """See the module's text."""

    name: ClassVar[str] = "bedrock"
    resumable: ClassVar[bool] = False

    def __init__(self, http: HttpClient, *, key: Secret, base_url: str, region: str) -> None:
        self._http, self._key, self._base_url, self._region = http, key, base_url, region
        self._account = None if key else Account(self.name)

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
        """In the region of ``options``, or in Oregon; without a key, as this machine's AWS account.

        Raises BadSetting for a region that is none, and MissingExtra where an account needs botocore.
        """
        region = region_of(cls.name, options)
        live = f"https://bedrock-runtime.{region}.amazonaws.com"
        return cls(http, key=key, base_url=base_of(live, SANDBOX_PREFIX, sandbox_url, base_url), region=region)

    def prepare(self, model: Model, request: GenerationRequest) -> Prepared:
        checked = check(model, request)
        words = bedrock_nova if bedrock_nova.speaks(model.endpoint[request.task]) else bedrock_request
        fields, ignored = words.fields_of(model, request, checked)
        return Prepared(
            model=model,
            path=f"model/{quote(model.endpoint[request.task], safe='')}/invoke",
            fields=fields,
            seed=checked.seed,
            ignored=checked.ignored + ignored,
            quantities=Quantities(images=request.count),
            parameters=checked.parameters,
        )

    async def ask(self, prepared: Prepared, *, call_id: str, on_accepted: OnAccepted) -> Answer:
        # Bedrock has no field for an id of ours, and its answer is the image, which nobody who leaves can wait for.
        submission = Submission()
        work = self._answered(prepared, submission)
        return await submission.at_once(work, provider=self.name, on_accepted=on_accepted)

    async def _answered(self, prepared: Prepared, submission: Submission) -> Answer:
        return answer_of(prepared, await self._sent(prepared, submission))

    async def _sent(self, prepared: Prepared, submission: Submission) -> Reply:
        url = f"{self._base_url}/{prepared.path}"
        if self._account is None:
            sign = bearer(self._key)
        else:
            sign = self._account.signer("POST", url, service=_SERVICE, region=self._region)
        try:
            # Only a 429 is repeated: throttled, or a model that is not ready yet.
            reply = await self._http.send(
                "POST", url, headers=_JSON, json=prepared.fields, repeat="unsent", submission=submission, sign=sign
            )
        except Failure as failure:
            problem = VENDOR.submission(failure)
        else:
            if reply.status == 200:
                return reply
            problem = refusal(reply, prepared.model, self._region)
        raise problem

    async def resume(self, model: Model, accepted: Accepted) -> Answer:
        raise ChargeUnknown(
            "Bedrock cannot be asked about an earlier call.",
            provider=self.name,
            charged="unknown",
            request_id=accepted.request_id,
        )

    async def fetch(self, image: ResultImage) -> bytes:
        if image.data is None:
            raise ResultLost("Bedrock's answer had no image data.", provider=self.name, charged="yes")
        return image.data

    async def cancel(self, accepted: Accepted) -> bool:
        # There is no such call.
        return False
