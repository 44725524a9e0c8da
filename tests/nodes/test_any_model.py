"""Changing the model alone is always a valid graph: what a node holds as it is put down, each of its models takes."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import MintmarkError
from mintmark.nodes.control import Control
from mintmark.nodes.edit_image import EditImage
from mintmark.nodes.inpaint import Inpaint
from mintmark.nodes.text_to_image import TextToImage
from mintmark.nodes.upscale import Upscale
from mintmark.nodes.variations import Variations
from mintmark.providers.base import Prepared
from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.registry import open_provider
from mintmark.providers.request import GenerationRequest, SourceImage
from mintmark.providers.reshaping import scale_of, without_choice
from mintmark.providers.secret import Secret

SIZE = 512
NODES = {
    "text-to-image": TextToImage,
    "edit": EditImage,
    "inpaint": Inpaint,
    "upscale": Upscale,
    "control": Control,
    "variation": Variations,
}
"""All but Outpaint, which asks for a margin first."""
NEEDED = {"stability/search-and-replace": "search_prompt", "stability/search-and-recolor": "select_prompt"}
NEEDED |= {name.replace("stability", "bedrock"): option for name, option in NEEDED.items()}
"""Models that ask for words of their own, which nobody can know."""
PLACES = {"azure": {"endpoint": "https://x.openai.azure.com"}, "huggingface": {"endpoint": "https://x.test"}}


def picture(mode: str, fill: Any) -> SourceImage:
    file = BytesIO()
    Image.new(mode, (SIZE, SIZE), fill).save(file, "PNG")
    return SourceImage(data=file.getvalue(), media_type="image/png")


def defaults(task: str) -> dict[str, Any]:
    """A request's fields as its node has them when it is put down."""
    inputs = {each.id: getattr(each, "default", None) for each in NODES[task].define_schema().inputs}
    found = {name: inputs.get(name) or None for name in ("width", "height", "strength", "scale")}
    return {**found, "seed": inputs.get("seed"), "control": inputs.get("kind")}


def every() -> Iterator[tuple[str, str]]:
    for model in Catalog.load().list():
        yield from ((model.name, task) for task in model.tasks if task in NODES and model.lifecycle.state != "retired")


def prepared(http: HttpClient, name: str, task: str) -> Prepared:
    model = Catalog.load().known(name)
    place = {"key": Secret("k"), "sandbox_url": "http://127.0.0.1:1", "base_url": None}
    provider = open_provider(model.provider, http, **place, options=PLACES.get(model.provider, {}))
    images = () if task == "text-to-image" else (picture("RGB", (9, 60, 90)),)
    mask = picture("L", 255) if task == "inpaint" else None
    options = {NEEDED[name]: "a dog"} if name in NEEDED else {}
    fields = {"task": task, "model": name, "prompt": "a cat", "images": images, "mask": mask, "options": options}
    return provider.prepare(model, GenerationRequest.model_validate({**fields, **defaults(task)}))


async def test_each_model_takes_what_its_node_holds_as_it_is_put_down() -> None:
    refused = []
    async with HttpClient() as http:
        for name, task in every():
            try:
                prepared(http, name, task)
            except MintmarkError as exc:
                refused.append(f"{task} {name}: {exc.message}")
    assert refused == []


@pytest.mark.parametrize(
    ("name", "task", "ignored"),
    [
        ("stability/upscale-fast", "upscale", "scale"),
        ("bedrock/upscale-fast", "upscale", "scale"),
        ("replicate/recraft-crisp-upscale", "upscale", "scale"),
        ("replicate/flux-depth-pro", "control", "control"),
        ("replicate/flux-depth-dev", "control", "control"),
    ],
)
async def test_a_model_with_one_way_goes_that_way_and_says_so(name: str, task: str, ignored: str) -> None:
    async with HttpClient() as http:
        assert ignored in prepared(http, name, task).ignored


def test_the_only_factor_is_the_models_own_whatever_its_row_has_as_default() -> None:
    model = Catalog.load().known("stability/upscale-fast")
    assert model.scale is not None
    model = model.model_copy(update={"scale": model.scale.model_copy(update={"default": 2.0})})
    request = GenerationRequest(task="upscale", model=model.name, prompt="", scale=3.0)
    assert scale_of(model, request) == 4.0
    assert without_choice(model, request) == ["scale"]
    assert without_choice(model, request.model_copy(update={"scale": 4.0})) == []


async def test_a_graph_with_a_factor_that_the_model_does_not_have_runs_and_tells(bench: Any) -> None:
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 128, "height": 128, "batch_size": 1, "color": 7}},
        "2": {"class_type": "MintmarkUpscale", "inputs": {"image": ["1", 0], "model": "stability/upscale-fast"}},
        "3": {"class_type": "MintmarkSignAndSave", "inputs": {"images": ["2", 0], "filename_prefix": "a"}},
    }
    graph["2"]["inputs"] |= {"scale": 2.0, "seed": 1}
    history = await bench.run(graph)
    assert "stability/upscale-fast does not use: " in history["outputs"]["2"]["text"][0]
    assert "scale" in history["outputs"]["2"]["text"][0]
    (saved,) = history["outputs"]["3"]["mintmark"]
    assert (saved["width"], saved["height"]) == (512, 512)
    assert "scale" in saved["record"]["ignored"]
    assert "scale" not in saved["record"]["parameters"]
