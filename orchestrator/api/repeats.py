"""Creates that make no job (an upload, a key, a release), asked again under the same ``Idempotency-Key``.

What was answered is kept for seven days, beside the keys of jobs. Of two at once in one process the second waits for
the first and gets its answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ...clock import Clock, utc_now
from ..jobs import idempotency as known_keys
from .call import Reply

if TYPE_CHECKING:
    from ...storage.base import Session, Store
    from ..jobs.base import Idempotency
    from .threads import Threads


class Repeats:
    """Answers by idempotency key."""

    def __init__(self, store: Store, threads: Threads, *, now: Clock = utc_now) -> None:
        self._store, self._threads, self._now = store, threads, now
        self._locks: dict[tuple[str, str], tuple[asyncio.Lock, int]] = {}
        store.install(known_keys.PART)

    async def once(
        self,
        key: Idempotency | None,
        work: Callable[[], Awaitable[Reply]],
        *,
        shown_again: Callable[[Any], Any] = lambda answer: answer,
    ) -> Reply:
        """Do the work, or answer as it was answered before. ``shown_again``: the answer without what is shown once.

        A refusal is no answer to keep: what was wrong may be mended, and asked again. Raises IdempotencyMismatch.
        """
        if key is None:
            return await work()
        async with self._alone(key):
            known = await self._threads(self._store.read, lambda db: known_keys.find(db, key, self._now()))
            if known is not None and known.answer is not None:
                kept = json.loads(known.answer)
                headers = {**kept["headers"], "Idempotent-Replayed": "true"}
                return Reply(int(known.status or 200), headers=headers, data=kept["body"].encode(), replayed=True)
            reply = await work()
            body = shown_again(reply.model).model_dump_json() if reply.model else ""
            text = json.dumps({"headers": dict(reply.headers), "body": body})
            await self._threads(self._store.transact, lambda db: self._keep(db, key, reply.status, text))
            return reply

    def _keep(self, db: Session, key: Idempotency, status: int, answer: str) -> None:
        # Another process may have done the same meanwhile; what it answered stays.
        if known_keys.find(db, key, self._now()) is None:
            known_keys.keep(db, key, self._now(), status=status, answer=answer)

    @asynccontextmanager
    async def _alone(self, key: Idempotency) -> AsyncIterator[None]:
        name = key.scope, key.key
        lock, waiting = self._locks.get(name, (asyncio.Lock(), 0))
        self._locks[name] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._locks.pop(name)
            if waiting > 1:
                self._locks[name] = lock, waiting - 1
