"""One hosted call against its journal: the order of writing and asking keeps a call from being paid for twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from .. import log
from ..errors import ChargeUnknown, MintmarkError, ProviderBlocked, ProviderError, ResultLost, StorageError
from ..metering.prices import charge, measured, usd
from ..providers.base import Accepted, Answer, Prepared, Provider, ResultImage
from ..providers.model import Model
from ..providers.models import Catalog
from ..storage.spool import Spool
from .call import Call, NewCall, State
from .journal import Journal
from .surely import surely, to_the_end

logger = log.get("generation.calls")

_OPEN = frozenset({"held", "asking", "accepted"})
POLL_S = 0.2
"""How often somebody waits for a call that another task or process is making, in seconds."""
LAST_WORDS_S = 12.0
"""How long closing waits for canceled calls to be written down: a submission and its cancellation take 5 s each."""
CANCEL_PATIENCE_S = 2.0
"""How long somebody who cancels a call waits until its provider says what became of it, in seconds. What takes longer
is learned in the background while the process lives, and otherwise by the next one."""


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
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    own_sandbox: str | None = None
    """The URL of a sandbox that ends with this process. Its calls that nobody can find any more are owed to nobody."""
    _resuming: dict[str, asyncio.Task[Call]] = field(default_factory=dict)
    _parting: set[str] = field(default_factory=set)
    """Those of ``_resuming`` whose job was canceled: nobody waits for their images."""
    _making: set[str] = field(default_factory=set)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    @contextmanager
    def making(self, calls: Iterable[NewCall]) -> Iterator[None]:
        """While this lasts, a task of this process sees to these calls, and :meth:`join` waits for it."""
        ids = {call.call_id for call in calls}
        self._making |= ids
        try:
            yield
        finally:
            self._making -= ids
            if not self._making:
                self._idle.set()

    async def ask(self, provider: Provider, prepared: Prepared, call: Call) -> Asked:
        """Make a call that the caller itself has just held, and give its images.

        Raises ProviderError with what is known of the charge; ChargeUnknown where nothing is.
        """
        call, answer = await self._ask(provider, prepared, call)
        return await self._images(provider, call, answer)

    async def join(self, provider: Provider, call: Call) -> Asked | None:
        """What came of a call that somebody else holds or held: an earlier attempt, a dead process, a twin of this one.

        It is never asked from here. None where it came to nothing and cost nothing, so that a new one may be held.
        Raises like :meth:`ask`.
        """
        call = await self._decided(call)
        answer: Answer | None = None
        if call.state == "accepted" or (call.state == "unknown" and call.handle and provider.resumable):
            call, answer = await self._resume(provider, call)
        if call.state == "released":
            return None
        if call.state != "settled":
            raise charge_unknown(call)
        return await self._images(provider, call, answer)

    async def _decided(self, call: Call) -> Call:
        """The call once nobody is at it any more."""
        while call.state in _OPEN:
            if task := self._resuming.get(call.call_id):
                return await asyncio.shield(task)
            made = call.owner != self.journal.owner or call.call_id in self._making
            if made:
                await self.sleep(POLL_S)
                await self.recover()
            # Read after looking who makes it: whoever does writes the outcome down before it lets go.
            call = await self._now(call)
            if not made:
                return await self._abandoned(call)
        return call

    async def _now(self, call: Call) -> Call:
        found = await surely(self.journal.call, call.call_id)
        return found or call

    async def _abandoned(self, call: Call) -> Call:
        """A call of this process that nobody makes: writing its outcome failed, for instance on a full disk."""
        if call.state not in ("held", "asking"):
            return call
        if call.state == "held" and await surely(self.journal.drop, call.call_id, "never asked"):
            return call.model_copy(update={"state": "released"})
        return await self._move(call, "unknown", reason="its outcome could not be written")

    # -- asking ---------------------------------------------------------------------------------------------------

    async def _ask(self, provider: Provider, prepared: Prepared, call: Call) -> tuple[Call, Answer]:
        # From here on the POST may leave at any moment, so this is written, durably, before it can.
        try:
            call = await surely(self.journal.begin, call.call_id)
        except asyncio.CancelledError:
            await self._move(call, "released", reason="canceled before it was asked")
            raise

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
            after = await self._failed(call, exc)
            if after.state == "unknown" and not isinstance(exc, ProviderBlocked):
                raise charge_unknown(after) from exc
            raise
        except asyncio.CancelledError as exc:
            await to_the_end(asyncio.ensure_future(self._seen_off(provider, model, call, exc.__cause__)))
            raise
        except BaseException:
            # A defect of ours between asking and understanding the answer: nobody knows, and nobody may forget.
            await self._move(call, "unknown", reason="internal_error")
            raise
        return await self._settle(model, call, answer), answer

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

    async def _seen_off(self, provider: Provider, model: Model, call: Call, known: BaseException | None = None) -> None:
        try:
            await self._canceled(provider, model, call, known)
        except MintmarkError as exc:
            # The cancellation goes on whatever happens here; the call stays open and the next start decides it.
            logger.warning("Call %s was canceled: %s", call.call_id, exc, extra=log.action("cancel_failed"))

    async def _canceled(self, provider: Provider, model: Model, call: Call, known: BaseException | None) -> None:
        """Canceled while waiting: the provider is asked to stop, and where it is too late, what came of it."""
        now = await surely(self.journal.call, call.call_id)
        if now is None or now.state not in ("asking", "accepted"):
            return
        if now.state == "accepted" and provider.resumable:
            await asyncio.wait([self._parted(provider, model, now)], timeout=CANCEL_PATIENCE_S)
        elif isinstance(known, ProviderError):
            await self._failed(now, known)
        else:
            await self._move(now, "unknown", reason="canceled")

    def _parted(self, provider: Provider, model: Model, call: Call) -> asyncio.Task[Call]:
        """Learns what became of a canceled call, however long that takes; :meth:`join` waits for it."""
        task = asyncio.create_task(self._learned(provider, model, call), name=f"part {call.call_id}")
        self._resuming[call.call_id] = task
        self._parting.add(call.call_id)

        def ended(_: asyncio.Task[Call]) -> None:
            self._parting.discard(call.call_id)
            if self._resuming.get(call.call_id) is task:
                del self._resuming[call.call_id]

        task.add_done_callback(ended)
        return task

    async def _learned(self, provider: Provider, model: Model, call: Call) -> Call:
        try:
            await self._stop(provider, model, call)
        except ProviderError as exc:
            await self._failed(call, exc)
        except MintmarkError as exc:
            logger.warning("Call %s was canceled: %s", call.call_id, exc, extra=log.action("cancel_failed"))
        return await self._now(call)

    async def _stop(self, provider: Provider, model: Model, call: Call) -> None:
        accepted = Accepted(request_id=call.request_id or "", handle=call.handle or {})
        if await provider.cancel(accepted):
            await self._move(call, "released", reason="canceled")
        else:
            # Too late to stop means that it is done, or nearly: its charge can be learned, so it need not be doubted.
            await self._settle(model, call, await provider.resume(model, accepted))

    async def _settle(self, model: Model, call: Call, answer: Answer) -> Call:
        """One blocking step: the money is spent, so its settlement is written even if the job is canceled just now."""
        return await surely(self._settled, model, call, answer)

    def _settled(self, model: Model, call: Call, answer: Answer) -> Call:
        # Images that came inside the answer exist nowhere else: they are kept before the call counts as settled.
        kept = [self._keep(image) for image in answer.images]
        result = {
            "model_version": answer.model_version,
            "usage": answer.usage.model_dump(exclude_none=True),
            "images": kept,
        }
        microusd = self._charge(model, call, answer)
        facts = {"microusd": microusd, "request_id": answer.request_id, "result": result}
        return self.journal.move(call.call_id, "settled", **facts)

    def _keep(self, image: ResultImage) -> dict[str, Any]:
        digest = self._spooled(image.data) if image.data is not None else None
        return {"sha256": digest, "url": image.url, "media_type": image.media_type, "blocked": image.blocked}

    def _spooled(self, data: bytes) -> str | None:
        """The digest under which the bytes are safe; None where the disk refuses: what was paid for still goes on."""
        try:
            return self.spool.put(data)
        except StorageError as exc:
            logger.warning("A result could not be spooled: %s", exc, extra=log.action("spool_failed"))
            return None

    def _charge(self, model: Model, call: Call, answer: Answer) -> int:
        if answer.charge_microusd is not None:
            return answer.charge_microusd
        price = self.catalog.price_of(model, allow_unknown=True)
        if price is None or not measured(price, answer.usage):
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

    # -- after a crash --------------------------------------------------------------------------------------------

    async def recover(self) -> list[Call]:
        """Decide what a dead process left: release what was never asked, resume what was named, keep the rest unknown.

        Returns the calls found. Those that can be resumed go on in the background; :meth:`join` waits for them.
        """
        orphans = await surely(self.journal.adopt_orphans)
        for call in orphans:
            if call.state == "held":
                await surely(self.journal.drop, call.call_id, "never asked")
            elif self.own_sandbox and not self._is_at(self.own_sandbox, call):
                await self._move(call, "released", reason="its sandbox is gone")
            elif call.state == "accepted":
                self._resuming[call.call_id] = asyncio.create_task(self._recover(call), name=f"resume {call.call_id}")
            else:
                await self._move(call, "unknown", reason="the process died while asking")
        return orphans

    @staticmethod
    def _is_at(sandbox: str, call: Call) -> bool:
        return any(str(value).startswith(f"{sandbox}/") for value in (call.handle or {}).values())

    async def _recover(self, call: Call) -> Call:
        try:
            provider = self.provider(call.provider)
            call, answer = await self._resume(provider, call)
            await self._images(provider, call, answer)
        except MintmarkError as exc:
            logger.warning("Resuming call %s failed: %s", call.call_id, exc, extra=log.action("resume_failed"))
        return await self._now(call)

    async def close(self) -> None:
        """Wait for calls being seen to the end and resumed, then let go. What is left, the next start decides."""
        await self._last_words()
        for call_id in self._parting:
            self._resuming[call_id].cancel()
        resuming = dict(self._resuming)
        ended = await asyncio.gather(*resuming.values(), return_exceptions=True)
        for call_id, end in zip(resuming, ended, strict=True):
            if isinstance(end, Exception):
                logger.error("Resuming call %s broke", call_id, exc_info=end, extra=log.action("resume_broke"))
        self._resuming.clear()

    async def _last_words(self) -> None:
        """Wait for canceled tasks that still write down what became of their calls: the journal closes next."""
        if self._making:
            self._idle.clear()
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._idle.wait(), LAST_WORDS_S)

    async def _move(self, call: Call, state: State, **facts: Any) -> Call:
        return await surely(self.journal.move, call.call_id, state, **facts)


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
