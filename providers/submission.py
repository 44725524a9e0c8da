"""A paid request on its way, and how to leave it without money burning behind us.

Being canceled must not close a paid POST that is on the wire: its answer alone names what was started, so it is awaited
a moment, written down and told to stop. And it must not let one go on that only waits to be asked again: what nobody
wants any more is not asked, and what was surely not asked is not charged.

A process that ends is no reason to stop a call: the next one takes it up by its name (:func:`left_where`).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import Any, TypeVar

from .. import log
from ..errors import MintmarkError, ProviderDown, ProviderError
from .base import Accepted, Answer, OnAccepted

PATIENCE_S = 5.0
"""How long the answer to a submission, or to a cancellation, is awaited by somebody who is leaving."""

T = TypeVar("T")
Cancel = Callable[[Accepted], Awaitable[bool]]

logger = log.get("providers.submission")

_watch: ContextVar[Watch | None] = ContextVar("watch", default=None)
_is_left: ContextVar[Callable[[], bool]] = ContextVar("is_left", default=lambda: False)


@contextlib.contextmanager
def left_where(is_left: Callable[[], bool]) -> Iterator[None]:
    """For calls made within: where ``is_left()`` holds when they are canceled, their remote calls go on, because
    somebody else takes them up. What names them is written down all the same."""
    before = _is_left.set(is_left)
    try:
        yield
    finally:
        _is_left.reset(before)


class Answered(Exception):
    """The cause of a cancellation that came when the answer was already here."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("the answer was here")
        self.answer = answer


class Watch:
    """What was submitted while this was watching."""

    def __init__(self) -> None:
        self.submissions: list[Submission] = []

    @property
    def may_have_left(self) -> bool:
        """Whether any request that costs money may have been seen by its provider."""
        return any(submission.asked for submission in self.submissions)


@contextlib.contextmanager
def watching() -> Iterator[Watch]:
    """Tells of the submissions made within."""
    watch = Watch()
    before = _watch.set(watch)
    try:
        yield watch
    finally:
        _watch.reset(before)


class Submission:
    """One paid request, from before it is asked to its answer. ``HttpClient.send`` keeps :attr:`asked`."""

    def __init__(self) -> None:
        self.asked = False
        """Whether it may have left. False again while it waits to be repeated: then it was surely not processed."""
        self.replied = False
        """Whether its answer is here: what is left is to read it, which nobody who leaves keeps from being done."""
        self.leaving = False
        """Whether somebody canceled it: then it is not asked again."""
        if (watch := _watch.get()) is not None:
            watch.submissions.append(self)

    async def rest(self, sleep: Callable[[float], Awaitable[object]], seconds: float) -> bool:
        """Wait before asking again what was surely not processed. False, at once, where it shall not be asked again."""
        if self.leaving:
            return False
        self.asked = self.replied = False
        await sleep(seconds)
        return True

    async def answered(
        self,
        work: Coroutine[Any, Any, T],
        *,
        provider: str,
        see_off: Callable[[T], Awaitable[object]] | None = None,
        patience_s: float = PATIENCE_S,
    ) -> T:
        """What ``work``, which sends this request, gives.

        When we are canceled, an answer that still comes within ``patience_s`` goes to ``see_off``. The CancelledError
        then goes on; where it is known what became of the request, that ProviderError is its cause.
        """
        task = asyncio.ensure_future(work)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError as canceled:
            self.leaving = True
            known = await self._outcome(task, provider, patience_s)
            if known is None and see_off is not None and not task.cancelled():
                await _surely(see_off(task.result()))
            raise canceled from known

    async def at_once(
        self, work: Coroutine[Any, Any, Answer], *, provider: str, on_accepted: OnAccepted, patience_s: float = 0.0
    ) -> Answer:
        """The answer of a vendor whose answer is the image, so that ``work`` sends and reads; its name is written down.

        When we are canceled, an answer that is there is not thrown away: the CancelledError has it as its cause
        (:class:`Answered`).
        """
        here: list[Answer] = []

        async def see_off(answer: Answer) -> None:
            here.append(answer)

        try:
            here.append(await self.answered(work, provider=provider, see_off=see_off, patience_s=patience_s))
            if request_id := here[0].request_id:
                await on_accepted(Accepted(request_id=request_id, handle={}))
        except asyncio.CancelledError as canceled:
            if here:
                raise canceled from Answered(here[0])
            raise
        return here[0]

    async def _outcome(self, task: asyncio.Future[Any], provider: str, patience_s: float) -> BaseException | None:
        """What became of the task of somebody who leaves; None where it was canceled or gave its result."""
        known: ProviderError | None = None
        try:
            if self.asked:
                await asyncio.wait([task], timeout=PATIENCE_S if self.replied else patience_s)
            elif not task.done():
                known = ProviderDown("It was canceled before it was asked.", provider=provider, charged="no")
        finally:
            task.cancel()
        await asyncio.wait([task])
        return known if known or task.cancelled() else task.exception()


@contextlib.asynccontextmanager
async def canceled_with_us(cancel: Cancel, accepted: Accepted) -> AsyncIterator[None]:
    """When we are canceled, the remote call is too: otherwise it would go on and be charged for nobody."""
    try:
        yield
    except asyncio.CancelledError:
        await told_to_stop(cancel, accepted)
        raise


async def told_to_stop(cancel: Cancel, accepted: Accepted) -> None:
    """Cancel the remote call, and wait a moment for the answer; where it is left to somebody else, do nothing."""
    if _is_left.get()():
        return
    logger.info("canceling %s", accepted.request_id, extra=log.action("remote_cancel"))
    asked = asyncio.ensure_future(cancel(accepted))
    asked.add_done_callback(_retrieve)
    # Shielded: whoever cancels us twice is in a hurry, but not in such a hurry that money may burn.
    await _surely(asyncio.wait_for(asyncio.shield(asked), PATIENCE_S))


async def _surely(work: Awaitable[object]) -> None:
    """Do what should be done before leaving; nothing that goes wrong there keeps anybody from leaving."""
    try:
        await work
    except asyncio.TimeoutError:
        pass
    except MintmarkError as exc:
        logger.warning("Leaving a call: %s", exc, extra=log.action("leaving_failed"))


def _retrieve(task: asyncio.Future[bool]) -> None:
    """Look at the outcome of a task nobody waits for any more, so that asyncio does not complain of it."""
    if not task.cancelled():
        task.exception()
