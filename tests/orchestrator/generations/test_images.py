from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import ValidationError

from mintmark.errors import ImageTooLarge, InvalidInput, ModelRetired, NotAnImage, RequestTooLarge, UnknownModel
from mintmark.metering.sqlite_ledger import SqliteLedger
from mintmark.orchestrator.generations.body import ImageWish
from mintmark.orchestrator.generations.images import DEFAULT_MODEL, Order, order, plan
from mintmark.orchestrator.generations.pictures import ALLOWED, Pictures
from mintmark.orchestrator.releases.releases import Releases
from mintmark.storage.assets.folder import FolderAssets
from mintmark.storage.assets.uploads import Uploads
from mintmark.workflows.library import Library

TODAY = date(2026, 11, 21)
UPLOAD = "upload:" + "ab" * 32
SEED_PAGE: dict[str, Any] = {
    "prompt": "A cozy reading nook by a bay window, golden hour, cinematic, 50mm",
    "negative_prompt": "blurry, low contrast, watermark, extra limbs",
    "size": {"width": 768, "height": 512},
    "steps": 30,
    "guidance": 7.0,
    "seed": 412341,
    "n": 2,
    "image_to_image": {"init_image_url": None, "strength": 0.0},
    "control": {"pose_url": None, "edge_url": None, "weight": 0.8},
}
"""What people's requests look like."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[SqliteLedger]:
    opened = SqliteLedger(tmp_path / "books")
    yield opened
    opened.close()


@pytest.fixture
def releases(ledger: SqliteLedger) -> Releases:
    return Releases(ledger.store, Library())


@pytest.fixture
def uploads(ledger: SqliteLedger, tmp_path: Path) -> Uploads:
    return Uploads(ledger.store, FolderAssets(tmp_path / "assets"), max_pixels=1_000_000, most_bytes=100_000)


def planned(releases: Releases, **body: Any) -> Order:
    wish = ImageWish.model_validate_json(json.dumps(body))
    return plan(wish, releases, sticky=None, default_model=DEFAULT_MODEL, today=TODAY, new_seed=lambda: 7)[0]


def refused(releases: Releases, **body: Any) -> dict[str, Any]:
    with pytest.raises(InvalidInput) as caught:
        planned(releases, **{"prompt": "a fox", **body})
    return {each["field"]: each["allowed"] for each in caught.value.data["problems"]}


def test_the_usual_request_is_a_run_of_the_default_model(releases: Releases) -> None:
    made = planned(releases, **SEED_PAGE)
    assert made.workflow.label == "text-to-image@1.1.0"
    assert made.values == {
        "prompt": SEED_PAGE["prompt"],
        "negative_prompt": SEED_PAGE["negative_prompt"],
        "model": "fal/flux-dev",
        "model.steps": 30,
        "model.guidance": 7.0,
        "width": 768,
        "height": 512,
        "seed": 412341,
        "count": 2,
    }
    # It is made without what the model cannot use, and that is told.
    assert made.ignored == ("negative_prompt", "control.weight")
    assert made.asked == {
        "model": "fal/flux-dev", "n": 2, "steps": 30, "guidance": 7.0, "seed": 412341,
        "size": {"width": 768, "height": 512},
    }  # fmt: skip


@pytest.mark.parametrize(
    "size", [(512, 512), (768, 512), (512, 768), (1024, 1024), (1536, 1024), (1792, 1024), (64, 64)]
)
def test_the_default_makes_any_common_size(releases: Releases, size: tuple[int, int]) -> None:
    made = planned(releases, prompt="a fox", size={"width": size[0], "height": size[1]}, steps=20)
    assert (made.values["width"], made.values["height"]) == size


def test_a_checkpoint_of_a_worker_is_asked_for_as_it_is_named(releases: Releases) -> None:
    """What it can do only the worker knows: it is checked there, as the choice of the workflow's input."""
    made = planned(releases, prompt="a fox", model="local/brand/sdxl.safetensors", steps=8, negative_prompt="fog")
    assert made.workflow.name == "text-to-image"
    assert made.values["model"] == "local/brand/sdxl.safetensors"
    assert (made.values["model.steps"], made.values["negative_prompt"]) == (8, "fog")


