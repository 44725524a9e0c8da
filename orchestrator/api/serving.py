"""A request goes through its route: path, key, scope, limits, query, body; then the handler; then the answer is held
against what is declared."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ValidationError

from ... import log, tracing
from ...addresses import through_proxy
from ...errors import (
    InternalError,
    InvalidInput,
    MalformedRequest,
    MintmarkError,
    NotFound,
    RequestTooLarge,
    WrongMediaType,
    WrongMethod,
)
from ..access.caller import Caller
from ..access.keys import KeyLimits
from . import problems
from .call import Call, Reply
from .reading import JSON_BYTES, read_json
from .routing import PATHS, Route

if TYPE_CHECKING:
    from ..access.access import Kind
    from ..service.service import Service

logger = log.get("api")

NOBODY = Caller(None, frozenset(), "", "", KeyLimits())
"""Who asks for what needs no key."""

SERVICE: web.AppKey[Any] = web.AppKey("service", object)
ROUTE: web.RequestKey[Route] = web.RequestKey("route", Route)
TOLD: web.RequestKey[dict[str, str]] = web.RequestKey("told", dict)
"""What is left of the caller's limits; told also where the answer is a problem."""
BEGUN: web.RequestKey[bool] = web.RequestKey("begun", bool)
"""An answer's head has gone out: there is no place for another one."""

LEFT = 499
"""What is counted where the caller has left before the answer; it is never sent."""
UNTRACED = frozenset({"/healthz", "/readyz", "/metrics"})

_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")

SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""On every answer that does not say otherwise: nothing of it is kept, guessed at, or run by a browser."""


def handler_of(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """What the server calls for a route."""

    async def handle(request: web.Request) -> web.StreamResponse:
        request[ROUTE] = route
        call = await _call(route, request)
        reply = await route.handler(call)
        if isinstance(reply, web.StreamResponse):
            return reply
        return _response(route, reply)

    return handle


# -- in ---------------------------------------------------------------------------------------------------------------


async def _call(route: Route, request: web.Request) -> Call[Any, Any]:
    service: Service = request.app[SERVICE]
    _check_host(request)
    path = _path(request)
    caller = await _caller(route, request, service)
    # Counted before anything is read, so that what is refused for its shape is counted, too.
    request[TOLD] = told = await _admit(route, service, caller)
    query = _query(route, request)
    _check_headers(route, request)
    body, document = await _body(route, request)
    call: Call[Any, Any] = Call(
        request=request,
        service=service,
        route=route,
        caller=caller,
        body=body,
        query=query,
        path=path,
        document=document,
        told=told,
    )
    if route.orders:
        # A form, a batch's lines and a job that is asked for again tell later for whom they are.
        await call.serves(getattr(body, "end_user", None))
    return call


def _check_host(request: web.Request) -> None:
    """Links are made of it, and who may come without a key is told by it."""
    host = request.headers.get("Host")
    try:
        sound = host is None or (_HOST.fullmatch(host) is not None and bool(request.url.host))
    except ValueError:
        sound = False
    if not sound:
        raise MalformedRequest("The Host header names no host.", field="Host")


def _path(request: web.Request) -> dict[str, str]:
    found = dict(request.match_info)
    for name, value in found.items():
        if not re.fullmatch(PATHS[name].pattern, value):
            part = PATHS[name]
            looks = f"{part.description} It looks like {part.example}." if part.example else part.description
            raise NotFound(f"What stands there is no {name.replace('_', ' ')}.", hint=looks)
    return found


async def _caller(route: Route, request: web.Request, service: Service) -> Caller:
    if route.scope is None:
        return NOBODY
    caller = await service.access.authenticate(
        request.headers.get("Authorization"),
        request.remote,
        host=request.host,
        proxied=through_proxy(request.headers),
        origin=request.headers.get("Origin"),
        site=request.headers.get("Sec-Fetch-Site"),
    )
    if route.also not in caller.scopes:
        caller.require(route.scope)
    return caller


async def _admit(route: Route, service: Service, caller: Caller) -> dict[str, str]:
    """Count the request against the key's limits; what is left, as headers. For whom it is asked is told by its body:
    see :meth:`Call.serves`. Raises TooManyRequests."""
    if route.scope is None:
        return {}
    kind: Kind = "submit" if route.orders else "read" if route.scope == "read" else "change"
    return await service.access.admit_key(caller, kind)


def _query(route: Route, request: web.Request) -> BaseModel:
    found: dict[str, Any] = {}
    for name, value in request.rel_url.query.items():
        if name in found:
            raise MalformedRequest(f"The query has {name[:40]!r} twice.", hint="Give each key once.", field=name[:200])
        if "\0" in name or "\0" in value:
            raise InvalidInput("The query holds a NUL character.", field=name.replace("\0", "")[:200])
        found[name] = value
    try:
        return route.query.model_validate(found)
    except ValidationError as exc:
        raise problems.invalid(exc, route.query) from exc


def _check_headers(route: Route, request: web.Request) -> None:
    for header in route.headers:
        given = request.headers.getall(header.name, [])
        pattern, most = header.schema.get("pattern", ""), header.schema.get("maxLength", 2**16)
        if len(given) > 1 and pattern:
            raise MalformedRequest(f"The header {header.name} is there twice.", field=header.name)
        if any(not re.search(pattern, value) or len(value) > most for value in given):
            allowed = {"pattern": pattern, "max_length": most}
            raise InvalidInput(f"The header {header.name} is not as it must be.", field=header.name, allowed=allowed)


async def _body(route: Route, request: web.Request) -> tuple[Any, Any]:
    """The route's model and the document it was made of; or None for both where the handler reads it itself."""
    kind = request.content_type.lower() if "Content-Type" in request.headers else ""
    if route.content is not None and kind in route.content.media_types:
        return None, None
    if route.body is None:
        if route.content is not None:
            raise WrongMediaType(_taken(route, kind))
        return None, None
    if kind != "application/json" or (request.charset or "utf-8").lower().replace("-", "") != "utf8":
        raise WrongMediaType(_taken(route, kind))
    raw = await read_bounded(request, JSON_BYTES)
    document = read_json(raw)
    try:
        return route.body.model_validate_json(raw, strict=True), document
    except ValidationError as exc:
        raise problems.invalid(exc, route.body) from exc


