"""The images API of an Azure resource, for OpenAI's models and for FLUX.1, by deployment or in the v1 form.

Written from Microsoft's REST reference (2025-04-01-preview) and its v1 page: bodies and answers are OpenAI's; what
differs is where the model is named, what a block looks like, and that FLUX tells of no tokens.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from .azure_answers import Failed, answer, by_model, filtered, gateway, harms, no_deployment, violation
from .azure_models import Flux1, deployment
from .exchange import Desk, Exchange
from .openai_models import ImageModel, price_of, tokens_of
from .openai_pictures import body_of, drawn, paced
from .openai_request import Asked, Refused, read_edit, read_generation

_EVENTS = {"generations": "image_generation", "edits": "image_edit"}


async def images(exchange: Exchange, desk: Desk) -> web.Response:
    """The answer to either path; raises :class:`Failed`."""
    operation = exchange.request.match_info["operation"]
    model = _model(exchange)
    read = read_generation if operation == "generations" else read_edit
    try:
        asked = await asyncio.to_thread(read, exchange, model)
    except Refused as refusal:
        raise by_model(refusal) from None
    _check(exchange, model, asked)
    slowly = asked.stream and exchange.fault is None
    await asyncio.sleep(0.0 if slowly else desk.latency_s)
    canvases = await asyncio.to_thread(drawn, asked, desk.seed)
    if exchange.meets("policy_output"):
        raise filtered(exchange, "Generated image was filtered as a result of our safety system.")
    usage = _charged(exchange, desk, asked)
    body = await asyncio.to_thread(body_of, exchange, asked, canvases, usage, _EVENTS[operation])
    if not asked.stream:
        return answer(exchange, body, "application/json")
    return answer(exchange, paced(body, desk.latency_s) if slowly else body, "text/event-stream")


def _model(exchange: Exchange) -> ImageModel:
    """The deployment that the path names (then the API's version must be told), else the body."""
    name = exchange.request.match_info.get("deployment")
    if name is not None and not exchange.request.query.get("api-version"):
        raise gateway(404)
    told = name or _told(exchange)
    if not told:
        raise Failed(400, "missing_required_parameter", "Missing required parameter: 'model'.", param="model")
    model = deployment(told)
    if model is None or (isinstance(model, Flux1) and name is None):
        raise no_deployment()
    return model


def _told(exchange: Exchange) -> str:
    if exchange.parts:
        return next((part.data.decode(errors="replace") for part in exchange.parts if part.name == "model"), "")
    try:
        body: Any = json.loads(exchange.raw)
    except ValueError:
        return ""
    return str(body.get("model") or "") if isinstance(body, dict) else ""


def _check(exchange: Exchange, model: ImageModel, asked: Asked) -> None:
    if isinstance(model, Flux1) and (asked.n != 1 or len(asked.sources) > model.takes_images):
        raise Failed(400, "BadRequest", f"{model.name} makes one image from at most {model.takes_images} image.")
    if exchange.meets("policy_input"):
        raise filtered(exchange)
    found = harms(asked.prompt)
    if asked.moderation == "low":
        found = [category for category in found if category == "sexual/minors"]
    if found and asked.sources:
        exchange.outcome = "blocked"
        message = f"Your request was rejected by the safety system. safety_violations=[{', '.join(found)}]."
        raise Failed(400, "moderation_blocked", message, param=None, type="image_generation_user_error")
    if found:
        raise violation(exchange, asked.prompt, found)


def _charged(exchange: Exchange, desk: Desk, asked: Asked) -> dict[str, Any] | None:
    """Write the call into the bill; the usage that the answer tells of."""
    model, usage, microusd = asked.model, None, 0
    if isinstance(model, Flux1):
        microusd = model.microusd
    else:
        usage = tokens_of(
            prompt=asked.prompt,
            inputs=[source.size for source in asked.sources],
            size=asked.size,
            quality=asked.quality,
            images=asked.n,
            partials=asked.partial_images,
        )
        microusd = price_of(model, usage)
    desk.books.charge(
        provider="azure",
        model=model.name,
        request_id=exchange.request_id,
        client_request_id=exchange.client_request_id,
        microusd=microusd,
        images=asked.n,
        usage=usage or {},
    )
    return usage
