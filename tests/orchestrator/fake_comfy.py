"""A ComfyUI as it looks over the wire, on a real port, that misbehaves on request.

It runs nothing: a test says what becomes of a prompt, with :meth:`FakeComfy.finish` or a hook on ``on_prompt``.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from typing_extensions import Self

OnPrompt = Callable[["FakeComfy", web.Request, dict[str, Any]], Awaitable[web.StreamResponse]]

OnSocketPrompt = Callable[["FakeComfy", dict[str, Any]], "tuple[int, Any] | None"]
"""The answer to a prompt, HTTP's status and body; None breaks the socket off."""


async def queue_it(comfy: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """What ComfyUI does with a prompt that validates."""
    comfy.state[body["prompt_id"]] = "pending"
    return web.json_response({"prompt_id": body["prompt_id"], "number": 1, "node_errors": {}})


class FakeComfy:
    """``async with FakeComfy() as comfy``; ``comfy.url`` is its address."""

    def __init__(self) -> None:
        self.url = ""
        self.speaks_comfy = True
        self.health: Any = None
        """The JSON of ``GET /mintmark/worker``; None: there is no such route."""
        self.object_info: dict[str, Any] = {}
        self.models: dict[str, list[dict[str, Any]]] = {}
        self.tells_sizes = True
        """Whether it has the route that tells them."""
        self.system: dict[str, Any] = {"os": "linux"}
        self.on_prompt: OnPrompt = queue_it
        self.on_socket_prompt: OnSocketPrompt | None = None
        """What becomes of prompts that come over a socket, as a runner takes them; None: no such thing is known."""
        self.posted_on_socket: list[str] = []
        self.state: dict[str, str] = {}
        self.jobs_status = 200
        self.history: dict[str, dict[str, Any]] = {}
        self.posted: list[str] = []
        self.bodies: list[dict[str, Any]] = []
        self.others = 0
        """Prompts that other clients have in the queue."""
        self.running: list[str] = []
        self.deaf = 0
        """So many of the next sockets hear nothing at all after they opened."""
        self.hellos: list[Any] = []
        """The first message of each socket."""
        self.most_at_once = 0
        self.canceled: list[str] = []
        self.looked_up: list[str] = []
        self.files: dict[str, bytes] = {}
        self.viewed: list[dict[str, str]] = []
        """What was asked of ``/view``."""
        self.sockets: list[web.WebSocketResponse] = []
        self.sockets_opened = 0
        self.token: str | None = None
        self._deaf: list[web.WebSocketResponse] = []
        self._heard_by: dict[str, web.WebSocketResponse] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/system_stats", self._stats)
        app.router.add_get("/mintmark/worker", self._health)
        app.router.add_get("/mintmark/journal", self._journal)
        app.router.add_get("/object_info", self._object_info)
        app.router.add_get("/{root:models|experiment/models}", self._folders)
        app.router.add_get("/{root:models|experiment/models}/{folder}", self._files)
        app.router.add_post("/queue", self._queue)
        app.router.add_post("/prompt", self._prompt)
        app.router.add_get("/prompt", self._remaining)
        app.router.add_get("/api/jobs", self._jobs)
        app.router.add_get("/api/jobs/{id}", self._job)
        app.router.add_post("/api/jobs/{id}/cancel", self._cancel)
        app.router.add_get("/history/{id}", self._history)
        app.router.add_get("/view", self._view)
        app.router.add_get("/ws", self._socket)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *exc: object) -> None:
        for socket in self.sockets:
            await socket.close()
        assert self._runner is not None
        await self._runner.cleanup()

    def finish(self, job_id: str, *messages: list[Any], outputs: dict[str, Any] | None = None) -> None:
        """The prompt is over; it is in the history and no longer in the queue."""
        self.state[job_id] = "completed"
        self.history[job_id] = {"outputs": outputs or {}, "status": {"status_str": "success", "messages": messages}}

    def forget(self, job_id: str) -> None:
        """What a restart does."""
        self.state.pop(job_id, None)
        self.history.pop(job_id, None)

    async def tell(self, kind: str, **data: Any) -> None:
        """A message to every open socket."""
        for socket in self._open():
            await socket.send_json({"type": kind, "data": data})

    async def show(self, frame: bytes) -> None:
        """A binary frame to every open socket."""
        for socket in self._open():
            await socket.send_bytes(frame)

    def _open(self) -> list[web.WebSocketResponse]:
        return [each for each in self.sockets if not each.closed and each not in self._deaf]

    async def _stats(self, request: web.Request) -> web.Response:
        return web.json_response({"system": self.system, "devices": []} if self.speaks_comfy else {"hello": 1})

    async def _journal(self, request: web.Request) -> web.Response:
        return web.json_response({"journal_id": "none", "entries": [], "next": int(request.query["since"])})

    async def _object_info(self, request: web.Request) -> web.Response:
        return web.json_response(self.object_info)

    async def _folders(self, request: web.Request) -> web.Response:
        if request.match_info["root"] == "models":
            return web.json_response(list(self.models))
        told = [{"name": name, "folders": [f"/models/{name}"]} for name in self.models]
        return web.json_response(told) if self.tells_sizes else web.Response(status=404)

    async def _files(self, request: web.Request) -> web.Response:
        files = self.models[request.match_info["folder"]]
        named = request.match_info["root"] == "models"
        return web.json_response([each["name"] for each in files] if named else files)

    async def _queue(self, request: web.Request) -> web.Response:
        for job_id in json.loads(await request.read()).get("delete", ()):
            if self.state.get(job_id) == "pending":
                del self.state[job_id]
        return web.Response()

    async def _health(self, request: web.Request) -> web.Response:
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            error = {"code": "unauthorized", "message": "This worker answers only with its token.", "hint": "Set it."}
            return web.json_response({"error": error}, status=403)
        return web.json_response(self.health) if self.health is not None else web.Response(status=404, text="404")

    async def _prompt(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        self.posted.append(body["prompt_id"])
        self.bodies.append(body)
        await self.tell("status", status={"exec_info": {"queue_remaining": 1}})
        return await self.on_prompt(self, request, body)

    async def _remaining(self, request: web.Request) -> web.Response:
        mine = sum(state in ("pending", "in_progress") for state in self.state.values())
        return web.json_response({"exec_info": {"queue_remaining": self.others + mine}})

    async def _jobs(self, request: web.Request) -> web.Response:
        return web.json_response({"jobs": [{"id": each} for each in self.running]})

    async def _job(self, request: web.Request) -> web.Response:
        job_id = request.match_info["id"]
        self.looked_up.append(job_id)
        if self.jobs_status != 200:
            return web.json_response({"error": "broken"}, status=self.jobs_status)
        if job_id not in self.state:
            return web.json_response({"error": "Job not found"}, status=404)
        return web.json_response({"id": job_id, "status": self.state[job_id]})

    async def _cancel(self, request: web.Request) -> web.Response:
        self.canceled.append(request.match_info["id"])
        self.state[request.match_info["id"]] = "cancelled"
        return web.json_response({"cancelled": True})

    async def _history(self, request: web.Request) -> web.Response:
        found = self.history.get(request.match_info["id"])
        return web.json_response({request.match_info["id"]: found} if found else {})

    async def _view(self, request: web.Request) -> web.Response:
        self.viewed.append(dict(request.query))
        data = self.files.get(request.query["filename"])
        return web.Response(body=data) if data is not None else web.Response(status=404)

    async def _socket_prompt(self, socket: web.WebSocketResponse, body: dict[str, Any]) -> None:
        assert self.on_socket_prompt is not None
        self.posted_on_socket.append(body["prompt_id"])
        answer = self.on_socket_prompt(self, body)
        if answer is None:
            await socket.close()
            return
        told = {"prompt_id": body["prompt_id"], "status": answer[0], "answer": answer[1]}
        await socket.send_json([{"type": "mintmark.posted", "data": told}])

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        self.sockets_opened += 1
        self.most_at_once = max(self.most_at_once, sum(not each.closed for each in self.sockets))
        if self.deaf:
            self.deaf -= 1
            self._deaf.append(socket)
        # As in ComfyUI, the newest socket of a client id is the only one that hears.
        older = self._heard_by.get(request.query["clientId"])
        self._heard_by[request.query["clientId"]] = socket
        if older is not None:
            self._deaf.append(older)
        await socket.send_json({"type": "status", "data": {"status": {}, "sid": request.query["clientId"]}})
        first = True
        async for message in socket:
            if first:
                self.hellos.append(json.loads(message.data))
                if self.on_socket_prompt is not None:
                    await socket.send_json([{"type": "feature_flags", "data": {"mintmark_posts": True}}])
            elif self.on_socket_prompt is not None:
                await self._socket_prompt(socket, json.loads(message.data)["data"])
            first = False
        return socket