def _taken(route: Route, kind: str) -> str:
    taken = [*(("application/json",) if route.body else ()), *(route.content.media_types if route.content else ())]
    return f"{kind[:80] or 'No Content-Type'} is not taken here; {', '.join(taken)} is."


async def read_bounded(request: web.Request, most: int) -> bytes:
    """The whole body. Raises RequestTooLarge before more than ``most`` bytes of it are kept."""
    if (request.content_length or 0) > most:
        raise RequestTooLarge(f"The body is larger than {most} bytes.", allowed={"max_bytes": most})
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > most:
            raise RequestTooLarge(f"The body is larger than {most} bytes.", allowed={"max_bytes": most})
        parts.append(part)
    return b"".join(parts)


# -- out --------------------------------------------------------------------------------------------------------------


def _response(route: Route, reply: Reply) -> web.Response:
    declared = [answer for answer in route.answers if answer.status == reply.status]
    if not any(_fits(answer.model, reply) for answer in declared):
        raise InternalError(f"{route.operation_id} gave an answer that it does not declare: {reply.status}.")
    if reply.model is not None:
        data: bytes | None = reply.model.model_dump_json().encode()
    else:
        data = reply.data
    media_type = reply.media_type if data is not None else None
    return web.Response(status=reply.status, body=data, headers={**_typed(media_type), **reply.headers})


def _fits(model: type[BaseModel] | None, reply: Reply) -> bool:
    if model is None:
        return reply.model is None and not reply.replayed
    return isinstance(reply.model, model) or reply.replayed


def _typed(media_type: str | None) -> dict[str, str]:
    return {"Content-Type": media_type} if media_type else {}


def problem_response(error: MintmarkError, *, headers: dict[str, str] | None = None) -> web.Response:
    """The error as the answer it becomes."""
    problem = problems.problem_of(error)
    return web.Response(
        status=problem.status,
        body=problem.model_dump_json(exclude_none=True).encode(),
        headers={"Content-Type": problems.MEDIA_TYPE, **(headers or {}), **problems.headers_of(problem, error)},
    )


