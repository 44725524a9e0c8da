"""FLUX.2 on Azure: Black Forest Labs' own fields, but answered at once and in OpenAI's form.

``POST /providers/blackforestlabs/v1/{flux-2-pro, flux-2-flex}?api-version=preview``, from Microsoft's page "Deploy and
use FLUX models in Microsoft Foundry" and third parties' notes (2026): without ``model`` and ``n`` it breaks, ``n``
is 1, and ``request_meta`` tells the megapixels that are billed.
"""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

from aiohttp import web

from . import picture
from .azure_answers import Failed, filtered, filters, gateway, harms, json_answer, no_deployment, violation
from .azure_models import FLUX_2, MEGAPIXEL, flux_2_microusd
from .bfl_models import ENDPOINTS
from .bfl_request import Asked, Refused, read_input
from .exchange import Desk, Exchange

_MOST_PROMPT = 32_000


async def flux_2(exchange: Exchange, desk: Desk) -> web.Response:
    """The answer; raises :class:`Failed`."""
    path = exchange.request.match_info["model"]
    if path not in FLUX_2 or not exchange.request.query.get("api-version"):
        raise gateway(404)
    asked = await asyncio.to_thread(_read, exchange, path, desk.seed)
    if exchange.meets("policy_input"):
        raise filtered(exchange)
    if found := harms(asked.prompt):
        raise violation(exchange, asked.prompt, found)
    await asyncio.sleep(desk.latency_s)
    if exchange.meets("policy_output"):
        exchange.outcome = "blocked"
        return json_answer(exchange, _told([{"content_filter_results": filters(["sexual"])}]))
    data = await asyncio.to_thread(asked.draw)
    data = picture.corrupted(data) if exchange.meets("corrupt_image") else data
    _charge(exchange, desk, path, asked)
    image = {
        "b64_json": base64.b64encode(data).decode(),
        "revised_prompt": asked.prompt,
        "content_filter_results": filters(),
    }
    inputs = sum(width * height for width, height in _inputs(asked))
    meta = {"input_mp": inputs / MEGAPIXEL, "output_mp": asked.size[0] * asked.size[1] / MEGAPIXEL}
    return json_answer(exchange, {**_told([image]), "request_meta": meta})


def _read(exchange: Exchange, path: str, seed: int) -> Asked:
    try:
        body = exchange.json()
    except ValueError:
        raise Failed(400, "BadRequest", "The body is no JSON.") from None
    if not isinstance(body, dict) or not body.get("model") or "n" not in body:
        raise gateway(500)
    if str(body["model"]).startswith(("no-", "gone-")):
        raise no_deployment()
    if body["n"] != 1:
        raise Failed(400, "BadRequest", "n must be 1.")
    if len(str(body.get("prompt") or "")) > _MOST_PROMPT:
        raise Failed(400, "BadRequest", "The prompt is too long.")
    try:
        return read_input(ENDPOINTS[path], body, seed=seed)
    except Refused as refusal:
        raise Failed(400, "BadRequest", str(refusal.detail)) from None


def _inputs(asked: Asked) -> list[tuple[int, int]]:
    return [source.size for source in asked.sources.values()]


def _charge(exchange: Exchange, desk: Desk, path: str, asked: Asked) -> None:
    desk.books.charge(
        provider="azure",
        model=FLUX_2[path],
        request_id=exchange.request_id,
        client_request_id=exchange.client_request_id,
        microusd=flux_2_microusd(path, asked.size, _inputs(asked)),
        images=1,
        usage={},
    )


def _told(data: list[dict[str, Any]]) -> dict[str, Any]:
    return {"created": int(time.time()), "data": data}
