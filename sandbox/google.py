"""Google's images as both of its wires speak them: the Gemini API, and Vertex. Also Imagen's predict, and Cloud Vision.

Written from Google's references. The Gemini API (``/v1beta/models/…``) takes a key, Vertex
(``/v1beta1/projects/…/publishers/google/models/…``) an access token, or a key where no project is named. A block comes
as a 200 without an image. A prompt that says "in words only" gets an answer of words alone, which is billed like any.
A prompt that is blocked, or an image that is, costs nothing. ``/oauth2/token`` gives access tokens to whoever brings an
assertion, so that Google's own client for credentials can be tried; ``/vision`` is Cloud Vision's.
"""

from __future__ import annotations

import asyncio
import base64
import re
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from aiohttp import web

from . import google_answer, google_errors, picture
from .base import Provider, Route
from .exchange import Desk, Exchange
from .faults import Kind
from .google_callers import answered, guarded_by, token
from .google_errors import Refused
from .google_models import GEMINI, IMAGEN, Gemini, usage_of
from .google_predict import read_predict
from .google_request import Asked, read_content
from .google_vision import annotated

_IMAGE_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output", "corrupt_image"))
_PROJECT = "/projects/{project}/locations/{location}/publishers/google/models"
_EXPRESS = "/publishers/google/models"
_WORDS_ALONE = re.compile(r"\bin words only\b", re.IGNORECASE)


class Google(Provider):
    """The stand-in for generativelanguage.googleapis.com, aiplatform.googleapis.com and vision.googleapis.com."""

    name = "google"

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> tuple[Route, ...]:
        places = [("/v1beta/models", False), ("/v1/models", False)]
        places += [(f"/{version}{below}", True) for version in ("v1", "v1beta1") for below in (_PROJECT, _EXPRESS)]
        made = tuple(
            self._route(f"{place}/{{model:[^:/]+}}:{method}", work, vertex=vertex)
            for place, vertex in places
            for method, work in (("generateContent", self._generate), ("predict", self._predict))
        )
        return (
            *made,
            Route("GET", "/v1beta/models", guarded_by(self._models, vertex=False)),
            Route("GET", "/v1beta/models/{model}", guarded_by(self._model, vertex=False)),
            Route("POST", "/vision/v1/images:annotate", guarded_by(self._annotate, vertex=True), "moderation"),
            Route("POST", "/oauth2/token", token),
        )

    def _route(self, path: str, work: Callable[..., Any], *, vertex: bool) -> Route:
        handler = guarded_by(partial(work, vertex=vertex), vertex=vertex)
        return Route("POST", path, handler, "generation", _IMAGE_FAULTS)

    async def start(self) -> None:
        """Nothing is kept between requests."""

    async def stop(self) -> None:
        """Nothing runs between requests."""

    def reset(self) -> None:
        """Nothing to forget."""

    def new_request_id(self) -> str:
        return uuid.uuid4().hex[:22]

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        if status == 502:
            # It comes from what stands before the API, and has nothing of its shape.
            return web.Response(status=502, text="<html><title>Error 502 (Server Error)!!1</title></html>")
        known = status if status in google_errors.MESSAGES else 400 if status < 500 else 500
        details = [google_errors.quota_failure()] if status == 429 else []
        if retry_after is not None:
            # Google says when to come back in the body, and nowhere else.
            details.append(google_errors.retry_info(retry_after))
        code = google_errors.CODES.get(status, google_errors.CODES[known])
        return answered(google_errors.body(google_errors.MESSAGES[known], status, code, details), status)

    def unknown(self, exchange: Exchange) -> web.Response:
        return web.Response(status=404, text="<html><title>Error 404 (Not Found)!!1</title></html>")

    async def _generate(self, exchange: Exchange, *, vertex: bool) -> web.Response:
        name = exchange.request.match_info["model"]
        model = GEMINI.get(name)
        if model is None or not _served(model, exchange):
            raise _no_model(exchange, name, "generateContent", vertex=vertex)
        asked = await asyncio.to_thread(read_content, exchange, model, vertex=vertex)
        if (block := _blocked(exchange, model, asked, vertex=vertex)) is not None:
            return answered(block)
        await asyncio.sleep(self._desk.latency_s)
        alone = _WORDS_ALONE.search(asked.prompt) is not None
        usage = usage_of(model, asked.prompt, len(asked.sources), None if alone else asked.image_size)
        if alone:
            self._charge(exchange, name, model.price_of(usage, 0), 0, usage)
            return answered(google_answer.words_alone(model, usage, response_id=exchange.request_id))
        if exchange.meets("policy_output"):
            exchange.outcome = "blocked"
            return answered(google_answer.blocked_image(model, asked, response_id=exchange.request_id))
        data = await asyncio.to_thread(_file, exchange, asked, self._desk.seed)
        self._charge(exchange, name, model.price_of(usage, model.tokens[asked.image_size]), 1, usage)
        answer = partial(google_answer.images, asked, model, data, usage)
        return answered(await asyncio.to_thread(answer, response_id=exchange.request_id, vertex=vertex))

    async def _predict(self, exchange: Exchange, *, vertex: bool) -> web.Response:
        name = exchange.request.match_info["model"]
        model = IMAGEN.get(name)
        if model is None:
            raise _no_model(exchange, name, "predict", vertex=vertex)
        asked = await asyncio.to_thread(read_predict, exchange, model, vertex=vertex)
        if exchange.meets("policy_input") or google_answer.found_in(asked)[0]:
            exchange.outcome = "blocked"
            raise Refused(google_answer.UNSPEAKABLE)
        await asyncio.sleep(self._desk.latency_s)
        # Of several images the filter takes the first alone: fewer come back than were asked for.
        gone = 1 if exchange.meets("policy_output") else 0
        shown = range(gone, asked.count)
        files = [await asyncio.to_thread(_file, exchange, asked, self._desk.seed, index) for index in shown]
        told: list[dict[str, Any]] = [
            {"mimeType": f"image/{asked.kind}", "bytesBase64Encoded": base64.b64encode(data).decode()} for data in files
        ]
        if gone and asked.tells_reasons:
            told.insert(0, {"raiFilteredReason": google_answer.FILTERED})
        if files:
            self._charge(exchange, name, model.microusd * len(files), len(files), {})
        return answered({"predictions": told} if told else {})

    def _charge(self, exchange: Exchange, model: str, microusd: int, images: int, usage: dict[str, Any]) -> None:
        self._desk.books.charge(
            provider=self.name,
            model=model,
            request_id=exchange.request_id,
            client_request_id=exchange.client_request_id,
            microusd=microusd,
            images=images,
            usage=usage,
        )

    async def _models(self, exchange: Exchange) -> web.Response:
        query = exchange.request.query
        first, most = int(query.get("pageToken") or 0), int(query.get("pageSize") or 50)
        rows = [_row(model) for model in GEMINI.values()]
        more = {"nextPageToken": str(first + most)} if first + most < len(rows) else {}
        return answered({"models": rows[first : first + most], **more})

    async def _model(self, exchange: Exchange) -> web.Response:
        name = exchange.request.match_info["model"]
        if (model := GEMINI.get(name)) is None:
            raise _no_model(exchange, name, "generateContent", vertex=False)
        return answered(_row(model))

    async def _annotate(self, exchange: Exchange) -> web.Response:
        return answered(await asyncio.to_thread(annotated, exchange))


