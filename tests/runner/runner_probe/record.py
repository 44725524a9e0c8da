"""Record a real ComfyUI's answers: ``PYTHONPATH=tests/runner python -m runner_probe.record URL``.

That ComfyUI needs ``nodes.py`` and ``pixel_nodes.py`` of this folder in its ``custom_nodes``. Answers are written
masked: nothing of its tracebacks is kept.
"""

from __future__ import annotations

import asyncio
import json
import sys
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any
from zlib import compress, decompress

import aiohttp

from .cases import REFUSED, RUNS, Case
from .driving import give_image, give_pictures, pixels, put
from .masking import masked, without_module
from .pixel_cases import PIXELS

RECORDED = Path(__file__).parent.parent / "recorded"
CORE = (
    *("LoadImage", "LoadImageMask", "SaveImage", "PreviewImage", "EmptyImage", "ImageScale", "ImageScaleBy"),
    *("ImageBatch", "ImageInvert", "ImageCrop", "ImagePadForOutpaint", "MaskToImage", "ImageToMask", "InvertMask"),
    *("GrowMask", "SolidMask", "PreviewAny", "PrimitiveInt", "PrimitiveFloat", "PrimitiveString"),
    *("PrimitiveStringMultiline", "PrimitiveBoolean"),
)


async def record(url: str) -> None:
    async with aiohttp.ClientSession(url) as http, http.get("/system_stats") as reply:
        version = (await reply.json())["system"]["comfyui_version"]
    write("object_info", version, await object_info(url))
    await give_image(url)
    await give_pictures(url)
    for name, cases in (("runs", RUNS), ("refused", REFUSED)):
        write(name, version, {case_name: await _answers(url, case) for case_name, case in cases.items()})

    write("pixels", version, {name: packed(await pixels(url, case)) for name, case in PIXELS.items()})


async def object_info(url: str) -> dict[str, Any]:
    """The entries of the probe and of the core nodes; of the input folder's files nothing is told."""
    async with aiohttp.ClientSession(url) as http, http.get("/object_info") as reply:
        info = await reply.json()
    probed = ("Probe", "Pixel")
    kept = {name: without_module(each) for name, each in info.items() if name.startswith(probed) or name in CORE}
    for name in ("LoadImage", "LoadImageMask"):
        kept[name]["input"]["required"]["image"][0] = []
    return kept


async def _answers(url: str, case: Case) -> list[dict[str, Any]]:
    return masked(await put(url, case), case)


def packed(given: Any) -> Any:
    """The arrays with their bytes compressed; an exception's type as it is."""
    if isinstance(given, str):
        return given
    return [{**each, "data": b64encode(compress(b64decode(each["data"]), 9)).decode()} for each in given]


def array(told: dict[str, Any]) -> Any:
    """The array of one recorded answer."""
    import numpy as np

    return np.frombuffer(decompress(b64decode(told["data"])), dtype=told["dtype"]).reshape(told["shape"])


def write(name: str, version: str, answers: dict[str, Any]) -> None:
    text = json.dumps({"comfyui": version, "answers": answers}, indent=1, sort_keys=True)
    (RECORDED / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1]))
