"""The pack's worker route, in ComfyUI and in the runner: a job's context in, its report and the journal out.

docs/worker-route.md is its specification. Loopback, or the worker's token, or (for one job's report) the job's token.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from .. import __version__, log
from ..addresses import through_proxy
from ..errors import (
    ForbiddenTarget,
    InternalError,
    InvalidInput,
    MintmarkError,
    NotFound,
    Unauthorized,
    UnknownJob,
    WorkerModeMismatch,
    WrongState,
)
from ..providers.urls import is_loopback
from .devices import Readings
from .worker import Worker

if TYPE_CHECKING:
    from aiohttp import web

logger = log.get("worker.route")
_STATUS: dict[type[MintmarkError], int] = {
    Unauthorized: 403,
    ForbiddenTarget: 403,
    UnknownJob: 404,
    NotFound: 404,
    WorkerModeMismatch: 409,
    WrongState: 409,
}
PAGE = 1000
"""Entries of the journal in one answer, at most."""


def add_routes(routes: Any, worker: Callable[[], Worker]) -> None:
    """Add the route to a host's table. ``worker`` is asked at each call, so nothing is opened now."""
    handlers = _Handlers(worker)
    routes.get("/mintmark/worker")(behind(worker, handlers.health))
    routes.get("/mintmark/journal")(behind(worker, handlers.journal))
    routes.put("/mintmark/jobs/{job_id}")(behind(worker, handlers.accept))
    routes.get("/mintmark/jobs/{job_id}")(behind(worker, handlers.report))
    routes.delete("/mintmark/jobs/{job_id}")(behind(worker, handlers.close))


class _Handlers:
    """Each method answers one route with a JSON document."""

    def __init__(self, worker: Callable[[], Worker]) -> None:
        self._worker = worker
        self._readings = Readings()

    async def health(self, request: web.Request) -> Any:
        from ..generation.context import WorkerHealth

        worker = self._worker()
        engine = await worker.engine()
        providers = await asyncio.to_thread(engine.reachable)
        (models, all_models), devices = await asyncio.to_thread(self._readings.of, worker.host)
        return WorkerHealth(
            boot_id=worker.boot_id,
            kind=worker.host.kind,
            pack_version=__version__,
            mode=worker.settings.mode,
            policy=worker.settings.policy,
            providers=providers,
            prompt_thread_alive=worker.host.prompt_thread_alive(),
            models_in_memory=models,
            models_known=all_models,
            devices=devices,
        )

    async def accept(self, request: web.Request) -> Any:
        from pydantic import ValidationError

        from ..generation.context import JobContext

        try:
            context = JobContext.model_validate_json(await request.read())
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"]) or "the body"
            raise InvalidInput(f"{where}: {first['msg']}.", hint="See docs/worker-route.md.") from exc
        if context.job_id != request.match_info["job_id"]:
            raise InvalidInput("job_id: differs from the id in the path.", hint="They name the same job.")
        if context.local:
            raise InvalidInput("local: cannot be given from outside.", hint="Leave it out.")
        await self._worker().accept(context)
        return await self.health(request)

    async def report(self, request: web.Request) -> Any:
        engine = await self._worker().engine()
        return await asyncio.to_thread(engine.journal.report, request.match_info["job_id"])

    async def close(self, request: web.Request) -> Any:
        from .worker import note_words

        worker, job_id = self._worker(), request.match_info["job_id"]
        engine = await worker.engine()
        # Nodes whose answers came from the host's cache judged nothing in this job, and nobody else may have asked.
        await note_words(engine, job_id, worker.words.of(job_id))
        report = await asyncio.to_thread(engine.journal.close_job, job_id)
        worker.words.forget(job_id)
        return report

    async def journal(self, request: web.Request) -> Any:
        from ..generation.context import JournalPage

        since = request.query.get("since", "0")
        if not since.isdecimal() or len(since) > 18:
            raise InvalidInput(f"since: {since!r} is no entry number.", hint="Start from 0.")
        engine = await self._worker().engine()
        job_id = request.query.get("job_id")
        entries = await asyncio.to_thread(engine.journal.since, int(since), job_id=job_id, limit=PAGE)
        last = entries[-1].seq if entries else int(since)
        return JournalPage(journal_id=engine.journal.journal_id, entries=tuple(entries), next=last)


def guarded(
    worker: Callable[[], Worker],
    handler: Callable[[web.Request], Awaitable[Any]],
    check: Callable[[web.Request, Worker], None],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler behind a door: ``check`` turns strangers away, errors become JSON."""

    async def answer(request: web.Request) -> web.Response:
        from aiohttp import web

        try:
            check(request, worker())
            result = await handler(request)
        except MintmarkError as exc:
            return web.json_response({"error": exc.as_dict()}, status=_STATUS.get(type(exc), 400))
        except Exception:
            logger.exception("A worker route failed", extra=log.action("route_failed", path=request.path))
            error = InternalError("The worker failed to answer.", hint="Its log says why.")
            return web.json_response({"error": error.as_dict()}, status=500)
        return web.Response(text=_json(result), content_type="application/json")

    return answer


def behind(
    worker: Callable[[], Worker], handler: Callable[[web.Request], Awaitable[Any]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler for programs of this machine and whoever knows a token."""
    return guarded(worker, handler, _check_caller)


def _json(result: Any) -> str:
    return str(result.model_dump_json()) if hasattr(result, "model_dump_json") else json.dumps(result)


def _check_caller(request: web.Request, worker: Worker) -> None:
    """Let in programs of this machine, and whoever knows a token. A web page is neither, wherever it runs."""
    if request.headers.get("Origin") or request.headers.get("Sec-Fetch-Site", "none") != "none":
        raise Unauthorized("The worker route is not for web pages.")
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if any(is_token(given, token) for token in _tokens(request, worker)):
        return
    if not is_local(request):
        raise Unauthorized(
            "This worker answers other machines only with its token.",
            hint="Set MINTMARK_WORKER_TOKEN there and here to the same value.",
        )


def _tokens(request: web.Request, worker: Worker) -> list[str | None]:
    """The worker's token opens everything, a job's only that job's report: it cannot prolong itself."""
    own = worker.token_of(request.match_info.get("job_id", "")) if request.method == "GET" else None
    return [worker.settings.worker_token, own]


def is_token(given: str, token: str | None) -> bool:
    """Whether this is the token, compared in constant time; no token is opened by nothing."""
    return bool(token) and hmac.compare_digest(_bytes(given), _bytes(token or ""))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def is_local(request: web.Request) -> bool:
    """Whether a program of this machine asks, for itself.

    The Host counts too: a page of a foreign name that was made to point here (DNS rebinding) sends no Origin with its
    GET, but it cannot send another Host than that name.
    """
    host = urlsplit(f"//{request.host}").hostname or ""
    return is_loopback(request.remote) and not through_proxy(request.headers) and is_loopback(host)