def _served(model: Gemini, exchange: Exchange) -> bool:
    return model.everywhere or exchange.request.match_info.get("location", "global") == "global"


def _no_model(exchange: Exchange, name: str, method: str, *, vertex: bool) -> Refused:
    if not vertex:
        told = f"models/{name} is not found for API version v1beta, or is not supported for {method}."
        return Refused(f"{told} Call ModelService.ListModels to see the list of available models.", status=404)
    place = exchange.request.path.removeprefix("/google/").partition("/")[2].partition(":")[0]
    return Refused(
        f"Publisher Model `{place}` was not found or your project does not have access to it. Please ensure you are "
        "using a valid model version.",
        status=404,
    )


def _blocked(exchange: Exchange, model: Gemini, asked: Asked, *, vertex: bool) -> dict[str, Any] | None:
    """The answer for a prompt that does not reach the model; None for most."""
    found, seen = google_answer.found_in(asked)
    if exchange.meets("policy_input"):
        reason = "PROHIBITED_CONTENT"
    elif found:
        reason = google_answer.reason_of(found)
    elif seen:
        reason = "IMAGE_SAFETY"
    else:
        return None
    exchange.outcome = "blocked"
    return google_answer.blocked_prompt(reason, model, asked, response_id=exchange.request_id, vertex=vertex)


def _file(exchange: Exchange, asked: Asked, seed: int, index: int = 0) -> bytes:
    seed = seed if asked.seed is None else asked.seed
    if asked.sources:
        canvas = picture.edit(list(asked.sources), asked.prompt, *asked.size, seed, index)
    else:
        canvas = picture.draw(asked.prompt, *asked.size, seed, index)
    data = picture.pack(canvas, asked.kind, asked.quality)
    return picture.corrupted(data) if exchange.meets("corrupt_image") else data


def _row(model: Gemini) -> dict[str, Any]:
    return {
        "name": f"models/{model.name}",
        "version": "001",
        "displayName": model.title,
        "inputTokenLimit": 65536,
        "outputTokenLimit": 32768,
        "supportedGenerationMethods": ["generateContent", "countTokens", "batchGenerateContent"],
    }
