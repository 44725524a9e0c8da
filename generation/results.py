"""Where the images of a settled call are: in the answer just given, in the spool, or still at the provider."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from .. import log
from ..errors import BadAnswer, MintmarkError, ProviderError, ResultLost, StorageError
from ..metering.prices import usd
from ..providers.base import Answer, Provider, ResultImage
from ..storage.spool import Spool
from .call import Call
from .journal import Journal
from .surely import surely

logger = log.get("generation.calls")


@dataclass(frozen=True, kw_only=True)
class Image:
    """One image as the provider made it."""

    data: bytes = field(repr=False)
    seed: int | None = None
    """That it was made with, where the provider says so."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A call that is settled and whose images are safe, but for those that its answer does not have."""

    call_id: str
    images: tuple[Image | MintmarkError | None, ...] = field(repr=False)
    """In the order of the answer: an image, why one cannot be had, or None where the provider's filter withheld it."""
    model_version: str | None = None
    notes: tuple[str, ...] = field(default=(), repr=False)
    """What the answer said beside the images, where it was just given."""


@dataclass(frozen=True, kw_only=True)
class Results:
    """Keeps images and finds them again."""

    journal: Journal
    spool: Spool

    def kept(self, answer: Answer) -> dict[str, Any]:
        """What the journal says of an answer. Images that came inside it exist nowhere else: they are kept now."""
        return {
            "model_version": answer.model_version,
            "usage": answer.usage.model_dump(exclude_none=True),
            "images": [self._keep(image) for image in answer.images],
        }

    def _keep(self, image: ResultImage) -> dict[str, Any]:
        digest = self._spooled(image.data) if image.data is not None else None
        kept = {"sha256": digest, "url": image.url, "media_type": image.media_type, "blocked": image.blocked}
        # As text: its numbers may be larger than JSON readers take.
        return kept if image.seed is None else {**kept, "seed": str(image.seed)}

    def saved(self, call: Call, problem: ProviderError) -> None:
        """What came in an image's place is paid for, too: it is kept, and the error says where. Blocks."""
        if not isinstance(problem, BadAnswer) or problem.file is None:
            return
        file, problem.file = problem.file, None
        if (digest := self._spooled(file)) is None:
            return
        problem.hint = f"{problem.hint} What came is kept for a week: {self.spool.place(digest)}".strip()
        try:
            self.journal.note(call.job_id, "stored", {"sha256": digest}, call.call_id)
        except StorageError as exc:
            # Only who forgets the job needs to know of it; without a note it goes with the week.
            logger.warning("Call %s: %s", call.call_id, exc, extra=log.action("store_failed", call_id=call.call_id))

    def _spooled(self, data: bytes) -> str | None:
        """The digest under which the bytes are safe; None where the disk refuses: what was paid for still goes on."""
        try:
            return self.spool.put(data)
        except StorageError as exc:
            logger.warning("A result could not be spooled: %s", exc, extra=log.action("spool_failed"))
            return None

    async def images(self, provider: Provider, call: Call, fresh: Answer | None) -> Asked:
        """The images of a settled call: as just answered, from the spool, or fetched (again) from the provider.

        Raises the first error where none of them can be had; ResultLost where they are nowhere any more.
        """
        result = call.result or {}
        named: list[dict[str, Any]] = result.get("images") or []
        if not named:
            raise _lost(call)
        received = fresh.images if fresh else [None] * len(named)
        pairs = zip(named, received, strict=True)
        images = [await self._image_or_why(provider, call, name, image) for name, image in pairs]
        errors = [image for image in images if isinstance(image, MintmarkError)]
        if errors and not any(isinstance(image, Image) for image in images):
            raise errors[0]
        return Asked(
            call_id=call.call_id,
            images=tuple(images),
            model_version=result.get("model_version"),
            notes=fresh.notes if fresh else (),
        )

    async def _image_or_why(
        self, provider: Provider, call: Call, name: dict[str, Any], fresh: ResultImage | None
    ) -> Image | MintmarkError | None:
        if name["blocked"]:
            return None
        seed = name.get("seed")
        try:
            return Image(data=await self._data(provider, call, name, fresh), seed=None if seed is None else int(seed))
        except ProviderError as exc:
            await surely(self.saved, call, exc)
            return exc

    async def _data(self, provider: Provider, call: Call, name: dict[str, Any], fresh: ResultImage | None) -> bytes:
        if fresh is not None and fresh.data is not None:
            return fresh.data
        if name["sha256"] and (data := await asyncio.to_thread(self.spool.get, name["sha256"])) is not None:
            return data
        if not name["url"]:
            raise _lost(call)
        data = await provider.fetch(ResultImage(url=name["url"], media_type=name["media_type"]))
        await surely(self._stored, call.call_id, name["url"], data)
        return data

    def _stored(self, call_id: str, url: str, data: bytes) -> None:
        digest = self._spooled(data)
        if digest is None:
            return
        try:
            self.journal.store(call_id, url, digest)
        except StorageError as exc:
            # The image is here; that it need not be fetched again is only a convenience.
            logger.warning("Call %s: %s", call_id, exc, extra=log.action("store_failed", call_id=call_id))


def _lost(call: Call) -> ResultLost:
    return ResultLost(
        f"{call.model} charged {usd(call.charged_microusd)} and its result is lost (request {call.request_id}).",
        hint="Ask the provider's support with this request id.",
        provider=call.provider,
        charged="yes",
        request_id=call.request_id,
    )
