"""What waits for a person waits in every job that has it, also where a worker's cache gave a part of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from ..house import ServiceHouse, service_house

KNIGHT = "a bloody knight"
"""What the sandbox scores 0.6 of violence."""


def careful(folder: Path) -> str:
    path = folder / "careful.json"
    data = {"name": "careful", "version": "1.0.0", "prompt_checkers": ["rules", "openai"], "image_checkers": ["openai"]}
    path.write_text(json.dumps({**data, "categories": {"violence": {"review_at": 0.5}}}))
    return str(path)


def workflow(saver: dict[str, Any], bound: dict[str, str]) -> dict[str, Any]:
    """Made from words, enlarged and saved; the input ``x`` changes what comes after the words alone."""
    made = {"prompt": KNIGHT, "model": "fal/flux-schnell", "width": 256, "height": 256, "seed": 7}
    larger = {"image": ["1", 0], "model": "fal/clarity-upscaler", "scale": 2.0, "seed": 1}
    kind = "integer" if bound["input"] == "seed" else "string"
    x = {"name": "x", "title": "X", "type": kind, "default": 1 if kind == "integer" else "a", "binds": [bound]}
    return {
        "format": 1,
        "name": "larger",
        "version": "1.0.0",
        "title": "Larger",
        "lane": "hosted",
        "inputs": [x],
        "outputs": [{"name": "images", "node": "3", "kind": "images"}],
        "requires": {"nodes": ["MintmarkTextToImage", "MintmarkUpscale", saver["class_type"]]},
        "graph": {
            "1": {"class_type": "MintmarkTextToImage", "inputs": made},
            "2": {"class_type": "MintmarkUpscale", "inputs": larger},
            "3": saver,
        },
    }


async def withheld(house: ServiceHouse, x: Any) -> bool:
    job = await house.run("larger", values={"x": x})
    (output,) = job.outputs
    assert output.verdict is not None, job.failure
    return bool(output.withheld) and output.verdict["decision"] == "review"


@pytest.mark.parametrize("saver", ["SaveImage", "MintmarkSignAndSave"])
@pytest.mark.parametrize(("bound", "values"), [("seed", (1, 2)), ("filename_prefix", ("a", "b"))])
async def test_a_part_from_the_cache_waits_as_the_whole_did(
    saver: str, bound: str, values: tuple[Any, Any], tmp_path: Path
) -> None:
    save = {"class_type": saver, "inputs": {"images": ["2", 0], "filename_prefix": "a"}}
    graph = workflow(save, {"node": "2" if bound == "seed" else "3", "input": bound})
    async with service_house(tmp_path, settings={"policy": careful(tmp_path)}) as house:
        await asyncio.to_thread(house.service.releases.publish, graph)
        assert [await withheld(house, x) for x in values] == [True, True]
        assert len(await house.calls()) == (3 if bound == "seed" else 2)
