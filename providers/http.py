"""The one HTTP client all adapters share, over aiohttp.

It knows nothing of any vendor. It knows what may be repeated, how much may be read, where a request may go, and how
to fail without telling a secret: a failure here names the method and the place, never a header, a body or a query.

aiohttp is imported when the first request is made, so that the node pack can be imported without it.
"""

from __future__ import annotations

import asyncio
import copy
import json as jsonlib
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

from typing_extensions import Self

from .. import __version__, log
from ..clock import utc_now
from ..errors import ForbiddenTarget
from .multipart import Part, encode
from .retry import PASSING, Repeat, Retries, retry_after
from .secret import Secret as Secret  # offered here too: who opens a client brings a key
from .urls import is_safe, place

if TYPE_CHECKING:
    import aiohttp

    from .gate import Gate
    from .submission import Submission

MIB = 1024 * 1024
_CHUNK = 64 * 1024
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3

logger = log.get("providers.http")


@dataclass(frozen=True, kw_only=True)
class Timeouts:
    """Seconds. ``read_s`` is the longest silence of a poll or download; ``total_s`` bounds any one request.

    A paid POST is silent until its image is made, so only ``total_s`` bounds it: giving up on it earlier would turn
    a slow success into a call whose charge nobody knows.
    """

    connect_s: float = 10.0
    read_s: float = 60.0
    total_s: float = 600.0


class Failure(Exception):
    """A request without a complete answer. Adapters translate it; none leaves ``providers/``."""

    def __init__(self, method: str, url: str, reason: str) -> None:
        self.method = method
        self.place = place(url)
        self.reason = log.redact(reason)
        super().__init__(f"{method} {self.place}: {self.reason}")


class NotSent(Failure):
    """No connection was established, so the request surely was not seen."""


class Lost(Failure):
    """The request left, or may have, and no complete answer came back."""


class TooLarge(Failure):
    """The answer is larger than the limit; the rest of it was not read."""


