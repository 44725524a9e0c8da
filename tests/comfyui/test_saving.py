"""Money, saving and credential nodes in a real ComfyUI."""

from __future__ import annotations

import io
import json
import os
import re
import urllib.parse
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from PIL import Image

from mintmark.provenance.reading import read as read_credential
from mintmark.provenance.texts import read_texts, without_credential

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif(not os.environ.get("COMFYUI_PATH"), reason="not run: COMFYUI_PATH is not set"),
]
MEDIA = {"PNG": "image/png", "JPEG": "image/jpeg", "WebP": "image/webp", "AVIF": "image/avif"}


def asking(seed: int, **inputs: Any) -> dict[str, Any]:
    small = {"prompt": "a lighthouse", "model": "fal/flux-schnell", "width": 256, "height": 256, "seed": seed}
    return {"class_type": "MintmarkTextToImage", "inputs": {**small, **inputs}}


def shown(*link: Any) -> dict[str, Any]:
    return {"class_type": "PreviewAny", "inputs": {"source": list(link)}}


async def ran(page: Any, graph: dict[str, Any]) -> dict[str, Any]:
    """The history of a graph that was run to its end, well or not."""
    history = await page.run(graph)
    return dict(history)


def failure(history: dict[str, Any]) -> str:
    kinds = dict(history["status"]["messages"])
    return str(kinds.get("execution_error", {}).get("exception_message", ""))


async def upload(page: Any, data: bytes, name: str) -> str:
    form = aiohttp.FormData()
    form.add_field("image", data, filename=name, content_type="application/octet-stream")
    return str((await page.json("POST", "/upload/image", data=form))["name"])


async def file_of(page: Any, told: dict[str, Any]) -> bytes:
    query = urllib.parse.urlencode({key: told[key] for key in ("filename", "subfolder", "type")})
    async with page.http.get(f"{page.comfy.url}/view?{query}") as answer:
        assert answer.status == 200
        return bytes(await answer.read())


def pixels_of(data: bytes) -> bytes:
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGB").tobytes()


@pytest.mark.parametrize("kind", list(MEDIA))
async def test_each_format_is_saved_signed_and_with_its_graph(kind: str, page: Any) -> None:
    save = {"images": ["1", 0], "record": ["1", 1], "filename_prefix": f"formats/{kind}", "format": kind}
    graph = {"1": asking(4001), "2": {"class_type": "MintmarkSignAndSave", "inputs": save}}
    history = await ran(page, graph)
    assert failure(history) == ""
    (told,) = history["outputs"]["2"]["images"]
    data = await file_of(page, told)
    assert read_credential(data).state == "valid"
    assert json.loads(read_texts(data, MEDIA[kind])["prompt"])["1"]["class_type"] == "MintmarkTextToImage"
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (256, 256)
        if kind in ("WebP", "AVIF"):
            # Where ComfyUI's page looks for it.
            assert str(image.getexif()[0x0110]).startswith("prompt:{")


async def test_an_estimate_asks_nobody_and_knows_the_price(page: Any) -> None:
    before = len(await page.sandbox("calls"))
    asked = {"of": "one model", "model": "fal/flux-schnell", "count": 3, "width": 256, "height": 256}
    estimate = {"class_type": "MintmarkCostEstimate", "inputs": asked}
    history = await ran(page, {"e": estimate, "2": shown("e", 2)})
    assert failure(history) == ""
    assert "total  $0.009" in history["outputs"]["e"]["text"][0]
    assert float(history["outputs"]["2"]["text"][0]) == 0.009
    assert len(await page.sandbox("calls")) == before


def guarded(limit: float, seed: int, **inputs: Any) -> dict[str, Any]:
    guard = {"value": ["p", 0], "per_run_usd": limit, "per_day_usd": 0.0}
    return {
        "p": {"class_type": "PrimitiveString", "inputs": {"value": "a lighthouse"}},
        "g": {"class_type": "MintmarkBudgetGuard", "inputs": guard},
        "1": asking(seed, prompt=["g", 0], **inputs),
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        "r": {"class_type": "MintmarkReceipt", "inputs": {"record": ["1", 1]}},
    }


async def test_a_guard_stops_a_run_before_the_call_also_from_the_cache(page: Any) -> None:
    history = await ran(page, guarded(0.004, 4003))
    assert failure(history) == ""
    assert re.search(r"fal/flux-schnell +1 +\$0.003 +\S+ +settled", history["outputs"]["r"]["text"][0])
    before = len(await page.sandbox("calls"))
    again = await ran(page, guarded(0.004, 4003))
    assert re.search(r"\$0.00 +\S+ +cached", again["outputs"]["r"]["text"][0])
    history = await ran(page, guarded(0.004, 4004, count=2))
    assert "g" in dict(history["status"]["messages"])["execution_cached"]["nodes"]
    assert "This run: $0.00 spent, $0.00 set aside, $0.006 asked; the limit is $0.004." in failure(history)
    history = await ran(page, guarded(0.0035, 4005, count=2))
    assert "[budget_exceeded]" in failure(history)
    assert len(await page.sandbox("calls")) == before


@pytest.mark.parametrize("kind", list(MEDIA))
async def test_a_loaded_file_goes_through_untouched_and_is_named_as_the_parent(kind: str, page: Any) -> None:
    pixels = np.random.default_rng(len(kind)).integers(0, 120, (48, 32, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    name = await upload(page, buffer.getvalue(), f"photo-{kind}.{kind.lower()}")
    save = {"images": ["1", 0], "source": ["1", 2], "filename_prefix": "through/x", "format": kind, "keep_graph": False}
    graph = {
        "1": {"class_type": "MintmarkLoadImageWithCredentials", "inputs": {"image": name}},
        "2": {"class_type": "MintmarkSignAndSave", "inputs": save},
        "3": {"class_type": "MaskToImage", "inputs": {"mask": ["1", 1]}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
    }
    history = await ran(page, graph)
    assert failure(history) == ""
    (told,) = history["outputs"]["2"]["images"]
    data = await file_of(page, told)
    if kind == "AVIF":  # its credential cannot be cut out, as all else is found by where it stands
        assert pixels_of(data) == pixels_of(buffer.getvalue())
    else:
        assert without_credential(data, MEDIA[kind]) == buffer.getvalue()
    (parent,) = read_credential(data).ingredients
    assert (parent.relationship, parent.title) == ("parentOf", name)
    # What was saved tells of itself when it is read here.
    named = f"{told['subfolder']}/{told['filename']} [output]"
    reading = {"class_type": "MintmarkReadCredentials", "inputs": {"image": named}}
    outputs = (await ran(page, {"1": reading, "2": shown("1", 2), "3": shown("1", 3)}))["outputs"]
    assert outputs["1"]["text"][0].startswith("VALID")
    assert [outputs[n]["text"][0] for n in ("2", "3")] == ["True", "False"]


async def test_the_page_offers_to_upload(page: Any) -> None:
    name = await upload(
        page, (Path(__file__).parents[2] / "docs" / "images" / "first-image.jpg").read_bytes(), "up.jpg"
    )
    for node in ("MintmarkReadCredentials", "MintmarkLoadImageWithCredentials"):
        kind, options = (await page.json("GET", f"/object_info/{node}"))[node]["input"]["required"]["image"]
        assert kind == "COMBO"
        assert options["image_upload"] is True
        assert name in options["options"]
