"""Calling URLs that somebody else named: webhooks, and pictures to start from.

A name can mean another address the next moment, and a server can send us on. So the address is checked when it is
connected to, not only when it is asked for: the connector itself resolves, checks what it found, and connects to that
and nothing else; and each redirect is a new URL that is checked like the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any
from urllib.parse import urljoin

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from ...addresses import check_address, check_url
from ...errors import ForbiddenTarget, TargetFailed
from .outbox import target_of
from .resolving import OwnThreads

REDIRECTS = 3
_FETCH_S = 15.0
"""How long a picture may take in all, redirects included."""
_CONNECT_S = 5.0
_CHUNK = 64 * 1024
_AGENT = "Mintmark (+https://github.com/mintmark/mintmark)"


@dataclass(frozen=True)
class Answer:
    """What a target said. ``body`` is only its beginning, where less was read than it sent."""

    status: int
    body: bytes
    media_type: str
    headers: Mapping[str, str]


class GuardedConnector(aiohttp.TCPConnector):
    """Connects to public addresses only, whatever a name says they are. ``resolver``: for tests."""

    def __init__(
        self, *, allow_private: bool = False, resolver: AbstractResolver | None = None, **options: Any
    ) -> None:
        self._own_resolver = None if resolver is not None else OwnThreads()
        super().__init__(resolver=resolver or self._own_resolver, **options)
        self._allow_private = allow_private

    async def close_resolver(self) -> None:
        """Give its threads back."""
        if self._own_resolver is not None:
            await self._own_resolver.close()

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Any] | None = None) -> list[ResolveResult]:
        # Overridden here and not in a resolver: that is not asked about what looks like an address already. What this
        # returns is what is connected to.
        found = await super()._resolve_host(host, port, traces)
        for each in found:
            check_address(each["host"], allow_private=self._allow_private)
        return found


class Outbound:
    """The client for URLs of others. Proxies of the environment are not used: they would resolve names themselves.

    ``at_once`` bounds its connections; 0: whoever uses it has bounds of its own."""

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolver: AbstractResolver | None = None,
        at_once: int = 0,
        ssl: Any = True,
    ) -> None:
        self.allow_private = allow_private
        self._resolver, self._at_once, self._ssl = resolver, at_once, ssl
        self._session: aiohttp.ClientSession | None = None
        self._connector: GuardedConnector | None = None

    async def __aenter__(self) -> Outbound:
        self._connector = GuardedConnector(
            allow_private=self.allow_private,
            resolver=self._resolver,
            limit=self._at_once,
            ssl=self._ssl,
            # A kept connection that the other side just closed would look like a failed delivery.
            force_close=True,
        )
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": _AGENT, "Accept-Encoding": "identity"},
            skip_auto_headers=("Accept",),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None and self._connector is not None:
            await self._session.close()
            await self._connector.close_resolver()

    def check(self, url: str) -> None:
        """Refuse early what will be refused in any case. Raises ForbiddenTarget."""
        check_url(url, allow_private=self.allow_private)

    async def fetch(self, url: str, *, max_bytes: int, timeout_s: float = _FETCH_S) -> Answer:
        """What is there, all of it. Raises ForbiddenTarget, and TargetFailed where it is not given as asked."""
        try:
            return await asyncio.wait_for(self._following(url, max_bytes), timeout_s)
        except asyncio.TimeoutError:
            raise TargetFailed(f"{target_of(url)} took longer than {timeout_s:g} s.") from None

    async def _following(self, url: str, max_bytes: int) -> Answer:
        for _ in range(REDIRECTS + 1):
            answer = await self.ask("GET", url, most=max_bytes + 1)
            if not 300 <= answer.status < 400:
                return _whole(url, answer, max_bytes)
            if not (location := answer.headers.get("Location")):
                break
            url = urljoin(url, location)
        raise TargetFailed(f"{target_of(url)} sent us on and on.", hint=f"At most {REDIRECTS} redirects are followed.")

    async def ask(
        self,
        method: str,
        url: str,
        *,
        most: int,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = _FETCH_S,
    ) -> Answer:
        """One request, no redirect followed, at most so many bytes of the answer read.

        Raises ForbiddenTarget, and TargetFailed where there was no answer.
        """
        self.check(url)
        if self._session is None:
            raise RuntimeError("The client was not opened: use it as an async context manager.")
        timeout = aiohttp.ClientTimeout(total=timeout_s, sock_connect=min(timeout_s, _CONNECT_S))
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False, timeout=timeout
            ) as reply:
                body = await _beginning(reply.content, most)
                return Answer(reply.status, body, reply.content_type, dict(reply.headers))
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError, ValueError) as exc:
            raise _failure(url, exc) from None


async def fetch(url: str, *, max_bytes: int, allow_private: bool = False) -> bytes:
    """:meth:`Outbound.fetch` with a client of its own, for who calls once."""
    async with Outbound(allow_private=allow_private) as client:
        return (await client.fetch(url, max_bytes=max_bytes)).body


async def _beginning(content: aiohttp.StreamReader, most: int) -> bytes:
    found = bytearray()
    while len(found) < most and (chunk := await content.read(min(_CHUNK, most - len(found)))):
        found += chunk
    return bytes(found)


def _whole(url: str, answer: Answer, max_bytes: int) -> Answer:
    if answer.status != 200:
        raise TargetFailed(f"{target_of(url)} answered {answer.status}.", status=answer.status)
    if len(answer.body) > max_bytes:
        raise TargetFailed(f"{target_of(url)} gave more than {max_bytes} bytes.", hint="Name a smaller file.")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise TargetFailed(f"{target_of(url)} gave it compressed, which was not asked for.")
    return answer


def _failure(url: str, exc: BaseException) -> TargetFailed | ForbiddenTarget:
    """What went wrong, with the host and nothing else of the URL: the library's own words would quote it."""
    target = target_of(url)
    if isinstance(exc, asyncio.TimeoutError):
        return TargetFailed(f"{target} did not answer in time.")
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return TargetFailed(f"{target}: there is no such host.")
    if isinstance(exc, aiohttp.ClientSSLError):
        return TargetFailed(f"{target}: its certificate or its TLS cannot be used.")
    if isinstance(exc, (aiohttp.ClientConnectorError, ConnectionError)):
        return TargetFailed(f"{target} cannot be reached.")
    if isinstance(exc, (aiohttp.InvalidURL, ValueError)):
        return ForbiddenTarget("The URL cannot be read.")
    return TargetFailed(f"{target} broke off, or its answer is no HTTP.")
