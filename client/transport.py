"""One HTTP session to the service: the key, the repeats that are safe, and problems as our own errors."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from typing_extensions import Self

from ..errors import MintmarkError, ServiceUnreachable, from_dict

if TYPE_CHECKING:
    import aiohttp

TRIES = 5
"""How often a request is sent at most. A create carries an Idempotency-Key, so sending it again makes nothing twice."""
_GATEWAY = frozenset({502, 503, 504})
"""What a proxy answers where it does not reach the service, or gets no answer."""
_AGAIN = _GATEWAY | {429}
_MOST_WAIT_S = 30.0


class Transport:
    """Use it as ``async with``. ``api_key`` is never shown."""

    def __init__(self, url: str, api_key: str | None, *, timeout_s: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        import aiohttp

        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._timeout_s))
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def json(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        data: bytes | None = None,
    ) -> Any:
        """The answer's JSON. Raises what the service says is wrong, and ServiceUnreachable."""
        sent = dict(headers or {})
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        for tried in range(1, TRIES + 1):
            try:
                async with self.request(method, path, headers=sent, query=query, data=data) as answer:
                    if answer.status in _AGAIN and tried < TRIES:
                        await asyncio.sleep(_pause(tried, answer.headers.get("Retry-After")))
                        continue
                    return await _told(answer)
            except ServiceUnreachable:
                if tried == TRIES:
                    raise
                await asyncio.sleep(_pause(tried, None))
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        data: bytes | AsyncIterator[bytes] | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """One request, sent once. The key goes to the service alone, never to an address on another host."""
        import aiohttp

        if self._session is None:
            raise RuntimeError("open the client first: async with Client(...) as client")
        ours = not path.startswith(("http://", "https://")) or path.startswith(f"{self.url}/")
        url = path if path.startswith(("http://", "https://")) else f"{self.url}{path}"
        own = self._headers if ours else {}
        try:
            async with self._session.request(
                method, url, headers={**own, **(headers or {})}, params=query, data=data
            ) as answer:
                yield answer
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, asyncio.TimeoutError) as exc:
            raise ServiceUnreachable(
                f"The service at {self.url} does not answer ({exc}).", hint="Is it running? mintmark serve starts it."
            ) from exc


async def _told(answer: aiohttp.ClientResponse) -> Any:
    text = await answer.text()
    try:
        body = json.loads(text) if text else None
    except ValueError:
        body = None
    if answer.status < 400:
        return body
    raise problem(body, answer.status)


def problem(body: Any, status: int) -> MintmarkError:
    """A problem document (RFC 9457) as our own error, with all it says in ``data``."""
    told = body if isinstance(body, dict) else {}
    if "code" not in told and status in _GATEWAY:
        return ServiceUnreachable(
            f"Something before the service answers in its place: HTTP {status}.", hint="Is the service running?"
        )
    code, message = told.get("code", "internal_error"), told.get("detail") or told.get("title") or f"HTTP {status}"
    error = from_dict({"code": code, "message": message, "hint": told.get("hint", "")})
    error.data.update({"status": status, **{name: told[name] for name in ("field", "allowed") if name in told}})
    return error


def _pause(tried: int, retry_after: str | None) -> float:
    if retry_after is not None and retry_after.isdigit():
        return min(float(retry_after), _MOST_WAIT_S)
    return float(random.uniform(0.5, 1.0) * min(0.1 * 2**tried, _MOST_WAIT_S))
