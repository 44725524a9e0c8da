"""The side task that delivers at least once: it claims what is due, has it sent, and writes down what came of it.

A delivery is leased while it is sent. Who dies between sending and writing that down leaves it to be sent again; the
``webhook-id`` tells the receiver that it is the same. A target that is slow or down holds up nobody but itself, and
many of them nobody but their project: see :mod:`slots`.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from ... import log
from ...clock import Clock, utc_now
from ...errors import MintmarkError
from .claiming import Due, choose, claim, forget, mark, take_back
from .courier import TRY_S, Courier, tell
from .slots import Slots
from .targets import Outbound

if TYPE_CHECKING:
    from ...storage.base import Store
    from ..jobs.job import Job

T = TypeVar("T")
logger = log.get("webhooks")

AT_ONCE = 128
PER_TARGET = 16
LOOK_EVERY_S = 1.0
"""How often it is looked for what another process wrote down, or what is due by now."""
MOMENT_S = 0.05
"""Longer than a commit takes."""
FORGET_EVERY_S = 3600.0


class Sender:
    """``find`` and ``describe`` give a job and what is told of it, and may block; ``chance``: a number from 0 to 1.
    ``delivered`` is told what came of each try, and of a delivery how many seconds after its event. ``alone``: no
    other process sends from this database, so what is under way as this one starts was left by a dead one."""

    def __init__(
        self,
        store: Store,
        client: Outbound,
        *,
        find: Callable[[str], Job | None],
        describe: Callable[[Job], Mapping[str, Any]],
        now: Clock = utc_now,
        chance: Callable[[], float] = random.random,
        at_once: int = AT_ONCE,
        per_target: int = PER_TARGET,
        try_s: float = TRY_S,
        threads: Executor | None = None,
        alone: bool = False,
        delivered: Callable[[str, float | None], None] | None = None,
    ) -> None:
        self._store, self._now, self._threads = store, now, threads
        self._delivered, self._alone = delivered, alone
        self._slots = Slots(at_once, per_target)
        self._courier = Courier(
            store, client, find=find, describe=describe, now=now, chance=chance, try_s=try_s, threads=threads
        )
        self._sending: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._look_again: asyncio.TimerHandle | None = None
        self._closing = False
        self._forgot = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Sender:
        if self._alone:
            at = self._now()
            await self._block(lambda: self._store.transact(lambda db: take_back(db, at)))
        self._task = asyncio.create_task(self._run(), name="webhook sender")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """What is being sent is broken off; it is sent again by whoever comes next, after its lease."""
        # Until Python 3.12 wait_for forgets that it was canceled where what it waits for comes at the same time.
        self._closing = True
        if self._look_again is not None:
            self._look_again.cancel()
        tasks = [*self._sending, *([self._task] if self._task else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def watch(self) -> None:
        """Wait until the side task ends, which it never should. Raises what ended it."""
        if self._task is not None:
            await asyncio.shield(self._task)

    def wake(self) -> None:
        """Look now, and once more in a moment: something is written down, and may not be committed yet.

        May be called from the event loop only.
        """
        self._woken.set()
        if self._look_again is None:
            self._look_again = asyncio.get_running_loop().call_later(MOMENT_S, self._once_more)

    def _once_more(self) -> None:
        self._look_again = None
        self._woken.set()

    async def _run(self) -> None:
        while not self._closing:
            self._woken.clear()
            try:
                claimed = await self._claim_and_send()
                await self._forget_now_and_then()
            except MintmarkError as exc:
                logger.warning("Deliveries wait: %s", exc, extra=log.action("webhooks_wait"))
                claimed = False
            if not claimed:
                await self._rest()

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._woken.wait(), LOOK_EVERY_S)
        except asyncio.TimeoutError:
            return

    async def _block(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    # -- claiming -----------------------------------------------------------------------------------------------------

    async def _claim_and_send(self) -> bool:
        if self._slots.free <= 0:
            return False
        slots = self._slots.copy()
        claimed = await self._block(lambda: self._claim(slots))
        for due in claimed:
            give = self._slots.take(due.row["project"], due.target)
            task = asyncio.create_task(self._deliver(due), name=f"webhook {due.row['delivery_id']}")
            self._sending.add(task)
            task.add_done_callback(partial(self._done, due, give))
        return bool(claimed)

    def _claim(self, slots: Slots) -> list[Due]:
        at = self._now()
        # Looked for without a lock: mostly nothing is due.
        chosen, self._slots.after = self._store.read(lambda db: choose(db, at, slots.copy()))
        if not chosen:
            return []
        lease = secrets.token_hex(8)
        return self._store.transact(lambda db: claim(db, chosen, at, lease))

    def _done(self, due: Due, give: Callable[[], None], task: asyncio.Task[None]) -> None:
        self._sending.discard(task)
        give()
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error(
                "Delivery %s broke; it is tried again: %s",
                *(due.row["delivery_id"], error),
                extra=log.action("webhook_broke"),
            )

    async def _deliver(self, due: Due) -> None:
        tried = await self._courier.deliver(due)
        self._slots.learn(due.target, tried)
        await self._block(lambda: self._store.transact(lambda db: mark(db, due, tried)))
        tell(due, tried)
        if self._delivered is not None:
            self._delivered(tried.result, due.seconds(tried.at) if tried.delivered else None)

    async def _forget_now_and_then(self) -> None:
        if time.monotonic() - self._forgot > FORGET_EVERY_S:
            at = self._now()
            if not await self._block(lambda: self._store.transact(lambda db: forget(db, at))):
                self._forgot = time.monotonic()
