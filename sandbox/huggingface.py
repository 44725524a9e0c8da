"""Hugging Face as its wire speaks it: the Hub's mapping, the router with six runners behind it, and an Endpoint.

``/hub`` is huggingface.co, ``/router`` router.huggingface.co, ``/endpoint/<name>`` somebody's dedicated Endpoint and
``/media`` wherever runners leave their files. Written from huggingface_hub 2.4.0 as recorded, the pages of Inference
Providers and Endpoints, and each runner's own pages; URLs inside runners' answers name their own hosts, as they do
through the real router, and only their paths mean anything there.
"""

from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from . import picture
from .base import Provider, Route
from .exchange import Desk, Exchange
from .faults import Kind
from .huggingface_asked import Asked, Refused, read
from .huggingface_models import COMPUTE_S, REPOS, Pipeline, Repo, found
from .huggingface_runs import PROVIDER, Run, Runs

_POLICY: frozenset[Kind] = frozenset(("policy_input", "policy_output"))
_INLINE: frozenset[Kind] = _POLICY | {"corrupt_image"}
_MEDIA: frozenset[Kind] = frozenset(("corrupt_image", "expired_url"))
_LOADING_S = 20.0

_Handler = Callable[[Exchange], Awaitable[web.Response]]


class HuggingFace(Provider):
    """The stand-in for huggingface.co, its router and its Endpoints."""

    name = PROVIDER

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._runs = Runs(desk)

    def routes(self) -> tuple[Route, ...]:
        keyed = _keyed
        fal, replicate, wavespeed = "/router/fal-ai", "/router/replicate/v1", "/router/wavespeed/api/v3"
        together, nscale = (f"/router/{name}/v1/images/generations" for name in ("together", "nscale"))
        return (
            Route("GET", "/hub/api/whoami-v2", keyed(self._whoami)),
            Route("GET", "/hub/api/models/{owner}/{name}", self._model),
            Route("POST", "/router/hf-inference/models/{model:.+}", keyed(self._bytes), "generation", _INLINE),
            Route("POST", together, keyed(self._base64("together")), "generation", _INLINE),
            Route("POST", nscale, keyed(self._base64("nscale")), "generation", _INLINE),
            Route("GET", f"{fal}/{{app:.+}}/requests/{{id}}/status", keyed(self._fal_status)),
            Route("GET", f"{fal}/{{app:.+}}/requests/{{id}}", keyed(self._fal_result)),
            Route("POST", f"{fal}/{{model:.+}}", keyed(self._fal), "generation", _POLICY),
            Route("POST", f"{replicate}/models/{{model:.+}}/predictions", keyed(self._predict), "generation", _POLICY),
            Route("POST", f"{replicate}/predictions", keyed(self._predict), "generation", _POLICY),
            Route("GET", f"{replicate}/predictions/{{id}}", keyed(self._prediction)),
            Route("GET", f"{wavespeed}/predictions/{{id}}/result", keyed(self._wave_result)),
            Route("POST", f"{wavespeed}/{{model:.+}}", keyed(self._wave), "generation", _POLICY),
            Route("POST", "/endpoint/{name}", keyed(self._endpoint), "generation", _INLINE),
            Route("GET", "/media/{file}", self._media, "media", _MEDIA),
        )

    async def start(self) -> None:
        self._runs.take_up()

    async def stop(self) -> None:
        await self._runs.stop()

    def reset(self) -> None:
        self._runs.clear()

    def new_request_id(self) -> str:
        return str(uuid.uuid4())

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        path = exchange.request.path
        if status == 503 and ("/hf-inference/" in path or "/endpoint/" in path):
            # The model is not there yet: it will be, in about so many seconds.
            body: dict[str, Any] = {"error": "Model is currently loading", "estimated_time": _LOADING_S}
        else:
            body = {"error": _STATUS_ERRORS.get(status, "Internal Server Error")}
        answer = _json(exchange, body, status)
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return _json(exchange, {"error": "Not Found"}, 404)

    # -- the Hub --------------------------------------------------------------------------------------------------

    async def _whoami(self, exchange: Exchange) -> web.Response:
        return _json(exchange, {"type": "user", "name": "sandbox", "isPro": False, "orgs": []})

    async def _model(self, exchange: Exchange) -> web.Response:
        info = exchange.request.match_info
        repo = REPOS.get(f"{info['owner']}/{info['name']}")
        if repo is None:
            answer = _json(exchange, {"error": "Repository not found"}, 404)
            answer.headers["X-Error-Code"] = "RepoNotFound"
            return answer
        told: dict[str, Any] = {"_id": "sandbox", "id": repo.name}
        if "inferenceProviderMapping" in exchange.request.query.getall("expand", []):
            told["inferenceProviderMapping"] = [
                {"provider": name, "providerId": runner.provider_id, "status": "live", "task": repo.pipeline}
                for name, runner in repo.runners.items()
            ]
        else:
            told["pipeline_tag"] = repo.pipeline
        return _json(exchange, told)

    # -- answered at once -----------------------------------------------------------------------------------------

    async def _bytes(self, exchange: Exchange) -> web.Response:
        """hf-inference: the image itself."""
        run = await self._run(exchange, "hf-inference", exchange.request.match_info["model"])
        return await self._image(exchange, _asked(run))

    async def _endpoint(self, exchange: Exchange) -> web.Response:
        """A dedicated Endpoint speaks hf-inference's words, and is paid for by the hour."""
        if exchange.fault is not None and exchange.fault.kind in _POLICY:
            raise Refused(400, "Potential NSFW content was detected.")
        body = _body(exchange)
        inputs = str(body.get("inputs", "")) if isinstance(body, dict) else ""
        pipeline: Pipeline = "image-to-image" if len(inputs) > 1000 else "text-to-image"
        repo = Repo("endpoint", "text-to-image")
        asked = await asyncio.to_thread(read, repo, "hf-inference", body, seed=self._desk.seed, pipeline=pipeline)
        return await self._image(exchange, asked)

    async def _image(self, exchange: Exchange, asked: Asked) -> web.Response:
        data = await asyncio.to_thread(asked.draw)
        if exchange.meets("corrupt_image"):
            data = picture.corrupted(data)
        headers = {"x-request-id": exchange.request_id, "x-compute-time": f"{COMPUTE_S:g}"}
        return web.Response(body=data, content_type=f"image/{asked.kind}", headers=headers)

    def _base64(self, route: str) -> _Handler:
        async def answered(exchange: Exchange) -> web.Response:
            body = _body(exchange)
            run = await self._run(exchange, route, body.get("model") if isinstance(body, dict) else None)
            data = await asyncio.to_thread(_asked(run).draw)
            if exchange.meets("corrupt_image"):
                data = picture.corrupted(data)
            row = {"index": 0, "b64_json": base64.b64encode(data).decode()}
            return _json(exchange, {"id": run.request_id, "object": "list", "data": [row]})

        return answered

    # -- fal ------------------------------------------------------------------------------------------------------

    async def _fal(self, exchange: Exchange) -> web.Response:
        app = exchange.request.match_info["model"]
        if exchange.request.query.get("_subdomain") != "queue":
            run = await self._run(exchange, "fal-ai", app)
            return await self._fal_told(exchange, run)
        run = self._begin(exchange, "fal-ai", app)
        root = "https://queue.fal.run/" + "/".join(app.split("/")[:2])
        urls = {"response_url": f"{root}/requests/{run.request_id}"}
        urls |= {f"{name}_url": f"{urls['response_url']}/{name}" for name in ("status", "cancel")}
        return _json(exchange, {"status": "IN_QUEUE", "request_id": run.request_id, **urls, "queue_position": 0})

    async def _fal_status(self, exchange: Exchange) -> web.Response:
        run = self._known(exchange)
        told = {"status": "COMPLETED" if run.done else "IN_PROGRESS", "request_id": run.request_id}
        return _json(exchange, told, 200 if run.done else 202)

    async def _fal_result(self, exchange: Exchange) -> web.Response:
        run = self._known(exchange)
        if run.refused is not None:
            raise run.refused
        return await self._fal_told(exchange, run)

    async def _fal_told(self, exchange: Exchange, run: Run) -> web.Response:
        asked = _asked(run)
        image = {"url": _url(exchange, run), "width": asked.size[0], "height": asked.size[1]}
        return _json(
            exchange,
            {
                "images": [{**image, "content_type": "image/jpeg"}],
                "seed": asked.seed,
                "has_nsfw_concepts": [run.harmful],
                "prompt": asked.prompt,
            },
        )

    # -- Replicate ------------------------------------------------------------------------------------------------

    async def _predict(self, exchange: Exchange) -> web.Response:
        body = _body(exchange)
        version = body.get("version") if isinstance(body, dict) else None
        run = self._begin(exchange, "replicate", exchange.request.match_info.get("model", version))
        if exchange.request.headers.get("Prefer") == "wait":
            # Held for a minute at most; the sandbox's runs are done long before.
            await self._runs.finished(run)
        if run.refused is not None and not run.refused.blocked:
            raise run.refused
        return _json(exchange, _as_prediction(exchange, run), 201)

    async def _prediction(self, exchange: Exchange) -> web.Response:
        return _json(exchange, _as_prediction(exchange, self._known(exchange)))

    # -- WaveSpeed ------------------------------------------------------------------------------------------------

    async def _wave(self, exchange: Exchange) -> web.Response:
        run = self._begin(exchange, "wavespeed", exchange.request.match_info["model"])
        return _json(exchange, _as_wave(exchange, run, waiting="created"))

    async def _wave_result(self, exchange: Exchange) -> web.Response:
        return _json(exchange, _as_wave(exchange, self._known(exchange), waiting="processing"))

    # -- what they share ------------------------------------------------------------------------------------------

    async def _run(self, exchange: Exchange, route: str, provider_id: str | None) -> Run:
        """A run that is over. Raises :class:`Refused`."""
        run = await self._runs.finished(self._begin(exchange, route, provider_id))
        if run.refused is not None:
            raise run.refused
        return run

    def _begin(self, exchange: Exchange, route: str, provider_id: str | None) -> Run:
        repo = found(route, provider_id or "")
        if repo is None:
            raise Refused(404, f"Model {provider_id} not found")
        fault = exchange.fault.kind if exchange.fault is not None and exchange.fault.kind in _POLICY else None
        body = _body(exchange)
        return self._runs.begin(Run(exchange.request_id, repo.name, route, body, exchange.origin, fault))

    def _known(self, exchange: Exchange) -> Run:
        run = self._runs.all.get(exchange.request.match_info["id"])
        if run is None:
            raise Refused(404, "Request not found")
        return run

    async def _media(self, exchange: Exchange) -> web.Response:
        stem, _, kind = exchange.request.match_info["file"].rpartition(".")
        run = self._runs.all.get(stem)
        if run is None or run.asked is None or exchange.meets("expired_url"):
            return _json(exchange, {"error": "Not Found"}, 404)
        data = await asyncio.to_thread(run.asked.draw, black=run.harmful)
        return web.Response(
            body=picture.corrupted(data) if exchange.meets("corrupt_image") else data, content_type=f"image/{kind}"
        )


