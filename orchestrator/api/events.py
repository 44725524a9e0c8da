"""Server-sent events of one job: first what is in the store, then what is told, until it is over."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import web

from ...errors import NotAuthenticated
from ..dispatch.news import Fact, JobChanged, Progressed
from . import job_views
from .call import Call

if TYPE_CHECKING:
    from ..jobs.job import JobEvent

MEDIA_TYPE = "text/event-stream"
SCHEMA = {
    "type": "object",
    "description": "One event. `progress` has no id, and percentage, eta_s and node as its data.",
    "properties": {
        "id": {"type": "string", "description": "Of what is durable: where to go on from."},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["event", "data"],
}
KEEP_ALIVE_S = 15.0
"""How often a silent stream shows that it is open; the store is looked at then, too."""


async def stream(call: Call[Any, Any], job_id: str) -> web.StreamResponse:
    """Send events until the job is over, the caller goes or its key ends, or the stream has been open for long."""
    request = call.request
    if request.method == "HEAD":
        return web.Response(headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"})
    after = int(request.headers.get("Last-Event-ID") or call.query.after)
    headers = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no", **call.told}
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    # Whoever opens it again is told why it ended.
    with suppress(NotAuthenticated):
        await _follow(call, response, job_id, after)
    await response.write_eof()
    return response


async def _follow(call: Call[Any, Any], response: web.StreamResponse, job_id: str, after: int) -> None:
    service, clock = call.service, asyncio.get_running_loop().time
    until = clock() + service.service.stream_limit_s
    async with service.news.listen(job_id) as facts:
        while True:
            await call.again()
            after = await _catch_up(call, response, job_id, after)
            job = await call.block(service.jobs.get, job_id)
            if job is None or job.state.terminal or clock() >= until:
                # What came between the two looks.
                await _catch_up(call, response, job_id, after)
                return
            await _live(call, response, facts, min(until, clock() + KEEP_ALIVE_S))


async def _live(call: Call[Any, Any], response: web.StreamResponse, facts: Any, until: float) -> None:
    """Progress as it is told, until something durable happens or it is time to look."""
    clock = asyncio.get_running_loop().time
    while (left := until - clock()) > 0:
        fact: Fact | None = await facts.next(left)
        if isinstance(fact, JobChanged):
            return
        await call.again()
        if isinstance(fact, Progressed):
            await response.write(_event("progress", progress(fact)))
    await response.write(b": still here\n\n")


async def _catch_up(call: Call[Any, Any], response: web.StreamResponse, job_id: str, after: int) -> int:
    found: list[JobEvent] = await call.block(call.service.jobs.events, job_id, after=after)
    for event in found:
        await response.write(_event(event.kind, job_views.event_view(event).model_dump(mode="json"), event.seq))
        after = event.seq
    return after


def progress(fact: Progressed) -> dict[str, Any]:
    """How far it is, in percent, and how much longer it takes, where enough runs are known to say."""
    return {"percentage": round(fact.fraction * 100, 1), "eta_s": fact.eta_s, "node": fact.node}


def _event(kind: str, data: Any, seq: int | None = None) -> bytes:
    number = "" if seq is None else f"id: {seq}\n"
    return f"{number}event: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
