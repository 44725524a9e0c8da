"""Local sampling in a real ComfyUI: the pixels that the runner makes, interrupted, and memory shared with its models.

Runs where the interpreter of the tests has the extra ``local``, as ComfyUI's has: both make pixels to compare.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark import config
from mintmark.tests.local_graphs import CHECKPOINT, TASKS, graph, picture, pixels, put_models, saved

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]


@pytest.fixture(scope="module", autouse=True)
def models(comfy: Any) -> None:
    from mintmark.tests import local_models

    local_models.needs_diffusers()
    put_models(comfy.base / "models")


LOOKS = 200
"""How often a test looks whether memory was given back, a twentieth of a second apart, before it says it was not."""


async def uploaded(page: Any) -> str:
    form = aiohttp.FormData()
    form.add_field("image", picture(), filename="local.png", content_type="image/png")
    form.add_field("overwrite", "true")
    return str((await page.json("POST", "/upload/image", data=form))["name"])


async def probe(page: Any) -> dict[str, Any]:
    return dict(await page.json("GET", "/local_probe"))


async def freed(page: Any) -> None:
    """Ask for all memory, and wait until it was given: ComfyUI does it when its prompt thread comes round."""
    async with page.http.post(f"{page.comfy.url}/free", json={"unload_models": True, "free_memory": True}) as answer:
        assert answer.status == 200
    while (await probe(page))["loaded"]:
        await asyncio.sleep(0.05)


@pytest.fixture
async def runner(tmp_path: Path, comfy: Any) -> AsyncIterator[Any]:
    from mintmark.cli.light_worker import open_runner

    env = {"MINTMARK_SANDBOX": "1", "MINTMARK_SANDBOX_URL": comfy.sandbox_url}
    settings = config.load({**env, "MINTMARK_MODELS_DIR": str(comfy.base / "models")}, data_dir=tmp_path / "data")
    async with open_runner(settings, port=0, base_dir=tmp_path / "base") as opened:
        yield opened


async def run_there(runner: Any, made: dict[str, Any]) -> list[Path]:
    async with aiohttp.ClientSession(runner.url) as http, http.ws_connect("/ws?clientId=there") as socket:
        async with http.post("/prompt", json={"prompt": made, "client_id": "there"}) as answer:
            posted = (await answer.json())["prompt_id"]
        while True:
            message = await socket.receive_json(timeout=120)
            if message["type"] == "executing" and message["data"]["node"] is None:
                break
        async with http.get(f"/history/{posted}") as answer:
            return saved((await answer.json())[posted], runner.paths.output)


async def test_each_task_has_the_same_pixels_here_and_in_the_runner(page: Any, runner: Any) -> None:
    name = await uploaded(page)
    (runner.paths.input / name).write_bytes(picture())
    for task in TASKS:
        made = graph(task, name)
        (here,) = saved(await page.run(made), page.comfy.base / "output")
        (there,) = await run_there(runner, made)
        assert pixels(here) == pixels(there), task


async def test_an_interruption_ends_it_within_a_step_and_gives_back_what_was_held(page: Any) -> None:
    job = await page.open_job()
    before = (await probe(page))["begun"]
    posted = await page.post(graph(steps=400, seed=77), job)
    while (await probe(page))["begun"] < before + 3:
        await asyncio.sleep(0.05)
    async with page.http.post(f"{page.comfy.url}/interrupt", json={"prompt_id": posted}) as answer:
        assert answer.status == 200
    await page.until("execution_interrupted", prompt_id=posted)
    await page.journal("released")
    told = await probe(page)
    assert told["late"] <= 1
    assert told["begun"] < before + 400
    history = (await page.json("GET", f"/history/{posted}"))[posted]
    assert "execution_error" not in dict(history["status"]["messages"])
    report = await page.json("GET", f"/mintmark/jobs/{job}")
    assert report["allowance"]["held_microusd"] == report["allowance"]["settled_microusd"] == 0
    saved(await page.run(graph(steps=2, seed=78)), page.comfy.base / "output")


async def test_free_gives_back_what_the_pipeline_took(page: Any) -> None:
    await freed(page)
    before = await probe(page)
    await page.run(graph(seed=79))
    loaded = await probe(page)
    (size,) = loaded["ours"]
    assert loaded["tensor_bytes"] - before["tensor_bytes"] >= 0.95 * size > 0
    await freed(page)
    after = await probe(page)
    assert after["ours"] == []
    for _ in range(LOOKS):  # the images that it keeps of a run go after the models
        if loaded["tensor_bytes"] - after["tensor_bytes"] >= 0.95 * size:
            break
        await asyncio.sleep(0.05)
        after = await probe(page)
    assert loaded["tensor_bytes"] - after["tensor_bytes"] >= 0.95 * size


async def test_a_native_model_that_needs_all_memory_gets_it_and_ours_comes_back_when_it_is_wanted(page: Any) -> None:
    (first,) = saved(await page.run(graph(seed=80)), page.comfy.base / "output")
    assert (await probe(page))["ours"]
    native = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 255}},
        "2": {"class_type": "LocalProbeWantsMemory", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }
    history = await page.run(native)
    assert history["status"]["status_str"] == "success", history["status"]
    assert (await probe(page))["ours"] == []
    async with page.http.post(f"{page.comfy.url}/free", json={"free_memory": True}) as answer:
        assert answer.status == 200
    (second,) = saved(await page.run(graph(seed=80, count=1)), page.comfy.base / "output")
    assert pixels(first) == pixels(second)


async def test_the_worker_route_tells_what_is_in_memory(page: Any) -> None:
    await page.run(graph(seed=81))
    health = await page.json("GET", "/mintmark/worker")
    while CHECKPOINT not in health["models_in_memory"]:  # a reading is handed out again for a while
        await asyncio.sleep(0.2)
        health = await page.json("GET", "/mintmark/worker")
    assert health["models_known"] is True
