"""A declared transport hook for huggingface_hub, which knows only fixed hosts; see ``fal_hosts``.

``with huggingface_hosts(sandbox.url): ...`` sends its requests for the Hub, the router and Endpoints to the sandbox.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import httpx2
from huggingface_hub.utils import close_session

PREFIXES = {
    "huggingface.co": "/huggingface/hub",
    "router.huggingface.co": "/huggingface/router",
    "own.eu-west-1.aws.endpoints.huggingface.cloud": "/huggingface/endpoint/own",
}


def mapped(request: httpx2.Request, sandbox_url: str) -> httpx2.Request:
    """The same request (method, path below the prefix, query, headers, body) to the sandbox."""
    prefix = PREFIXES.get(request.url.host)
    if prefix is None:
        return request
    origin = httpx2.URL(sandbox_url)
    path = (prefix.encode() + request.url.raw_path).rstrip(b"/")
    url = request.url.copy_with(scheme=origin.scheme, host=origin.host, port=origin.port, raw_path=path)
    headers = request.headers.copy()
    headers["Host"] = origin.netloc.decode()
    return httpx2.Request(request.method, url, headers=headers, stream=request.stream, extensions=request.extensions)


@contextmanager
def huggingface_hosts(sandbox_url: str) -> Iterator[None]:
    """While open, Hugging Face's hosts are the sandbox."""
    send = httpx2.HTTPTransport.handle_request

    def handle(transport: httpx2.HTTPTransport, request: httpx2.Request) -> httpx2.Response:
        return send(transport, mapped(request, sandbox_url))

    with mock.patch.object(httpx2.HTTPTransport, "handle_request", handle):
        yield
    close_session()
