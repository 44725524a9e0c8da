"""Replicate as its wire speaks it: predictions, files, the models' facts, and the results' delivery.

Two hosts of Replicate's are two prefixes here: ``/v1`` (api.replicate.com/v1) and ``/delivery`` (replicate.delivery).
An input is checked against the model's schema before anything runs. A request that was waited for (``Prefer: wait``) is
answered as ``processing`` with its output present, as the official client says that the real one does.
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from . import picture
from .base import Provider, Route
from .exchange import Desk, Exchange
from .faults import Kind
from .replicate_documents import latest_version
from .replicate_models import MODELS, Served, named
from .replicate_runs import PROVIDER, Run, Runs, stamp
from .replicate_schema import Invalid, check

_POLICY_FAULTS: frozenset[Kind] = frozenset(("policy_input", "policy_output"))
_MEDIA_FAULTS: frozenset[Kind] = frozenset(("corrupt_image", "expired_url"))
_LOOK_FAULTS: frozenset[Kind] = frozenset(("expired_url",))
_FILES = "/replicate/v1/files/"
_LONGEST_WAIT_S = 60
_ID_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"
_UNITS = {"s": 1, "m": 60, "h": 3600, "": 1}

_Handler = Callable[[Exchange], Awaitable[web.Response]]


class Replicate(Provider):
    """The stand-in for Replicate's hosts."""

    name = PROVIDER

    def __init__(self, desk: Desk) -> None:
        self._runs = Runs(desk, self._stored)
        self._files: dict[str, tuple[bytes, str]] = {}

    def routes(self) -> tuple[Route, ...]:
        made, one, model = "/v1/predictions", "/v1/predictions/{name}", "/v1/models/{owner}/{model}"
        return (
            Route("POST", made, _keyed(self._by_version), "generation", _POLICY_FAULTS),
            Route("POST", f"{model}/predictions", _keyed(self._by_model), "generation", _POLICY_FAULTS),
            Route("GET", made, _keyed(self._list)),
            Route("GET", one, _keyed(self._show), "", _LOOK_FAULTS),
            Route("POST", f"{one}/cancel", _keyed(self._cancel)),
            Route("GET", model, _keyed(self._facts)),
            Route("GET", f"{model}/versions/{{version}}", _keyed(self._version)),
            Route("GET", "/v1/account", _keyed(self._account)),
            Route("POST", "/v1/files", _keyed(self._upload)),
            Route("GET", "/delivery/{name}/{file}", self._media, "media", _MEDIA_FAULTS),
        )

    async def start(self) -> None:
        self._runs.take_up()

    async def stop(self) -> None:
        await self._runs.stop()

    def reset(self) -> None:
        self._runs.clear()
        self._files.clear()

    def new_request_id(self) -> str:
        return "".join(secrets.choice(_ID_LETTERS) for _ in range(26))

    def refusal(self, exchange: Exchange, status: int, retry_after: float | None) -> web.Response:
        if status == 429:
            wait = 30 if retry_after is None else retry_after
            answer = _problem(429, f"Request was throttled. Your rate limit resets in ~{wait:g}s.", "Too many requests")
        else:
            answer = _problem(status, *_REFUSALS.get(status, _REFUSALS[500]))
        if retry_after is not None:
            answer.headers["Retry-After"] = f"{retry_after:g}"
        return answer

    def unknown(self, exchange: Exchange) -> web.Response:
        return _not_found()

    async def _by_version(self, exchange: Exchange) -> web.Response:
        body = _object(exchange)
        version = body.get("version")
        model = named(version) if isinstance(version, str) else None
        if model is None:
            detail = "The specified version does not exist (or perhaps you don't have permission to use it?)"
            return _problem(422, detail, "Invalid version or not permitted")
        return await self._made(exchange, model, body)

    async def _by_model(self, exchange: Exchange) -> web.Response:
        info = exchange.request.match_info
        model = MODELS.get(f"{info['owner']}/{info['model']}")
        if model is None or model.version:
            return _not_found()
        return await self._made(exchange, model, _object(exchange))

    async def _made(self, exchange: Exchange, model: Served, body: dict[str, Any]) -> web.Response:
        try:
            given = check(model.fields, body.get("input"))
        except Invalid as invalid:
            return _invalid(invalid)
        fault = exchange.fault.kind if exchange.fault and exchange.fault.kind in _POLICY_FAULTS else None
        run = self._runs.enter(
            Run(
                name=exchange.request_id,
                version=model.version or model.name,
                given=given,
                origin=exchange.origin,
                created_at=self._runs.clock(),
                deadline_s=_deadline(exchange.request.headers.get("Cancel-After")),
                fault=fault,
            )
        )
        wait = _wait_s(exchange.request.headers.get("Prefer", ""))
        if wait and run.task is not None:
            await asyncio.wait([run.task], timeout=wait)
        told = self._told(run)
        if wait and run.state == "succeeded":
            told |= {"status": "processing", "completed_at": None, "metrics": {}}
        return _json(told, 201)

    async def _show(self, exchange: Exchange) -> web.Response:
        run = self._runs.all.get(exchange.request.match_info["name"])
        if run is None:
            return _not_found()
        return _json(self._told(run, removed=exchange.meets("expired_url")))

    async def _list(self, exchange: Exchange) -> web.Response:
        newest = sorted(self._runs.all.values(), key=lambda run: run.created_at, reverse=True)[:100]
        return _json({"previous": None, "next": None, "results": [self._told(run, removed=True) for run in newest]})

    async def _cancel(self, exchange: Exchange) -> web.Response:
        run = self._runs.all.get(exchange.request.match_info["name"])
        if run is None:
            return _not_found()
        self._runs.cancel(run)
        return _json(self._told(run))

    def _told(self, run: Run, *, removed: bool = False) -> dict[str, Any]:
        """The prediction as the API shows it."""
        removed = removed or self._runs.removed(run)
        base = f"{run.origin}/replicate/v1/predictions/{run.name}"
        told: dict[str, Any] = {
            "id": run.name,
            "model": run.model.name,
            "version": run.model.shown_version,
            "input": {} if removed else {name: _short(value) for name, value in run.given.items()},
            "logs": "",
            "output": None if removed else self._output(run),
            "data_removed": removed,
            "error": run.error,
            "status": run.state,
            "created_at": stamp(run.created_at),
            "urls": {"get": base, "cancel": f"{base}/cancel", "web": f"{run.origin}/replicate/p/{run.name}"},
        }
        if run.deadline_s is not None:
            told["deadline"] = stamp(run.created_at + run.deadline_s)
        if run.started_at is not None:
            told["started_at"] = stamp(run.started_at)
        if run.completed_at is not None:
            told["completed_at"] = stamp(run.completed_at)
        if run.seconds is not None:
            told["metrics"] = {"predict_time": run.seconds, "total_time": run.seconds}
        return told

    def _output(self, run: Run) -> Any:
        if run.state != "succeeded" or run.work is None:
            return None
        # A picture is drawn when it is fetched: the same prediction always gives the same bytes.
        base = f"{run.origin}/replicate/delivery/{run.name}"
        urls = [f"{base}/out-{index}.{run.work.suffix}" for index in range(run.work.images)]
        return urls if run.model.listed else urls[0]

    async def _media(self, exchange: Exchange) -> web.Response:
        info = exchange.request.match_info
        run = self._runs.all.get(info["name"])
        found = re.fullmatch(r"out-(\d)\.(\w+)", info["file"])
        gone = run is None or run.work is None or run.state != "succeeded" or self._runs.removed(run)
        if gone or found is None or run is None or run.work is None or exchange.meets("expired_url"):
            return web.Response(status=404, text="not found")
        work, index = run.work, int(found[1])
        if index >= work.images or found[2] != work.suffix:
            return web.Response(status=404, text="not found")
        data = await asyncio.to_thread(work.draw, index)
        return web.Response(
            body=picture.corrupted(data) if exchange.meets("corrupt_image") else data,
            content_type=f"image/{work.kind}",
        )

    async def _upload(self, exchange: Exchange) -> web.Response:
        part = next((part for part in exchange.parts if part.name == "content"), None)
        if part is None:
            return _problem(400, "Missing content", "Bad request")
        name = self.new_request_id()
        self._files[name] = (part.data, part.content_type)
        told = {
            "id": name,
            "name": part.filename,
            "content_type": part.content_type,
            "size": len(part.data),
            "etag": name,
            "checksums": {},
            "metadata": {},
            "created_at": stamp(self._runs.clock()),
            "expires_at": stamp(self._runs.clock() + 24 * 3600),
            "urls": {"get": f"{exchange.origin}{_FILES}{name}"},
        }
        return _json(told, 201)

    def _stored(self, url: str) -> bytes | None:
        """An uploaded file by its URL; nothing outside the sandbox is ever fetched."""
        path = urlsplit(url).path
        found = self._files.get(path.removeprefix(_FILES)) if path.startswith(_FILES) else None
        return found[0] if found else None

    async def _facts(self, exchange: Exchange) -> web.Response:
        info = exchange.request.match_info
        model = MODELS.get(f"{info['owner']}/{info['model']}")
        if model is None:
            return _not_found()
        base = f"{exchange.origin}/replicate/{model.name}"
        told = {"url": base, "owner": info["owner"], "name": info["model"], "visibility": "public"}
        told["description"] = "A model of the sandbox's."
        return _json({**told, "is_official": not model.version, "latest_version": latest_version(model)})

    async def _version(self, exchange: Exchange) -> web.Response:
        info = exchange.request.match_info
        model = named(info["version"])
        if model is None or model.name != f"{info['owner']}/{info['model']}":
            return _not_found()
        output = {"type": "array", "items": {"type": "string", "format": "uri"}} if model.listed else {"type": "string"}
        schema = {"components": {"schemas": {"Output": {"title": "Output", **output}}}}
        made = "2024-01-01T00:00:00Z"
        return _json({"id": model.version, "created_at": made, "cog_version": "0.9.4", "openapi_schema": schema})

    async def _account(self, _exchange: Exchange) -> web.Response:
        return _json({"type": "user", "username": "sandbox", "name": "Sandbox"})


