"""What the service says of itself: health, metrics, its OpenAPI document and the page that shows it."""

from __future__ import annotations

import shutil
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ...errors import AccessError, DatabaseUnreachable, MintmarkError, NotFound
from ..metrics.meters import CONTENT_TYPE
from .call import Call, Reply
from .document import DOCUMENTS
from .naming import named
from .routing import Answer, NoQuery, Routes
from .shapes import View

routes = Routes("service")

LEAST_FREE = 64 * 2**20
"""Bytes on the data folder's disk below which it counts as full: a picture or two, and the database's own files."""
_PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FILES = {
    "page.js": "text/javascript; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "rapidoc-min.js": "text/javascript; charset=utf-8",
    "LICENSE-rapidoc.txt": "text/plain; charset=utf-8",
}


class Health(View):
    """Whether the process lives."""

    status: Literal["ok"] = "ok"


class Readiness(View):
    """Whether it can do its work now, and what is missing where not."""

    ready: bool
    missing: list[str] = Field(description="What is missing, in words.")


@routes.get("/healthz", "Is it alive", scope=None, answers=(Answer(status=200, description="It is.", model=Health),))
async def health(call: Call[None, NoQuery]) -> Reply:
    """Asks nothing of anybody else."""
    return Reply(200, Health())


@routes.get(
    "/readyz",
    "Is it ready",
    scope=None,
    answers=(
        Answer(status=200, description="It is.", model=Readiness),
        Answer(status=503, description="It is not, just now.", model=Readiness),
    ),
)
async def readiness(call: Call[None, NoQuery]) -> Reply:
    """The database answers, there is room on the disk, a worker is live, and it is not being stopped."""
    missing = await _missing(call)
    return Reply(503 if missing else 200, Readiness(ready=not missing, missing=missing))


async def _missing(call: Call[Any, Any]) -> list[str]:
    # Anybody may ask: workers are told by their names.
    found = [named(each) for each in call.service.dispatcher.missing()]
    if await call.block(_is_full, call.service.settings.books_dir):
        found.insert(0, "The disk of the data folder is full.")
    try:
        await call.block(call.service.jobs.is_paused)
    except (DatabaseUnreachable, MintmarkError):
        found.insert(0, "The database does not answer.")
    return found


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < LEAST_FREE
    except OSError:
        return True


@routes.get(
    "/metrics",
    "Prometheus metrics",
    scope="metrics",
    answers=(Answer(status=200, description="Text.", media_type="text/plain", schema={"type": "string"}),),
)
async def metrics(call: Call[None, NoQuery]) -> Reply:
    """How it stands and what has happened since it was started, in Prometheus' text format: of all projects together,
    with what each model spent."""
    return Reply(200, data=await call.block(call.service.meters.scrape), media_type=CONTENT_TYPE)


@routes.get(
    "/openapi.json",
    "This document",
    scope=None,
    answers=(Answer(status=200, description="OpenAPI 3.1.", media_type="application/json", schema={"type": "object"}),),
)
async def openapi(call: Call[None, NoQuery]) -> Reply:
    """Made of what the service really reads and answers; each workflow is in it with its typed inputs. Those that were
    published here are left out for who has no key with the scope `read`, once there are keys."""
    documents, server = call.request.app[DOCUMENTS], str(call.request.url.origin())
    open_to_all = not await call.service.access.has_keys()
    published = open_to_all or await _may_read(call)
    text = await call.block(documents.text, call.service, server, open_to_all=open_to_all, published=published)
    return Reply(200, data=text)


async def _may_read(call: Call[None, NoQuery]) -> bool:
    sent = call.request.headers.get("Authorization")
    try:
        (await call.service.access.authenticate(sent, call.request.remote)).require("read")
    except AccessError:
        return False
    return True


@routes.get(
    "/docs",
    "These pages",
    scope=None,
    answers=(Answer(status=200, description="A page.", media_type="text/html", schema={"type": "string"}),),
)
async def docs(call: Call[None, NoQuery]) -> Reply:
    """All of it comes from this server."""
    return _file("index.html", "text/html; charset=utf-8", "no-cache")


@routes.get(
    "/docs/{file}",
    "A file of these pages",
    scope=None,
    answers=(
        Answer(status=200, description="The file.", media_type="text/javascript", schema={"type": "string"}),
        Answer(status=200, description="The file.", media_type="text/css", schema={"type": "string"}),
        Answer(status=200, description="The file.", media_type="text/plain", schema={"type": "string"}),
    ),
)
async def docs_file(call: Call[None, NoQuery]) -> Reply:
    """Script, style and licence of the page."""
    name = call.path["file"]
    if name not in _FILES:
        raise NotFound("The page has no such file.")
    return _file(name, _FILES[name], "public, max-age=3600")


def _file(name: str, media_type: str, kept: str) -> Reply:
    headers = {"Content-Security-Policy": _PAGE_POLICY, "Cache-Control": kept}
    return Reply(200, data=_bytes(name), media_type=media_type, headers=headers)


@cache
def _bytes(name: str) -> bytes:
    # The package is known under another name inside ComfyUI.
    return (files(__package__.rpartition(".orchestrator")[0]) / "web" / "docs" / name).read_bytes()
