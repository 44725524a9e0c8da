"""fal as its wire speaks it: the queue, synchronous runs, storage, media and the pricing API.

Six hosts of fal's are six prefixes here: ``/queue`` (queue.fal.run), ``/run`` (fal.run), ``/rest`` (rest.fal.ai),
``/media`` (v3.fal.media), ``/api/v1`` (api.fal.ai) and ``/site`` (fal.ai). URLs in answers are absolute, under the
sandbox's own origin. Submitting checks only the app: an input is checked when it runs, and its error comes with the
result.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from ..clock import utc_now
from . import picture
from .ahead import Ahead
from .base import Provider, Route
from .exchange import Desk, Exchange
from .fal_apps import Asked, Unprocessable
from .fal_documents import VIDEO, document, video
from .fal_models import APPS
from .fal_queue import PROVIDER, Job, Queue
from .faults import Kind

_POLICY_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output"))
_MEDIA_FAULTS: frozenset[Kind] = frozenset(("corrupt_image", "expired_url"))
_MEDIA_PATH = "/fal/media/files/sandbox/"
_TOKEN_PREFIX = "sandbox-cdn-"  # noqa: S105  (not a secret: anybody gets one for any key)
_JOB_PATH = "/queue/{owner}/{alias}/requests/{request_id}"

_Handler = Callable[[Exchange], Awaitable[web.Response]]


class Fal(Provider):
    """The stand-in for fal's hosts."""

    name = PROVIDER

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._queue = Queue(desk, self._stored, self._draw_ahead)
        self._ahead = Ahead()
        self._uploads: dict[str, tuple[bytes, str]] = {}

    def routes(self) -> tuple[Route, ...]:
        keyed = _keyed
        return (
            Route("GET", _JOB_PATH + "/status", keyed(self._status)),
            Route("PUT", _JOB_PATH + "/cancel", keyed(self._cancel)),
            Route("GET", _JOB_PATH, keyed(self._result)),
            Route("POST", "/queue/{endpoint:.+}", keyed(self._submit), "generation", _POLICY_FAULTS),
            Route("POST", "/run/{endpoint:.+}", keyed(self._run), "generation", _POLICY_FAULTS),
            Route("POST", "/rest/storage/auth/token", keyed(self._token)),
            Route("POST", "/rest/storage/upload/initiate", keyed(self._initiate)),
            Route("PUT", "/rest/storage/upload/{name}", self._put_upload),
            Route("POST", "/media/files/upload", self._upload),
            Route("GET", "/media/files/sandbox/{name}", self._media, "media", _MEDIA_FAULTS),
            Route("GET", "/api/v1/models/pricing", keyed(self._pricing)),
            Route("GET", "/site/api/openapi/queue/openapi.json", self._document),
        )

    async def start(self) -> None:
        self._queue.take_up()

    async def stop(self) -> None:
        await self._queue.stop()

    def reset(self) -> None:
        self._queue.clear()
        self._uploads.clear()
        self._ahead.clear()

    def new_request_id(self) -> str:
        return str(uuid.uuid4())

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        kind, detail = _STATUS_ERRORS.get(status, _STATUS_ERRORS[500])
        answer = _json(exchange, {"detail": detail, "error_type": kind}, status)
        answer.headers["X-Fal-Error-Type"] = kind
        answer.headers["X-Fal-Retryable"] = "true" if status in (408, 429) or status >= 500 else "false"
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return _json(exchange, {"detail": "Not Found"}, 404)

    async def _submit(self, exchange: Exchange) -> web.Response:
        job = self._enter(exchange)
        if job is None:
            return _no_app(exchange)
        return _json(exchange, {"status": job.state, **self._urls(exchange, job), "queue_position": 0})

    async def _run(self, exchange: Exchange) -> web.Response:
        job = self._enter(exchange)
        if job is None:
            return _no_app(exchange)
        if job.task is not None:
            await asyncio.wait([job.task])
        return await self._outcome(exchange, job)

    def _enter(self, exchange: Exchange) -> Job | None:
        """The request as a job; None where there is no such app."""
        endpoint = exchange.request.match_info["endpoint"]
        if endpoint not in APPS:
            return None
        try:
            body = exchange.json()
        except ValueError:
            body = None
        fault = exchange.fault.kind if exchange.fault and exchange.fault.kind in _POLICY_FAULTS else None
        return self._queue.submit(Job(exchange.request_id, endpoint, body, exchange.origin, fault))

    async def _status(self, exchange: Exchange) -> web.Response:
        job = self._find(exchange)
        if job is None:
            return _json(exchange, {"detail": "Request not found"}, 404)
        told: dict[str, Any] = {"status": job.state, **self._urls(exchange, job)}
        if job.state == "IN_QUEUE":
            return _json(exchange, {**told, "queue_position": self._queue.position(job)}, 202)
        wanted = exchange.request.query.get("logs", "").lower() in ("1", "true")
        told["logs"] = [_log("sandbox: working")] if wanted else None
        if job.state == "IN_PROGRESS":
            return _json(exchange, told, 202)
        return _json(exchange, {**told, **await self._ending(job)})

    async def _ending(self, job: Job) -> dict[str, Any]:
        """There is no status for failure: COMPLETED carries the error."""
        if job.canceled:
            return _CANCELED
        try:
            await self._queue.settled(job)
        except Unprocessable as refused:
            return {"error": str(refused), "error_type": refused.detail[0]["type"]}
        return {"metrics": {"inference_time": self._desk.latency_s}}

    async def _result(self, exchange: Exchange) -> web.Response:
        job = self._find(exchange)
        if job is None:
            return _json(exchange, {"detail": "Request not found"}, 404)
        if job.state != "COMPLETED":
            return _json(exchange, {"detail": "Request is still in progress"}, 400)
        return await self._outcome(exchange, job)

    async def _cancel(self, exchange: Exchange) -> web.Response:
        job = self._find(exchange)
        if job is None:
            return _json(exchange, {"status": "NOT_FOUND"}, 404)
        if not self._queue.cancel(job):
            return _json(exchange, {"status": "ALREADY_COMPLETED"}, 400)
        return _json(exchange, {"status": "CANCELLATION_REQUESTED"}, 202)

    async def _outcome(self, exchange: Exchange, job: Job) -> web.Response:
        exchange.request_id = job.request_id
        if job.canceled or job.state != "COMPLETED":
            return _json(exchange, {"detail": _CANCELED["error"], "error_type": _CANCELED["error_type"]}, 499)
        try:
            asked = await self._queue.settled(job)
        except Unprocessable as refused:
            answer = _json(exchange, {"detail": refused.detail}, 422)
            answer.headers["X-Fal-Retryable"] = "false"
            return answer
        return _json(exchange, await asyncio.to_thread(self._told, exchange.origin, job, asked))

    def _told(self, origin: str, job: Job, asked: Asked) -> dict[str, Any]:
        images = [self._image(origin, job, asked, index) for index in range(asked.images)]
        made = {"image": images[0]} if asked.app.single else {"images": images}
        told: dict[str, Any] = {**made, "seed": asked.seed}
        if asked.app.checker:
            told["has_nsfw_concepts"] = [asked.harmful] * asked.images
            told["prompt"] = asked.prompt
            told["timings"] = {"inference": self._desk.latency_s}
        return told

    def _image(self, origin: str, job: Job, asked: Asked, index: int) -> dict[str, Any]:
        kind = f"image/{asked.output_format}"
        if asked.as_data:
            url = f"data:{kind};base64,{base64.b64encode(asked.draw(index)).decode()}"
        else:
            # The same request always gives the same bytes, whether they were drawn ahead or are when it is fetched.
            url = f"{origin}{_MEDIA_PATH}{job.request_id}_{index}.{asked.output_format}"
        return {"url": url, "width": asked.size[0], "height": asked.size[1], "content_type": kind}

    def _find(self, exchange: Exchange) -> Job | None:
        info = exchange.request.match_info
        job = self._queue.all.get(info["request_id"])
        root = f"{info['owner']}/{info['alias']}"
        return job if job is not None and APPS[job.endpoint].root == root else None

    def _urls(self, exchange: Exchange, job: Job) -> dict[str, str]:
        base = f"{exchange.origin}/fal/queue/{APPS[job.endpoint].root}/requests/{job.request_id}"
        return {
            "request_id": job.request_id,
            "response_url": base,
            "status_url": f"{base}/status",
            "cancel_url": f"{base}/cancel",
        }

    async def _media(self, exchange: Exchange) -> web.Response:
        name = exchange.request.match_info["name"]
        found = self._uploads.get(name) or await self._drawn(name)
        if found is None or exchange.meets("expired_url"):
            return _json(exchange, {"detail": "File not found"}, 404)
        data = picture.corrupted(found[0]) if exchange.meets("corrupt_image") else found[0]
        return web.Response(body=data, content_type=found[1])

    async def _drawn(self, name: str) -> tuple[bytes, str] | None:
        stem, _, kind = name.partition(".")
        request_id, _, index = stem.rpartition("_")
        job = self._queue.all.get(request_id)
        if job is None or job.canceled or job.state != "COMPLETED" or not index.isdigit():
            return None
        try:
            asked = await self._queue.settled(job)
        except Unprocessable:
            return None
        if int(index) >= asked.images or kind != asked.output_format:
            return None
        data = await self._ahead.take(stem)
        return await asyncio.to_thread(asked.draw, int(index)) if data is None else data, f"image/{kind}"

    def _draw_ahead(self, job: Job) -> None:
        if job.asked is None or job.asked.as_data:
            return
        for index in range(job.asked.images):
            width, height = job.asked.size
            self._ahead.begin(f"{job.request_id}_{index}", width * height, partial(job.asked.draw, index))

    def _stored(self, url: str) -> bytes | None:
        """An uploaded file by its URL; nothing outside the sandbox is ever fetched."""
        path = urlsplit(url).path
        found = self._uploads.get(path.removeprefix(_MEDIA_PATH)) if path.startswith(_MEDIA_PATH) else None
        return found[0] if found else None

    async def _token(self, exchange: Exchange) -> web.Response:
        until = utc_now() + timedelta(hours=1)
        token = _TOKEN_PREFIX + uuid.uuid4().hex
        base = f"{exchange.origin}/fal/media"
        told = {"token": token, "token_type": "Bearer", "base_url": base, "expires_at": until.isoformat()}
        return _json(exchange, told)

    async def _upload(self, exchange: Exchange) -> web.Response:
        scheme, _, token = exchange.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not token.startswith(_TOKEN_PREFIX):
            return _json(exchange, {"detail": "Authentication is required"}, 401)
        name = _file_name(exchange.request.headers.get("X-Fal-File-Name", "upload.bin"))
        self._uploads[name] = (exchange.raw, exchange.request.content_type)
        return _json(exchange, {"access_url": f"{exchange.origin}{_MEDIA_PATH}{name}"})

    async def _initiate(self, exchange: Exchange) -> web.Response:
        try:
            asked = exchange.json()
        except ValueError:
            asked = None
        name = _file_name(str(asked.get("file_name", "upload.bin")) if isinstance(asked, dict) else "upload.bin")
        upload = f"{exchange.origin}/fal/rest/storage/upload/{name}"
        return _json(exchange, {"upload_url": upload, "file_url": f"{exchange.origin}{_MEDIA_PATH}{name}"})

    async def _put_upload(self, exchange: Exchange) -> web.Response:
        self._uploads[exchange.request.match_info["name"]] = (exchange.raw, exchange.request.content_type)
        return web.Response()

    async def _pricing(self, exchange: Exchange) -> web.Response:
        given = exchange.request.query.getall("endpoint_id", [])
        names = [name for one in given for name in one.split(",") if name]
        missing = [name for name in names if name not in APPS]
        if missing:
            error = {"type": "not_found", "message": f"Endpoint(s) not found: {', '.join(missing)}"}
            return _json(exchange, {"error": error}, 404)
        prices = [_price_row(name) for name in names or APPS]
        return _json(exchange, {"prices": prices, "next_cursor": None, "has_more": False})

    async def _document(self, exchange: Exchange) -> web.Response:
        """What anybody may read of an app."""
        endpoint = exchange.request.query.get("endpoint_id", "")
        if endpoint == VIDEO:
            return _json(exchange, video())
        if endpoint not in APPS:
            return _json(exchange, {"detail": f"Application '{endpoint}' not found"}, 404)
        return _json(exchange, document(APPS[endpoint]))