_REFUSALS: dict[int, tuple[str, str]] = {
    400: ("The request is malformed.", "Bad request"),
    401: ("You did not pass a valid authentication token", "Unauthenticated"),
    402: ("You have insufficient credit to run this model.", "Insufficient credit"),
    403: ("You do not have permission to perform this action.", "Forbidden"),
    404: ("The requested resource could not be found.", "Not found"),
    422: ("- input: is not valid\n", "Input validation failed"),
    500: ("Internal server error", "Internal server error"),
    502: ("Bad gateway", "Bad gateway"),
    503: ("Service unavailable", "Service unavailable"),
    504: ("Gateway timeout", "Gateway timeout"),
}


def _keyed(handler: _Handler) -> _Handler:
    """The handler behind the check of the key."""

    async def keyed(exchange: Exchange) -> web.Response:
        scheme, _, key = exchange.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key.strip() or key.startswith("bad-"):
            return _problem(401, *_REFUSALS[401])
        return await handler(exchange)

    return keyed


def _object(exchange: Exchange) -> dict[str, Any]:
    try:
        body = exchange.json()
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {}


def _wait_s(prefer: str) -> float:
    found = re.search(r"\bwait(?:=(\d+))?", prefer)
    return 0 if found is None else min(_LONGEST_WAIT_S, int(found[1] or _LONGEST_WAIT_S))


def _deadline(text: str | None) -> float | None:
    """``Cancel-After``: numbers with a unit, such as ``1m`` or ``1m30s``; without one they are seconds."""
    found = re.findall(r"(\d+(?:\.\d+)?)([smh]?)", text or "")
    return sum(float(number) * _UNITS[unit] for number, unit in found) if found else None


def _short(value: Any) -> Any:
    """Inputs as shown: the bytes of a data URI are not sent back."""
    if isinstance(value, list):
        return [_short(one) for one in value]
    return value.partition(",")[0] if isinstance(value, str) and value.startswith("data:") else value


def _invalid(invalid: Invalid) -> web.Response:
    detail = "".join(f"- input.{name}: {text}\n" for name, _, text in invalid.problems)
    fields = [{"type": kind, "field": f"input.{name}", "description": text} for name, kind, text in invalid.problems]
    return _problem(422, detail, "Input validation failed", invalid_fields=fields)


def _not_found() -> web.Response:
    return _problem(404, *_REFUSALS[404])


def _problem(status: int, detail: str, title: str, **more: Any) -> web.Response:
    return _json({"title": title, "detail": detail, "status": status, **more}, status)


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=json.dumps(body).encode(), status=status, content_type="application/json")