async def safe(request: web.Request, response: web.StreamResponse) -> None:
    """Set what every answer has, just before its headers go out; also those of streams."""
    request[BEGUN] = True
    response.headers["Server"] = "mintmark"
    for name, value in {**request.get(TOLD, {}), **SAFE}.items():
        response.headers.setdefault(name, value)


@web.middleware
async def answering(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Around every request: an error becomes a problem, and the answer is measured."""
    started = time.perf_counter()
    with _traced(request) as span:
        response = await _answer(request, handler)
        route = request[ROUTE].path if ROUTE in request else "none"
        span.rename(f"{request.method[:16]} {route}")
        span.set({"http.route": route, "http.response.status_code": response.status})
        if response.status >= 500:
            span.failed(str(response.status))
    request.app[SERVICE].meters.answered(request.method, route, response.status, time.perf_counter() - started)
    return response


def _traced(request: web.Request) -> AbstractContextManager[tracing.Span]:
    """A span of the trace that the request brings. Whoever asks how we are, every few seconds, makes none."""
    if request.path in UNTRACED:
        return nullcontext(tracing.NOTHING)
    brought = request.headers.getall(tracing.HEADER, [])
    parent = brought[0] if len(brought) == 1 else None
    return tracing.span("request", parent, kind="server", facts={"http.request.method": request.method[:16]})


async def _answer(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Exception as exc:  # noqa: BLE001 - the border of one request: it is told or logged
        gone = request.transport is None or request.transport.is_closing()
        if gone and isinstance(exc, ConnectionError):
            # The caller has left: nobody is there to be told, and it is no fault of ours.
            return web.Response(status=LEFT)
        return _broken_off(request, exc) if BEGUN in request else _told(request, exc)


def _told(request: web.Request, exc: Exception) -> web.Response:
    if isinstance(exc, MintmarkError):
        return _declared(request, _advised(request, exc))
    if isinstance(exc, web.HTTPException):
        return _foreign(request, exc)
    if isinstance(exc, (web.RequestPayloadError, HttpProcessingError)):
        return problem_response(MalformedRequest("The body cannot be read as its headers say."))
    # What nobody foresaw is told without its words, which may hold anything.
    logger.error("%s %s failed", request.method, _where(request), exc_info=exc, extra=log.action("request_failed"))
    return problem_response(problems.defect())


def _broken_off(request: web.Request, exc: Exception) -> web.Response:
    """End an answer in the middle: nobody must take what came for all of it, or a problem for a part of it."""
    logger.error("%s broke off", _where(request), exc_info=exc, extra=log.action("answer_broke_off"))
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _declared(request: web.Request, error: MintmarkError) -> web.Response:
    route = request.get(ROUTE)
    status = problems.status_of(error)
    if status >= 500 or (route is not None and status not in route.statuses):
        logger.error("%s: %s", _where(request), error, exc_info=error, extra=log.action("request_failed"))
    if route is not None and status not in route.statuses:
        return problem_response(problems.defect())
    return problem_response(error)


def _advised(request: web.Request, error: MintmarkError) -> MintmarkError:
    """With what helps most where an OpenAI client asks at our own addresses."""
    theirs = request.headers.get("User-Agent", "").startswith("OpenAI/")
    if theirs and not request.path.startswith("/openai/") and problems.status_of(error) in (404, 405, 415, 422):
        error.hint = "For OpenAI clients the base_url ends in /openai/v1."
    return error


def _foreign(request: web.Request, exc: web.HTTPException) -> web.Response:
    """What the server itself says, in our shape."""
    if isinstance(exc, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(exc.allowed_methods))
        error: MintmarkError = WrongMethod(f"{request.method[:16]} is not for this path.", hint=f"Use {allowed}.")
        return problem_response(_advised(request, error), headers={"Allow": allowed})
    if isinstance(exc, web.HTTPRequestEntityTooLarge):
        return problem_response(RequestTooLarge("The body is too large."))
    if exc.status == 404:
        return problem_response(_advised(request, NotFound("There is nothing at this address.")))
    if exc.status < 500:
        return problem_response(MalformedRequest("The request cannot be read."))
    logger.error("%s: HTTP %d", _where(request), exc.status, extra=log.action("request_failed"))
    return problem_response(problems.defect())


def _where(request: web.Request) -> str:
    route = request.get(ROUTE)
    return route.path if route else "an unknown path"
