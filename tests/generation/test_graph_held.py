"""The bound of graphs into which pictures go, held against what every adapter sets aside for the same request."""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from mintmark.clock import utc_now
from mintmark.errors import MintmarkError
from mintmark.generation.graph_estimate import bound_microusd, picture_in
from mintmark.metering.prices import quote
from mintmark.providers.base import Provider
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog
from mintmark.providers.registry import open_provider
from mintmark.providers.request import GenerationRequest, Margins, SourceImage

NODES = {
    "edit": "EditImage",
    "inpaint": "Inpaint",
    "outpaint": "Outpaint",
    "upscale": "Upscale",
    "control": "Control",
    "variation": "Variations",
}
FILES = [(64, 64), (512, 512), (1024, 768), (2048, 2048), (4000, 3000)]
ASKED = [(0, 0), (512, 512), (1024, 1024)]
MARGINS = {"left": 64, "right": 128}
CASES = [
    (model, task)
    for model in Catalog.load().list(today=utc_now().date())
    for task in model.tasks
    if task in NODES and model.price is not None
]


class NoHttp:
    """Nothing is sent."""

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **named: None


@cache
def adapter(name: str) -> Provider:
    key = SecretStr("a:b" if name in ("bedrock", "firefly") else "k")
    return open_provider(name, NoHttp(), key=key, sandbox_url="http://127.0.0.1:1")  # type: ignore[arg-type]


@cache
def png(size: tuple[int, int], mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, 255 if mode == "L" else "teal").save(file, "PNG", compress_level=1)
    return file.getvalue()


def held(model: Model, task: Any, size: tuple[int, int], asked: tuple[int, int], count: int) -> int:
    """What the calls set aside. Raises MintmarkError where the model is not asked for that."""
    image = SourceImage(data=png(size), media_type="image/png")
    more: dict[str, Any] = {
        "inpaint": {"mask": SourceImage(data=png(size, "L"), media_type="image/png")},
        "outpaint": {"margins": Margins(**MARGINS)},
        "upscale": {"scale": 2.0},
        "control": {"control": "edges"},
    }.get(task, {})
    sides = {"width": asked[0] or None, "height": asked[1] or None}
    found = 0
    for first in range(0, count, model.max_count):
        of = min(count - first, model.max_count)
        request = GenerationRequest(
            task=task, model=model.name, prompt="x", seed=1, images=(image,), count=of, **sides, **more
        )
        ready = adapter(model.provider).prepare(model, request)
        assert model.price is not None
        found += quote(model.price, ready.quantities, ready.parameters).at_most_microusd
    return found


def graph(model: Model, task: str, asked: tuple[int, int], count: int) -> dict[str, Any]:
    more: dict[str, Any] = {"outpaint": MARGINS, "upscale": {"scale": 2.0}}.get(task, {})
    sides = dict(zip(("width", "height"), asked, strict=True)) if asked[0] else {}
    link = "map" if task == "control" else "image"
    given = {"model": model.name, "prompt": "x", "seed": 1, "count": count, link: ["1", 0], **sides, **more}
    return {
        "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "2": {"class_type": f"Mintmark{NODES[task]}", "inputs": given},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }


def each_way(task: str) -> Iterator[tuple[tuple[int, int], tuple[int, int], int]]:
    """Size of the file, size asked for, and how many images."""
    plain = task in ("upscale", "outpaint", "inpaint")
    for size in FILES:
        for asked in ASKED[:1] if plain else ASKED:
            for count in (1,) if task in ("upscale", "outpaint") else (1, 3):
                yield size, asked, count


@pytest.mark.parametrize(("model", "task"), CASES, ids=[f"{model.name} {task}" for model, task in CASES])
def test_what_is_set_aside_for_a_job_covers_what_each_of_its_calls_sets_aside(model: Model, task: str) -> None:
    tried = 0
    for size, asked, count in each_way(task):
        try:
            least = held(model, task, size, asked, count)
        except MintmarkError:
            continue  # refused before anything is set aside
        tried += 1
        document, file = graph(model, task, asked, count), picture_in(png(size))
        most = bound_microusd(document, {"a.png": file}.get)
        assert most is not None and most >= least, (size, asked, count)
        assert bound_microusd(document) is None, "nothing is known of the file"
    assert tried


def test_a_small_picture_redrawn_for_two_cents_and_a_half_sets_that_aside() -> None:
    model = Catalog.load().get("fal/flux-dev", utc_now().date())
    document = graph(model, "edit", (0, 0), 1)
    assert bound_microusd(document, lambda name: picture_in(png((512, 512)))) == 25_000


def test_each_frame_that_is_upscaled_is_reckoned_with() -> None:
    frames, file = [Image.new("RGB", (64, 64), (20 * each, 9, 9)) for each in range(3)], io.BytesIO()
    frames[0].save(file, "PNG", save_all=True, append_images=frames[1:])
    model = Catalog.load().get("stability/upscale-fast", utc_now().date())
    document = graph(model, "upscale", (0, 0), 1)
    one = bound_microusd(document, lambda name: picture_in(png((64, 64))))
    assert one and bound_microusd(document, lambda name: picture_in(file.getvalue())) == 3 * one
