"""``GET /mintmark/models``: the catalog for ComfyUI's page, which shows prices with it, and which keys there are.

``{"models": [{"name", "title", "provider", "tasks", "family", "price", "price_text", "lifecycle", "licence", "key",
"parameters", "max_count", "sizes", "scale"}]}``; ``price`` is the catalog's own rule, ``key`` says whether the provider
can be called here. Checkpoints of this machine come last, with ``step_s`` (seconds a step and megapixel, if measured)
and ``default_size``; without a price of the GPU's hour theirs is null. Who may ask: see :mod:`nodes.pages`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import MintmarkError
from ..providers.catalog import own, rows
from .pages import for_page
from .worker import Worker

if TYPE_CHECKING:
    from aiohttp import web

    from ..generation.engine import Engine
    from ..providers.local_model import LocalModel

_AS_IS = ("name", "title", "family", "price", "lifecycle", "licence", "parameters", "sizes")


def add_model_routes(routes: Any, worker: Callable[[], Worker]) -> None:
    """Add it to a host's table. ``worker`` is asked at each call, so nothing is opened now."""

    async def models(request: web.Request) -> dict[str, Any]:
        engine = await worker().engine()
        reachable = await asyncio.to_thread(_reachable, engine)
        hosted = [_told(row, row["name"].partition("/")[0] in reachable) for row in rows()]
        return {"models": [*hosted, *await asyncio.to_thread(_checkpoints, engine)]}

    routes.get("/mintmark/models")(for_page(worker, models))


def _checkpoints(engine: Engine) -> list[dict[str, Any]]:
    """Those of this machine, at the price of an hour of its GPU; none where a model folder cannot be read."""
    try:
        every = list(engine.local.every())
    except (MintmarkError, OSError):
        return []
    return [_told(_row(each), True) | {"step_s": each.step_s, "default_size": each.default_size} for each in every]


def _row(model: LocalModel) -> dict[str, Any]:
    """As the catalog has rows; without a price where an hour has none."""
    row = model.model_dump(mode="json")
    return row if model.is_priced else {**row, "price": None}


def _reachable(engine: Engine) -> tuple[str, ...]:
    try:
        return engine.reachable()
    except MintmarkError:
        # One unusable key must not hide all prices; the keys' own route says which it is.
        return ()


def _told(row: dict[str, Any], has_key: bool) -> dict[str, Any]:
    return {
        **{name: row.get(name) for name in _AS_IS},
        "provider": row["name"].partition("/")[0],
        "tasks": list(row["endpoint"]),
        "price_text": _price_text(row),
        "max_count": row.get("max_count", 1),
        "scale": row.get("scale"),
        "key": has_key,
    }


def _price_text(row: dict[str, Any]) -> str | None:
    """When and where the price was read, and whether it is the user's own."""
    price, mine = row.get("price"), own()
    whose = "yours, " if mine and "price" in mine.fields.get(row["name"], {}) else ""
    return f"{whose}as of {price['as_of']}: {price['source']}" if price else None
