"""``/mintmark/models/{folder}/{name}``: have this worker fetch a model file (PUT), and how far that is (GET).

Closed unless ``MINTMARK_MODEL_URLS`` says from where. Who may ask: programs of this machine, and whoever has the
worker's token, as for a job; never a web page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InvalidInput, NotFound
from .downloads import checked_name
from .route import behind
from .worker import Worker

if TYPE_CHECKING:
    from aiohttp import web

LARGEST_BODY = 16 * 1024
CLOSED = frozenset({"custom_nodes", "configs"})
"""Folders of a host that hold no models."""


def add_download_routes(routes: Any, worker: Callable[[], Worker]) -> None:
    """Add them to a host's table. ``worker`` is asked at each call, so nothing is opened now."""

    async def begin(request: web.Request) -> dict[str, Any]:
        url, sha256 = await _asked(request)
        folder, place = _place(worker(), request)
        return worker().downloads.begin(place, folder, url, sha256).told()

    async def show(request: web.Request) -> dict[str, Any]:
        _, place = _place(worker(), request)
        found = worker().downloads.known(place)
        if found is None:
            raise NotFound(f"{place.name} was not asked for since this worker was started.")
        return found.told()

    routes.put("/mintmark/models/{folder}/{name}")(behind(worker, begin))
    routes.get("/mintmark/models/{folder}/{name}")(behind(worker, show))


def _place(worker: Worker, request: web.Request) -> tuple[str, Path]:
    folder, name = request.match_info["folder"], checked_name(request.match_info["name"])
    found = None if folder in CLOSED else worker.host.model_folder(folder)
    if found is None:
        raise NotFound(f"This worker has no folder of models called {folder[:80]!r}.")
    return folder, found / name


async def _asked(request: web.Request) -> tuple[str, str]:
    if request.content_length is None or request.content_length > LARGEST_BODY:
        raise InvalidInput("The body is too large, or does not say how large it is.")
    try:
        sent = json.loads(await request.read())
    except ValueError:
        sent = None
    url, sha256 = (sent.get("url"), sent.get("sha256")) if isinstance(sent, dict) else (None, None)
    if not isinstance(url, str) or not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise InvalidInput('The body is not {"url": "…", "sha256": "…"}, with the digest in lower-case hexadecimal.')
    return url, sha256