_CANCELED = {"error": "Request was cancelled", "error_type": "client_cancelled"}
_STATUS_ERRORS = {
    401: ("auth_failed", "Authentication failed"),
    403: ("forbidden", "User is locked. Reason: Exhausted balance."),
    408: ("request_timeout", "Request timed out"),
    429: ("concurrency_limit", "Reached concurrent requests limit"),
    500: ("internal_error", "Internal Server Error"),
    502: ("runner_connection_error", "Could not reach the runner"),
    503: ("runner_scheduling_failure", "No runner available"),
    504: ("request_timeout", "Request timed out"),
}


def _keyed(handler: _Handler) -> _Handler:
    """The handler behind the check of the key."""

    async def keyed(exchange: Exchange) -> web.Response:
        scheme, _, key = exchange.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Key" or not key.strip():
            return _json(exchange, {"detail": "Authentication is required to access this application."}, 401)
        if key.startswith("bad-"):
            return _json(exchange, {"detail": "No user found for Key ID and Secret"}, 401)
        return await handler(exchange)

    return keyed


def _no_app(exchange: Exchange) -> web.Response:
    endpoint = exchange.request.match_info["endpoint"]
    return _json(exchange, {"detail": f"Application '{endpoint}' not found"}, 404)


def _file_name(given: str) -> str:
    plain = "".join(char for char in given if char.isascii() and (char.isalnum() or char in "._-"))
    return f"{uuid.uuid4().hex[:12]}_{plain or 'upload.bin'}"


def _log(message: str) -> dict[str, str]:
    stamp = utc_now().isoformat()
    return {"message": message, "level": "INFO", "source": "USER", "timestamp": stamp}


def _price_row(endpoint: str) -> dict[str, Any]:
    app = APPS[endpoint]
    dollars = (app.first_microusd or app.microusd) / 1_000_000
    return {"endpoint_id": endpoint, "unit_price": dollars, "unit": app.unit, "currency": "USD"}


def _json(exchange: Exchange, body: dict[str, Any], status: int = 200) -> web.Response:
    headers = {"x-fal-request-id": exchange.request_id}
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json", headers=headers)
