"""Adobe's Firefly API as its wire speaks it: tokens, uploads, jobs that are asked on another host, signed file URLs.

Adobe's hosts are prefixes here: none (firefly-api.adobe.io), ``/ims`` (ims-na1.adobelogin.com/ims), ``/epo`` (one of
the firefly-epo*.adobe.io that URLs of jobs name) and ``/store`` (where files are). A harmful prompt ends a v3 job, and
is refused with 451 by v4; a harmful image is refused when it is uploaded.
"""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from aiohttp import web

from ..errors import ImageTooLarge, NotAnImage
from . import firefly_ims, judge, picture, signing
from .base import Provider, Route
from .exchange import Desk, Exchange
from .faults import Kind
from .firefly_jobs import PROVIDER, Job, Jobs
from .firefly_pictures import draw
from .firefly_request import FIELDS, FIVE, Refused

URL_LIFETIME_S = 3600.0
"""Adobe: "The pre-signed URL will expire in one hour"."""
_LARGEST_UPLOAD = 15 * 1024 * 1024
_TYPES = frozenset(("image/png", "image/jpeg", "image/webp", "image/tiff", "image/jxl"))
_POLICY_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output"))
_MEDIA_FAULTS: frozenset[Kind] = frozenset(("corrupt_image", "expired_url"))
_PROMPT_UNSAFE = ("prompt_unsafe", "The prompt did not pass content policy checks.")
_IMAGE_UNSAFE = ("input_media_unsafe", "The input image did not pass content policy checks.")
_UPLOAD_ID = re.compile(r"[0-9a-f-]{36}")

_Handler = Callable[[Exchange], Awaitable[web.Response]]


class Firefly(Provider):
    """The stand-in for Firefly's hosts."""

    name = PROVIDER

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._jobs = Jobs(desk)
        self._uploads: dict[str, bytes] = {}

    def routes(self) -> tuple[Route, ...]:
        submits = tuple(
            Route("POST", f"/{path}", _guarded(partial(self._submit, path)), "generation", _POLICY_FAULTS)
            for path in FIELDS
        )
        return (
            *submits,
            Route("POST", "/ims/token/v3", self._token),
            Route("POST", "/v2/storage/image", _guarded(self._upload)),
            Route("GET", "/epo/v3/status/{job}", _guarded(self._status)),
            Route("PUT", "/epo/v3/cancel/{job}", _guarded(self._cancel)),
            Route("GET", "/store/images/{job}/{index}", self._file, "media", _MEDIA_FAULTS),
        )

    async def start(self) -> None:
        self._jobs.take_up()

    async def stop(self) -> None:
        await self._jobs.stop()

    def reset(self) -> None:
        self._jobs.clear()
        self._uploads.clear()

    def new_request_id(self) -> str:
        return f"urn:ff:jobs:sandbox:{uuid.uuid4()}"

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        answer = _error(status, *_STATUS_ERRORS.get(status, ("runtime_error", "Internal Server Error")))
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return _error(404, "404000", "Resource not found")

    async def _token(self, exchange: Exchange) -> web.Response:
        return firefly_ims.token(exchange)

    async def _upload(self, exchange: Exchange) -> web.Response:
        if exchange.request.content_type not in _TYPES:
            raise Refused(400, "invalid_content_type", "The content type is not supported.")
        if len(exchange.raw) > _LARGEST_UPLOAD:
            raise Refused(400, "bad_request", "The image is larger than 15MB.")
        try:
            source = await asyncio.to_thread(picture.read, exchange.raw)
        except (NotAnImage, ImageTooLarge):
            raise Refused(400, "bad_request", "The image cannot be read.") from None
        if judge.reasons(judge.image_scores(source.pixels)):
            raise Refused(451, *_IMAGE_UNSAFE)
        upload = str(uuid.uuid4())
        self._uploads[upload] = exchange.raw
        return _json({"images": [{"id": upload}]})

    async def _submit(self, path: str, exchange: Exchange) -> web.Response:
        if exchange.request.content_type != "application/json":
            raise Refused(415, "invalid_content_type", "The content type is not supported.")
        fault = exchange.fault.kind if exchange.fault and exchange.fault.kind in _POLICY_FAULTS else None
        version = exchange.request.headers.get("x-model-version", "")
        job = Job(exchange.request_id, path, version, _body(exchange), self._named(exchange), fault)
        asked = await self._jobs.asked(job)
        if path == FIVE and (fault == "policy_input" or asked.prompt_is_harmful):
            raise Refused(451, *_PROMPT_UNSAFE)
        await self._jobs.submit(job)
        status, cancel = (f"{exchange.origin}/firefly/epo/v3/{what}/{job.job_id}" for what in ("status", "cancel"))
        if path == FIVE:
            return _json({"links": {"cancel": {"href": cancel}, "result": {"href": status}}, "progress": 0})
        return _json({"jobId": job.job_id, "statusUrl": status, "cancelUrl": cancel}, 202)

    def _named(self, exchange: Exchange) -> dict[str, str]:
        """The uploads that a body names."""
        found = set(_UPLOAD_ID.findall(exchange.raw.decode("utf-8", "replace")))
        return {one: base64.b64encode(self._uploads[one]).decode() for one in found if one in self._uploads}

    async def _status(self, exchange: Exchange) -> web.Response:
        job = self._known(exchange)
        told: dict[str, Any] = {"status": job.state, "jobId": job.job_id}
        if job.state == "failed":
            told["error_code"], told["message"] = job.error
        if job.state == "succeeded":
            told["result"] = await self._result(exchange, job)
        return _json(told)

    async def _result(self, exchange: Exchange, job: Job) -> dict[str, Any]:
        asked = await self._jobs.asked(job)
        outputs = [
            {"seed": seed, "image": {"url": _signed(exchange.origin, job, index)}}
            for index, seed in enumerate(asked.seeds)
        ]
        result: dict[str, Any] = {"size": dict(zip(("width", "height"), asked.size, strict=True)), "outputs": outputs}
        if job.path != FIVE:
            result["contentClass"] = asked.content_class
        if asked.prompt_has_denied_words:
            result["promptHasDeniedWords"] = True
        return result

    async def _cancel(self, exchange: Exchange) -> web.Response:
        if not self._jobs.cancel(self._known(exchange)):
            raise Refused(409, "conflict", "The job is over.")
        return _json({})

    async def _file(self, exchange: Exchange) -> web.Response:
        info, query = exchange.request.match_info, exchange.request.query
        job, until = self._jobs.all.get(info["job"]), query.get("Expires", "")
        good = signing.is_good(exchange.request.path, until, query.get("Signature", ""))
        if exchange.meets("expired_url") or not good:
            return _storage("AccessDenied", 403)
        if job is None or job.state != "succeeded":
            return _storage("NoSuchKey", 404)
        data = await asyncio.to_thread(draw, await self._jobs.asked(job), int(info["index"]))
        data = picture.corrupted(data) if exchange.meets("corrupt_image") else data
        return web.Response(body=data, content_type="image/png")

    def _known(self, exchange: Exchange) -> Job:
        if (job := self._jobs.all.get(exchange.request.match_info["job"])) is None:
            raise Refused(404, "not_found", "The job is not known.")
        return job


