"""The application: every route of every file, in one place, around one :class:`~..service.service.Service`."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from aiohttp import web

from . import (
    openai_about,
    openai_images,
    routes_about,
    routes_books,
    routes_content,
    routes_files,
    routes_images,
    routes_jobs,
    routes_keys,
    routes_queue,
    routes_runs,
    routes_workers,
    routes_workflows,
)
from .call import INTAKE, REPEATS
from .cors import share
from .document import DOCUMENTS, Documents
from .intake import Intake
from .openai_errors import as_openai
from .repeats import Repeats
from .routing import Route
from .serving import SERVICE, answering, handler_of, safe
from .streams import STREAMS, Streams
from .threads import THREADS, Threads

if TYPE_CHECKING:
    from ..service.service import Service

__all__ = ["SERVICE", "build_app", "every_route"]

_FILES = (
    routes_images,
    routes_runs,
    routes_jobs,
    routes_workflows,
    routes_files,
    routes_books,
    routes_content,
    routes_keys,
    routes_queue,
    routes_workers,
    openai_images,
    openai_about,
    routes_about,
)


def every_route() -> list[Route]:
    """All routes that there are."""
    return [route for file in _FILES for route in file.routes.all]


def _pattern(route: Route, routes: list[Route]) -> str:
    """The route's path for the server. A part never takes a word that is another route's own there: so what a path
    allows is what its own routes say."""
    words = route.path.split("/")
    for place, word in enumerate(words):
        if word.startswith("{"):
            others = [other.path.split("/") for other in routes]
            own = {each[place] for each in others if len(each) == len(words) and each[:place] == words[:place]}
            fixed = "|".join(sorted(re.escape(each) for each in own if not each.startswith("{")))
            pattern = f"(?!(?:{fixed})(?:/|$))[^{{}}/]+" if fixed else "[^{}/]+"
            words[place] = f"{word[:-1]}:{pattern}}}"
    return "/".join(words)


def build_app(service: Service) -> web.Application:
    """The application; the service is opened and closed by whoever calls."""
    # Bodies are bounded where they are read: each route has its own measure.
    app = web.Application(middlewares=[as_openai, answering], client_max_size=0)
    app[SERVICE] = service
    app[THREADS] = threads = Threads(service.threads)
    app[INTAKE] = Intake(service, threads)
    app[STREAMS] = Streams()
    app[routes_files.CHECKS] = asyncio.Semaphore(routes_files.CHECKED_AT_ONCE)
    app[REPEATS] = Repeats(service.ledger.store, threads)
    routes = every_route()
    app[DOCUMENTS] = Documents(routes)
    for route in routes:
        for method in (route.method, "HEAD") if route.method == "GET" else (route.method,):
            app.router.add_route(method, _pattern(route, routes), handler_of(route))
    app.router.add_get("/", _home)
    app.on_response_prepare.append(safe)
    share(app, service.service.cors_origins)
    return app


async def _home(request: web.Request) -> web.Response:
    """The terminal prints this address, and whoever opens it in a browser wants to read something."""
    return web.Response(status=302, headers={"Location": "/docs"})
