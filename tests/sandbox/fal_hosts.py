"""A declared transport hook for fal's official client, which knows only fixed hosts.

``with fal_hosts(sandbox.url): ...`` sends every httpx request for one of fal's hosts to the sandbox's prefix
instead. It sits under httpx's own transports, so all of fal-client runs unchanged: its retries, its backup domains, its
uploads. The backup domains are mapped nowhere: reaching for one means that the sandbox did not answer, which must be
seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import httpx

PREFIXES = {
    "queue.fal.run": "/fal/queue",
    "fal.run": "/fal/run",
    "rest.fal.ai": "/fal/rest",
    "v3.fal.media": "/fal/media",
    "api.fal.ai": "/fal/api",
}


def mapped(request: httpx.Request, sandbox_url: str) -> httpx.Request:
    """The same request (method, path below the prefix, query, headers, body) to the sandbox."""
    prefix = PREFIXES.get(request.url.host)
    if prefix is None:
        return request
    origin = httpx.URL(sandbox_url)
    path = prefix.encode() + request.url.raw_path
    url = request.url.copy_with(scheme=origin.scheme, host=origin.host, port=origin.port, raw_path=path)
    headers = request.headers.copy()
    headers["Host"] = origin.netloc.decode()
    return httpx.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)


@contextmanager
def fal_hosts(sandbox_url: str) -> Iterator[None]:
    """While open, fal's hosts are the sandbox, for sync and async clients alike."""
    send, send_async = httpx.HTTPTransport.handle_request, httpx.AsyncHTTPTransport.handle_async_request

    def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        return send(transport, mapped(request, sandbox_url))

    async def handle_async(transport: httpx.AsyncHTTPTransport, request: httpx.Request) -> httpx.Response:
        return await send_async(transport, mapped(request, sandbox_url))

    with (
        mock.patch.object(httpx.HTTPTransport, "handle_request", handle),
        mock.patch.object(httpx.AsyncHTTPTransport, "handle_async_request", handle_async),
    ):
        yield