def test_a_request_without_a_seed_gets_a_new_one(releases: Releases) -> None:
    assert planned(releases, prompt="a fox").values["seed"] == 7
    wish = ImageWish(prompt="a fox")
    seeds = {
        plan(wish, releases, sticky=None, default_model=DEFAULT_MODEL, today=TODAY)[0].values["seed"] for _ in range(5)
    }
    assert len(seeds) == 5


def test_a_seed_of_64_bits_may_come_as_text(releases: Releases) -> None:
    assert planned(releases, prompt="a fox", seed=str(2**64 - 1)).values["seed"] == 2**64 - 1


def test_a_picture_to_begin_from_is_an_edit(releases: Releases) -> None:
    made = planned(releases, prompt="night", image_to_image={"init_image_url": UPLOAD, "strength": 0.3})
    assert (made.workflow.name, made.values["model"], made.values["strength"]) == (
        "image-to-image",
        "fal/flux-dev",
        0.3,
    )
    # None at all is the least that can be told, not the model's own choice.
    made = planned(releases, prompt="night", image_to_image={"init_image_url": UPLOAD, "strength": 0})
    assert made.values["strength"] == 0.01


@pytest.mark.parametrize(("field", "kind"), [("pose_url", "pose"), ("edge_url", "edges"), ("depth_url", "depth")])
def test_a_map_is_followed(releases: Releases, field: str, kind: str) -> None:
    made = planned(releases, prompt="a fox", control={field: UPLOAD, "weight": 0.8}, steps=20)
    assert made.workflow.name == "control-image"
    assert (made.values["kind"], made.values["weight"], made.values["model.steps"]) == (kind, 0.8, 20)
    assert made.values["model"] == "fal/flux-dev-controlnet"


IMPOSSIBLE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "steps beyond the model's": ({"model": "fal/flux-schnell", "steps": 30}, {"steps": {"min": 1, "max": 12}}),
    "guidance beyond the model's": ({"guidance": 90.0}, {"guidance": {"min": 1.0, "max": 20.0}}),
    "steps of a model without": ({"model": "fal/flux-pro-1.1", "steps": 5}, {"steps": None}),
    "a size beyond the model's": (
        {"size": {"width": 5000, "height": 512}},
        {"size": {"min": 64, "max": 4096, "multiple_of": 1}},
    ),
    "strength of a model without": (
        {"model": "fal/flux-2-pro", "image_to_image": {"init_image_url": UPLOAD, "strength": 0.5}},
        {"image_to_image.strength": None},
    ),
    "a map that the model does not follow": (
        {"model": "stability/structure", "control": {"pose_url": UPLOAD}},
        {"control.pose_url": ["edge_url", "depth_url"]},
    ),
    "no picture to begin from": ({"image_to_image": {}}, {"image_to_image.init_image_url": ALLOWED}),
    "only how far from which": ({"image_to_image": {"strength": 0.5}}, {"image_to_image.init_image_url": ALLOWED}),
    "no map to follow": ({"control": {"weight": 0.8}}, {"control": ["pose_url", "edge_url", "depth_url"]}),
    "neither": (
        {"image_to_image": {}, "control": {}},
        {"image_to_image.init_image_url": ALLOWED, "control": ["pose_url", "edge_url", "depth_url"]},
    ),
    "two maps": ({"control": {"pose_url": UPLOAD, "edge_url": UPLOAD}}, {"control.edge_url": None}),
    "a map and a picture": (
        {"control": {"pose_url": UPLOAD}, "image_to_image": {"init_image_url": UPLOAD}},
        {"image_to_image": None},
    ),
    "everything at once": (
        {"model": "openai/gpt-image-2", "size": {"width": 100, "height": 100}, "steps": 3, "guidance": 2.0},
        {
            "size": {"min": 16, "max": 3840, "multiple_of": 16, "max_pixels": 8294400, "max_aspect": 3.0},
            "steps": None,
            "guidance": None,
        },
    ),
}


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_what_cannot_be_is_refused_by_field_with_what_is_allowed(releases: Releases, name: str) -> None:
    body, allowed = IMPOSSIBLE[name]
    assert refused(releases, **body) == allowed


