"""How an answer reaches the client, or fails to: the faults of transport."""

from __future__ import annotations

import asyncio

from aiohttp import web

from .faults import Fault

_DRIPS = 10


async def deliver(request: web.Request, answer: web.Response, fault: Fault | None) -> web.StreamResponse:
    """Send the answer as the fault has it; without one, or with one of content, just send it."""
    kind = fault.kind if fault else None
    if kind == "drop_after":
        return cut(request, answer)
    if kind == "truncated":
        return await _truncated(request, answer)
    if kind == "slow" and fault is not None:
        return await _dripped(request, answer, fault.seconds)
    if kind == "bad_json":
        body = _body(answer)
        return web.Response(body=body[: max(1, len(body) // 2)], content_type="application/json")
    return answer


def cut(request: web.Request, answer: web.Response | None = None) -> web.Response:
    """Close the connection without a word. What is returned is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return answer or web.Response()


async def _truncated(request: web.Request, answer: web.Response) -> web.StreamResponse:
    body = _body(answer)
    stream = await _opened(request, answer, len(body))
    await stream.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return stream


async def _dripped(request: web.Request, answer: web.Response, seconds: float) -> web.StreamResponse:
    body = _body(answer)
    stream = await _opened(request, answer, len(body))
    size = max(1, -(-len(body) // _DRIPS))
    for start in range(0, len(body), size):
        await asyncio.sleep(seconds / _DRIPS)
        await stream.write(body[start : start + size])
    await stream.write_eof()
    return stream


async def _opened(request: web.Request, answer: web.Response, length: int) -> web.StreamResponse:
    stream = web.StreamResponse(status=answer.status, headers=answer.headers)
    stream.content_length = length
    await stream.prepare(request)
    return stream


def _body(answer: web.Response) -> bytes:
    return answer.body if isinstance(answer.body, bytes) else b""
