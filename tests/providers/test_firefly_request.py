"""What goes to Firefly: a body for each operation, and the pictures that come of it.

The bodies are held against the examples of Adobe's OpenAPI of the Firefly API 3.0.0.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import InvalidInput
from mintmark.providers.base import Prepared
from mintmark.providers.firefly import Firefly
from mintmark.providers.firefly_request import placed
from mintmark.providers.http import HttpClient
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest, Margins, SourceImage
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import ignore
from mintmark.tests.providers.conftest import half_mask, model, picture

KEY = "p8e-0123456789abcdef"
SQUARE, WIDE, ODD = picture(1024, 1024), picture(1344, 768), picture(1000, 640)
GENERATE, SIMILAR = "v3/images/generate-async", "v3/images/generate-similar-async"
FIVE = "v4/images/generate-async"
OPTIONS = {"client_id": "client-1"}


def prepared(http: HttpClient, name: str = "image3", **asked: Any) -> Prepared:
    known = model(f"firefly/{name}")
    given: dict[str, Any] = {"task": known.tasks[0], "model": known.name, "prompt": "a boat", **asked}
    if given["task"] != "text-to-image":
        given.setdefault("images", (SQUARE,))
    provider = Firefly.open(http, key=Secret(KEY), options=OPTIONS)
    return provider.prepare(known, GenerationRequest.model_validate(given))


async def made(http: HttpClient, sandbox: Sandbox, name: str, **asked: Any) -> Image.Image:
    """The picture that the sandbox makes of it."""
    provider = Firefly.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    answer = await provider.ask(prepared(http, name, **asked), call_id="c", on_accepted=ignore)
    with Image.open(BytesIO(await provider.fetch(answer.images[0]))) as opened:
        return opened.convert("RGB")


def body(ready: Prepared) -> dict[str, Any]:
    """As it is sent, with the place of each upload for its id."""
    return placed(ready.fields, {place: place for place, *_ in ready.files})


def at(place: str) -> dict[str, str]:
    return {"uploadId": place}


@pytest.mark.parametrize(
    ("name", "asked", "path", "sent"),
    [
        ("image3", {}, GENERATE, {"numVariations": 1, "prompt": "a boat"}),
        (
            *("image3", {"count": 3, "seed": 5, "negative_prompt": "fog", "width": 1344, "height": 768}, GENERATE),
            {
                "numVariations": 3,
                "prompt": "a boat",
                "negativePrompt": "fog",
                "seeds": [5, 6, 7],
                "size": {"width": 1344, "height": 768},
            },
        ),
        (
            "image4",
            {
                "width": 512,
                "height": 512,
                "options": {
                    "content_class": "art",
                    "visual_intensity": 6,
                    "style_presets": "bw, art_deco",
                    "style_strength": 60,
                    "locale": "de-DE",
                },
            },
            GENERATE,
            {
                "numVariations": 1,
                "prompt": "a boat",
                "contentClass": "art",
                "visualIntensity": 6,
                "style": {"presets": ["bw", "art_deco"], "strength": 60},
                "promptBiasingLocaleCode": "de-DE",
                "size": {"width": 2048, "height": 2048},
            },
        ),
        (
            *("image3", {"options": {"resolution": "896x1152"}}, GENERATE),
            {"numVariations": 1, "prompt": "a boat", "size": {"width": 896, "height": 1152}},
        ),
        (
            *("image3", {"task": "variation", "prompt": "", "images": (WIDE,), "seed": 2}, SIMILAR),
            {
                "numVariations": 1,
                "seeds": [2],
                "size": {"width": 1344, "height": 768},
                "image": {"source": at("image.source")},
            },
        ),
        (
            *("image3", {"task": "variation", "prompt": "", "images": (ODD,)}, SIMILAR),
            {"numVariations": 1, "image": {"source": at("image.source")}},
        ),
        (
            *("image4-ultra", {"task": "control", "control": "edges", "strength": 0.7}, GENERATE),
            {
                "numVariations": 1,
                "prompt": "a boat",
                "structure": {
                    "strength": 70,
                    "imageReference": {"source": at("structure.imageReference.source")},
                },
                "size": {"width": 2048, "height": 2048},
            },
        ),
        (
            *("fill", {"mask": half_mask(1024, 1024)}, "v3/images/fill-async"),
            {
                "numVariations": 1,
                "prompt": "a boat",
                "size": {"width": 1024, "height": 1024},
                "image": {"source": at("image.source")},
                "mask": {"source": at("mask.source")},
            },
        ),
        (
            *("expand", {"prompt": "", "margins": Margins(left=500, right=400, bottom=40)}, "v3/images/expand-async"),
            {
                "numVariations": 1,
                "placement": {"inset": {"left": 500, "top": 0, "right": 400, "bottom": 40}},
                "size": {"width": 1924, "height": 1064},
                "image": {"source": at("image.source")},
            },
        ),
        (
            *("image5", {"width": 1920, "height": 1080, "seed": 42345, "options": {"locale": "en-US"}}, FIVE),
            {
                "prompt": "a boat",
                "aspectRatio": "16:9",
                "modelId": "firefly_image",
                "numVariations": 1,
                "seeds": [42345],
                "modelSpecificPayload": {"localeCode": "en-US"},
                "referenceBlobs": [],
            },
        ),
        (
            *("image5", {"task": "edit"}, FIVE),
            {
                "prompt": "a boat",
                "modelId": "firefly_image",
                "numVariations": 1,
                "referenceBlobs": [{"source": at("referenceBlobs.0.source"), "usage": "general"}],
            },
        ),
    ],
)  # fmt: skip
def test_a_request_becomes_the_body_that_adobe_documents(
    http: HttpClient, name: str, asked: dict[str, Any], path: str, sent: dict[str, Any]
) -> None:
    ready = prepared(http, name, **asked)
    assert ready.path == path
    assert body(ready) == sent
    assert ready.ignored == ()


def test_placing_uploads_leaves_the_prepared_body_alone(http: HttpClient) -> None:
    ready = prepared(http, "image5", task="edit")
    first = body(ready)
    assert body(ready) == first
    assert ready.fields["referenceBlobs"] == [{"usage": "general"}]


def test_seeds_beyond_the_range_are_folded_and_stay_different(http: HttpClient) -> None:
    ready = prepared(http, count=2, seed=2**31 - 1)
    assert (ready.seed, ready.fields["seeds"]) == (2**31 - 1, [2**31 - 1, 0])


def test_each_model_says_its_version_where_there_are_any() -> None:
    versions = {one.name.partition("/")[2]: one.wire.get("version") for one in Catalog.load().list(provider="firefly")}
    assert versions == {
        "image3": "image3",
        "image4": "image4_standard",
        "image4-ultra": "image4_ultra",
        "image5": "image5",
        "fill": None,
        "expand": None,
    }


@pytest.mark.parametrize(
    ("name", "asked", "ignored"),
    [
        ("image3", {"width": 512, "height": 512, "options": {"resolution": "896x1152"}}, ("width", "height")),
        ("image3", {"task": "variation", "negative_prompt": "fog", "options": {"content_class": "art"}},
         ("content_class", "prompt", "negative_prompt")),
        ("expand", {"margins": Margins(left=8), "width": 512, "height": 512}, ("width", "height")),
        ("image5", {"task": "edit", "strength": 0.5, "negative_prompt": "fog"}, ("strength", "negative_prompt")),
    ],
)  # fmt: skip
def test_what_an_operation_does_not_take_is_named_and_left_out(
    http: HttpClient, name: str, asked: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    ready = prepared(http, name, **asked)
    assert ready.ignored == ignored
    assert "negativePrompt" not in ready.fields


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("image3", {"width": 1000, "height": 640}, "No size"),
        ("image4", {"width": 1344, "height": 300}, "No size"),
        ("fill", {"images": (ODD,), "mask": half_mask(1000, 640)}, "No size"),
        ("image5", {"width": 2100, "height": 900}, "ratio"),
        ("image5", {"count": 2}, "at most 1"),
        ("image5", {"prompt": "x" * 1501}, "1500"),
        ("image5", {"task": "edit", "images": (picture(500, 500),)}, "512x512 to 2048x2048"),
        ("image5", {"task": "edit", "images": (picture(3000, 500),)}, "5 times"),
        ("image3", {"count": 5}, "at most 4"),
        ("image3", {"options": {"visual_intensity": 11}}, "visual_intensity"),
        ("image3", {"task": "control", "control": "pose"}, "pose"),
        ("expand", {"margins": Margins(left=3000)}, "3999"),
        ("expand", {"margins": Margins()}, "margins"),
    ],
)
def test_what_firefly_would_refuse_is_refused_before_it_is_sent(
    http: HttpClient, name: str, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        prepared(http, name, **asked)


def test_a_file_over_fifteen_megabytes_is_refused_with_its_size(http: HttpClient) -> None:
    large = SourceImage(data=SQUARE.data + b"\0" * 16 * 2**20, media_type="image/png")
    with pytest.raises(InvalidInput, match=r"16\.0 MiB.*15 MB"):
        prepared(http, "expand", images=(large,), margins=Margins(left=8))


# -- pictures -------------------------------------------------------------------------------------------------------


async def test_a_fill_repaints_the_white_corner_alone(http: HttpClient, sandbox: Sandbox) -> None:
    corner = Image.new("L", (1024, 1024), 0)
    corner.paste(255, (0, 900, 100, 1024))
    file = BytesIO()
    corner.save(file, "PNG")
    mask = SourceImage(data=file.getvalue(), media_type="image/png")
    result = await made(http, sandbox, "fill", mask=mask)
    for kept in ((100, 0, 1024, 1024), (0, 0, 1024, 900)):
        assert result.crop(kept).getcolors() == [((kept[2] - kept[0]) * (kept[3] - kept[1]), (40, 90, 160))]
    assert len(result.crop((0, 900, 100, 1024)).getcolors(20_000) or ()) > 1


async def test_an_expansion_keeps_its_middle_where_the_margins_put_it(http: HttpClient, sandbox: Sandbox) -> None:
    margins = Margins(left=24, top=8, bottom=40)
    result = await made(http, sandbox, "expand", images=(picture(32, 32),), margins=margins)
    assert result.size == (56, 80)
    assert result.crop((24, 8, 56, 40)).getcolors() == [(32 * 32, (40, 90, 160))]


async def test_a_stronger_structure_keeps_closer_to_its_map(http: HttpClient, sandbox: Sandbox) -> None:
    async def off(strength: float) -> float:
        flat = picture(64, 64, (250, 20, 120))
        asked = {"task": "control", "control": "depth", "images": (flat,), "strength": strength, "seed": 5}
        small = (await made(http, sandbox, "image3", **asked)).resize((16, 16))
        return sum(abs(a - b) for a, b in zip(small.tobytes(), bytes((250, 20, 120)) * 256, strict=True))

    assert await off(1.0) < await off(0.2)


async def test_image_5_edits_its_image_at_its_own_size(http: HttpClient, sandbox: Sandbox) -> None:
    result = await made(http, sandbox, "image5", task="edit", images=(picture(640, 512),))
    assert result.size == (640, 512)
    assert len(result.getcolors(400_000) or ()) > 1


async def test_a_variation_is_like_its_image(http: HttpClient, sandbox: Sandbox) -> None:
    result = await made(http, sandbox, "image3", task="variation", prompt="", images=(WIDE,))
    assert result.size == (1344, 768)
