"""Connections as they come, before and around what becomes a request on them: what is no HTTP, and who falls silent.

The server under us answers what it cannot read by quoting it, and writes that into its log with a traceback; a header
that cannot be read may well be one with a key in it. And it waits for a caller for an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict, CIMultiDictProxy

from ... import log
from ...errors import MalformedRequest
from . import problems
from .serving import SAFE, problem_response

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

logger = log.get("api")

SILENT_S = 60.0
"""Who neither sends what was begun nor takes what is sent for so long, twice, is let go. In seconds."""
FEW = 64
"""Bytes that are as good as silence: of a body that is to come they would take for ever."""


class Runner(web.AppRunner):
    """Runs the application on :class:`Connection`s."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        kept = {name: value for name, value in self._kwargs.items() if name != "handler_cancellation"}
        return _Server(
            made.request_handler,
            request_factory=_expecting_nothing_else(made.request_factory),
            handler_cancellation=made.handler_cancellation,
            loop=asyncio.get_running_loop(),
            **kept,
        )


def _expecting_nothing_else(make: Callable[..., Any] | None) -> Callable[..., Any]:
    """Without what is expected beside ``100-continue``: nobody knows of anything else, and the server under us would
    refuse it in words of its own."""

    def made(message: Any, *given: Any, **named: Any) -> Any:
        if message.headers.get("Expect", "100-continue").lower() != "100-continue":
            kept = CIMultiDict((name, value) for name, value in message.headers.items() if name.lower() != "expect")
            message = message._replace(headers=CIMultiDictProxy(kept))
        return make(message, *given, **named) if make is not None else None

    return made


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return Connection(self, loop=self._loop, **self._kwargs)


class Connection(web.RequestHandler):
    """One caller's connection."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._came = 0
        self._seen: tuple[object, int, int] | None = None
        self._look_at: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to look after it."""
        super().connection_made(transport)
        self._look_again()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        if self._look_at is not None:
            self._look_at.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes."""
        self._came += len(data)
        super().data_received(data)

    # -- what is no HTTP ----------------------------------------------------------------------------------------------

    def handle_error(
        self, request: BaseRequest, status: int = 500, exc: BaseException | None = None, message: str | None = None
    ) -> web.StreamResponse:
        """Answer what never became a request, or broke before it was one: in our shape, and without its words."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has been begun already")
        if status == HTTPStatus.BAD_REQUEST:
            answer = problem_response(MalformedRequest("The request is no HTTP that can be read."))
        else:
            logger.error("A request broke.", exc_info=exc, extra=log.action("connection_failed"))
            answer = problem_response(problems.defect())
        answer.headers.update({"Server": "mintmark", **SAFE})
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Of what strangers send or leave half-done nothing is written: they could fill the disk."""
        if not isinstance(kw.get("exc_info"), (HttpProcessingError, web.RequestPayloadError, ConnectionError)):
            super().log_exception(*args, **kw)

    # -- who falls silent ---------------------------------------------------------------------------------------------

    def _look_again(self) -> None:
        self._look_at = asyncio.get_running_loop().call_later(SILENT_S, self._look)

    def _look(self) -> None:
        transport = self.transport
        if transport is None:
            return
        now = self._waited_for(), self._came, transport.get_write_buffer_size()
        if self._seen is not None and _silent(self._seen, now):
            transport.abort()
            return
        self._seen = now
        self._look_again()

    def _waited_for(self) -> object:
        """The request whose body is waited for, or the connection itself where its first request is; else None."""
        request = self._current_request
        if request is None:
            return self if self._request_count == 0 else None
        waits = not request.content.is_eof() and not self._reading_paused
        return request if waits else None


def _silent(before: tuple[object, int, int], now: tuple[object, int, int]) -> bool:
    """Whether nothing to speak of happened between two looks, though something had to."""
    waited_for, came, unsent = now
    in_vain = waited_for is not None and waited_for is before[0] and came - before[1] < FEW
    return in_vain or (unsent > 0 and unsent == before[2])
