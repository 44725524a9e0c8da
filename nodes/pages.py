"""The door to routes that ComfyUI's own page calls: that page opened on this machine, and nobody else's.

The dangers are other people's web pages in the same browser. A page of another site is known by its ``Origin`` and
``Sec-Fetch-Site``; one whose name was made to point here (DNS rebinding) by the ``Host``. A form of another site can
send neither JSON nor PUT and DELETE without asking first, so what changes something must come as JSON.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ..errors import Unauthorized
from .route import guarded, is_local, is_token
from .worker import Worker

if TYPE_CHECKING:
    from aiohttp import web

_READS = ("GET", "HEAD")


def for_page(
    worker: Callable[[], Worker], handler: Callable[[web.Request], Awaitable[Any]]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """The handler behind the door; what it returns is sent as JSON, its errors too."""
    return guarded(worker, handler, check_page)


def check_page(request: web.Request, worker: Worker) -> None:
    """Let in ComfyUI's own page and programs of this machine, and from elsewhere whoever knows the worker's token.

    Raises Unauthorized.
    """
    if not _is_same_origin(request):
        raise Unauthorized("Pages of other sites may not ask this.")
    if request.method not in _READS and request.content_type != "application/json":
        raise Unauthorized("What changes something comes as JSON.", hint="Send Content-Type: application/json.")
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not is_local(request) and not is_token(given, worker.settings.worker_token):
        raise Unauthorized(
            "This is answered only on the machine that ComfyUI runs on.",
            hint="Open ComfyUI there under 127.0.0.1 or localhost, or use the mintmark command there.",
        )


def _is_same_origin(request: web.Request) -> bool:
    """Whether no page asks, or one that this very server sent."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return False
    origin = request.headers.get("Origin")
    # The scheme may differ where something ends TLS before us; such a proxy is not let in further down.
    with suppress(ValueError):  # "http://[" is no origin of ours either
        return origin is None or urlsplit(origin).netloc.lower() == request.host.lower()
    return False