def test_a_model_that_cannot_do_the_task_is_told_with_those_that_can(releases: Releases) -> None:
    told = refused(releases, model="fal/flux-schnell", control={"edge_url": UPLOAD})
    assert "fal/flux-dev-controlnet" in told["control"]["models"]
    told = refused(releases, model="fal/flux-schnell", image_to_image={"init_image_url": UPLOAD})
    assert {"fal/flux-dev", "openai/gpt-image-2"} <= set(told["image_to_image"]["models"])
    assert "fal/flux-schnell" in refused(releases, model="fal/clarity-upscaler")["model"]["models"]


def test_a_ratio_that_the_model_has_not_is_told_with_those_it_has(releases: Releases) -> None:
    told = refused(releases, model="stability/core", size={"width": 1000, "height": 400})
    assert "16:9" in told["size"]["aspect_ratios"]
    assert planned(releases, prompt="a fox", model="stability/core", size={"width": 1344, "height": 768}).values[
        "width"
    ]


def test_a_size_of_a_list_is_told_with_the_list(releases: Releases) -> None:
    told = refused(releases, model="replicate/recraft-v3", size={"width": 512, "height": 512})
    assert "1024x1024" in told["size"]["sizes"]


def test_a_model_with_sizes_of_its_own_takes_their_shapes(releases: Releases) -> None:
    for model, size in (("ideogram/v3", (832, 960)), ("ideogram/v3", (1920, 1080)), ("ideogram/v4", (1024, 1024))):
        width, height = size
        wish = planned(releases, prompt="a fox", model=model, size={"width": width, "height": height})
        assert (wish.values["width"], wish.values["height"]) == size
    told = refused(releases, model="ideogram/v4", size={"width": 1000, "height": 300})
    assert "2048x2048" in told["size"]["sizes"]


def test_a_model_that_is_unknown_or_gone_is_told(releases: Releases) -> None:
    with pytest.raises(UnknownModel) as caught:
        planned(releases, prompt="a fox", model="fal/flux-dvelop")
    assert (caught.value.data["field"], "fal/flux-dev" in caught.value.hint) == ("model", True)
    with pytest.raises(UnknownModel, match="No model and no workflow 'my-image-model-v1'"):
        planned(releases, prompt="a fox", model="my-image-model-v1")
    with pytest.raises(ModelRetired) as gone:
        planned(releases, prompt="a fox", model="openai/dall-e-3")
    assert gone.value.data["field"] == "model"


def test_a_published_workflow_takes_the_same_body_by_the_names_of_its_inputs(releases: Releases) -> None:
    document = releases.resolve("text-to-image").document()
    document.update(name="my-image-model-v1", version="1.0.0")
    document["inputs"] = [each for each in document["inputs"] if each["name"] in ("prompt", "width", "height", "model")]
    releases.publish(document)
    releases.alias("my-image-model-v1", "stable", "1.0.0")
    made = planned(
        releases, prompt="a fox", model="my-image-model-v1@stable", size={"width": 256, "height": 256}, steps=4, seed=1
    )
    assert made.values == {
        "prompt": "a fox", "width": 256, "height": 256, "model.steps": 4, "model": "fal/flux-schnell"
    }  # fmt: skip
    assert made.ignored == ("seed",)
    assert refused(releases, model="my-image-model-v1", n=2) == {"n": None}
    assert refused(releases, model="my-image-model-v1", steps=50) == {"steps": {"min": 1, "max": 12}}
    # What the model would take, and the workflow does not.
    told = refused(releases, model="openai/gpt-image-2", size={"width": 32, "height": 64})
    assert told == {"size.width": "an integer from 64 to 4096"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prompt": ""},
        {"prompt": "   "},
        {"prompt": "x" * 32_001},
        {"prompt": "a fox", "n": 0},
        {"prompt": "a fox", "n": 11},
        {"prompt": "a fox", "n": True},
        {"prompt": "a fox", "steps": 2.5},
        {"prompt": "a fox", "seed": -1},
        {"prompt": "a fox", "seed": 2**64},
        {"prompt": "a fox", "seed": "1e5"},
        {"prompt": "a fox", "size": {"width": 512}},
        {"prompt": "a fox", "size": "512x512"},
        {"prompt": "a fox", "control": {"pose_url": "file:///etc/passwd"}},
        {"prompt": "a fox", "control": {"pose_url": "/etc/passwd"}},
        {"prompt": "a fox", "image_to_image": {"init_image_url": "upload:../../x"}},
        {"prompt": "a fox", "image_to_image": {"init_image_url": "http://a b"}},
        {"prompt": "a fox", "image_to_image": {"init_image_url": "data:text/html;base64,AAAA"}},
        {"prompt": "a fox", "image_to_image": {"strength": 1.5}},
        {"prompt": "a fox", "negativ_prompt": "typo"},
    ],
)
def test_a_body_of_another_shape_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ImageWish.model_validate_json(json.dumps(body))


