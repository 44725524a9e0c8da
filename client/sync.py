"""``mintmark.SyncClient``: the same client for code that does not await. An event loop of its own runs in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import Self

from ..errors import MintmarkError
from .client import Client
from .values import Job, Order, Output, Update

T = TypeVar("T")


class SyncClient:
    """Use it as ``with SyncClient(url, api_key=...) as client``; in a notebook ``SyncClient().open()`` will do.

    Every method is that of :class:`~.client.Client`.
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

    def generate(self, prompt: str, **more: Any) -> Job:
        """See :meth:`Client.generate`."""
        return self._do(self._client.generate(prompt, **more))

    def submit(self, workflow: str, inputs: Mapping[str, Any] | None = None, **more: Any) -> Job:
        """See :meth:`Client.submit`."""
        return self._do(self._client.submit(workflow, inputs, **more))

    def upload(self, picture: Path | bytes) -> str:
        """See :meth:`Client.upload`."""
        return self._do(self._client.upload(picture))

    def batch(self, orders: Iterable[Order], *, idempotency_key: str | None = None) -> Iterator[Job | MintmarkError]:
        """See :meth:`Client.batch`."""
        return self._each(self._client.batch(orders, idempotency_key=idempotency_key))

    def job(self, job: Job | str) -> Job:
        """See :meth:`Client.job`."""
        return self._do(self._client.job(job))

    def wait(self, job: Job | str, *, timeout_s: float | None = None, check: bool = True) -> Job:
        """See :meth:`Client.wait`."""
        return self._do(self._client.wait(job, timeout_s=timeout_s, check=check))

    def stream(self, job: Job | str, *, after: int = 0) -> Iterator[Update]:
        """See :meth:`Client.stream`."""
        return self._each(self._client.stream(job, after=after))

    def cancel(self, job: Job | str) -> Job:
        """See :meth:`Client.cancel`."""
        return self._do(self._client.cancel(job))

    def retry(self, job: Job | str) -> Job:
        """See :meth:`Client.retry`."""
        return self._do(self._client.retry(job))

    def jobs(self, **where: str) -> Iterator[Job]:
        """See :meth:`Client.jobs`."""
        return self._each(self._client.jobs(**where))

    def download(self, output: Output, *, job: Job | None = None) -> bytes:
        """See :meth:`Client.download`."""
        return self._do(self._client.download(output, job=job))
