"""The palette in a real runner, on a real sandbox, over HTTP and a websocket."""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from mintmark import config
from mintmark.cli.light_worker import open_runner
from mintmark.runner import Runner, surface
from mintmark.sandbox import Sandbox

surface.install()

PROMPT = "a lighthouse made of amber glass"
Graph = dict[str, Any]


@dataclass
class Bench:
    """A runner with the pack, its sandbox, and one client that follows what it posts."""

    runner: Runner
    sandbox: Sandbox
    settings: config.Settings
    http: aiohttp.ClientSession
    socket: aiohttp.ClientWebSocketResponse
    events: list[dict[str, Any]]

    @property
    def output(self) -> Path:
        return self.runner.paths.output

    async def json(self, method: str, path: str, **sent: Any) -> tuple[int, Any]:
        async with self.http.request(method, self.runner.url + path, **sent) as answer:
            return answer.status, json.loads(await answer.text() or "null")

    async def post(self, graph: Graph, job_id: str | None = None, **extra: Any) -> str:
        body = {"prompt": graph, "client_id": "bench", "prompt_id": job_id or str(uuid.uuid4()), "extra_data": extra}
        status, answer = await self.json("POST", "/prompt", json=body)
        assert status == 200, answer
        return str(answer["prompt_id"])

    async def ended(self, job_id: str) -> dict[str, Any]:
        """The history of a prompt, once it is there."""
        while not any(
            e["type"] == "executing" and e["data"] == {"node": None, "prompt_id": job_id} for e in self.events
        ):
            self.events.append(await asyncio.wait_for(self.socket.receive_json(), 60))
        _, history = await self.json("GET", f"/history/{job_id}")
        return dict(history[job_id])

    async def run(self, graph: Graph, job_id: str | None = None, **extra: Any) -> dict[str, Any]:
        return await self.ended(await self.post(graph, job_id, **extra))

    async def open_job(self, **changes: Any) -> str:
        """Hand a context over, as an orchestrator does; the job's id."""
        context = self.context(**changes)
        status, answer = await self.json("PUT", f"/mintmark/jobs/{context['job_id']}", json=context)
        assert status == 200, answer
        return str(context["job_id"])

    def context(self, **changes: Any) -> dict[str, Any]:
        return {"job_id": str(uuid.uuid4()), "allowance_microusd": 1_000_000, "mode": "sandbox", **changes}

    async def report(self, job_id: str) -> dict[str, Any]:
        status, answer = await self.json("GET", f"/mintmark/jobs/{job_id}")
        assert status == 200, answer
        return dict(answer)

    async def calls(self) -> list[dict[str, Any]]:
        """Every generation the sandbox was asked for."""
        async with self.http.get(f"{self.sandbox.url}/_sandbox/calls") as answer:
            return list(await answer.json())

    async def faults(self, *faults: dict[str, Any]) -> None:
        async with self.http.put(f"{self.sandbox.url}/_sandbox/faults", json={"faults": list(faults)}) as answer:
            assert answer.status == 200, await answer.text()

    async def upload(self, image: Image.Image, name: str = "given.png") -> str:
        buffer = io.BytesIO()
        image.save(buffer, "PNG")
        form = aiohttp.FormData()
        form.add_field("image", buffer.getvalue(), filename=name, content_type="image/png")
        status, answer = await self.json("POST", "/upload/image", data=form)
        assert status == 200, answer
        return str(answer["name"])


def _probes() -> list[Any]:
    """Nodes that do to an image what other people's nodes do."""
    from comfy_api.latest import io as comfy

    def node(node_id: str, change: Callable[[Any], Any]) -> Any:
        class Probe(comfy.ComfyNode):
            @classmethod
            def define_schema(cls) -> Any:
                return comfy.Schema(
                    node_id=node_id, inputs=[comfy.Image.Input("images")], outputs=[comfy.Image.Output()]
                )

            @classmethod
            def execute(cls, images: Any) -> Any:
                return comfy.NodeOutput(change(np.asarray(images)))

        return Probe

    class Number(comfy.ComfyNode):
        @classmethod
        def define_schema(cls) -> Any:
            return comfy.Schema(node_id="ProbeNumber", inputs=[comfy.Int.Input("value")], outputs=[comfy.Int.Output()])

        @classmethod
        def execute(cls, value: int) -> Any:
            return comfy.NodeOutput(value)

    return [
        Number,
        node("ProbeInvert", lambda images: 1 - images),
        node("ProbeReverse", lambda images: images[::-1].copy()),
        node("ProbeDim", lambda images: images[::-1] * np.float32(0.9)),
        node("ProbeEmpty", lambda images: images[:0]),
    ]


@asynccontextmanager
async def bench_at(folder: Path, **changes: Any) -> AsyncIterator[Bench]:
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(latency_s=changes.pop("latency_s", 0.0)))
        settings = config.load({}, data_dir=folder / "data").with_(sandbox=True, sandbox_url=sandbox.url, **changes)
        runner = await stack.enter_async_context(open_runner(settings, port=0, base_dir=folder / "base"))
        runner.registry.add(_probes(), "custom_nodes.probes")
        http = await stack.enter_async_context(aiohttp.ClientSession())
        socket = await stack.enter_async_context(http.ws_connect(f"{runner.url}/ws?clientId=bench"))
        yield Bench(runner, sandbox, settings, http, socket, [])


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with bench_at(tmp_path) as opened:
        yield opened


@pytest.fixture
def open_bench() -> Any:
    return bench_at


def text_to_image(**inputs: Any) -> dict[str, Any]:
    small = {"prompt": PROMPT, "model": "fal/flux-schnell", "width": 256, "height": 256, "seed": 7}
    return {"class_type": "MintmarkTextToImage", "inputs": {**small, **inputs}}


def save(images: list[Any], record: list[Any] | None = None, **inputs: Any) -> dict[str, Any]:
    linked = {"images": images, **({"record": record} if record else {})}
    return {"class_type": "MintmarkSignAndSave", "inputs": {"filename_prefix": "it/image", **linked, **inputs}}


@pytest.fixture
def made() -> Any:
    """A graph that makes an image and saves it: what is given goes to Text to Image, ``saved`` to Sign and Save."""

    def graph(*, saved: dict[str, Any] | None = None, through: str | None = None, **inputs: Any) -> Graph:
        nodes = {"1": text_to_image(**inputs), "2": save(["3" if through else "1", 0], ["1", 1], **(saved or {}))}
        if through:
            nodes["3"] = {"class_type": through, "inputs": {"images": ["1", 0]}}
        return nodes

    return graph


@pytest.fixture
def loaded() -> Any:
    """A graph that saves an uploaded image without a record."""

    def graph(name: str, **inputs: Any) -> Graph:
        return {"1": {"class_type": "LoadImage", "inputs": {"image": name}}, "2": save(["1", 0], **inputs)}

    return graph


def _error(history: dict[str, Any]) -> str:
    kinds = dict(history["status"]["messages"])
    assert "execution_error" in kinds, list(kinds)
    return str(kinds["execution_error"]["exception_message"])


@pytest.fixture
def error_of() -> Callable[[dict[str, Any]], str]:
    """The message of the error that ended a prompt."""
    return _error


@pytest.fixture
def files_of(bench: Bench) -> Callable[[dict[str, Any]], list[Path]]:
    """The files a prompt saved."""

    def files(history: dict[str, Any]) -> list[Path]:
        assert history["status"]["status_str"] == "success", history["status"]
        shown = history["outputs"]["2"]["images"]
        return [bench.output / each["subfolder"] / each["filename"] for each in shown]

    return files
