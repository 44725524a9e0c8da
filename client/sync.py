"""``mintmark.SyncClient``: the same client for code that does not await. An event loop of its own runs in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import Self

from ..errors import MintmarkError
from .client import Client
from .values import Job, Order, Output, Update

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


def _told_as(method: Callable[..., Any]) -> Callable[[F], F]:
    """Give the method that does the same the same text: ``help()`` shows that of the class that is asked about."""

    def told(own: F) -> F:
        own.__doc__ = method.__doc__
        return own

    return told


class SyncClient:
    """Use it as ``with SyncClient(url, api_key=...) as client``; in a notebook ``SyncClient().open()`` will do.

    Every method is that of :class:`~.client.Client`, without ``await``.
    """

    def __init__(self, url: str | None = None, *, api_key: str | None = None, timeout_s: float = 60.0) -> None:
        self._client = Client(url, api_key=api_key, timeout_s=timeout_s)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mintmark-client", daemon=True)

    def open(self) -> Self:
        """Start it; :meth:`close` ends it."""
        self._thread.start()
        self._do(self._client.__aenter__())
        return self

    def close(self) -> None:
        """End it. Harmless to repeat."""
        if not self._thread.is_alive():
            return
        self._do(self._client.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _each(self, source: AsyncIterator[T]) -> Iterator[T]:
        async def following() -> tuple[bool, Any]:
            try:
                return True, await source.__anext__()
            except StopAsyncIteration:
                return False, None

        while True:
            more, item = self._do(following())
            if not more:
                return
            yield item

    @_told_as(Client.generate)
    def generate(
        self,
        prompt: str,
        *,
        size: tuple[int, int] | None = None,
        idempotency_key: str | None = None,
        wait_s: float | None = None,
        **more: Any,
    ) -> Job:
        made = self._client.generate(prompt, size=size, idempotency_key=idempotency_key, wait_s=wait_s, **more)
        return self._do(made)

    @_told_as(Client.submit)
    def submit(
        self,
        workflow: str,
        inputs: Mapping[str, Any] | None = None,
        *,
        images: Mapping[str, Path | bytes] | None = None,
        idempotency_key: str | None = None,
        wait_s: float | None = None,
        **more: Any,
    ) -> Job:
        made = self._client.submit(
            workflow, inputs, images=images, idempotency_key=idempotency_key, wait_s=wait_s, **more
        )
        return self._do(made)

    @_told_as(Client.upload)
    def upload(self, picture: Path | bytes) -> str:
        return self._do(self._client.upload(picture))

    @_told_as(Client.batch)
    def batch(
        self, orders: Iterable[Order | Mapping[str, Any]], *, idempotency_key: str | None = None
    ) -> Iterator[Job | MintmarkError]:
        return self._each(self._client.batch(orders, idempotency_key=idempotency_key))

    @_told_as(Client.job)
    def job(self, job: Job | str) -> Job:
        return self._do(self._client.job(job))

    @_told_as(Client.wait)
    def wait(self, job: Job | str, *, timeout_s: float | None = None, check: bool = True) -> Job:
        return self._do(self._client.wait(job, timeout_s=timeout_s, check=check))

    @_told_as(Client.stream)
    def stream(self, job: Job | str, *, after: int = 0) -> Iterator[Update]:
        return self._each(self._client.stream(job, after=after))

    @_told_as(Client.cancel)
    def cancel(self, job: Job | str) -> Job:
        return self._do(self._client.cancel(job))

    @_told_as(Client.retry)
    def retry(self, job: Job | str) -> Job:
        return self._do(self._client.retry(job))

    @_told_as(Client.jobs)
    def jobs(self, **where: str) -> Iterator[Job]:
        return self._each(self._client.jobs(**where))

    @_told_as(Client.download)
    def download(self, output: Output, *, job: Job | None = None) -> bytes:
        return self._do(self._client.download(output, job=job))
