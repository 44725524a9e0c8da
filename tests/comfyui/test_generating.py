"""The nodes that call a provider with an image, each once in a real ComfyUI, whose images are torch tensors."""

from __future__ import annotations

import asyncio
import io
import os
from typing import Any

import aiohttp
import pytest
from PIL import Image

from mintmark.provenance.reading import read as read_credential

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]
PROMPT = "a heron among reeds"
MARGINS = {"left": 64, "top": 0, "right": 128, "bottom": 32}
NODES: dict[str, tuple[str, dict[str, Any], tuple[int, int]]] = {
    "MintmarkEditImage": ("fal/flux-dev", {"prompt": PROMPT, "strength": 0.5}, (256, 192)),
    "MintmarkInpaint": ("openai/gpt-image-2", {"prompt": PROMPT, "mask": ["1", 1]}, (256, 192)),
    "MintmarkOutpaint": ("fal/flux-pro-fill", {"prompt": PROMPT, **MARGINS}, (448, 224)),
    "MintmarkUpscale": ("fal/clarity-upscaler", {"scale": 2.0}, (512, 384)),
    "MintmarkVariations": ("fal/flux-dev", {"prompt": PROMPT, "width": 320, "height": 256}, (320, 256)),
    "MintmarkControl": ("fal/flux-dev-controlnet", {"prompt": PROMPT, "kind": "depth"}, (1024, 768)),
}


async def upload(page: Any) -> str:
    """A picture with a hole in a corner, which is Load Image's mask."""
    picture = Image.new("RGBA", (256, 192), (40, 90, 120, 255))
    picture.paste((0, 0, 0, 0), (160, 0, 256, 64))
    file = io.BytesIO()
    picture.save(file, "PNG")
    form = aiohttp.FormData()
    form.add_field("image", file.getvalue(), filename="holed.png", content_type="image/png")
    form.add_field("overwrite", "true")
    return str((await page.json("POST", "/upload/image", data=form))["name"])


def graph(node: str, name: str) -> dict[str, Any]:
    model, inputs, _ = NODES[node]
    fed = "map" if node == "MintmarkControl" else "image"
    saved = {"images": ["3", 0], "record": ["3", 1], "filename_prefix": "it/made"}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "3": {"class_type": node, "inputs": {fed: ["1", 0], "model": model, "seed": 5, **inputs}},
        "2": {"class_type": "MintmarkSignAndSave", "inputs": saved},
    }


@pytest.mark.parametrize("node", NODES)
async def test_each_node_makes_its_image_in_a_real_comfyui(node: str, page: Any) -> None:
    history = await page.run(graph(node, await upload(page)))
    assert history["status"]["status_str"] == "success", history["status"]
    (saved,) = history["outputs"]["2"]["mintmark"]
    assert saved["record"]["model"] == NODES[node][0]
    (shown,) = history["outputs"]["2"]["images"]
    path = page.comfy.base / "output" / shown["subfolder"] / shown["filename"]
    with Image.open(path) as image:
        assert image.size == NODES[node][2]
    assert read_credential(path).state == "valid"


async def test_what_a_model_does_not_use_is_said_on_the_node(page: Any) -> None:
    history = await page.run(graph("MintmarkVariations", await upload(page)))
    assert history["outputs"]["3"]["text"] == ["fal/flux-dev does not use: prompt."]


async def test_an_interrupted_upscaling_is_canceled_and_costs_nothing(page: Any) -> None:
    job = await page.open_job()
    made = graph("MintmarkUpscale", await upload(page))
    made["3"]["inputs"]["seed"] = 77
    posted = await page.post(made, job)
    await page.journal("accepted")
    async with page.http.post(f"{page.comfy.url}/interrupt", json={"prompt_id": posted}) as answer:
        assert answer.status == 200
    await page.until("execution_interrupted", prompt_id=posted)
    await page.journal("released")
    report = await page.json("GET", f"/mintmark/jobs/{job}")
    assert report["allowance"]["held_microusd"] == report["allowance"]["settled_microusd"] == 0


async def test_previews_of_a_stream_are_seen_on_the_node(page: Any) -> None:
    await page.socket.send_json({"type": "feature_flags", "data": {"supports_preview_metadata": True}})
    asked = {"prompt": PROMPT, "model": "openai/gpt-image-2", "width": 256, "height": 256, "seed": 1}
    text = {"class_type": "MintmarkTextToImage", "inputs": {**asked, "model.previews": 2}}
    saved = {"images": ["1", 0], "record": ["1", 1], "filename_prefix": "it/made"}
    posted = await page.post({"1": text, "2": {"class_type": "MintmarkSignAndSave", "inputs": saved}})
    previews, steps = 0, set()
    while True:
        message = await asyncio.wait_for(page.socket.receive(), 60)
        previews += message.type is aiohttp.WSMsgType.BINARY
        event = message.json() if message.type is aiohttp.WSMsgType.TEXT else {"type": ""}
        if event["type"] == "progress_state" and (told := event["data"]["nodes"].get("1")):
            steps.add((told["value"], told["max"]))
        if event["type"] == "executing" and event["data"]["node"] is None:
            break
    history = await page.json("GET", f"/history/{posted}")
    assert history[posted]["status"]["status_str"] == "success", history[posted]["status"]
    assert previews == 2
    assert {(1.0, 3.0), (2.0, 3.0)} <= steps
