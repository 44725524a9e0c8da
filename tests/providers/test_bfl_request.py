"""What goes to Black Forest Labs: a body for each endpoint, and the pictures that come of it."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import InvalidInput
from mintmark.providers.bfl import Bfl
from mintmark.providers.models import Catalog
from mintmark.providers.request import Margins, SourceImage
from mintmark.tests.contracts.provider import ignore
from mintmark.tests.providers.conftest import drawn, half_mask, picture, prepared

ONE, OTHER, HALF = picture(32, 32), picture(64, 32), half_mask(32, 32)
NO_SIZE: dict[str, Any] = {"width": None, "height": None}


def b64(image: SourceImage) -> str:
    return base64.b64encode(image.data).decode()


# -- bodies ---------------------------------------------------------------------------------------------------------

BODIES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "text": (
        "flux-2-pro",
        {"width": 1920, "height": 1080, "seed": 42, "options": {"safety_tolerance": 2, "exact_prompt": True}},
        {
            "prompt": "a boat",
            "output_format": "png",
            "safety_tolerance": 2,
            "disable_pup": True,
            "seed": 42,
            "width": 1920,
            "height": 1080,
        },
    ),
    "text without a size": ("flux-2-max", NO_SIZE, {"prompt": "a boat", "output_format": "png"}),
    "flex": (
        "flux-2-flex",
        {"options": {"steps": 50, "guidance": 4.5, "enhance_prompt": False, "output_format": "jpeg"}},
        {
            "prompt": "a boat",
            "output_format": "jpeg",
            "steps": 50,
            "guidance": 4.5,
            "prompt_upsampling": False,
            "width": 64,
            "height": 64,
        },
    ),
    "edit with references": (
        "flux-2-klein-4b",
        {"task": "edit", "images": (ONE, OTHER, ONE, OTHER), **NO_SIZE},
        {
            "prompt": "a boat",
            "output_format": "png",
            "input_image": b64(ONE),
            "input_image_2": b64(OTHER),
            "input_image_3": b64(ONE),
            "input_image_4": b64(OTHER),
        },
    ),
    "kontext": (
        "flux-kontext-pro",
        {"task": "edit", "images": (ONE,), "width": 1024, "height": 576},
        {"prompt": "a boat", "output_format": "png", "input_image": b64(ONE), "aspect_ratio": "16:9"},
    ),
    "fill": (
        "flux-pro-1.0-fill",
        {"task": "inpaint", "images": (ONE,), "mask": HALF, "options": {"steps": 15}, **NO_SIZE},
        {
            "prompt": "a boat",
            "output_format": "png",
            "steps": 15,
            "image": b64(ONE),
            "mask": b64(HALF),
        },
    ),
    "expand": (
        "flux-pro-1.0-expand",
        {"task": "outpaint", "images": (ONE,), "margins": Margins(left=8, top=16, right=0, bottom=4), **NO_SIZE},
        {
            "prompt": "a boat",
            "output_format": "png",
            "image": b64(ONE),
            "top": 16,
            "bottom": 4,
            "left": 8,
            "right": 0,
        },
    ),
    "variation": (
        "flux-pro-1.1-ultra",
        {"task": "variation", "prompt": "", "images": (ONE,), "strength": 0.75, "width": 1024, "height": 1024},
        {"output_format": "png", "image_prompt_strength": 0.25, "image_prompt": b64(ONE), "aspect_ratio": "1:1"},
    ),
    "redux": (
        "flux-pro-1.1",
        {"task": "variation", "images": (ONE,), "width": 1024, "height": 768},
        {"prompt": "a boat", "output_format": "png", "image_prompt": b64(ONE), "width": 1024, "height": 768},
    ),
    "dev": (
        "flux-dev",
        {"width": 256, "height": 1440, "options": {"steps": 28, "guidance": 3}},
        {"prompt": "a boat", "output_format": "png", "steps": 28, "guidance": 3, "width": 256, "height": 1440},
    ),
    "erase": (
        "flux-erase",
        {"task": "inpaint", "images": (ONE,), "mask": HALF, "options": {"grow_mask": 0}, **NO_SIZE},
        {"image": b64(ONE), "mask": b64(HALF), "dilate_pixels": 0, "output_format": "png"},
    ),
    "outpaint on a canvas": (
        "flux-outpaint",
        {"task": "outpaint", "images": (OTHER,), "margins": Margins(left=8, bottom=40), "prompt": "", **NO_SIZE},
        {
            "input_image": b64(OTHER),
            "width": 72,
            "height": 72,
            "reference_offset_x": 8,
            "reference_offset_y": 0,
            "output_format": "png",
        },
    ),
    "deblur": (
        "flux-deblur",
        {"task": "edit", "images": (ONE,), **NO_SIZE},
        {"image": b64(ONE), "output_format": "png"},
    ),
}


TOOLS = {
    "flux-erase": "flux-tools/erase-v1",
    "flux-outpaint": "flux-tools/outpainting-v1",
    "flux-deblur": "flux-tools/deblur-v1",
}


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES.keys())
def test_a_request_becomes_the_body_that_the_endpoint_documents(
    bfl: Bfl, case: tuple[str, dict[str, Any], dict[str, Any]]
) -> None:
    name, asked, body = case
    ready = prepared(bfl, name, **asked)
    assert (ready.path, ready.fields, ready.files) == (TOOLS.get(name, name), body, ())
    json.dumps(ready.fields)


def test_every_model_s_endpoint_has_its_own_name() -> None:
    models = Catalog.load().list(provider="bfl")
    assert len(models) == 15
    for one in models:
        name = one.name.partition("/")[2]
        assert set(one.endpoint.values()) == {TOOLS.get(name, name)}


@pytest.mark.parametrize(
    ("name", "asked", "named"),
    [
        ("flux-2-pro", {"width": 48, "height": 64}, "64 to 4096"),
        ("flux-2-pro", {"width": 2064, "height": 2048}, "4194304"),
        ("flux-2-klein-9b", {"task": "edit", "images": (ONE,) * 5}, "takes 4 images"),
        ("flux-2-max", {"task": "edit", "images": (ONE,) * 9}, "takes 8 images"),
        ("flux-kontext-max", {"task": "edit", "images": (ONE, ONE)}, "takes 1 images"),
        ("flux-pro-1.1", {"width": 300, "height": 300}, "multiple of 32"),
        ("flux-pro-1.1", {"width": 1472, "height": 1024}, "256 to 1440"),
        ("flux-pro-1.0-fill", {"task": "inpaint", "images": (ONE,), "mask": HALF, "options": {"steps": 9}}, "steps"),
        ("flux-pro-1.0-expand", {"task": "outpaint", "images": (ONE,), "margins": Margins(top=2049)}, "2048"),
        ("flux-pro-1.0-expand", {"task": "outpaint", "images": (ONE,)}, "margins"),
        ("flux-2-flex", {"options": {"guidance": 11}}, "guidance"),
        ("flux-2-pro", {"options": {"safety_tolerance": 6}}, "safety_tolerance"),
        ("flux-kontext-pro", {"width": 2000, "height": 500}, "21:9"),
    ],
)  # fmt: skip
def test_what_the_endpoint_would_refuse_is_refused_before(
    bfl: Bfl, name: str, asked: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInput, match=named):
        prepared(bfl, name, **asked)


@pytest.mark.parametrize(
    ("name", "asked", "ignored"),
    [
        ("flux-2-pro", {"options": {"steps": 4}}, ("steps",)),
        ("flux-2-pro", {"task": "edit", "images": (ONE,), "strength": 0.5}, ("strength",)),
        ("flux-pro-1.1", {"task": "variation", "images": (ONE,), "strength": 0.5, **NO_SIZE}, ("strength",)),
        ("flux-pro-1.0-fill", {"task": "inpaint", "images": (ONE,), "mask": HALF}, ("width", "height")),
        ("flux-pro-1.0-expand", {"task": "outpaint", "images": (ONE,), "margins": Margins(top=8)}, ("width", "height")),
        ("flux-kontext-pro", {"options": {"aspect_ratio": "3:2"}}, ("width", "height")),
    ],
)
def test_what_the_endpoint_cannot_take_is_named(
    bfl: Bfl, name: str, asked: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    assert prepared(bfl, name, **asked).ignored == ignored


# -- pictures -------------------------------------------------------------------------------------------------------


async def test_an_asymmetric_mask_repaints_its_white_corner_alone(bfl: Bfl) -> None:
    corner = Image.new("L", (96, 64), 0)
    corner.paste(255, (0, 40, 32, 64))
    file = BytesIO()
    corner.save(file, "PNG")
    mask = SourceImage(data=file.getvalue(), media_type="image/png")
    source = Image.new("RGB", (96, 64), (40, 90, 160))
    result = await drawn(
        bfl, prepared(bfl, "flux-pro-1.0-fill", task="inpaint", images=(picture(96, 64),), mask=mask, **NO_SIZE)
    )
    assert result.size == source.size
    for kept in ((32, 0, 96, 64), (0, 0, 96, 40)):
        assert result.crop(kept).tobytes() == source.crop(kept).tobytes()
    assert result.crop((0, 40, 32, 64)).tobytes() != source.crop((0, 40, 32, 64)).tobytes()


async def test_an_outpainting_keeps_its_middle_where_the_margins_put_it(bfl: Bfl) -> None:
    margins = Margins(left=24, top=8, right=0, bottom=40)
    result = await drawn(
        bfl, prepared(bfl, "flux-pro-1.0-expand", task="outpaint", images=(ONE,), margins=margins, **NO_SIZE)
    )
    assert result.size == (56, 80)
    assert result.crop((24, 8, 56, 40)).getcolors() == [(32 * 32, (40, 90, 160))]
    assert len(result.crop((0, 0, 24, 80)).getcolors(4096) or ()) > 1


async def test_a_weaker_variation_is_closer_to_its_image(bfl: Bfl) -> None:
    flat = picture(64, 64, (250, 20, 20))

    async def off(strength: float) -> float:
        options = {"aspect_ratio": "1:1"}
        asked = {"task": "variation", "images": (flat,), "strength": strength, "seed": 5, "options": options}
        small = (await drawn(bfl, prepared(bfl, "flux-pro-1.1-ultra", **asked))).resize((16, 16))
        return sum(abs(a - b) for a, b in zip(small.tobytes(), bytes((250, 20, 20)) * 256, strict=True))

    assert await off(0.1) < await off(1.0)


async def test_the_seed_that_was_used_comes_back(bfl: Bfl) -> None:
    answer = await bfl.ask(prepared(bfl, seed=11), call_id="c", on_accepted=ignore)
    assert answer.images[0].seed == 11


# -- tools ----------------------------------------------------------------------------------------------------------


async def test_outpainting_on_a_canvas_keeps_the_image_where_it_was_put(bfl: Bfl) -> None:
    asked = {"task": "outpaint", "images": (OTHER,), "margins": Margins(left=16, top=32), **NO_SIZE}
    made = await drawn(bfl, prepared(bfl, "flux-outpaint", **asked))
    assert made.size == (80, 64)
    with Image.open(BytesIO(OTHER.data)) as given:
        assert made.getpixel((40, 48)) == given.convert("RGB").getpixel((24, 16))


async def test_erasing_keeps_what_is_black(bfl: Bfl) -> None:
    made = await drawn(bfl, prepared(bfl, "flux-erase", task="inpaint", images=(ONE,), mask=HALF, **NO_SIZE))
    assert made.getpixel((28, 16)) == (40, 90, 160)


def test_a_canvas_that_is_too_large_is_refused_before_it_is_sent(bfl: Bfl) -> None:
    asked = {"task": "outpaint", "images": (OTHER,), "margins": Margins(left=2000, top=2500), **NO_SIZE}
    with pytest.raises(InvalidInput, match="4194304"):
        prepared(bfl, "flux-outpaint", **asked)


def test_a_tool_decides_its_size_and_says_what_it_ignores(bfl: Bfl) -> None:
    ready = prepared(bfl, "flux-deblur", task="edit", images=(ONE,), width=64, height=64)
    assert set(ready.ignored) == {"prompt", "width", "height"}


async def test_a_price_that_is_published_nowhere_is_booked_as_it_is_told(bfl: Bfl) -> None:
    ready = prepared(bfl, "flux-deblur", task="edit", images=(ONE,), **NO_SIZE)
    assert ready.model.price is None
    assert (await bfl.ask(ready, call_id="c", on_accepted=ignore)).charge_microusd == 50_000
