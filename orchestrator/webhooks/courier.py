"""One delivery, sent once: its body, its signature, and what the receiver's answer means."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ... import log
from ...clock import Clock
from ...errors import ForbiddenTarget, TargetFailed
from .backoff import next_try
from .claiming import Due, Tried
from .keeping import make_secret, secrets_of
from .signing import signed_headers
from .targets import Answer, Outbound

if TYPE_CHECKING:
    from ...storage.base import Store
    from ..jobs.job import Job

logger = log.get("webhooks")

TRY_S = 15.0
"""How long a receiver may take to answer, in seconds."""
_SHOWN = 1000
"""How much of an answer is kept, in bytes."""
_GONE = 410
"""The receiver's way to say: never again."""


class Courier:
    """See :class:`~.sender.Sender` for what it takes."""

    def __init__(
        self,
        store: Store,
        client: Outbound,
        *,
        find: Callable[[str], Job | None],
        describe: Callable[[Job], Mapping[str, Any]],
        now: Clock,
        chance: Callable[[], float],
        try_s: float,
        threads: Executor | None,
    ) -> None:
        self._store, self._client, self._find, self._describe = store, client, find, describe
        self._now, self._chance, self._try_s, self._threads = now, chance, try_s, threads

    async def deliver(self, due: Due) -> Tried:
        """Send it once; what came of it."""
        loop = asyncio.get_running_loop()
        prepared = await loop.run_in_executor(self._threads, self._prepare, due)
        if prepared is None:
            return Tried(self._now(), 0, error="The job is not there any more.")
        started = time.perf_counter()
        came = await self._ask(due, *prepared)
        return self._judged(due, round((time.perf_counter() - started) * 1000), came)

    def _prepare(self, due: Due) -> tuple[bytes, list[str]] | None:
        """The body, and the secrets that sign it."""
        if (data := self._data(due)) is None:
            return None
        message = {"type": due.row["type"], "timestamp": due.row["at"], "data": data}
        return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode(), self._secrets(due)

    def _data(self, due: Due) -> Any:
        if due.row["data"] is not None:
            return json.loads(due.row["data"])
        job = self._find(due.row["job_id"])
        return None if job is None else dict(self._describe(job))

    def _secrets(self, due: Due) -> list[str]:
        at, project = self._now(), due.row["project"]
        if found := self._store.read(lambda db: secrets_of(db, project, at)):
            return found
        self._store.transact(lambda db: make_secret(db, project, at))
        return self._store.read(lambda db: secrets_of(db, project, at))

    async def _ask(self, due: Due, body: bytes, keys: list[str]) -> Answer | TargetFailed | ForbiddenTarget:
        """The time in the signature is that of this try: receivers refuse old ones."""
        signed = signed_headers(keys, due.row["delivery_id"], int(self._now().timestamp()), body)
        headers = {"Content-Type": "application/json", **signed}
        url = due.row["url"]
        try:
            return await self._client.ask("POST", url, data=body, headers=headers, most=_SHOWN, timeout_s=self._try_s)
        except (TargetFailed, ForbiddenTarget) as exc:
            return exc

    def _judged(self, due: Due, latency_ms: int, came: Answer | TargetFailed | ForbiddenTarget) -> Tried:
        at = self._now()
        if isinstance(came, ForbiddenTarget):
            return Tried(at, latency_ms, error=came.message)
        if isinstance(came, TargetFailed):
            return Tried(at, latency_ms, error=came.message, again_at=self._again(due, 0.0))
        text = came.body.decode("utf-8", "replace").replace("\x00", "\ufffd")
        if 200 <= came.status < 300:
            return Tried(at, latency_ms, came.status, response=text, delivered=True)
        again_at = None if came.status == _GONE else self._again(due, _asked_s(came))
        return Tried(at, latency_ms, came.status, f"It answered {came.status}.", text, again_at=again_at)

    def _again(self, due: Due, asked_s: float) -> datetime | None:
        failed = due.row["attempts"] - due.row["earlier"]
        return next_try(due.begun_at, failed, self._now(), self._chance(), asked_s=asked_s)


def tell(due: Due, tried: Tried) -> None:
    """Log what came of it, with the target's host and nothing else of its URL."""
    its = {"delivery_id": due.row["delivery_id"], "job_id": due.row["job_id"], "target": due.target}
    if tried.delivered:
        logger.info("Delivered to %s.", due.target, extra=log.action("webhook_delivered", **its))
    elif tried.again_at is None:
        logger.error("Given up on %s: %s", due.target, tried.error, extra=log.action("webhook_dead", **its))
    else:
        logger.warning("%s: %s", due.target, tried.error, extra=log.action("webhook_failed", **its))


def _asked_s(answer: Answer) -> float:
    """How long the receiver asked us to wait. A date is not read: few send one, and our own back-off serves as well."""
    text = answer.headers.get("Retry-After", "")
    return min(float(text), 86_400.0) if text.isascii() and text.isdigit() and len(text) < 9 else 0.0
