"""One hosted call against its journal: the order of writing and asking keeps a call from being paid for twice."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

from .. import log, tracing
from ..errors import MintmarkError, ProviderBlocked, ProviderError, StorageError, UnknownModel
from ..providers.base import Accepted, Answer, Prepared, Provider
from ..providers.model import Model, gone
from ..providers.models import Catalog
from ..providers.submission import Answered, Watch, watching
from ..storage.spool import Spool
from .call import DELIVERY, Call, NewCall
from .journal import Journal
from .leaving import Leaving
from .outcomes import Outcomes, charge_unknown
from .results import Asked, Results
from .surely import surely, to_the_end

logger = log.get("generation.calls")

_OPEN = frozenset({"held", "asking", "accepted"})
POLL_S = 0.2
"""How often somebody waits for a call that another task or process is making, in seconds."""
LAST_WORDS_S = 12.0
"""How long closing waits for canceled calls to be written down: a submission and its cancellation take 5 s each. And
how long leaving waits for answers that are on their way, before that."""
CANCEL_PATIENCE_S = 2.0
"""How long somebody who cancels a call waits until its provider says what became of it, in seconds. What takes longer
is learned in the background while the process lives, and otherwise by the next one."""


def _at_once(_provider: str, _model: str) -> AbstractAsyncContextManager[None]:
    return nullcontext()


def _not() -> ProviderError | None:
    return None


@dataclass(kw_only=True)
class Caller:
    """Makes calls and finishes those that a dead process left behind."""

    journal: Journal
    catalog: Catalog
    spool: Spool
    provider: Callable[[str], Provider]
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    turn: Callable[[str, str], AbstractAsyncContextManager[None]] = _at_once
    """Waits until a call of this provider and model may be made, and is open while it is (``providers/turns.py``)."""
    own_sandbox: str | None = None
    """The URL of a sandbox that ends with this process. Its calls that nobody can find any more are owed to nobody."""
    _results: Results = field(init=False)
    _outcomes: Outcomes = field(init=False)
    _resuming: dict[str, asyncio.Task[Call]] = field(default_factory=dict)
    _parting: set[str] = field(default_factory=set)
    """Those of ``_resuming`` whose job was canceled: nobody waits for their images."""
    _days: set[str] = field(default_factory=set)
    """Those of ``_resuming`` that may take a day."""
    _leaving: Leaving = field(init=False)
    _making: set[str] = field(default_factory=set)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._results = Results(journal=self.journal, spool=self.spool)
        self._outcomes = Outcomes(journal=self.journal, catalog=self.catalog, results=self._results)
        self._leaving = Leaving(self.journal)

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

    async def ask(
        self, provider: Provider, prepared: Prepared, call: Call, *, hopeless: Callable[[], ProviderError | None] = _not
    ) -> Asked:
        """Make a call that the caller itself has just held, and give its images.

        ``hopeless`` is asked when it is the call's turn: the error that it gives is raised then, and nothing is asked.
        Raises ProviderError with what is known of the charge; ChargeUnknown where nothing is.
        """
        call, answer = await self._ask(provider, prepared, call, hopeless)
        return await self._results.images(provider, call, answer)

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
        return await self._results.images(provider, call, answer)

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
        return await self._outcomes.move(call, "unknown", reason="its outcome could not be written")

    # -- asking ---------------------------------------------------------------------------------------------------

    async def _ask(
        self, provider: Provider, prepared: Prepared, call: Call, hopeless: Callable[[], ProviderError | None]
    ) -> tuple[Call, Answer]:
        waiting = True
        try:
            async with self._turn(provider, prepared):
                if (why := hopeless()) is not None:
                    raise why
                # From here on the POST may leave at any moment, so this is written, durably, before it can.
                call = await surely(self.journal.begin, call.call_id)
                if self._leaving.begun:
                    raise asyncio.CancelledError
                waiting = False
                return await self._asked(provider, prepared, call)
        except (ProviderError, asyncio.CancelledError) as exc:
            if waiting:
                reason = exc.code if isinstance(exc, ProviderError) else "canceled before it was asked"
                await self._outcomes.move(call, "released", reason=reason)
            raise

    def _turn(self, provider: Provider, prepared: Prepared) -> AbstractAsyncContextManager[None]:
        # A batch waits at its vendor, for a day perhaps: in that time it must not take the place of any other call.
        return nullcontext() if prepared.delivery == "batch" else self.turn(provider.name, prepared.model.name)

    async def _asked(self, provider: Provider, prepared: Prepared, call: Call) -> tuple[Call, Answer]:
        async def on_accepted(accepted: Accepted) -> None:
            await self._outcomes.move(call, "accepted", request_id=accepted.request_id, handle=accepted.handle)
            self._leaving.named(call)

        # What nobody else works on, nobody could take up: it ends with this process, and is not waited for.
        with self._leaving.unnamed(call) if call.billed else nullcontext(), watching() as watch:
            work = provider.ask(prepared, call_id=call.call_id, on_accepted=on_accepted)
            return await self._finish(provider, prepared.model, call, work, watch)

    async def _resume(self, provider: Provider, call: Call) -> tuple[Call, Answer]:
        model = self._model_of(call)
        accepted = Accepted(request_id=call.request_id or "", handle=call.handle or {})
        return await self._finish(provider, model, call, provider.resume(model, accepted))

    def _model_of(self, call: Call) -> Model:
        """The model at the price that the call was asked at."""
        try:
            model = self.catalog.known(call.model)
        except UnknownModel:
            # Gone from the catalog, or an app that was forgotten: that makes nobody unlearn what its call came to.
            return gone(call.model)
        if not _is_batch(call) or model.batch is None:
            return model
        return model.model_copy(update={"price": model.batch.price})

    async def _finish(
        self, provider: Provider, model: Model, call: Call, work: Awaitable[Answer], watch: Watch | None = None
    ) -> tuple[Call, Answer]:
        facts = {"provider": call.provider, "model": call.model, "call_id": call.call_id}
        with tracing.span("hosted call", kind="client", facts=facts) as span, self._leaving.waiting(call):
            return await self._finished(provider, model, call, work, span, watch)

    async def _finished(
        self,
        provider: Provider,
        model: Model,
        call: Call,
        work: Awaitable[Answer],
        span: tracing.Span,
        watch: Watch | None,
    ) -> tuple[Call, Answer]:
        """``watch`` saw what was submitted for the call; None: that was earlier, and it was accepted."""
        try:
            answer = await work
        except ProviderError as exc:
            after = await self._outcomes.failed(call, exc)
            span.set(_money(after))
            if after.state == "unknown" and not isinstance(exc, ProviderBlocked):
                raise charge_unknown(after) from exc
            raise
        except asyncio.CancelledError as exc:
            await to_the_end(asyncio.ensure_future(self._seen_off(provider, model, call, exc.__cause__)))
            raise
        except BaseException:
            # A defect of ours. Before anything was sent it costs nothing; between asking and understanding the answer
            # nobody knows, and nobody may forget.
            left = watch is None or watch.may_have_left
            await self._outcomes.move(call, "unknown" if left else "released", reason="internal_error")
            raise
        settled = await self._outcomes.settle(model, call, answer)
        span.set(_money(settled))
        return settled, answer

    async def _seen_off(self, provider: Provider, model: Model, call: Call, known: BaseException | None = None) -> None:
        try:
            await self._canceled(provider, model, call, known)
        except MintmarkError as exc:
            # The cancellation goes on whatever happens here; the call stays open and the next start decides it.
            logger.warning("Call %s was canceled: %s", call.call_id, exc, extra=log.action("cancel_failed"))

    async def _canceled(self, provider: Provider, model: Model, call: Call, known: BaseException | None) -> None:
        """Canceled while waiting: what is known already counts. Else the provider is asked to stop, and where it is too
        late, what came of it; unless the next process takes the call up."""
        now = await surely(self.journal.call, call.call_id)
        if now is None or now.state not in ("asking", "accepted"):
            return
        if isinstance(known, Answered):
            await self._outcomes.settle(model, now, known.answer)
        elif now.state == "accepted" and provider.resumable:
            if call.call_id in self._leaving.left:
                return
            await asyncio.wait([self._parted(provider, model, now)], timeout=CANCEL_PATIENCE_S)
        elif isinstance(known, ProviderError):
            await self._outcomes.failed(now, known)
        else:
            await self._outcomes.move(now, "unknown", reason="canceled")

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
            await self._outcomes.failed(call, exc)
        except MintmarkError as exc:
            logger.warning("Call %s was canceled: %s", call.call_id, exc, extra=log.action("cancel_failed"))
        return await self._now(call)

    async def _stop(self, provider: Provider, model: Model, call: Call) -> None:
        accepted = Accepted(request_id=call.request_id or "", handle=call.handle or {})
        if await provider.cancel(accepted):
            await self._outcomes.move(call, "released", reason="canceled")
        else:
            # Too late to stop means that it is done, or nearly: its charge can be learned, so it need not be doubted.
            await self._outcomes.settle(model, call, await provider.resume(model, accepted))

    # -- after a crash --------------------------------------------------------------------------------------------

    async def recover(self) -> list[Call]:
        """Decide what a dead process left: release what was never asked, resume what was named, keep the rest unknown.

        Returns the calls found. Those that can be resumed go on in the background; :meth:`join` waits for them.
        """
        if self._leaving.begun:
            return []  # they are the next process's, too
        orphans = await surely(self.journal.adopt_orphans)
        for call in orphans:
            if call.state == "held":
                await surely(self.journal.drop, call.call_id, "never asked")
            elif self.own_sandbox and not self._is_at(self.own_sandbox, call):
                await self._outcomes.move(call, "released", reason="its sandbox is gone")
            elif call.state == "accepted":
                if _is_batch(call):
                    self._days.add(call.call_id)
                self._resuming[call.call_id] = asyncio.create_task(self._recover(call), name=f"resume {call.call_id}")
            else:
                await self._outcomes.move(call, "unknown", reason="the process died while asking")
        return orphans

    @staticmethod
    def _is_at(sandbox: str, call: Call) -> bool:
        return any(str(value).startswith(f"{sandbox}/") for value in (call.handle or {}).values())

    async def _recover(self, call: Call) -> Call:
        try:
            provider = self.provider(call.provider)
            call, answer = await self._resume(provider, call)
            await self._results.images(provider, call, answer)
        except MintmarkError as exc:
            logger.warning("Resuming call %s failed: %s", call.call_id, exc, extra=log.action("resume_failed"))
            await self._given_up(call, exc)
        return await self._now(call)

    async def _given_up(self, call: Call, why: MintmarkError) -> None:
        """A call that this process cannot ask about, for lack of its provider's key for instance, is in doubt: it is
        listed, asked about again once it can be, or decided by hand. Else nobody would ever hear of it."""
        if isinstance(why, StorageError):
            return  # its answer could not be written: it stays as it is, for the next start
        now = await self._now(call)
        if now.state == "accepted":
            with suppress(StorageError):
                await self._outcomes.move(now, "unknown", reason=why.code)

    # -- at the end ---------------------------------------------------------------------------------------------------

    async def leave(self, *, by_hand: bool) -> None:
        """This process ends, and its jobs do not: the next one goes on with them. So nothing more is asked, and calls
        that were accepted go on: whoever is canceled while waiting for one does not cancel it.

        ``by_hand``: jobs run by hand are gone on with, too; else their calls are canceled with them. Returns once
        everything that was asked has its name, or after a while.
        """
        # What is resumed for a process that died is left, whosever it was.
        self._leaving.left |= self._resuming.keys() - self._parting
        await self._leaving.begin(by_hand=by_hand, within_s=LAST_WORDS_S)

    async def close(self) -> None:
        """Wait for calls being seen to the end and resumed, then let go. What is left, the next start decides: batches,
        which may take a day, are never waited for."""
        await self._last_words()
        self._leaving.left |= self._days
        for call_id in self._resuming.keys() & (self._parting | self._leaving.left):
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


def _is_batch(call: Call) -> bool:
    return call.parameters.get(DELIVERY) == "batch"


def _money(call: Call) -> tracing.Facts:
    """What a call came to: what doubt there is counts in full."""
    doubtful = call.hold_microusd if call.state == "unknown" else 0
    return {"state": call.state, "microusd": call.charged_microusd or doubtful}