# -- pictures ---------------------------------------------------------------------------------------------------------


def picture(size: tuple[int, int] = (8, 8)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "PNG")
    return file.getvalue()


async def ordered(releases: Releases, pictures: Pictures, url: str, owner: str = "key-1") -> Order:
    wish = ImageWish.model_validate({"prompt": "night", "image_to_image": {"init_image_url": url}})
    return await order(wish, releases, pictures, owner=owner)


async def test_an_own_upload_is_used_and_nobody_elses(releases: Releases, uploads: Uploads) -> None:
    made = uploads.add(picture(), "key-1")
    pictures = Pictures(uploads)
    for name in (made.id, made.digest):
        assert (await ordered(releases, pictures, name)).images == {"image": made.digest}
    told = []
    for name in (made.id, UPLOAD):
        with pytest.raises(InvalidInput) as caught:
            await ordered(releases, pictures, name, owner="key-2")
        assert caught.value.data["field"] == "image_to_image.init_image_url"
        told.append(str(caught.value))
    # Whether somebody else has it is not told.
    assert told[0] == told[1]


async def test_a_picture_in_the_request_becomes_an_own_upload(releases: Releases, uploads: Uploads) -> None:
    url = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    made = await ordered(releases, Pictures(uploads), url)
    assert uploads.find(made.images["image"], "key-1") is not None
    assert uploads.find(made.images["image"], "key-2") is None


@pytest.mark.parametrize("text", ["A", "AAA=A", "AAAAA"])
async def test_a_picture_that_is_no_base64_is_refused(releases: Releases, uploads: Uploads, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await Pictures(uploads).bring({"control.pose_url": f"data:image/png;base64,{text}"}, "key-1")
    assert caught.value.data["field"] == "control.pose_url"


async def test_a_picture_at_a_url_is_fetched_within_the_limit(releases: Releases, uploads: Uploads) -> None:
    asked: list[tuple[str, int]] = []

    async def fetch(url: str, *, max_bytes: int) -> bytes:
        asked.append((url, max_bytes))
        return picture()

    made = await ordered(releases, Pictures(uploads, fetch), "https://example.com/a.png")
    assert asked == [("https://example.com/a.png", 100_000)]
    assert uploads.find(made.images["image"], "key-1") is not None


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"<html>", NotAnImage),
        (picture((1001, 1000)), ImageTooLarge),
        (picture() + b"\0" * 100_000, RequestTooLarge),
        (b"", NotAnImage),
    ],
)
async def test_what_is_fetched_is_checked_like_an_upload(
    releases: Releases, uploads: Uploads, data: bytes, error: type[Exception]
) -> None:
    async def fetch(url: str, *, max_bytes: int) -> bytes:
        return data

    with pytest.raises(error) as caught:
        await ordered(releases, Pictures(uploads, fetch), "https://example.com/a.png")
    assert caught.value.data["field"] == "image_to_image.init_image_url"  # type: ignore[attr-defined]


async def test_nothing_is_fetched_for_what_is_impossible_anyway(releases: Releases, uploads: Uploads) -> None:
    async def fetch(url: str, *, max_bytes: int) -> bytes:
        raise AssertionError

    wish = ImageWish.model_validate(
        {"prompt": "night", "steps": 999, "image_to_image": {"init_image_url": "https://example.com/a.png"}}
    )
    with pytest.raises(InvalidInput):
        await order(wish, releases, Pictures(uploads, fetch), owner="key-1")


async def test_without_a_way_to_fetch_no_url_is_taken(releases: Releases, uploads: Uploads) -> None:
    with pytest.raises(InvalidInput, match="names no picture"):
        await ordered(releases, Pictures(uploads), "https://example.com/a.png")