_STATUS_ERRORS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "Bad Request"),
    401: ("access_error", "Unauthorized"),
    403: ("access_error", "Forbidden"),
    404: ("not_found", "Requested Resource Was Not Found"),
    408: ("timeout_error", "Request Timeout"),
    415: ("invalid_content_type", "Unsupported Media Type"),
    422: ("validation_error", "Unprocessable Entity"),
    429: ("rate_limited", "Too Many Requests"),
    503: ("service_unavailable", "Service Unavailable"),
}


def _guarded(handler: _Handler) -> _Handler:
    """The handler behind Adobe's gateway; what it refuses is told in the vendor's shape."""

    async def guarded(exchange: Exchange) -> web.Response:
        if (problem := firefly_ims.problem(exchange)) is not None:
            return _error(*problem)
        try:
            return await handler(exchange)
        except Refused as refused:
            if refused.status == 451:
                exchange.outcome = "blocked"
            return _error(refused.status, refused.code, refused.message, refused.problems)

    return guarded


def _body(exchange: Exchange) -> Any:
    try:
        return exchange.json()
    except ValueError:
        raise Refused(400, "bad_request", "The body is no JSON.") from None


def _signed(origin: str, job: Job, index: int) -> str:
    path, until = f"/{PROVIDER}/store/images/{job.job_id}/{index}", f"{time.time() + URL_LIFETIME_S:.0f}"
    return f"{origin}{path}?Expires={until}&Signature={signing.signature(path, until)}"


def _storage(code: str, status: int) -> web.Response:
    text = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code></Error>'
    return web.Response(text=text, status=status, content_type="application/xml")


def _error(status: int, code: str, message: str, problems: list[dict[str, Any]] | None = None) -> web.Response:
    told: dict[str, Any] = {"error_code": code, "message": message}
    return _json({**told, "validation_errors": problems} if problems else told, status)


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")
