"""Workers at the wire that paint: each runs its prompts one by one, keeps some models, and counts its loads."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from aiohttp import web

from ..fake_comfy import FakeComfy, queue_it
from .gpu import GIB, NODES, WORKFLOW, draw, gpu, health

MODELS = [f"model-{number}.safetensors" for number in range(8)]
SIZE = 7 * GIB
PAINTING: dict[str, Any] = {
    **WORKFLOW,
    "name": "painting",
    "inputs": [
        {
            "name": "model",
            "title": "Model",
            "type": "choice",
            "default": MODELS[0],
            "choices_from": {"node": "1", "input": "ckpt_name"},
            "binds": [{"node": "1", "input": "ckpt_name"}],
        }
    ],
    "graph": {
        "1": {"class_type": "Draw", "inputs": {"text": "x", "ckpt_name": MODELS[0]}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
    },
}


def nodes(models: Sequence[str]) -> dict[str, Any]:
    """What a worker with these models says of its nodes."""
    draw = {**NODES["Draw"], "input": {"required": {"text": ["STRING", {}], "ckpt_name": [list(models), {}]}}}
    return {**NODES, "Draw": draw}


class Painter:
    """``slots``: how many models it keeps, the least recently used goes first."""

    def __init__(self, comfy: FakeComfy, *, slots: int = 2, run_s: float = 0.02) -> None:
        self.comfy = comfy
        self.memory: list[str] = []
        self.loads: list[str] = []
        self.painted: list[str] = []
        """The models of its prompts, one by one."""
        self._slots, self._run_s = slots, run_s
        self._prompts: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        comfy.object_info = nodes(MODELS)
        comfy.models = {"checkpoints": [{"name": name, "size": SIZE} for name in MODELS]}
        comfy.on_prompt = self._posted
        self._boot_id = comfy.health["boot_id"]
        self._tell()

    async def run(self) -> None:
        """Until it is canceled."""
        while True:
            body = await self._prompts.get()
            job_id = body["prompt_id"]
            self.comfy.state[job_id] = "in_progress"
            await self.comfy.tell("executing", node="1", prompt_id=job_id)
            self._use(body["prompt"]["1"]["inputs"]["ckpt_name"])
            await asyncio.sleep(self._run_s)
            draw(self.comfy, job_id)
            await self.comfy.tell("execution_success", prompt_id=job_id)

    async def _posted(self, comfy: FakeComfy, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        self._prompts.put_nowait(body)
        return await queue_it(comfy, request, body)

    def _use(self, model: str) -> None:
        self.painted.append(model)
        if model in self.memory:
            self.memory.remove(model)
        else:
            self.loads.append(model)
        self.memory = [*self.memory, model][-self._slots :]
        self._tell()

    def _tell(self) -> None:
        gib = self._slots * SIZE // GIB + 1
        device = {"name": "GPU", "type": "cuda", "vram_total": gib * GIB, "vram_free": 0, "load": 0.0}
        self.comfy.health = health(boot_id=self._boot_id, models_in_memory=list(self.memory), devices=[device])


@asynccontextmanager
async def painters(count: int, **more: Any) -> AsyncIterator[list[Painter]]:
    """So many of them, at work."""
    async with AsyncExitStack() as stack:
        comfys = [await stack.enter_async_context(gpu(boot_id=f"boot-{number}")) for number in range(count)]
        made = [Painter(comfy, **more) for comfy in comfys]
        tasks = [asyncio.create_task(each.run()) for each in made]
        try:
            yield made
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


def zipf(jobs: int, seed: int = 3) -> list[str]:
    """Models as they are asked for: the second half as often as the first, and so on."""
    return random.Random(seed).choices(MODELS, [1 / (rank + 1) for rank in range(len(MODELS))], k=jobs)
