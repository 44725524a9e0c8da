"""Black Forest Labs as its wire speaks it: submission, polling on another host, signed result URLs that expire.

Three of their hosts are three prefixes here: none (api.bfl.ai), ``/eu2`` (api.eu2.bfl.ai, one of those that polling
URLs name) and ``/delivery`` (delivery-eu2.bfl.ai). URLs in answers are absolute, under the sandbox's own origin.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from . import picture
from .base import Provider, Route
from .bfl_models import ENDPOINTS
from .bfl_request import Refused
from .bfl_tasks import PROVIDER, Task, Tasks
from .exchange import Desk, Exchange
from .faults import Kind

SAMPLE_LIFETIME_S = 600.0
"""How long a result's URL works."""
_POLICY_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output"))
_MEDIA_FAULTS: frozenset[Kind] = frozenset(("corrupt_image", "expired_url"))
_SIGNS = b"sandbox"  # not a secret: it only makes a changed URL fail
_BALANCE = 10_000.0

_Handler = Callable[[Exchange], Awaitable[web.Response]]


class Bfl(Provider):
    """The stand-in for BFL's hosts."""

    name = PROVIDER

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._tasks = Tasks(desk)

    def routes(self) -> tuple[Route, ...]:
        return (
            Route("GET", "/v1/get_result", _keyed(self._result)),
            Route("GET", "/eu2/v1/get_result", _keyed(self._result)),
            Route("GET", "/v1/credits", _keyed(self._credits)),
            Route("POST", "/v1/{endpoint:.+}", _keyed(self._submit), "generation", _POLICY_FAULTS),
            Route("GET", "/delivery/results/{task_id}/{name}", self._sample, "media", _MEDIA_FAULTS),
        )

    async def start(self) -> None:
        self._tasks.take_up()

    async def stop(self) -> None:
        await self._tasks.stop()

    def reset(self) -> None:
        self._tasks.clear()

    def new_request_id(self) -> str:
        return str(uuid.uuid4())

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        answer = _json({"detail": _STATUS_ERRORS.get(status, "Internal Server Error")}, status)
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return _json({"detail": "Not Found"}, 404)

    async def _submit(self, exchange: Exchange) -> web.Response:
        endpoint = exchange.request.match_info["endpoint"]
        if endpoint not in ENDPOINTS:
            return _json({"detail": "Not Found"}, 404)
        fault = exchange.fault.kind if exchange.fault and exchange.fault.kind in _POLICY_FAULTS else None
        try:
            task = Task(exchange.request_id, endpoint, _body(exchange), exchange.origin, fault)
            asked = await self._tasks.submit(task)
        except Refused as refused:
            return _json({"detail": refused.detail}, refused.status)
        inputs, output = asked.areas
        told = {"id": task.task_id, "polling_url": f"{exchange.origin}/bfl/eu2/v1/get_result?id={task.task_id}"}
        return _json({**told, "cost": float(asked.cost), "input_mp": float(inputs), "output_mp": float(output)})

    async def _result(self, exchange: Exchange) -> web.Response:
        task_id = exchange.request.query.get("id", "")
        task = self._tasks.all.get(task_id)
        if task is None:
            return _json(_told(task_id, "Task not found"), 404)
        told = _told(task_id, task.state)
        if task.state == "Ready":
            asked = await self._tasks.asked(task)
            told["result"] = {
                "sample": _signed(exchange.origin, task, asked.output_format),
                "prompt": asked.prompt,
                "seed": asked.seed,
                "start_time": task.ready_at - self._desk.latency_s,
                "end_time": task.ready_at,
                "duration": self._desk.latency_s,
            }
        elif task.reasons:
            told["details"] = {"Moderation Reasons": task.reasons}
        return _json(told)

    async def _credits(self, exchange: Exchange) -> web.Response:
        spent = sum(line.microusd for line in self._desk.books.lines if line.provider == PROVIDER)
        return _json({"credits": _BALANCE - spent / 10_000})

    async def _sample(self, exchange: Exchange) -> web.Response:
        info, query = exchange.request.match_info, exchange.request.query
        task = self._tasks.all.get(info["task_id"])
        until = query.get("se", "")
        if exchange.meets("expired_url") or not _is_signed(exchange.request.path, until, query.get("sig", "")):
            return _storage("AuthenticationFailed", 403)
        if task is None or task.state != "Ready":
            return _storage("BlobNotFound", 404)
        asked = await self._tasks.asked(task)
        # A picture is drawn when it is fetched: the same request always gives the same bytes.
        data = await asyncio.to_thread(asked.draw)
        data = picture.corrupted(data) if exchange.meets("corrupt_image") else data
        return web.Response(body=data, content_type=f"image/{asked.output_format}")


_STATUS_ERRORS = {
    400: "Bad Request",
    401: "Not authenticated",
    402: "Insufficient credits",
    403: "Not authenticated - Invalid Authentication",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Too many active tasks",
    503: "Service Unavailable",
}


def _keyed(handler: _Handler) -> _Handler:
    """The handler behind the check of the key."""

    async def keyed(exchange: Exchange) -> web.Response:
        key = exchange.request.headers.get("x-key", "").strip()
        if not key or key.startswith("bad-"):
            return _json({"detail": "Not authenticated - Invalid Authentication" if key else "Not authenticated"}, 403)
        return await handler(exchange)

    return keyed


def _body(exchange: Exchange) -> Any:
    try:
        return exchange.json()
    except ValueError:
        raise Refused(422, [{"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error"}]) from None


def _told(task_id: str, state: str) -> dict[str, Any]:
    return {"id": task_id, "status": state, "result": None, "progress": None, "details": None, "preview": None}


def _signed(origin: str, task: Task, kind: str) -> str:
    path = f"/bfl/delivery/results/{task.task_id}/sample.{kind}"
    until = f"{task.ready_at + SAMPLE_LIFETIME_S:.0f}"
    return f"{origin}{path}?se={until}&sig={_signature(path, until)}"


def _is_signed(path: str, until: str, signature: str) -> bool:
    good = hmac.compare_digest(_signature(path, until).encode(), signature.encode())
    return good and float(until) > time.time()


def _signature(path: str, until: str) -> str:
    return hmac.new(_SIGNS, f"{path}\n{until}".encode(), hashlib.sha256).hexdigest()[:32]


def _storage(code: str, status: int) -> web.Response:
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code></Error>'
    return web.Response(text=text, status=status, content_type="application/xml")


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")
