"""Record a real ComfyUI's answers: ``PYTHONPATH=tests/runner python -m runner_probe.record URL``.

That ComfyUI needs ``nodes.py`` of this folder as ``custom_nodes/probe_nodes.py``. Answers are written masked: nothing
of its tracebacks is kept.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import aiohttp

from .cases import REFUSED, RUNS, Case
from .driving import give_image, put
from .masking import masked, without_module

RECORDED = Path(__file__).parent.parent / "recorded"
CORE = ("LoadImage", "SaveImage", "PreviewImage")


async def record(url: str) -> None:
    async with aiohttp.ClientSession(url) as http:
        async with http.get("/system_stats") as reply:
            version = (await reply.json())["system"]["comfyui_version"]
        async with http.get("/object_info") as reply:
            info = await reply.json()
    kept = {name: without_module(each) for name, each in info.items() if name.startswith("Probe") or name in CORE}
    kept["LoadImage"]["input"]["required"]["image"][0] = []
    write("object_info", version, kept)
    await give_image(url)
    for name, cases in (("runs", RUNS), ("refused", REFUSED)):
        write(name, version, {case_name: await _answers(url, case) for case_name, case in cases.items()})


async def _answers(url: str, case: Case) -> list[dict[str, Any]]:
    return masked(await put(url, case), case)


def write(name: str, version: str, answers: dict[str, Any]) -> None:
    text = json.dumps({"comfyui": version, "answers": answers}, indent=1, sort_keys=True)
    (RECORDED / f"{name}.json").write_text(text + "\n")


if __name__ == "__main__":
    asyncio.run(record(sys.argv[1]))
