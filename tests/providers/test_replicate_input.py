"""What goes to Replicate's models, each of which has words of its own, and the pictures that come of it."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageChops

from mintmark.errors import InvalidInput
from mintmark.metering.prices import charge, quote
from mintmark.providers.models import Catalog
from mintmark.providers.replicate import Replicate
from mintmark.providers.request import Margins, SourceImage
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import drawn, half_mask, model, picture, prepared

PRO, ESRGAN, FLUX2 = "replicate/flux-1.1-pro", "replicate/real-esrgan", "replicate/flux-2-pro"


def differs(made: Image.Image, box: tuple[int, int, int, int], color: tuple[int, int, int] = (40, 90, 160)) -> int:
    plain = Image.new("RGB", (box[2] - box[0], box[3] - box[1]), color)
    return max(most for _, most in ImageChops.difference(made.crop(box), plain).getextrema())


@pytest.mark.parametrize("name", ["replicate/flux-fill-pro", "replicate/ideogram-v3-turbo"])
async def test_white_is_repainted_whatever_the_vendor_s_mask_means(replicate: Replicate, name: str) -> None:
    result = await drawn(replicate, prepared(replicate, name, task="inpaint", images=(picture(),), mask=half_mask()))
    assert differs(result, (32, 0, 64, 64)) == 0
    assert differs(result, (0, 0, 32, 64)) > 32


def test_a_vendor_that_repaints_black_gets_the_mask_inverted(replicate: Replicate) -> None:
    request = {"task": "inpaint", "images": (picture(),), "mask": half_mask()}
    sent = prepared(replicate, "replicate/ideogram-v3-turbo", **request).fields["input"]["mask"]
    with Image.open(BytesIO(base64.b64decode(sent.partition(",")[2]))) as mask:
        assert (mask.convert("L").getpixel((0, 0)), mask.convert("L").getpixel((63, 63))) == (0, 255)
    kept = prepared(replicate, "replicate/flux-fill-pro", **request).fields["input"]["mask"]
    assert base64.b64decode(kept.partition(",")[2]) == half_mask().data


async def test_an_outpainting_grows_on_the_sides_that_were_asked_for(replicate: Replicate) -> None:
    margins = Margins(left=32, bottom=16)
    result = await drawn(
        replicate, prepared(replicate, "replicate/flux-fill-pro", task="outpaint", images=(picture(),), margins=margins)
    )
    assert result.size == (96, 80)
    assert differs(result, (32, 0, 96, 64)) == 0
    assert differs(result, (0, 0, 32, 80)) > 32


@pytest.mark.parametrize(("scale", "size"), [(None, (256, 256)), (2, (128, 128)), (1.5, (96, 96))])
async def test_an_upscaling_has_the_size_that_was_asked_for(
    replicate: Replicate, scale: float | None, size: tuple[int, int]
) -> None:
    result = await drawn(
        replicate, prepared(replicate, ESRGAN, task="upscale", prompt="", images=(picture(),), scale=scale)
    )
    assert result.size == size


@pytest.mark.parametrize("name", ["replicate/flux-canny-pro", "replicate/flux-depth-dev"])
async def test_a_control_follows_its_map(replicate: Replicate, name: str) -> None:
    kind = model(name).controls[0]
    result = await drawn(replicate, prepared(replicate, name, task="control", images=(half_mask(),), control=kind))
    light = result.convert("L")
    (darkest, _), (_, lightest) = light.crop((0, 0, 32, 64)).getextrema(), light.crop((32, 0, 64, 64)).getextrema()
    assert darkest > lightest


async def test_a_variation_is_made_of_its_image(replicate: Replicate) -> None:
    red, blue = picture(color=(250, 20, 20)), picture(color=(20, 20, 250))
    asked = {"task": "variation", "prompt": "", "options": {"megapixels": "0.25"}, "seed": 3}
    first = await drawn(replicate, prepared(replicate, "replicate/flux-redux-schnell", images=(red,), **asked))
    second = await drawn(replicate, prepared(replicate, "replicate/flux-redux-schnell", images=(blue,), **asked))
    assert first.resize((1, 1)).getpixel((0, 0))[0] > second.resize((1, 1)).getpixel((0, 0))[0]


def test_words_that_a_task_cannot_use_are_named(replicate: Replicate) -> None:
    asked = prepared(replicate, "replicate/flux-redux-dev", task="variation", prompt="a boat", images=(picture(),))
    assert asked.ignored == ("prompt",)
    assert "prompt" not in asked.fields["input"]


def test_a_pinned_version_is_asked_by_its_version(replicate: Replicate) -> None:
    asked = prepared(replicate, ESRGAN, task="upscale", prompt="", images=(picture(),), scale=2)
    assert asked.path == "predictions"
    assert len(asked.fields["version"]) == 64
    assert asked.fields["input"]["scale"] == 2
    assert isinstance(asked.fields["input"]["scale"], int)


@pytest.mark.parametrize(
    ("name", "size", "sent"),
    [
        (PRO, (512, 256), {"width": 512, "height": 256, "aspect_ratio": "custom"}),
        ("replicate/seedream-4", (2048, 1024), {"width": 2048, "height": 1024, "size": "custom"}),
        ("replicate/ideogram-v3-turbo", (1312, 736), {"resolution": "1312x736"}),
        ("replicate/recraft-v3", (1820, 1024), {"size": "1820x1024"}),
        ("replicate/flux-schnell", (1600, 900), {"aspect_ratio": "16:9"}),
        (PRO, None, {}),
    ],
)
def test_a_size_is_told_as_the_model_takes_it(
    replicate: Replicate, name: str, size: tuple[int, int] | None, sent: dict[str, Any]
) -> None:
    asked = {} if size is None else {"width": size[0], "height": size[1]}
    fields = prepared(replicate, name, **asked).fields["input"]
    told = {"width", "height", "aspect_ratio", "size", "resolution"}
    assert {key: value for key, value in fields.items() if key in told} == sent


def test_an_edit_without_a_size_keeps_its_image_s_ratio(replicate: Replicate) -> None:
    fields = prepared(replicate, FLUX2, task="edit", images=(picture(), picture())).fields["input"]
    assert fields["aspect_ratio"] == "match_input_image"
    assert len(fields["input_images"]) == 2


def test_a_size_that_the_task_keeps_is_named_as_ignored(replicate: Replicate) -> None:
    asked = prepared(replicate, "replicate/flux-dev", task="edit", images=(picture(),), width=1024, height=1024)
    assert asked.ignored == ("width", "height")
    words = prepared(replicate, PRO, width=512, height=256, options={"aspect_ratio": "1:1"})
    assert (words.ignored, words.fields["input"]["aspect_ratio"]) == (("width", "height"), "1:1")


def test_a_strength_reaches_the_model_that_has_one(replicate: Replicate) -> None:
    asked = {"task": "edit", "images": (picture(),), "strength": 0.3}
    assert prepared(replicate, "replicate/flux-dev", **asked).fields["input"]["prompt_strength"] == 0.3
    assert prepared(replicate, FLUX2, **asked).ignored == ("strength",)


def test_a_size_between_the_model_s_steps_is_refused_with_them(replicate: Replicate) -> None:
    with pytest.raises(InvalidInput, match="multiple of 32"):
        prepared(replicate, PRO, width=300, height=256)


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("replicate/flux-schnell", {"count": 2, "options": {"megapixels": "0.25"}}),
    ("replicate/flux-dev", {"options": {"megapixels": "0.25"}}),
    (FLUX2, {"width": 1024, "height": 1536}),
    (FLUX2, {"options": {"aspect_ratio": "16:9"}}),
    (FLUX2, {"options": {"aspect_ratio": "3:4"}}),
    (FLUX2, {"task": "edit", "width": 256, "height": 256, "images": 2}),
    ("replicate/flux-kontext-max", {"task": "edit", "images": 1}),
    ("replicate/flux-depth-pro", {"task": "control", "control": "depth", "images": 1}),
    ("replicate/ideogram-v3-turbo", {"width": 512, "height": 1536}),
    ("replicate/seedream-4", {"task": "edit", "images": 2}),
    ("replicate/recraft-v3", {}),
    (ESRGAN, {"task": "upscale", "prompt": "", "images": 1}),
    ("replicate/recraft-crisp-upscale", {"task": "upscale", "prompt": "", "images": 1}),
]


@pytest.mark.parametrize(("name", "asked"), CALLS, ids=lambda one: str(one)[:40])
async def test_every_model_settles_what_the_vendor_bills(
    replicate: Replicate, truth: Truth, name: str, asked: dict[str, Any]
) -> None:
    sources: tuple[SourceImage, ...] = tuple(picture() for _ in range(asked.get("images", 0)))
    asked_for = prepared(replicate, name, **{**asked, "images": sources})
    answer = await replicate.ask(asked_for, call_id="c", on_accepted=ignore)
    price = model(name).price
    assert price is not None
    (line,) = await truth.bill()
    assert charge(price, answer.usage, asked_for.parameters) == line["microusd"] > 0
    assert quote(price, asked_for.quantities, asked_for.parameters).at_most_microusd >= line["microusd"]


async def test_every_model_of_the_catalog_is_served_by_the_sandbox(replicate: Replicate, truth: Truth) -> None:
    for known in Catalog.load().list(provider="replicate"):
        for task in known.tasks:
            given: dict[str, Any] = {"task": task, "prompt": "" if task in known.prompt else "a boat"}
            if task != "text-to-image":
                given["images"] = (picture(),)
            if task == "inpaint":
                given["mask"] = half_mask()
            if task == "outpaint":
                given["margins"] = Margins(left=16)
            if task == "control":
                given["control"] = known.controls[0]
            await replicate.ask(prepared(replicate, known.name, **given), call_id="c", on_accepted=ignore)
    assert all(call["outcome"] == "ok" for call in await truth.calls())