_STATUS_ERRORS = {
    400: "Bad Request",
    401: "Invalid username or password.",
    402: "You have exceeded your monthly included credits for Inference Providers. Subscribe to PRO to get more.",
    403: "This authentication method does not have sufficient permissions to call Inference Providers.",
    404: "Not Found",
    422: "Unprocessable Entity",
    429: "Rate limit reached. Please log in or use a HF access token.",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}


def _keyed(handler: _Handler) -> _Handler:
    """The handler behind the check of the token, with refusals in the words of whoever refuses."""

    async def keyed(exchange: Exchange) -> web.Response:
        scheme, _, key = exchange.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key.strip() or key.startswith("bad-"):
            return _json(exchange, {"error": _STATUS_ERRORS[401]}, 401)
        try:
            return await handler(exchange)
        except Refused as refused:
            exchange.outcome = "blocked" if refused.blocked else exchange.outcome
            return _refused(exchange, refused)

    return keyed


def _refused(exchange: Exchange, refused: Refused) -> web.Response:
    path = exchange.request.path
    if "/fal-ai/" in path and refused.status == 422:
        kind = "content_policy_violation" if refused.blocked else "value_error"
        return _json(exchange, {"detail": [{"loc": ["body", refused.field], "msg": refused.text, "type": kind}]}, 422)
    if "/together/" in path or "/nscale/" in path:
        told = {"message": refused.text, "type": "invalid_request_error", "param": refused.field or None}
        return _json(exchange, {"error": told}, refused.status)
    if "/wavespeed/" in path:
        return _json(exchange, {"code": refused.status, "message": refused.text}, refused.status)
    if "/replicate/" in path:
        return _json(exchange, {"title": "Error", "detail": refused.text, "status": refused.status}, refused.status)
    return _json(exchange, {"error": refused.text}, refused.status)


