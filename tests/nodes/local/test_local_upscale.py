"""Local Upscale in a runner: real pixels through a real, tiny network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="not run: needs the extra local")
pytest.importorskip("spandrel", reason="not run: needs the extra local")

from mintmark.nodes.local.image_models import open_model  # noqa: E402
from mintmark.nodes.local.upscaling import Upscaling, upscale  # noqa: E402

from .test_upscaling import compact, nothing  # noqa: E402

Graph = dict[str, Any]


@pytest.fixture
async def bench(tmp_path: Path, open_bench: Any) -> AsyncIterator[Any]:
    """A runner with one upscaling model, which enlarges twice."""
    folder = tmp_path / "models" / "upscale_models" / "brand"
    folder.mkdir(parents=True)
    compact(tmp_path).rename(folder / "2x.safetensors")
    (folder / "4x.pth").write_bytes(b"\x80\x02}q\x00.")
    async with open_bench(tmp_path, models_dir=tmp_path / "models") as opened:
        yield opened


def photo(height: int = 40, width: int = 60) -> Image.Image:
    pixels = np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def graph(name: str, **inputs: Any) -> Graph:
    its = {"image": ["1", 0], "model": "brand/2x.safetensors", "scale": 0.0, **inputs}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": name}},
        "2": {"class_type": "MintmarkLocalUpscale", "inputs": its},
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "large"}},
    }


def saved(bench: Any, history: dict[str, Any]) -> np.ndarray[Any, Any]:
    assert history["status"]["status_str"] == "success", "".join(str(history["status"]["messages"][-1]))
    (shown,) = history["outputs"]["3"]["images"]
    return np.asarray(Image.open(bench.output / shown["subfolder"] / shown["filename"]))


async def test_the_saved_file_has_what_the_network_made(bench: Any, tmp_path: Path) -> None:
    given = photo()
    found = saved(bench, await bench.run(graph(await bench.upload(given), scale=3.0)))
    model = open_model(tmp_path / "models" / "upscale_models" / "brand" / "2x.safetensors")
    floats = np.asarray(given, dtype=np.float32)[None] / np.float32(255)
    expected = upscale(model, floats, Upscaling(scale=3.0), "cpu", nothing)[0]
    assert found.shape == (120, 180, 3)
    assert abs(found - expected * 255).max() <= 1


async def test_it_offers_the_files_that_are_there_and_no_pickle(bench: Any) -> None:
    _, told = await bench.json("GET", "/object_info/MintmarkLocalUpscale")
    options = told["MintmarkLocalUpscale"]["input"]["required"]["model"][1]["options"]
    assert options == ["brand/2x.safetensors"]


def told(bench: Any) -> list[tuple[float, float]]:
    """(tiles done, of how many), as the page was told of the node. A word that waits is replaced by a newer one."""
    states = (event["data"]["nodes"].get("2") for event in bench.events if event["type"] == "progress_state")
    return [(each["value"], each["max"]) for each in states if each and each["state"] == "running" and each["value"]]


async def test_progress_counts_tiles(bench: Any) -> None:
    await bench.run(graph(await bench.upload(photo(640, 64)), tile=64, overlap=16))
    assert {most for _, most in told(bench)} == {13}
    done = [number for number, _ in told(bench)]
    assert done == sorted(set(done)) and set(done) <= set(range(1, 14))


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"model": "brand/3x.safetensors"}, "brand/3x.safetensors"),
        ({"model": "brand/4x.pth"}, "is a pickle"),
        ({"tile": 64, "overlap": 40}, "overlap"),
    ],
)
async def test_bad_input_is_told_by_what_it_names(bench: Any, error_of: Any, inputs: dict[str, Any], said: str) -> None:
    history = await bench.run(graph(await bench.upload(photo()), **inputs))
    assert said in error_of(history)


async def test_a_result_that_would_be_too_large_is_refused(tmp_path: Path, open_bench: Any, error_of: Any) -> None:
    (tmp_path / "models" / "upscale_models").mkdir(parents=True)
    compact(tmp_path).rename(tmp_path / "models" / "upscale_models" / "2x.safetensors")
    async with open_bench(tmp_path, models_dir=tmp_path / "models", max_pixels=9_000) as bench:
        history = await bench.run(graph(await bench.upload(photo()), model="2x.safetensors"))
        assert "9,600 pixels" in error_of(history)


async def test_stopping_ends_it_after_the_tile_at_hand(bench: Any) -> None:
    job = await bench.post(graph(await bench.upload(photo(3000, 64)), tile=64, overlap=32))
    while not told(bench):
        bench.events.append(await asyncio.wait_for(bench.socket.receive_json(), 60))
    await bench.json("POST", "/interrupt", json={"prompt_id": job})
    history = await bench.ended(job)
    assert "execution_interrupted" in dict(history["status"]["messages"])
    assert max(number for number, _ in told(bench)) < 93, "of 93 tiles"
