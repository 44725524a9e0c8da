"""The HTTP routes of the protocol, each a few lines over the parts that do the work."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from ..errors import InvalidInput
from . import computers, jobs, system
from .bodies import Refused, ids_of, is_canonical, json_object, optional_json, whole_number
from .cache import OutputCache
from .files import Files
from .host import RunnerHost
from .posting import Posting
from .prompts import Prompts
from .registry import Registry
from .socket import Fanout
from .uploads import Uploads


class Routes:
    """All routes, over one runner's parts."""

    def __init__(
        self,
        registry: Registry,
        prompts: Prompts,
        posting: Posting,
        fanout: Fanout,
        files: Files,
        uploads: Uploads,
        cache: OutputCache,
        features: Any,
        host: RunnerHost,
    ) -> None:
        self._registry = registry
        self._prompts = prompts
        self._posting = posting
        self._fanout = fanout
        self._files = files
        self._uploads = uploads
        self._cache = cache
        self._features = features
        self._host = host

    def table(self) -> list[web.RouteDef]:
        """Each route bare and under ``/api``; the jobs only under ``/api``, as in ComfyUI."""
        both = [
            web.get("/ws", self._fanout.serve),
            web.get("/prompt", self.get_prompt),
            web.post("/prompt", self.post_prompt),
            web.get("/queue", self.get_queue),
            web.post("/queue", self.post_queue),
            web.post("/interrupt", self.interrupt),
            web.get("/history", self.get_history),
            web.get("/history/{prompt_id}", self.get_history_entry),
            web.post("/history", self.post_history),
            web.post("/mintmark/confirm", self.confirm),
            web.get("/view", self._files.view),
            web.post("/upload/image", self._uploads.image),
            web.post("/upload/mask", self._uploads.mask),
            web.get("/models", self.models),
            web.get("/models/{folder}", self.models_in),
            web.get("/embeddings", self.embeddings),
            web.get("/experiment/models", self.sized_models),
            web.get("/experiment/models/{folder}", self.sized_models_in),
            web.get("/object_info", self.object_info),
            web.get("/object_info/{node_class}", self.object_info_entry),
            web.get("/system_stats", self.system_stats),
            web.get("/features", self.features),
            web.post("/free", self.free),
        ]
        only_api = [
            web.get("/api/jobs", self.list_jobs),
            web.get("/api/jobs/{job_id}", self.get_job),
            web.post("/api/jobs/cancel", self.cancel_jobs),
            web.post("/api/jobs/{job_id}/cancel", self.cancel_job),
        ]
        return [*both, *(prefixed(each) for each in both), *only_api]

    async def get_prompt(self, request: web.Request) -> web.Response:
        return web.json_response({"exec_info": {"queue_remaining": self._prompts.remaining}})

    async def post_prompt(self, request: web.Request) -> web.Response:
        """Validate and queue a graph; see :meth:`.posting.Posting.take`."""
        try:
            body = await json_object(request)
        except Refused as refused:
            return refused.answer()
        status, answer = await self._posting.take(body)
        return web.json_response(answer, status=status)

    async def get_queue(self, request: web.Request) -> web.Response:
        running = [each.row() for each in self._prompts.running.values()]
        return web.json_response({"queue_running": running, "queue_pending": [e.row() for e in self._prompts.pending]})

    async def post_queue(self, request: web.Request) -> web.Response:
        asked = await optional_json(request)
        if asked.get("clear"):
            await self._prompts.drop_all()
        for prompt_id in ids_of(asked, "delete"):
            await self._prompts.drop(prompt_id)
        return web.Response()

    async def interrupt(self, request: web.Request) -> web.Response:
        """Stop the named prompt where it runs; without a name, everything that runs."""
        prompt_id = (await optional_json(request)).get("prompt_id")
        self._prompts.interrupt(prompt_id if isinstance(prompt_id, str) and prompt_id else None)
        return web.Response()

    async def get_history(self, request: web.Request) -> web.Response:
        entries = list(self._prompts.history.items())
        most = whole_number(request.query.get("max_items"))
        offset = whole_number(request.query.get("offset"), -1)
        if most is not None:
            first = len(entries) - most if offset is None or offset < 0 else offset
            entries = entries[max(first, 0) : max(first, 0) + most]
        elif offset is not None and offset >= 0:
            entries = entries[offset:]
        return web.json_response({prompt_id: each.entry() for prompt_id, each in entries})

    async def get_history_entry(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["prompt_id"]
        found = self._prompts.history.get(prompt_id)
        return web.json_response({} if found is None else {prompt_id: found.entry()})

    async def post_history(self, request: web.Request) -> web.Response:
        asked = await optional_json(request)
        if asked.get("clear"):
            await self._prompts.forget(list(self._prompts.history), for_good=True)
        if wanted := ids_of(asked, "delete"):
            await self._prompts.forget(wanted, for_good=True)
        return web.Response()

    async def confirm(self, request: web.Request) -> web.Response:
        """The orders of these prompts, which were posted early, are there for good (``early.py``)."""
        self._prompts.confirm(ids_of(await optional_json(request), "prompt_ids"))
        return web.Response()

    async def object_info(self, request: web.Request) -> web.Response:
        await asyncio.to_thread(self._look_again)
        return web.json_response(self._registry.info())

    async def object_info_entry(self, request: web.Request) -> web.Response:
        await asyncio.to_thread(self._look_again)
        found = self._registry.get(request.match_info["node_class"])
        return web.json_response({} if found is None else {found.name: found.info()})

    def _look_again(self) -> None:
        """Model files that came since are offered: who asks what nodes there are sees those that are here now."""
        self._registry.look_again(self._host.files.stamp())

    async def system_stats(self, request: web.Request) -> web.Response:
        devices = await asyncio.to_thread(computers.devices)
        return web.json_response(system.stats(devices, computers.torch_version()))

    async def features(self, request: web.Request) -> web.Response:
        return web.json_response(self._features)

    async def models(self, request: web.Request) -> web.Response:
        """The kinds of model files that have a folder here."""
        return web.json_response(self._host.files.kinds())

    async def models_in(self, request: web.Request) -> web.Response:
        kind = request.match_info["folder"]
        if kind not in self._host.files.kinds():
            return web.Response(status=404)
        return web.json_response(await asyncio.to_thread(self._host.files.names, kind))

    async def embeddings(self, request: web.Request) -> web.Response:
        """Names of embeddings, without their endings."""
        names = await asyncio.to_thread(self._host.files.names, "embeddings")
        return web.json_response([name.rpartition(".")[0] for name in names])

    async def sized_models(self, request: web.Request) -> web.Response:
        files = self._host.files
        return web.json_response([{"name": kind, "folders": [str(files.root / kind)]} for kind in files.kinds()])

    async def sized_models_in(self, request: web.Request) -> web.Response:
        kind = request.match_info["folder"]
        if kind not in self._host.files.kinds():
            return web.Response(status=404)
        return web.json_response(await asyncio.to_thread(self._host.files.sized, kind))

    async def free(self, request: web.Request) -> web.Response:
        """Let go of memory: either flag empties the cache, and models go too unless they are to stay."""
        asked = await optional_json(request)
        everything, models = asked.get("free_memory"), asked.get("unload_models")
        if everything or models:
            self._cache.clear()
        if models or (everything and models is None):
            await asyncio.to_thread(self._host.let_go)
        return web.Response()

    async def list_jobs(self, request: web.Request) -> web.Response:
        try:
            query = jobs.Query.read(request.query)
        except InvalidInput as error:
            return web.json_response({"error": error.message}, status=400)
        return web.json_response(jobs.page(self._prompts, query))

    async def get_job(self, request: web.Request) -> web.Response:
        found = jobs.find(self._prompts, request.match_info["job_id"])
        return web.json_response({"error": "Job not found"}, status=404) if found is None else web.json_response(found)

    async def cancel_job(self, request: web.Request) -> web.Response:
        return web.json_response({"cancelled": await self._prompts.cancel(request.match_info["job_id"])})

    async def cancel_jobs(self, request: web.Request) -> web.Response:
        asked = (await optional_json(request)).get("job_ids")
        if not isinstance(asked, list):
            return web.json_response({"error": "job_ids must be a list"}, status=400)
        wrong = [each for each in asked if not is_canonical(each)]
        if wrong:
            answer = {"error": "job_ids contains invalid id(s)", "invalid_ids": wrong}
            return web.json_response(answer, status=400)
        canceled = [await self._prompts.cancel(each) for each in asked]
        return web.json_response({"cancelled": any(canceled)})


def prefixed(route: web.RouteDef) -> web.RouteDef:
    """The same route under ``/api``."""
    return web.RouteDef(route.method, f"/api{route.path}", route.handler, route.kwargs)
