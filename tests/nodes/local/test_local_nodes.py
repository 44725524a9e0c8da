"""Load LoRA, Load Embedding, ControlNet, Encode and Decode in a real runner, with tiny random models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.tests.nodes.conftest import Bench, bench_at

from ... import local_models
from ...local_models import SIZE

local_models.needs_diffusers()

from .bare import OTHERS_WARNINGS  # noqa: E402

Graph = dict[str, Any]
pytestmark = OTHERS_WARNINGS


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose ``base`` has tiny models in it."""
    folder = tmp_path_factory.mktemp("machine")
    models = folder / "base" / "models"
    local_models.make(models / "diffusers", "sd15")
    local_models.lora(models / "loras", "sd15").rename(models / "loras" / "brand.safetensors")
    local_models.lora(models / "loras", "sdxl", layout="kohya").rename(models / "loras" / "xl.safetensors")
    local_models.embedding(models / "embeddings", "sd15").rename(models / "embeddings" / "velvet.safetensors")
    local_models.controlnet(models / "controlnet", "sd15").rename(models / "controlnet" / "canny")
    local_models.controlnet(models / "controlnet", "sdxl").rename(models / "controlnet" / "canny-xl")
    return folder


@pytest.fixture
async def here(machine: Path) -> AsyncIterator[Bench]:
    async with bench_at(machine) as opened:
        yield opened


def photo() -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8))


def node(name: str, **inputs: Any) -> Graph:
    return {"class_type": f"Mintmark{name}", "inputs": inputs}


def sampled(name: str, *added: Graph, prompt: str = "a velvet key") -> Graph:
    """A graph in which these stand in a row between Load Pipeline and Local Sample."""
    graph: Graph = {
        "1": node("LoadPipeline", checkpoint="tiny-sd15"),
        "2": {"class_type": "LoadImage", "inputs": {"image": name}},
    }
    for number, each in enumerate(added, start=3):
        before = "1" if number == 3 else str(number - 1)
        graph[str(number)] = {**each, "inputs": {**each["inputs"], "pipeline": [before, 0]}}
    last = str(len(added) + 2) if added else "1"
    asked = {"prompt": prompt, "width": SIZE, "height": SIZE, "seed": 7, "steps": 2}
    graph["8"] = node("LocalSample", pipeline=[last, 0], **asked)
    graph["9"] = {"class_type": "SaveImage", "inputs": {"images": ["8", 0], "filename_prefix": "x"}}
    return graph


def shown(bench: Bench, history: Graph) -> np.ndarray[Any, Any]:
    assert history["status"]["status_str"] == "success", str(history["status"]["messages"][-1])
    (file,) = history["outputs"]["9"]["images"]
    return np.asarray(Image.open(bench.output / file["subfolder"] / file["filename"]))


def said(history: Graph) -> str:
    assert history["status"]["status_str"] == "error"
    return str(history["status"]["messages"][-1][1]["exception_message"])


LORA = node("LoadLora", lora="brand.safetensors", weight=0.8)
WORD = node("LoadEmbedding", embedding="velvet.safetensors")
GUIDE = node("LocalControlNet", control_net="canny", image=["2", 0], strength=1.0)


async def test_each_of_them_changes_the_picture_and_together_they_make_another(here: Bench) -> None:
    name = await here.upload(photo())
    rows = ([], [LORA], [WORD], [GUIDE], [LORA, WORD, GUIDE], [])
    made = [shown(here, await here.run(sampled(name, *added))) for added in rows]
    assert np.array_equal(made[0], made[-1])
    assert len({each.tobytes() for each in made}) == len(rows) - 1


@pytest.mark.parametrize(
    ("added", "words"),
    [
        ([node("LoadLora", lora="xl.safetensors", weight=1.0)], "lora: xl.safetensors is for Stable Diffusion XL, and"),
        ([node("LoadLora", lora="brnd.safetensors", weight=1.0)], "Near it are brand.safetensors"),
        ([WORD, WORD], "token: velvet stands for another embedding already."),
        ([node("LoadEmbedding", embedding="velvet.safetensors", token="two words")], "is no single word"),
        (
            [node("LocalControlNet", control_net="canny-xl", image=["2", 0], strength=1.0)],
            "control_net: canny-xl is for Stable Diffusion XL, and",
        ),
        (
            [node("LocalControlNet", control_net="canny", image=["2", 0], strength=1.0, start=0.6, end=0.3)],
            "end: 0.3 is not after start, 0.6.",
        ),
    ],
)
async def test_what_does_not_fit_is_told_by_the_node_that_adds_it(here: Bench, added: list[Graph], words: str) -> None:
    assert words in said(await here.run(sampled(await here.upload(photo()), *added)))


async def test_what_is_encoded_and_decoded_is_what_the_vae_makes_of_it(here: Bench, machine: Path) -> None:
    import torch
    from diffusers import AutoencoderKL

    given = photo()
    graph = {
        "1": node("LoadPipeline", checkpoint="tiny-sd15", dtype="float32"),
        "2": {"class_type": "LoadImage", "inputs": {"image": await here.upload(given)}},
        "3": node("LocalEncode", pipeline=["1", 0], image=["2", 0]),
        "4": node("LocalDecode", pipeline=["1", 0], latent=["3", 0]),
        "9": {"class_type": "SaveImage", "inputs": {"images": ["4", 0], "filename_prefix": "x"}},
    }
    found = shown(here, await here.run(graph))
    place = machine / "base" / "models" / "diffusers" / "tiny-sd15" / "vae"
    vae = AutoencoderKL.from_pretrained(place, local_files_only=True).eval()
    pixels = torch.from_numpy(np.asarray(given, np.float32) / 255).permute(2, 0, 1)[None] * 2 - 1
    with torch.no_grad():
        decoded = vae.decode(vae.encode(pixels).latent_dist.mode(), return_dict=False)[0]
    expected = (decoded[0] * 0.5 + 0.5).clamp(0, 1).permute(1, 2, 0).numpy() * 255
    assert abs(found - expected).max() <= 1


async def test_values_that_come_over_a_link_are_checked_too(here: Bench) -> None:
    from mintmark.errors import InvalidInput
    from mintmark.nodes.local_adapters import LoadLora
    from mintmark.nodes.local_latents import LocalDecode

    from .test_asking import recipe

    with pytest.raises(InvalidInput, match="weight: 11 is not -10 to 10"):
        await LoadLora.execute(recipe("sd15"), "brand.safetensors", 11)
    with pytest.raises(InvalidInput, match="pipeline: a str is none"):
        await LoadLora.execute("x", "brand.safetensors", 1.0)
    with pytest.raises(InvalidInput, match="latent: a str is none"):
        await LocalDecode.execute(recipe("sd15"), "x")
