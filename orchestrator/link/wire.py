"""A worker's HTTP: one session, answers as plain values, and patience with a line that breaks."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

from typing_extensions import Self

from ...errors import WorkerLost, WorkerUnreachable
from ...log import hide

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")

ANSWER_S = 30.0
"""How long a worker may take over one small answer, in seconds; files have longer."""
PATIENCE_S = 10.0
"""How long a question that broke off is asked again, in seconds; never longer than the worker may be silent."""
GATEWAY = (502, 503, 504)
"""What something between us and the worker answers where the worker did not."""
AT_ONCE = 64
"""Requests of jobs that are under way to one worker at a time. What waits here, waits with us: none of that time counts
as the worker's."""
MAX_FILE = 512 * 1024 * 1024
"""The largest output that is fetched, in bytes."""


class Wire:
    """Use it as ``async with``. Everything raises WorkerUnreachable where there is no answer.

    The token is only sent to the pack's own routes. ``url`` may have a name and a password in it, for a proxy before
    the worker; they are sent and never shown: :attr:`url` is without them. ``connector`` makes what connects, for a
    URL that not everywhere is to be followed to.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None,
        patience_s: float = PATIENCE_S,
        connector: Callable[[], aiohttp.BaseConnector | None] = lambda: None,
    ) -> None:
        self._connector = connector
        self.url, self._basic = _without_password(url)
        self._token = token
        self._patience_s = min(PATIENCE_S, patience_s)
        self._met = False
        self._places = asyncio.Semaphore(AT_ONCE)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=120, connect=5)
        connector = self._connector() or aiohttp.TCPConnector(limit=0)
        session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        self._http = await self._stack.enter_async_context(session)
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def json(
        self, method: str, path: str, body: Any = None, form: Callable[[], Any] | None = None, *, ahead: bool = False
    ) -> tuple[int, Any]:
        """Status and answer of a request that is safe to repeat; it is, while the line is broken. ``ahead``: it does
        not wait until those of jobs are answered."""

        async def ask() -> tuple[int, Any]:
            status, answer = await self.once(method, path, body, form, ahead=ahead)
            self._check_met(status)
            return status, answer

        return await self._again(ask)

    async def once(
        self, method: str, path: str, body: Any = None, form: Callable[[], Any] | None = None, *, ahead: bool = False
    ) -> tuple[int, Any]:
        """Status and answer of a request that is sent a single time."""
        async with contextlib.nullcontext() if ahead else self._places:
            return await self._once(method, path, body, form)

    async def _once(self, method: str, path: str, body: Any, form: Callable[[], Any] | None) -> tuple[int, Any]:
        import aiohttp

        headers = {"Authorization": f"Bearer {self._token}"} if self._token and "/mintmark/" in path else self._basic
        sent: dict[str, Any] = {"data": form()} if form is not None else ({"json": body} if body is not None else {})
        if form is None:
            sent["timeout"] = aiohttp.ClientTimeout(total=ANSWER_S, connect=5)
        try:
            async with self._http.request(method, self.url + path, headers=headers, **sent) as answer:
                text = await answer.text()
                return answer.status, _parsed(text)
        except (aiohttp.ClientError, asyncio.TimeoutError, ValueError) as exc:
            raise WorkerUnreachable(
                f"No worker answers at {self.url} ({type(exc).__name__}).",
                hint="Start one with `mintmark runner`, or check the address.",
            ) from exc

    async def file(self, name: str, query: Mapping[str, str]) -> bytes:
        """The bytes behind ``GET /view``. Raises WorkerLost where the worker no longer has them."""

        async def fetch() -> bytes:
            async with self._places:
                return await self._file(name, query)

        return await self._again(fetch)

    async def _file(self, name: str, query: Mapping[str, str]) -> bytes:
        import aiohttp

        try:
            async with self._http.get(f"{self.url}/view", params=query, headers=self._basic) as answer:
                self._check_met(answer.status)
                if answer.status != 200:
                    raise WorkerLost(f"The worker no longer has {name} (HTTP {answer.status}).")
                return await _read(answer, name)
        except (aiohttp.ClientError, asyncio.TimeoutError) as exc:
            raise WorkerUnreachable(f"The worker at {self.url} broke off while sending {name}.") from exc

    async def _again(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask until there is an answer, for as long as a line may take to come back."""
        now = asyncio.get_running_loop().time
        until, delay = now() + self._patience_s, 0.05
        while True:
            try:
                return await ask()
            except WorkerUnreachable as exc:
                if now() + delay > until or not self._worth_repeating(exc):
                    raise
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, 1.0)

    def _check_met(self, status: int) -> None:
        if status in GATEWAY:
            raise WorkerUnreachable(
                f"Something before the worker at {self.url} answers HTTP {status}.", hint="Is the worker running?"
            )
        self._met = True

    def _worth_repeating(self, exc: WorkerUnreachable) -> bool:
        """A line that broke is; an address where nobody ever answered is not: whoever mistyped it wants to know now."""
        import aiohttp

        nobody = (aiohttp.ClientConnectorError, asyncio.TimeoutError)
        broke = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError)
        cause = exc.__cause__
        return cause is None or (isinstance(cause, broke) and (self._met or not isinstance(cause, nobody)))


def _without_password(url: str) -> tuple[str, dict[str, str]]:
    """The URL as it may be shown, and the header that its name and password become."""
    before, at, host = url.partition("://")[2].partition("/")[0].rpartition("@")
    if not at:
        return url, {}
    name, _, password = (unquote(part) for part in before.partition(":"))
    hide(password)
    word = base64.b64encode(f"{name}:{password}".encode()).decode()
    return url.replace(f"{before}@{host}", host, 1), {"Authorization": f"Basic {word}"}


async def _read(answer: aiohttp.ClientResponse, name: str) -> bytes:
    data = await answer.content.read(MAX_FILE + 1)
    while not answer.content.at_eof() and len(data) <= MAX_FILE:
        data += await answer.content.read(MAX_FILE + 1 - len(data))
    if len(data) > MAX_FILE:
        raise WorkerLost(f"{name} is larger than {MAX_FILE} bytes and was not fetched.")
    return data


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
