"""One HTTP session to the service: the key, the repeats that are safe, and problems as our own errors."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from typing_extensions import Self

from ..errors import MintmarkError, ServiceUnreachable, from_dict

if TYPE_CHECKING:
    import aiohttp

TRIES = 5
"""How often a request is sent at most. A create carries an Idempotency-Key, so sending it again makes nothing twice."""
FOLLOWING = 10
"""The same, in a row, while a job is followed: some twenty seconds, in which a service is started anew."""
_GATEWAY = frozenset({502, 503, 504})
"""What a proxy answers where it does not reach the service, or gets no answer."""
_AGAIN = _GATEWAY | {429}
_MOST_WAIT_S = 30.0
"""How long a Retry-After is heeded at most."""
_LONG_S = 30.0
"""What a line of a batch is to wait longer for is not waited for."""
_MOST_PAUSE_S = 5.0

T = TypeVar("T")


class Tries:
    """How often something is asked again that a broken line, a proxy or a limit kept out."""

    def __init__(self, most: int | None = TRIES) -> None:
        """``most``: in a row. None: for as long as the caller waits."""
        self._most, self._failed = most, 0

    def answered(self) -> None:
        """It goes on: what fails after this begins a new row."""
        self._failed = 0

    async def after(self, error: MintmarkError) -> None:
        """Wait until it is worth another try. Raises the error where it is not."""
        self._failed += 1
        passes = isinstance(error, ServiceUnreachable) or error.data.get("status") in _AGAIN
        if not passes or (self._most is not None and self._failed >= self._most):
            raise error
        await asyncio.sleep(_pause(self._failed, error.data.get("retry_after_s")))


def may_pass(error: MintmarkError) -> bool:
    """Whether this line of a batch was kept out by what may well be over when the service says: a full queue, a limit,
    a stop. What it says will take long, such as a key that is held, is the caller's to wait for."""
    after = error.data.get("retry_after_s")
    return error.data.get("status") in _AGAIN and isinstance(after, (int, float)) and after <= _LONG_S


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
        tries: Tries | None = None,
    ) -> Any:
        """The answer's JSON. Raises what the service says is wrong, and ServiceUnreachable."""
        sent = dict(headers or {})
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        return await self._asked(tries, told, method, path, headers=sent, query=query, data=data)

    async def content(self, path: str) -> bytes:
        """The answer's bytes. Raises as :meth:`json` does."""
        return await self._asked(None, _whole, "GET", path)

    async def _asked(
        self,
        tries: Tries | None,
        take: Callable[[aiohttp.ClientResponse], Awaitable[T]],
        method: str,
        path: str,
        **sent: Any,
    ) -> T:
        tries = tries or Tries()
        while True:
            try:
                async with self.request(method, path, **sent) as answer:
                    return await take(answer)
            except MintmarkError as exc:
                await tries.after(exc)

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
        except (
            aiohttp.ClientConnectionError,
            aiohttp.ClientPayloadError,
            aiohttp.ClientResponseError,
            asyncio.TimeoutError,
        ) as exc:
            raise ServiceUnreachable(
                f"The service at {self.url} does not answer ({exc}).", hint="Is it running? mintmark serve starts it."
            ) from exc


async def told(answer: aiohttp.ClientResponse) -> Any:
    """The answer's JSON, None where it is empty. Raises what it says is wrong; ServiceUnreachable where it is none."""
    raw = await answer.read()
    try:
        body = json.loads(raw) if raw else None
    except ValueError as exc:
        if answer.status < 400:
            raise not_ours(f"HTTP {answer.status}, and no JSON") from exc
        body = None
    if answer.status >= 400:
        raise problem(body, answer.status, answer.headers.get("Retry-After"))
    return body


async def expect(answer: aiohttp.ClientResponse, media_type: str | None = None) -> None:
    """Raises what the answer says is wrong, and ServiceUnreachable where it is of another kind."""
    if answer.status >= 400:
        await told(answer)
    if media_type is not None and answer.content_type != media_type:
        raise not_ours(f"HTTP {answer.status}, and no {media_type}")


async def _whole(answer: aiohttp.ClientResponse) -> bytes:
    await expect(answer)
    return await answer.read()


def not_ours(what: str) -> ServiceUnreachable:
    """What is told of an answer that cannot be the service's own."""
    return ServiceUnreachable(
        f"Something before the service answers in its place: {what}.", hint="Is the service running?"
    )


def problem(body: Any, status: int, retry_after: str | None = None) -> MintmarkError:
    """A problem document (RFC 9457) as our own error, with all it says in ``data``."""
    said = body if isinstance(body, dict) else {}
    if "code" not in said and status in _GATEWAY:
        error: MintmarkError = not_ours(f"HTTP {status}")
    else:
        code, message = said.get("code", "internal_error"), said.get("detail") or said.get("title") or f"HTTP {status}"
        error = from_dict({"code": code, "message": message, "hint": said.get("hint", "")})
    names = ("field", "allowed", "retry_after_s")
    error.data.update({"status": status, **{name: said[name] for name in names if name in said}})
    if retry_after is not None and retry_after.isascii() and retry_after.isdigit():
        error.data["retry_after_s"] = float(retry_after)
    return error


def _pause(tried: int, retry_after_s: Any) -> float:
    if isinstance(retry_after_s, (int, float)):
        return min(float(retry_after_s), _MOST_WAIT_S)
    return random.uniform(0.5, 1.0) * min(0.1 * 2.0 ** min(tried, 10), _MOST_PAUSE_S)