def _asked(run: Run) -> Asked:
    if run.asked is None:
        raise Refused(400, "Request is still in progress")
    return run.asked


def _url(exchange: Exchange, run: Run) -> str:
    return f"{exchange.origin}/huggingface/media/{run.request_id}.{_asked(run).kind}"


def _as_prediction(exchange: Exchange, run: Run) -> dict[str, Any]:
    own = f"https://api.replicate.com/v1/predictions/{run.request_id}"
    failed = run.refused is not None
    status = "starting" if not run.done else "failed" if failed else "succeeded"
    return {
        "id": run.request_id,
        "model": run.repo,
        "version": "hidden",
        "status": status,
        "output": None if failed or not run.done else [_url(exchange, run)],
        "error": run.refused.text if run.refused is not None else None,
        "urls": {"get": own, "cancel": f"{own}/cancel"},
    }


def _as_wave(exchange: Exchange, run: Run, waiting: str) -> dict[str, Any]:
    failed = run.refused is not None
    good = run.done and not failed
    data = {
        "id": run.request_id,
        "model": run.repo,
        "status": waiting if not run.done else "failed" if failed else "completed",
        "outputs": [_url(exchange, run)] if good else [],
        "has_nsfw_contents": [run.harmful] if good else [],
        "error": run.refused.text if run.refused is not None else "",
        "urls": {"get": f"https://api.wavespeed.ai/api/v3/predictions/{run.request_id}/result"},
    }
    return {"code": 200, "message": "success", "data": data}


def _body(exchange: Exchange) -> Any:
    try:
        return exchange.json()
    except ValueError:
        return None


def _json(exchange: Exchange, body: dict[str, Any], status: int = 200) -> web.Response:
    headers = {"x-request-id": exchange.request_id}
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json", headers=headers)
