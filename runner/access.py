"""Who may talk to the runner: programs may, and pages of its own origin; other sites' pages in a browser may not."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def same_site_only(*, loopback: bool) -> Middleware:
    """A middleware that answers 403 to browser requests from elsewhere.

    Like ComfyUI it refuses a cross-site ``Sec-Fetch-Site`` and an ``Origin`` that is not the ``Host``. It is stricter
    in two ways: the origin is compared whatever the host is, and while bound to loopback a browser must have asked for
    a loopback host. Else a foreign name that was made to point here (DNS rebinding) would be let in.
    """

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not allowed(dict(request.headers), request.host, loopback=loopback):
            return web.Response(status=403)
        return await handler(request)

    return check


def allowed(headers: dict[str, str], host: str, *, loopback: bool) -> bool:
    """Whether a request with these headers may pass."""
    named = {name.lower(): value for name, value in headers.items()}
    site, origin = named.get("sec-fetch-site"), named.get("origin")
    if site is None and origin is None:
        return True
    try:
        if site == "cross-site" or (origin is not None and urlsplit(origin).netloc.lower() != host.lower()):
            return False
        return not loopback or is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:  # "http://[" is nobody's origin
        return False


def is_loopback(host: str) -> bool:
    """Whether this host name or address is this machine alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
