"""Pages of other origins that may call the API from a browser: CORS, as the Fetch standard has it.

What guards the API is the key, which a page has to hold and to send by itself. A browser adds nothing that we would
take: no cookie, no password. So ``Access-Control-Allow-Credentials`` is never said, and ``*`` opens no more than a
program elsewhere could reach with the same key. Where no key exists a page elsewhere is served nothing, listed or not.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

PATHS = ("/v1/", "/openai/v1/")
"""What pages may call: what is for clients, not what is for operators."""
METHODS = "GET, HEAD, POST, PATCH, DELETE"
SENT = "Authorization, Content-Type, Idempotency-Key, Prefer, Last-Event-ID, Range, If-None-Match, If-Range, *"
"""Headers that a page may send. ``*`` is any but Authorization: OpenAI's client sends a dozen of its own."""
READ = (
    "Location, Idempotent-Replayed, Preference-Applied, Retry-After, RateLimit-Limit, RateLimit-Remaining,"
    " RateLimit-Reset, Mintmark-Jobs-Limit, Mintmark-Jobs-Remaining, Mintmark-Spend-Limit, Mintmark-Spend-Remaining,"
    " ETag, Accept-Ranges, Content-Range, Content-Disposition, WWW-Authenticate, X-Request-Id, x-should-retry"
)
"""Headers that a page may read, beside those that every page may."""
KEPT_S = 7200
"""How long a browser need not ask again; none keeps it for longer."""


def share(app: web.Application, origins: tuple[str, ...]) -> None:
    """Let pages of these origins call the API. Without any, no request meets anything more than before."""
    if origins:
        sharing = _Sharing(origins)
        app.middlewares.append(sharing.asked)
        app.on_response_prepare.append(sharing.told)


class _Sharing:
    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins, self._all = frozenset(origins), "*" in origins

    @web.middleware
    async def asked(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Answer a browser that asks beforehand what a page may send; it never sends the key with that."""
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if not asks or self._allowed(request) is None:
            return await handler(request)
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": METHODS,
                "Access-Control-Allow-Headers": SENT,
                "Access-Control-Max-Age": str(KEPT_S),
            },
        )

    async def told(self, request: web.Request, response: web.StreamResponse) -> None:
        """Say who may read the answer, whatever it is, just before its headers go out."""
        if not request.path.startswith(PATHS):
            return
        if not self._all:
            # Also where nothing is allowed: a cache must not give one page the answer that another one got.
            response.headers.add("Vary", "Origin")
        if (allowed := self._allowed(request)) is not None:
            response.headers["Access-Control-Allow-Origin"] = allowed
            response.headers["Access-Control-Expose-Headers"] = READ

    def _allowed(self, request: web.Request) -> str | None:
        """Whom the answer names; None where the page may not call this."""
        origin = request.headers.get("Origin")
        if not request.path.startswith(PATHS) or (origin is None and not self._all):
            return None
        return "*" if self._all else origin if origin in self._origins else None
