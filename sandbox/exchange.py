"""A request on its way through the sandbox: as it was received, and as the books tell of it."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from aiohttp import BodyPartReader, web

from .books import Books
from .faults import Fault, Kind

_SECRET_HEADERS = frozenset(
    ("authorization", "x-key", "x-api-key", "x-goog-api-key", "api-key", "ocp-apim-subscription-key", "cookie")
)
_LONGEST_TEXT_PART = 4096
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True)
class Part:
    """One part of a multipart body."""

    name: str
    filename: str | None
    content_type: str
    data: bytes


@dataclass
class Desk:
    """What all providers share: the books and how the sandbox was set up."""

    books: Books
    latency_s: float
    seed: int


@dataclass
class Exchange:
    """One request on its way through the sandbox, body already read."""

    request: web.Request
    desk: Desk
    request_id: str
    raw: bytes = b""
    parts: tuple[Part, ...] = ()
    fault: Fault | None = None
    outcome: str = ""
    """What a handler wants the books to say, where "ok" and "refused" do not say it."""

    @property
    def origin(self) -> str:
        """The sandbox as this client sees it, such as ``http://127.0.0.1:8500``."""
        return f"{self.request.scheme}://{self.request.host}"

    @property
    def client_request_id(self) -> str | None:
        """The caller's own id, as OpenAI and Azure document a header for it; fal knows none, and then this is None."""
        headers = self.request.headers
        return headers.get("X-Client-Request-Id") or headers.get("x-ms-client-request-id")

    def meets(self, kind: Kind) -> bool:
        """Whether this request has met a fault of this kind."""
        return self.fault is not None and self.fault.kind == kind

    def json(self) -> Any:
        """The body as JSON; raises ValueError."""
        return json.loads(self.raw)


async def received(request: web.Request, desk: Desk, request_id: str) -> Exchange:
    """Read the whole body, so that the books can tell it even when the connection is dropped at once."""
    if request.content_type == "multipart/form-data":
        return Exchange(request, desk, request_id, parts=tuple(await _parts(request)))
    return Exchange(request, desk, request_id, raw=await request.read())


async def _parts(request: web.Request) -> list[Part]:
    reader, found = await request.multipart(), []
    while (part := await reader.next()) is not None:
        if isinstance(part, BodyPartReader):
            kind = part.headers.get("Content-Type", "text/plain")
            found.append(Part(part.name or "", part.filename, kind, bytes(await part.read())))
    return found


def described(exchange: Exchange) -> dict[str, Any]:
    """The request for the books: secrets and files by digest, the rest as it came."""
    request = exchange.request
    return {
        "method": request.method,
        "path": request.path,
        "query": {name: request.query.getall(name) for name in request.query},
        "headers": {name: _header(name, value) for name, value in request.headers.items()},
        "body": [_part(part) for part in exchange.parts] if exchange.parts else _body(exchange),
        "request_id": exchange.request_id,
        "client_request_id": exchange.client_request_id,
    }


def _header(name: str, value: str) -> str:
    return f"sha256:{_digest(value.encode())[:12]}" if name.lower() in _SECRET_HEADERS else value


def _part(part: Part) -> dict[str, Any]:
    told: dict[str, Any] = {"name": part.name, "filename": part.filename, "content_type": part.content_type}
    if part.filename is None and len(part.data) <= _LONGEST_TEXT_PART:
        return {**told, "text": part.data.decode(errors="replace")}
    return {**told, "sha256": _digest(part.data), "size": len(part.data)}


def _body(exchange: Exchange) -> Any:
    if not exchange.raw:
        return None
    try:
        return _shortened(exchange.json())
    except ValueError:
        kind = exchange.request.content_type
        return {"content_type": kind, "sha256": _digest(exchange.raw), "size": len(exchange.raw)}


def _shortened(value: Any) -> Any:
    """JSON with data URIs and long bare base64 told by digest: they are files, and large."""
    if isinstance(value, dict):
        return {name: _shortened(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if isinstance(value, str) and value.startswith("data:"):
        head, _, data = value.partition(",")
        return {"data_uri": head, "sha256": _digest(data.encode()), "size": len(data)}
    if isinstance(value, str) and len(value) > _LONGEST_TEXT_PART and _BASE64.fullmatch(value):
        return {"base64": True, "sha256": _digest(value.encode()), "size": len(value)}
    return value


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