class Forbidden(Failure):
    """The URL is not one that may be asked: not https, with credentials in it, or on another host than allowed."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """A complete answer. Header names are matched in any case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    retry_after_s: float | None = None

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises ValueError where it is none."""
        value = parsed(self.body)
        if not isinstance(value, dict):
            raise ValueError("the answer is no JSON object")  # noqa: TRY004 - one error for "not the JSON we expect"
        return value


def parsed(body: bytes, **how: Any) -> Any:
    """The JSON value; ``how`` are options of :func:`json.loads`. Raises ValueError, and nothing else."""
    try:
        return jsonlib.loads(body, **how)
    except RecursionError:
        raise ValueError("the answer is nested too deeply") from None


OnChunk = Callable[[bytes], Awaitable[None]]
"""Given a part of a body as soon as it is there."""
Again = Callable[[Reply], bool]
"""Whether this answer means that the request was not processed and may be repeated."""
WaitOf = Callable[[Reply], "float | None"]
"""Seconds that a vendor asks us to wait, where it says so elsewhere than in Retry-After."""
Sign = Callable[[Mapping[str, str], bytes], Awaitable[Mapping[str, str]]]
"""Given the other headers and the body as they go over the wire, the headers that prove who asks. Asked anew for each
try, since a signature is good for minutes only; the URL it is for is then sent to the letter."""


def throttled(reply: Reply) -> bool:
    """The one status by which any server says that it did nothing yet."""
    return reply.status == 429


def passing(reply: Reply) -> bool:
    """Trouble that may pass; asking again is free only for what is idempotent."""
    return reply.status in PASSING


class HttpClient:
    """Shared by all adapters of a process: ``async with HttpClient() as http``. Sessions are made when first needed.

    It has no limit of its own on connections: waiting for a place would count against a call's time, and how many
    calls run at once is decided above.
    """

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        retries: Retries | None = None,
        max_bytes: int = 256 * MIB,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        private_hosts: Iterable[str] = (),
    ) -> None:
        """``private_hosts`` are the user's own, which may have private addresses: files are fetched there too."""
        self.timeouts = timeouts or Timeouts()
        self.sleep = sleep
        self.clock = clock
        self._retries = retries or Retries()
        self._max_bytes = max_bytes
        self._random = random
        self._private_hosts = frozenset(private_hosts)
        self._stack = AsyncExitStack()
        self._gate: Gate | None = None
        self._paid: aiohttp.ClientSession | None = None
        self._free: aiohttp.ClientSession | None = None
        self._files: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what was opened. Harmless to repeat."""
        await self._stack.aclose()
        self._paid = self._free = self._files = None

    def behind(self, gate: Gate) -> Self:
        """A client of the same kind, closed with this one, whose paid requests wait at the gate and tell it what they
        were answered."""
        made = copy.copy(self)
        made._gate = gate
        made._paid = made._free = made._files = None
        return made

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        json: Any = None,
        form: Sequence[Part] | Mapping[str, str] | None = None,
        data: bytes | None = None,
        max_bytes: int | None = None,
        repeat: Repeat,
        again: Again | None = None,
        submission: Submission | None = None,
        on_chunk: OnChunk | None = None,
        sign: Sign | None = None,
        wait_of: WaitOf | None = None,
        guarded: bool = False,
    ) -> Reply:
        """Make a request and read its whole answer, whatever its status; redirects are never followed.

        ``form`` as parts is sent as multipart, as a mapping in the form of URLs.
        ``data`` is a body as it stands, whose content type is among the headers.
        ``again`` says which answers may be repeated; by default 429 for ``unsent`` and :data:`PASSING` for
        ``idempotent``. The last answer is returned when the tries are used up. ``submission`` hears whether the
        request may have left, and says whether it may be repeated. ``on_chunk`` is given the body of a 200 as it comes.
        ``guarded`` connects to public addresses only, whatever a name means at that moment.
        Raises NotSent, Lost, TooLarge and Forbidden.
        """
        if not is_safe(url):
            raise Forbidden(method, url, "only https is asked, and http only on this machine")
        again = again or (throttled if repeat == "unsent" else passing)
        # In a thread where the body holds images: writing megabytes of JSON would hold up every other call.
        large = form is not None or _holds_files(json)
        extra, body = await asyncio.to_thread(_body, json, form) if large else _body(json, form)
        body = data if data is not None else body
        # A content type that is brought along stays: AWS has one of its own for JSON.
        headers, attempt = {**extra, **headers}, 1
        while True:
            gate = self._gate if repeat == "unsent" else None
            if gate is not None and (word := await self._opened(gate, method, url, submission)) is not None:
                return word
            signed = {**headers, **await sign(headers, body or b"")} if sign else headers
            if not all(map(str.isprintable, signed.values())):
                # aiohttp would notice, too, but only when the request counts as asked.
                raise Forbidden(method, url, "a header has characters that it cannot have")
            if submission is not None:
                submission.asked = True
            limit = max_bytes or self._max_bytes
            session = self._guarded() if guarded else self._session(repeat)
            outcome = await self._once(
                session, method, url, signed, body, limit, repeat, on_chunk, to_the_letter=sign is not None
            )
            if wait_of and isinstance(outcome, Reply) and outcome.retry_after_s is None:
                outcome = replace(outcome, retry_after_s=wait_of(outcome))
            if submission is not None:
                submission.replied = isinstance(outcome, Reply)
            if gate is not None and isinstance(outcome, Reply):
                gate.told(outcome)
            pause = self._pause(outcome, attempt, repeat, again)
            if pause is None:
                break
            logger.info("%s %s is repeated in %.1f s", method, place(url), pause, extra=log.action("http_repeat"))
            if submission is None:
                await self.sleep(pause)
            elif not await submission.rest(self.sleep, pause):
                break
            attempt += 1
        # Raised here and not where aiohttp's own error was caught: that one would come along as the context, and it
        # can carry the request's headers.
        if isinstance(outcome, Failure):
            raise outcome from None
        return outcome

    async def _opened(self, gate: Gate, method: str, url: str, submission: Submission | None) -> Reply | None:
        """Wait until the provider takes calls again. Its last 429 where that is longer than anybody waits."""
        while (pause := gate.closed_for()) > 0:
            if pause > self._retries.longest_asked_s:
                return gate.last_word()
            pause += self._random() * self._retries.first_s
            if submission is None:
                await self.sleep(pause)
            elif not await submission.rest(self.sleep, pause):
                raise NotSent(method, url, "nobody waits for it any more")
        return None

    async def download(self, url: str, *, allowed: Callable[[str], bool], max_bytes: int | None = None) -> Reply:
        """Fetch a file without any key, following at most three redirects; each stop must be ``allowed``."""
        for _ in range(_MOST_REDIRECTS + 1):
            if not allowed(url):
                raise Forbidden("GET", url, "not a host that this provider's files come from")
            reply = await self.send("GET", url, headers={}, max_bytes=max_bytes, repeat="idempotent", guarded=True)
            if reply.status not in _REDIRECTS or "location" not in reply.headers:
                return reply
            url = _next(url, reply.headers["location"])
        raise Forbidden("GET", url, f"more than {_MOST_REDIRECTS} redirects")

    def _pause(self, outcome: Reply | Failure, attempt: int, repeat: Repeat, again: Again) -> float | None:
        if isinstance(outcome, Reply):
            repeatable, asked = repeat != "never" and again(outcome), outcome.retry_after_s
        else:
            kinds = {"never": (), "unsent": (NotSent,), "idempotent": (NotSent, Lost)}[repeat]
            repeatable, asked = isinstance(outcome, kinds), None
        return self._retries.pause(attempt, asked, self._random()) if repeatable else None

    async def _once(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        limit: int,
        repeat: Repeat,
        on_chunk: OnChunk | None = None,
        *,
        to_the_letter: bool = False,
    ) -> Reply | Failure:
        import aiohttp
        from yarl import URL

        try:
            async with session.request(
                method,
                # Left to itself aiohttp writes "%3A" as ":", which is another URL to whoever checks a signature.
                URL(url, encoded=True) if to_the_letter else url,
                headers=headers,
                # aiohttp writes plain bytes in one piece, which holds up the loop where there are megabytes of them.
                data=BytesIO(body) if body is not None and len(body) > MIB else body,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    total=self.timeouts.total_s,
                    sock_connect=self.timeouts.connect_s,
                    sock_read=self.timeouts.read_s if repeat == "idempotent" else None,
                ),
            ) as response:
                content = await _read(response, limit, on_chunk if response.status == 200 else None)
                if content is None:
                    return TooLarge(method, url, f"the answer is larger than {limit} bytes")
                asked = retry_after(response.headers, utc_now())
                return Reply(status=response.status, headers=response.headers, body=content, retry_after_s=asked)
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as exc:
            return NotSent(method, url, _reason(exc))
        except ForbiddenTarget:
            return Forbidden(method, url, "its host has an address that is not public")
        except aiohttp.InvalidURL:
            return Forbidden(method, url, "not a URL")
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as exc:
            return Lost(method, url, _reason(exc))

    def _session(self, repeat: Repeat) -> aiohttp.ClientSession:
        import aiohttp

        if repeat == "idempotent":
            self._free = self._free or self._open(aiohttp.TCPConnector(limit=0))
            return self._free
        # A paid POST never rides on a reused connection. A server closes an idle one whenever it likes, and then
        # "closed before my request came" cannot be told from "took my request and died": a call that cost nothing
        # would have to be booked as one whose charge is unknown.
        self._paid = self._paid or self._open(aiohttp.TCPConnector(limit=0, force_close=True))
        return self._paid

    def _guarded(self) -> aiohttp.ClientSession:
        if self._files is None:
            from .guarding import PublicConnector

            self._files = self._open(PublicConnector(exempt=self._private_hosts, limit=0))
        return self._files

    def _open(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        import aiohttp

        session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": f"mintmark/{__version__}"},
        )
        self._stack.push_async_callback(session.close)
        return session


def _next(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise Forbidden("GET", url, "it redirects to what is no URL") from None


def _holds_files(value: Any) -> bool:
    """Whether one of the texts in a JSON body is as long as only files are."""
    if isinstance(value, str):
        return len(value) > _CHUNK
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(map(_holds_files, inside))


def _body(json: Any, form: Sequence[Part] | Mapping[str, str] | None) -> tuple[dict[str, str], bytes | None]:
    if isinstance(form, Mapping):
        # As OAuth 2.0 has it (RFC 6749 4.4.2).
        return {"Content-Type": "application/x-www-form-urlencoded"}, urlencode(form).encode()
    if form is not None:
        content_type, body = encode(form)
        return {"Content-Type": content_type}, body
    if json is None:
        return {}, None
    text = jsonlib.dumps(json, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return {"Content-Type": "application/json"}, text.encode()


async def _read(response: aiohttp.ClientResponse, limit: int, on_chunk: OnChunk | None = None) -> bytes | None:
    """The body, or None where it is larger than ``limit`` bytes (after decompression)."""
    content = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        content += chunk
        if len(content) > limit:
            # Without this the rest would be drained so that the connection can be kept.
            response.close()
            return None
        if on_chunk is not None:
            await on_chunk(chunk)
    return bytes(content)


def _reason(exc: BaseException) -> str:
    """Why, in aiohttp's name for it and the system's words: its own text may quote the URL with its query."""
    system = exc.strerror if isinstance(exc, OSError) else None
    return f"{type(exc).__name__}: {system}" if system else type(exc).__name__
