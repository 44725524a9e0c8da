"""One hosted call against its journal: the order of writing and asking keeps a call from being paid for twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from .. import log
from ..errors import ChargeUnknown, MintmarkError, ProviderBlocked, ProviderError, ResultLost, StorageError
from ..metering.prices import Quantities, charge, usd
from ..providers.base import Accepted, Answer, Prepared, Provider, ResultImage
from ..providers.model import Model
from ..providers.models import Catalog
from ..storage.spool import Spool
from .call import Call
from .journal import Journal

logger = log.get("generation.calls")


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A call that is settled and whose images are safe."""

    call_id: str
    images: tuple[bytes, ...] = field(repr=False)
    blocked: int
    """Images the provider's own filter withheld."""
    model_version: str | None


@dataclass(kw_only=True)
class Caller:
    """Makes calls and finishes those that a dead process left behind."""

    journal: Journal
    catalog: Catalog
    spool: Spool
    provider: Callable[[str], Provider]
    _resuming: dict[str, asyncio.Task[Call]] = field(default_factory=dict)

    async def run(self, provider: Provider, prepared: Prepared, call: Call) -> Asked:
        """Take the call to its end and give its images.

        Raises ProviderError with what is known of the charge; ChargeUnknown where nothing is.
        """
        if call.call_id in self._resuming:
            call = await asyncio.shield(self._resuming[call.call_id])
        fresh: Answer | None = None
        if call.state == "held":
            call, fresh = await self._ask(provider, prepared, call)
        elif call.state == "accepted":
            call, fresh = await self._resume(provider, call)
        if call.state != "settled":
            raise charge_unknown(call)
        return await self._images(provider, call, fresh)

    # -- asking ---------------------------------------------------------------------------------------------------

    async def _ask(self, provider: Provider, prepared: Prepared, call: Call) -> tuple[Call, Answer]:
        # From here on the POST may leave at any moment, so this is written, durably, before it can.
        call = await self._move(call, "asking")

        async def on_accepted(accepted: Accepted) -> None:
            await self._move(call, "accepted", request_id=accepted.request_id, handle=accepted.handle)

        work = provider.ask(prepared, call_id=call.call_id, on_accepted=on_accepted)
        return await self._finish(provider, prepared.model, call, work)

    async def _resume(self, provider: Provider, call: Call) -> tuple[Call, Answer]:
        model = self.catalog.known(call.model)
        accepted = Accepted(request_id=call.request_id or "", handle=call.handle or {})
        return await self._finish(provider, model, call, provider.resume(model, accepted))

    async def _finish(
        self, provider: Provider, model: Model, call: Call, work: Awaitable[Answer]
    ) -> tuple[Call, Answer]:
        try:
            answer = await work
        except ProviderError as exc:
            after = await asyncio.shield(self._failed(call, exc))
            if after.state == "unknown" and not isinstance(exc, ProviderBlocked):
                raise charge_unknown(after) from exc
            raise
        except asyncio.CancelledError:
            await asyncio.shield(self._canceled(provider, call))
            raise
        except BaseException:
            # A defect of ours between asking and understanding the answer: nobody knows, and nobody may forget.
            await asyncio.shield(self._move(call, "unknown", reason="internal_error"))
            raise
        # Shielded: the money is spent, so its settlement is written even if the job is canceled at this very moment.
        return await asyncio.shield(self._settle(model, call, answer)), answer

    async def _failed(self, call: Call, exc: ProviderError) -> Call:
        facts = {"reason": exc.code, "request_id": exc.request_id}
        if exc.charged == "no":
            return await self._move(call, "released", **facts)
        if exc.charged == "yes":
            return await self._move(
                call,
                "settled",
                microusd=call.hold_microusd if exc.microusd is None else exc.microusd,
                request_id=exc.request_id,
                result={},
            )
        return await self._move(call, "unknown", **facts)

    async def _canceled(self, provider: Provider, call: Call) -> None:
        """Canceled while waiting: surely not charged only where the provider says so."""
        now = await self._write(self.journal.call, call.call_id)
        if now is None or now.over or now.state == "unknown":
            return
        stopped = False
        if now.state == "accepted":
            stopped = await provider.cancel(Accepted(request_id=now.request_id or "", handle=now.handle or {}))
        await self._move(now, "released" if stopped else "unknown", reason="canceled")

    async def _settle(self, model: Model, call: Call, answer: Answer) -> Call:
        # Images that came inside the answer exist nowhere else: they are kept before the call counts as settled.
        kept = [await self._keep(image) for image in answer.images]
        result = {
            "model_version": answer.model_version,
            "usage": answer.usage.model_dump(exclude_none=True),
            "images": kept,
        }
        microusd = self._charge(model, call, answer)
        return await self._move(call, "settled", microusd=microusd, request_id=answer.request_id, result=result)

    async def _keep(self, image: ResultImage) -> dict[str, Any]:
        digest = await self._spooled(image.data) if image.data is not None else None
        return {"sha256": digest, "url": image.url, "media_type": image.media_type, "blocked": image.blocked}

    async def _spooled(self, data: bytes) -> str | None:
        """The digest under which the bytes are safe; None where the disk refuses: what was paid for still goes on."""
        try:
            return await asyncio.to_thread(self.spool.put, data)
        except StorageError as exc:
            logger.warning("A result could not be spooled: %s", exc, extra=log.action("spool_failed"))
            return None

    def _charge(self, model: Model, call: Call, answer: Answer) -> int:
        if answer.charge_microusd is not None:
            return answer.charge_microusd
        price = self.catalog.price_of(model, allow_unknown=True)
        if price is None or not _measured(answer.usage):
            return call.hold_microusd
        microusd = charge(price, answer.usage, call.parameters)
        if microusd > call.hold_microusd:
            logger.warning(
                "Call %s was charged %s, more than its hold of %s",
                *(call.call_id, usd(microusd), usd(call.hold_microusd)),
                extra=log.action("charged_over_hold", call_id=call.call_id),
            )
        return microusd

    # -- images ---------------------------------------------------------------------------------------------------

    async def _images(self, provider: Provider, call: Call, fresh: Answer | None) -> Asked:
        """The images of a settled call: as just answered, from the spool, or fetched (again) from the provider."""
        result = call.result or {}
        named: list[dict[str, Any]] = result.get("images") or []
        if not named:
            raise _lost(call)
        received = fresh.images if fresh else [None] * len(named)
        pairs = [(n, r) for n, r in zip(named, received, strict=True) if not n["blocked"]]
        data = [await self._image(provider, call, name, image) for name, image in pairs]
        return Asked(
            call_id=call.call_id,
            images=tuple(data),
            blocked=len(named) - len(pairs),
            model_version=result.get("model_version"),
        )

    async def _image(self, provider: Provider, call: Call, name: dict[str, Any], fresh: ResultImage | None) -> bytes:
        if fresh is not None and fresh.data is not None:
            return fresh.data
        if name["sha256"] and (data := await asyncio.to_thread(self.spool.get, name["sha256"])) is not None:
            return data
        if not name["url"]:
            raise _lost(call)
        data = await provider.fetch(ResultImage(url=name["url"], media_type=name["media_type"]))
        await self._write(self.journal.store, call.call_id, name["url"], await self._spooled(data))
        return data

    # -- after a crash --------------------------------------------------------------------------------------------

    async def recover(self) -> list[Call]:
        """Decide what a dead process left: release what was never asked, resume what was named, keep the rest unknown.

        Returns the calls found. Those that can be resumed go on in the background; :meth:`run` waits for them.
        """
        orphans: list[Call] = await self._write(self.journal.adopt_orphans)
        for call in orphans:
            if call.state == "held":
                await self._move(call, "released", reason="never asked")
            elif call.state == "accepted":
                self._resuming[call.call_id] = asyncio.create_task(self._recover(call), name=f"resume {call.call_id}")
            else:
                await self._move(call, "unknown", reason="the process died while asking")
        return orphans

    async def _recover(self, call: Call) -> Call:
        try:
            provider = self.provider(call.provider)
            call, answer = await self._resume(provider, call)
            await self._images(provider, call, answer)
        except MintmarkError as exc:
            logger.warning("Resuming call %s failed: %s", call.call_id, exc, extra=log.action("resume_failed"))
        found = await self._write(self.journal.call, call.call_id)
        return found or call

    async def close(self) -> None:
        """Wait for calls being resumed, then let go."""
        await asyncio.gather(*self._resuming.values(), return_exceptions=True)
        self._resuming.clear()

    async def _move(self, call: Call, state: Any, **facts: Any) -> Call:
        moved: Call = await self._write(self.journal.move, call.call_id, state, **facts)
        return moved

    async def _write(self, method: Callable[..., Any], *values: Any, **named: Any) -> Any:
        return await asyncio.to_thread(method, *values, **named)


def _measured(usage: Quantities) -> bool:
    return usage != Quantities()


def charge_unknown(call: Call) -> ChargeUnknown:
    """The error of a call that was asked and whose outcome cannot be learned."""
    return ChargeUnknown(
        f"Call {call.call_id} to {call.model} was asked and its outcome is not known; "
        f"{usd(call.hold_microusd)} stays set aside for it.",
        hint="Look it up at the provider; MINTMARK_ON_UNKNOWN=available asks again and may pay twice.",
        provider=call.provider,
        charged="unknown",
        request_id=call.request_id,
    )


def _lost(call: Call) -> ResultLost:
    return ResultLost(
        f"{call.model} charged {usd(call.charged_microusd)} and its result is lost (request {call.request_id}).",
        hint="Ask the provider's support with this request id.",
        provider=call.provider,
        charged="yes",
        request_id=call.request_id,
    )
