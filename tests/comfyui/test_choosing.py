"""Prompt, label, ranking and gate nodes in a real ComfyUI, where an IMAGE is a torch tensor."""

from __future__ import annotations

import io
import os
import urllib.parse
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]
Graph = dict[str, Any]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


async def upload(page: Any, image: Image.Image, name: str) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    form = aiohttp.FormData()
    form.add_field("image", file.getvalue(), filename=name, content_type="image/png")
    return str((await page.json("POST", "/upload/image", data=form))["name"])


async def pixels(page: Any, told: dict[str, Any]) -> Any:
    query = urllib.parse.urlencode({key: told[key] for key in ("filename", "subfolder", "type")})
    async with page.http.get(f"{page.comfy.url}/view?{query}") as answer:
        assert answer.status == 200
        return np.asarray(Image.open(io.BytesIO(await answer.read())).convert("RGB"))


async def candidates(page: Any, graph: Graph) -> list[Any]:
    """A soft and a sharp version of one picture, and a grey one, as a batch."""
    coarse = Image.fromarray(np.random.default_rng(5).integers(0, 256, (8, 8, 3), np.uint8))
    images = {
        "soft": coarse.resize((128, 128), Image.Resampling.BICUBIC),
        "sharp": coarse.resize((128, 128), Image.Resampling.NEAREST),
        "flat": Image.new("RGB", (128, 128), (128, 128, 128)),
    }
    for name, image in images.items():
        graph[name] = node("LoadImage", image=await upload(page, image, f"choosing-{name}.png"))
    graph["two"] = node("ImageBatch", image1=["soft", 0], image2=["sharp", 0])
    graph["all"] = node("ImageBatch", image1=["two", 0], image2=["flat", 0])
    return ["all", 0]


async def test_candidates_are_ranked_thinned_out_and_picked_pixel_for_pixel(page: Any) -> None:
    graph: Graph = {}
    images = await candidates(page, graph)
    graph["rank"] = node("MintmarkRankCandidates", images=images)
    graph["few"] = node("MintmarkDeduplicate", images=["rank", 0], tolerance=8)
    graph["pick"] = node("MintmarkPickBest", images=["few", 0], count=1, by="as given")
    graph["save"] = node("SaveImage", images=["pick", 0], filename_prefix="picked")
    graph["wanted"] = node("SaveImage", images=["sharp", 0], filename_prefix="wanted")
    history = await page.run(graph)
    table = history["outputs"]["rank"]["text"][0].splitlines()
    assert [line.split()[0] for line in table[1:]] == ["2", "1", "3"]
    assert history["outputs"]["few"]["text"] == ["2 of 3 kept: #1, #3"]
    (kept,) = history["outputs"]["save"]["images"]
    (wanted,) = history["outputs"]["wanted"]["images"]
    assert (await pixels(page, kept) == await pixels(page, wanted)).all()


async def test_each_seed_fills_the_template_and_the_styles_words_follow(page: Any) -> None:
    graph = {
        "seeds": node("MintmarkSeedBatch", seed=1, count=3),
        "text": node("MintmarkPromptTemplate", template="a {a|b|c|d} {x}", variables="x = kite", seed=["seeds", 0]),
        "parts": node("MintmarkStructuredPrompt", subject="a fox", style="ink", form="tags"),
        "show": node("PreviewAny", source=["text", 0]),
        "more": node("PreviewAny", source=["parts", 0]),
    }
    history = await page.run(graph)
    assert history["outputs"]["text"]["text"] == ["a a kite", "a d kite", "a a kite"]
    assert history["outputs"]["parts"]["text"] == ["a fox, ink"]


async def test_a_label_is_written_and_the_rest_of_the_picture_stays(page: Any) -> None:
    plain = Image.new("RGB", (320, 240), (90, 120, 160))
    graph = {
        "in": node("LoadImage", image=await upload(page, plain, "choosing-plain.png")),
        "label": node("MintmarkVisibleLabel", images=["in", 0], text="AI generated"),
        "save": node("SaveImage", images=["label", 0], filename_prefix="labelled"),
    }
    history = await page.run(graph)
    labelled = await pixels(page, history["outputs"]["save"]["images"][0])
    assert (labelled[:180] == [90, 120, 160]).all()
    assert (labelled[180:] != [90, 120, 160]).any()


async def test_the_gate_hides_a_blocked_image_and_lets_the_other_on(page: Any) -> None:
    graph: Graph = {
        "bad": node("LoadImage", image=await upload(page, Image.new("RGB", (96, 96), (255, 0, 0)), "bad.png")),
        "good": node("LoadImage", image=await upload(page, Image.new("RGB", (96, 96), (20, 120, 90)), "good.png")),
        "both": node("ImageBatch", image1=["bad", 0], image2=["good", 0]),
        "look": node("MintmarkModerateImage", images=["both", 0]),
        "gate": node(
            "MintmarkModerationGate",
            images=["look", 0],
            verdict=["look", 1],
            on_flagged="pass",
            on_blocked="placeholder",
        ),
        "save": node("SaveImage", images=["gate", 0], filename_prefix="gated"),
    }
    history = await page.run(graph)
    hidden, shown = [await pixels(page, told) for told in history["outputs"]["save"]["images"]]
    assert not (hidden == [255, 0, 0]).all(axis=-1).any()
    assert (shown == [20, 120, 90]).all()
