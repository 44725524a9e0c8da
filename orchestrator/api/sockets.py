"""A job over a websocket: the same facts as its events, and how it looks on the way."""

from __future__ import annotations

import asyncio
import base64
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import WSCloseCode, web
from pydantic import Field

from ... import log
from ...errors import NotAuthenticated
from ..dispatch.news import Fact, JobChanged, PreviewShown, Progressed
from . import events, job_views
from .call import Call
from .shapes import Query

if TYPE_CHECKING:
    from ..dispatch.news import Listener

logger = log.get("api")

HEARTBEAT_S = 20.0
LOOK_S = 5.0
_KINDS = {"image/jpeg": 1, "image/png": 2, "image/webp": 3}


class SocketQuery(Query):
    """What to show."""

    after: int = Field(default=0, ge=0, lt=2**62, description="Begin after this event.")
    previews: Literal["binary", "base64", "none"] = Field(
        default="binary",
        description="`binary`: 4 bytes big-endian say the kind (1 JPEG, 2 PNG, 3 WebP), then the picture.",
    )


def wanted(request: web.Request) -> bool:
    """Whether the caller really asks for a websocket."""
    return request.method == "GET" and web.WebSocketResponse().can_prepare(request).ok


async def watch(call: Call[Any, SocketQuery], job_id: str) -> web.WebSocketResponse:
    """Tell everything until the job is over, the caller goes or its key ends, or the socket has been open for long."""
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=4096)
    await socket.prepare(call.request)
    telling = asyncio.create_task(_tell(call, socket, job_id), name=f"watch {job_id}")
    try:
        # What a caller says is read, so that its close is seen, and ignored.
        async for _ in socket:
            pass
    finally:
        telling.cancel()
        with suppress(asyncio.CancelledError, ConnectionError):
            await telling
    return socket


async def _tell(call: Call[Any, SocketQuery], socket: web.WebSocketResponse, job_id: str) -> None:
    try:
        over = await _follow(call, socket, job_id)
    except ConnectionError:
        raise
    except NotAuthenticated as exc:
        await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=exc.message.encode())
    except Exception:
        # Nobody must go on listening to what says nothing any more.
        logger.exception("%s broke off", call.route.path, extra=log.action("watch_broke_off"))
        await socket.close(code=WSCloseCode.INTERNAL_ERROR, message=b"broken off")
    else:
        code = WSCloseCode.OK if over else WSCloseCode.TRY_AGAIN_LATER
        await socket.close(code=code, message=b"over" if over else b"open it again")


async def _follow(call: Call[Any, SocketQuery], socket: web.WebSocketResponse, job_id: str) -> bool:
    """Whether the job is over; else the time is up. Raises NotAuthenticated where the caller's key ends before."""
    service, after, clock = call.service, call.query.after, asyncio.get_running_loop().time
    until = clock() + service.service.stream_limit_s
    async with service.news.listen(job_id) as facts:
        while True:
            await call.again()
            for event in await call.block(service.jobs.events, job_id, after=after):
                view = job_views.event_view(event).model_dump(mode="json")
                await socket.send_json({"type": "event", **view})
                after = event.seq
            job = await call.block(service.jobs.get, job_id)
            if job is None or job.state.terminal or clock() >= until:
                return job is None or job.state.terminal
            await _live(call, socket, facts, min(until, clock() + LOOK_S))


async def _live(call: Call[Any, SocketQuery], socket: web.WebSocketResponse, facts: Listener, until: float) -> None:
    clock, previews = asyncio.get_running_loop().time, call.query.previews
    while (left := until - clock()) > 0:
        fact: Fact | None = await facts.next(left)
        if isinstance(fact, JobChanged):
            return
        await call.again()
        if isinstance(fact, Progressed):
            await socket.send_json({"type": "progress", **events.progress(fact)})
        elif isinstance(fact, PreviewShown) and previews != "none":
            await _show(previews, socket, fact)


async def _show(previews: str, socket: web.WebSocketResponse, fact: PreviewShown) -> None:
    if previews == "binary":
        await socket.send_bytes(struct.pack(">I", _KINDS.get(fact.media_type, 0)) + fact.data)
        return
    data = base64.b64encode(fact.data).decode()
    await socket.send_json({"type": "preview", "node": fact.node, "media_type": fact.media_type, "data": data})
