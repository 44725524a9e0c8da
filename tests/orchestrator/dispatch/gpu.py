"""A GPU worker at the wire, and a workflow for it: it runs nothing but what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

from PIL import Image

from ..fake_comfy import FakeComfy
from ..house import ServiceHouse

GIB = 2**30
PATIENCE_S = 60.0
WORKFLOW: dict[str, Any] = {
    "format": 1,
    "name": "drawing",
    "version": "1.0.0",
    "title": "Drawing",
    "lane": "gpu",
    "inputs": [
        {
            "name": "prompt",
            "title": "Prompt",
            "type": "string",
            "default": "x",
            "binds": [{"node": "1", "input": "text"}],
        }
    ],
    "outputs": [{"name": "images", "node": "2", "kind": "images"}],
    "requires": {"nodes": ["Draw", "Save"]},
    "graph": {
        "1": {"class_type": "Draw", "inputs": {"text": "x", "ckpt_name": "base.safetensors"}},
        "2": {"class_type": "Save", "inputs": {"images": ["1", 0]}},
    },
}
NODES = {
    "Draw": {
        "input": {"required": {"text": ["STRING", {}], "ckpt_name": [["base.safetensors"], {}]}},
        "output": ["IMAGE"],
        "python_module": "custom_nodes.drawing",
    },
    "Save": {"input": {"required": {"images": ["IMAGE", {}]}}, "output": [], "output_node": True},
}


def health(**changes: Any) -> dict[str, Any]:
    """What its pack says."""
    facts = {
        "boot_id": "first",
        "kind": "comfyui",
        "pack_version": "0.1.0",
        "mode": "sandbox",
        "policy": "standard",
        "providers": [],
        "prompt_thread_alive": True,
        "models_in_memory": ["base.safetensors"],
        "models_known": True,
        "devices": [{"name": "GPU", "type": "cuda", "vram_total": 24 * GIB, "vram_free": 20 * GIB, "load": 0.0}],
    }
    return {**facts, **changes}


@asynccontextmanager
async def gpu(**changes: Any) -> AsyncIterator[FakeComfy]:
    """A worker that is well."""
    async with FakeComfy() as comfy:
        comfy.health, comfy.object_info = health(**changes), NODES
        comfy.models = {"checkpoints": [{"name": "base.safetensors", "size": 7 * GIB}]}
        comfy.system = {"os": "linux", "comfyui_version": "0.33.0"}
        yield comfy


async def added(house: ServiceHouse, comfy: FakeComfy, name: str, **more: Any) -> None:
    """Add it to the running service, and wait until it is used."""
    status, body = await house.ask("POST", "/v1/workers", {"url": comfy.url, "name": name, **more})
    assert status == 201, body

    async def is_up() -> bool:
        return bool((await shown(house, name))["state"] == "up")

    await until(is_up)


async def shown(house: ServiceHouse, name: str) -> dict[str, Any]:
    """The worker as the API shows it."""
    status, body = await house.ask("GET", f"/v1/workers/{name}")
    assert status == 200, body
    return dict(body)


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = PATIENCE_S) -> None:
    """Wait until it holds."""

    async def wait() -> None:
        while not await holds():
            await asyncio.sleep(0.02)

    await asyncio.wait_for(wait(), within_s)


def draw(comfy: FakeComfy, job_id: str) -> None:
    """The prompt is over, and has made a picture."""
    made = BytesIO()
    Image.new("RGB", (8, 8), "teal").save(made, "PNG")
    comfy.files[f"{job_id}.png"] = made.getvalue()
    file = {"filename": f"{job_id}.png", "subfolder": "", "type": "output"}
    comfy.finish(job_id, outputs={"2": {"images": [file]}})


def fail(comfy: FakeComfy, job_id: str, text: str) -> None:
    """The prompt is over, by an error of a node."""
    error = {"node_type": "Draw", "node_id": "1", "exception_type": "RuntimeError", "exception_message": text}
    comfy.finish(job_id, ["execution_error", error])
    comfy.state[job_id] = "failed"
