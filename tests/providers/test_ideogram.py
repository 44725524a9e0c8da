"""Ideogram's wire where it differs from the contract: forms, sizes, references, the mask's colour, withheld images."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from mintmark.errors import (
    BadAnswer,
    InvalidInput,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
    ResultLost,
)
from mintmark.metering.prices import charge, quote
from mintmark.providers.base import Accepted, Answer, Prepared, ResultImage
from mintmark.providers.http import HttpClient
from mintmark.providers.ideogram import BASE_URL, Ideogram
from mintmark.providers.ideogram_request import parts_of
from mintmark.providers.imagefile import inverted_mask
from mintmark.providers.request import GenerationRequest, Margins, SourceImage
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import half_mask, model, picture, serving

KEY = "ideogram-0123456789abcdef"
IMAGE, OTHER, THIRD = picture(1280, 720), picture(64, 64), picture(32, 32)
UNSAFE = "Prompt provided failed safety check due to the inclusion of prohibited content."
FILE = "https://ideogram.ai/api/images/ephemeral/xtdZiqPwRxqY1Y7NExFmzB.png?exp=1743867804&sig=e13e12677633f646"
"""From the example of Ideogram's OpenAPI."""

Reply = Callable[[], web.Response]


def prepared(http: HttpClient, name: str = "v3", **asked: Any) -> Prepared:
    known = model(f"ideogram/{name}")
    given: dict[str, Any] = {"task": known.tasks[0], "model": known.name, "prompt": "a boat", **asked}
    if given["task"] != "text-to-image":
        given.setdefault("images", (IMAGE,))
    return Ideogram(http, key=Secret(KEY)).prepare(known, GenerationRequest.model_validate(given))


def one(**more: Any) -> dict[str, Any]:
    return {"url": FILE, "prompt": "a boat", "resolution": "1024x1024", "is_image_safe": True, "seed": 12345, **more}


def answered(*data: Any) -> Reply:
    return lambda: web.json_response({"created": "2000-01-23T04:56:07+00:00", "data": list(data)})


def error(status: int, body: Any) -> Reply:
    return lambda: web.json_response(body, status=status)


def server(reply: Reply, seen: list[web.Request] | None = None) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handler(request: web.Request) -> web.Response:
        await request.read()
        if seen is not None:
            seen.append(request)
        return reply()

    return handler


async def ask(http: HttpClient, reply: Reply, name: str = "v3", **asked: Any) -> Answer:
    async with serving(server(reply)) as url:
        provider = Ideogram.open(http, key=Secret(KEY), sandbox_url=url)
        return await provider.ask(prepared(http, name, **asked), call_id="c", on_accepted=ignore)


async def made(http: HttpClient, sandbox: Sandbox, name: str = "v3", **asked: Any) -> Image.Image:
    """The picture that the sandbox makes of it."""
    provider = Ideogram.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    answer = await provider.ask(prepared(http, name, **asked), call_id="c", on_accepted=ignore)
    with Image.open(BytesIO(await provider.fetch(answer.images[0]))) as opened:
        return opened.convert("RGB")


# -- requests -----------------------------------------------------------------------------------------------------


def test_the_live_api_is_asked_unless_there_is_a_sandbox_or_a_gateway(http: HttpClient) -> None:
    assert BASE_URL == "https://api.ideogram.ai"
    assert Ideogram.open(http, key=Secret(KEY))._hosts.base == BASE_URL
    assert Ideogram.open(http, key=Secret(KEY), base_url="https://own/")._hosts.base == "https://own"
    assert Ideogram.open(http, key=Secret(KEY), sandbox_url="http://x/")._hosts.base == "http://x/ideogram"


async def test_a_request_is_the_form_that_ideogram_documents(http: HttpClient) -> None:
    """Against the form in the example of Ideogram's page of generate-v3."""
    seen: list[web.Request] = []
    async with serving(server(answered(one()), seen)) as url:
        provider = Ideogram.open(http, key=Secret(KEY), sandbox_url=url)
        options = {"rendering_speed": "TURBO", "aspect_ratio": "1:1", "style_codes": "AAFF5733, 0133FF57"}
        ready = prepared(http, prompt="ein grünes Boot", count=2, seed=7, options=options)
        await provider.ask(ready, call_id="c", on_accepted=ignore)
    (request,) = seen
    boundary = request.headers["Content-Type"].removeprefix("multipart/form-data; boundary=")
    expected = [
        ("prompt", "ein grünes Boot"),
        ("rendering_speed", "TURBO"),
        ("style_codes", "AAFF5733"),
        ("style_codes", "0133FF57"),
        ("aspect_ratio", "1x1"),
        ("num_images", "2"),
        ("seed", "7"),
    ]
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, text in expected
    ]
    assert (await request.read()).decode() == "".join(parts) + f"--{boundary}--\r\n"
    assert (request.method, request.path) == ("POST", "/ideogram/v1/ideogram-v3/generate")
    assert request.headers["Api-Key"] == KEY
    assert "Authorization" not in request.headers


@pytest.mark.parametrize(
    ("name", "asked", "path", "fields", "files"),
    [
        ("v3", {}, "ideogram-v3/generate", {}, ()),
        ("v3", {"width": 832, "height": 960}, "ideogram-v3/generate", {"resolution": "832x960"}, ()),
        ("v3", {"width": 1920, "height": 1080}, "ideogram-v3/generate", {"aspect_ratio": "16x9"}, ()),
        ("v3", {"width": 1700, "height": 1960}, "ideogram-v3/generate", {"resolution": "960x1088"}, ()),
        ("v3", {"options": {"resolution": "512x1536"}}, "ideogram-v3/generate", {"resolution": "512x1536"}, ()),
        ("v3", {"negative_prompt": "fog"}, "ideogram-v3/generate", {"negative_prompt": "fog"}, ()),
        (
            *("v3", {"options": {"magic_prompt": "OFF", "style_type": "DESIGN", "style_preset": "BAUHAUS"}}),
            *("ideogram-v3/generate", {"magic_prompt": "OFF", "style_type": "DESIGN", "style_preset": "BAUHAUS"}, ()),
        ),
        (
            *("v3", {"options": {"color_palette": "EMBER"}}, "ideogram-v3/generate"),
            *({"color_palette": {"name": "EMBER"}}, ()),
        ),
        (
            *("v3", {"task": "edit", "strength": 0.25}, "ideogram-v3/remix"),
            *({"image_weight": 75, "resolution": "1312x736"}, (("image", IMAGE),)),
        ),
        (
            *("v3", {"task": "edit", "strength": 1.0, "width": 512, "height": 512}, "ideogram-v3/remix"),
            *({"image_weight": 1, "aspect_ratio": "1x1"}, (("image", IMAGE),)),
        ),
        (
            *("v3", {"task": "edit", "images": (IMAGE, OTHER, THIRD), "options": {"aspect_ratio": "3:1"}}),
            *("ideogram-v3/remix", {"aspect_ratio": "3x1"}),
            (("image", IMAGE), ("style_reference_images", OTHER), ("style_reference_images", THIRD)),
        ),
        (
            *("v3", {"task": "inpaint", "images": (OTHER,), "mask": half_mask()}, "ideogram-v3/inpaint", {}),
            (("image", OTHER), ("mask", inverted_mask(half_mask()))),
        ),
        ("v3-character", {"images": (OTHER,)}, "ideogram-v3/generate", {}, (("character_reference_images", OTHER),)),
        (
            *("v3-character", {"task": "edit", "images": (IMAGE, OTHER)}, "ideogram-v3/remix"),
            *({"resolution": "1312x736"}, (("image", IMAGE), ("character_reference_images", OTHER))),
        ),
        (
            *("v3-character", {"task": "edit"}, "ideogram-v3/remix", {"resolution": "1312x736"}),
            (("image", IMAGE), ("character_reference_images", IMAGE)),
        ),
        ("v3-replace-background", {}, "ideogram-v3/replace-background", {}, (("image", IMAGE),)),
    ],
)  # fmt: skip
def test_each_task_has_its_service_and_its_words(
    http: HttpClient,
    name: str,
    asked: dict[str, Any],
    path: str,
    fields: dict[str, Any],
    files: tuple[tuple[str, SourceImage], ...],
) -> None:
    ready = prepared(http, name, **asked)
    assert ready.path == path
    assert ready.fields == {"prompt": "a boat", "num_images": 1, **fields}
    assert [(field, kind, data) for field, _, kind, data in ready.files] == [
        (field, image.media_type, image.data) for field, image in files
    ]
    assert ready.ignored == ()


def test_ideogram_4_has_words_of_its_own(http: HttpClient) -> None:
    ready = prepared(http, "v4", width=1024, height=1024, options={"copyright_detection": True})
    assert ready.path == "ideogram-v4/generate"
    assert ready.fields == {
        "text_prompt": "a boat",
        "enable_copyright_detection": True,
        "resolution": "2048x2048",
    }
    assert b"true" in [part.data for part in parts_of(ready)]
    assert "resolution" not in prepared(http, "v4").fields


def test_a_reframed_image_has_the_shape_of_its_margins(http: HttpClient) -> None:
    square = (picture(512, 512),)
    ready = prepared(http, "v3-reframe", images=square, margins=Margins(left=512, right=512), prompt="x")
    assert ready.path == "ideogram-v3/reframe"
    assert (ready.fields, ready.ignored) == ({"num_images": 1, "resolution": "1536x512"}, ("prompt",))
    # Where the image stands in the result is Ideogram's own choice: the middle.
    uneven = prepared(http, "v3-reframe", images=square, margins=Margins(left=1024), prompt="")
    assert (uneven.fields, uneven.ignored) == (ready.fields, ("margins",))


def test_an_outpainting_by_v3_is_the_inpainting_of_a_larger_canvas(http: HttpClient) -> None:
    ready = prepared(http, task="outpaint", images=(picture(64, 64), OTHER), margins=Margins(left=32, top=16))
    assert ready.path == "ideogram-v3/inpaint"
    files = {field: data for field, _, _, data in ready.files}
    with Image.open(BytesIO(files["image"])) as canvas, Image.open(BytesIO(files["mask"])) as mask:
        assert canvas.size == mask.size == (96, 80)
        assert (mask.getpixel((0, 0)), mask.getpixel((95, 79))) == (0, 255), "black is repainted"
    assert files["style_reference_images"] == OTHER.data


@pytest.mark.parametrize(
    ("name", "asked", "ignored"),
    [
        ("v3", {"width": 512, "height": 512, "options": {"aspect_ratio": "3:1"}}, ("width", "height")),
        ("v3", {"strength": 0.5}, ("strength",)),
        ("v3", {"task": "edit", "mask": half_mask(1280, 720)}, ("mask",)),
        (
            *("v3", {"task": "inpaint", "mask": half_mask(1280, 720), "negative_prompt": "fog", "width": 5}),
            ("width", "height", "negative_prompt"),
        ),
        ("v3-replace-background", {"negative_prompt": "fog", "options": {"style_type": "DESIGN"}},
         ("style_type", "negative_prompt")),
        ("v4", {"seed": 1, "options": {"magic_prompt": "OFF"}}, ("magic_prompt", "seed")),
    ],
)  # fmt: skip
def test_what_a_service_does_not_take_is_named_and_left_out(
    http: HttpClient, name: str, asked: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    ready = prepared(http, name, **asked)
    assert ready.ignored == ignored
    assert not set(ignored) & set(ready.fields)


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("v3", {"options": {"resolution": "512x1536", "aspect_ratio": "1:3"}}, "exclude each other"),
        ("v3", {"width": 1000, "height": 300}, "No size"),
        ("v4", {"width": 1000, "height": 300}, "No size"),
        ("v3", {"options": {"style_codes": "AAFF573"}}, "eight"),
        ("v3", {"options": {"style_codes": ","}}, "eight"),
        ("v3", {"options": {"style_codes": "AAFF5733", "style_type": "DESIGN"}}, "style_codes"),
        ("v3", {"task": "edit", "images": (IMAGE, OTHER), "options": {"style_codes": "AAFF5733"}}, "style_codes"),
        ("v3", {"options": {"rendering_speed": "BALANCED"}}, "rendering_speed"),
        ("v3-character", {"images": (OTHER,), "options": {"rendering_speed": "FLASH"}}, "rendering_speed"),
        ("v3-character", {"images": (IMAGE, OTHER)}, "the character"),
        ("v3", {"count": 9}, "8"),
        ("v4", {"count": 2}, "1"),
    ],
)
def test_what_ideogram_would_refuse_is_refused_before_it_is_sent(
    http: HttpClient, name: str, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        prepared(http, name, **asked)


def test_a_file_over_twenty_five_mebibytes_is_refused_with_its_size(http: HttpClient) -> None:
    large = SourceImage(data=IMAGE.data + b"\0" * 26 * 2**20, media_type="image/png")
    with pytest.raises(InvalidInput, match=r"26\.0 MiB.*25 MiB"):
        prepared(http, task="edit", images=(large,))


@pytest.mark.parametrize(
    ("name", "asked", "microusd"),
    [
        ("v3", {}, 60_000),
        ("v3", {"count": 3, "options": {"rendering_speed": "FLASH"}}, 90_000),
        ("v3", {"options": {"rendering_speed": "QUALITY"}}, 90_000),
        ("v3-character", {"images": (OTHER,), "count": 2}, 300_000),
        ("v3-character", {"task": "edit", "options": {"rendering_speed": "QUALITY"}}, 200_000),
        ("v3-reframe", {"margins": Margins(left=512, right=512)}, 60_000),
        ("v3-replace-background", {"options": {"rendering_speed": "TURBO"}}, 30_000),
        ("v4", {"options": {"rendering_speed": "QUALITY"}}, 100_000),
    ],
)
async def test_the_price_is_what_the_sandbox_bills(
    http: HttpClient, sandbox: Sandbox, truth: Truth, name: str, asked: dict[str, Any], microusd: int
) -> None:
    ready = prepared(http, name, **asked)
    provider = Ideogram.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    answer = await provider.ask(ready, call_id="c", on_accepted=ignore)
    price = ready.model.price
    assert price is not None
    assert quote(price, ready.quantities, ready.parameters).at_most_microusd == microusd
    assert charge(price, answer.usage, ready.parameters) == microusd
    assert [line["microusd"] for line in await truth.bill()] == [microusd]


# -- answers ------------------------------------------------------------------------------------------------------


async def test_an_answer_names_its_images_by_url_and_seed(http: HttpClient) -> None:
    answer = await ask(http, answered(one(), one(url=FILE.replace("xtd", "yye"), seed=9)), count=2)
    assert [image.seed for image in answer.images] == [12345, 9]
    assert (answer.request_id, answer.usage.images) == ("xtdZiqPwRxqY1Y7NExFmzB", 2)


@pytest.mark.parametrize("url", [None, ""])
async def test_a_withheld_image_in_a_200_is_blocked_and_the_others_are_kept(http: HttpClient, url: str | None) -> None:
    answer = await ask(http, answered(one(url=url, is_image_safe=False), one()), count=2)
    assert [(image.blocked, image.url) for image in answer.images] == [(True, None), (False, FILE)]
    assert answer.request_id == "xtdZiqPwRxqY1Y7NExFmzB"


async def test_a_call_without_a_file_is_known_by_its_time_and_seed(
    http: HttpClient, sandbox: Sandbox, truth: Truth
) -> None:
    answer = await ask(http, answered(one(url=None, is_image_safe=False)))
    assert answer.request_id == "2000-01-23T04:56:07+00:00 12345"
    await truth.fail({"provider": "ideogram", "kind": "policy_output"})
    provider = Ideogram.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    answer = await provider.ask(prepared(http), call_id="c", on_accepted=ignore)
    assert [line["request_id"] for line in await truth.bill()] == [answer.request_id]


async def test_a_url_beside_the_word_unsafe_is_not_used(http: HttpClient) -> None:
    (image,) = (await ask(http, answered(one(is_image_safe=False)))).images
    assert (image.blocked, image.url) == (True, None)


@pytest.mark.parametrize(
    ("reply", "charged"),
    [
        (lambda: web.Response(text="<html>"), "unknown"),
        (lambda: web.json_response([1]), "unknown"),
        (answered(), "unknown"),
        (answered("x"), "unknown"),
        (answered(one(url=None)), "yes"),
        (answered(one(url=7)), "yes"),
    ],
)
async def test_an_answer_without_its_images_is_a_bad_answer(http: HttpClient, reply: Reply, charged: str) -> None:
    with pytest.raises(BadAnswer) as told:
        await ask(http, reply)
    assert told.value.charged == charged


@pytest.mark.parametrize(
    ("reply", "kind", "charged", "told"),
    [
        (error(400, {"error": "Invalid input provided."}), ProviderRefused, "no", "Invalid input"),
        (error(401, {"error": "Not authorized"}), ProviderAuth, "no", "keys set ideogram"),
        (error(403, {"error": "Not authorized"}), ProviderAuth, "no", "keys set ideogram"),
        (error(402, {"error": "no"}), ProviderAuth, "no", "credits"),
        (error(422, {"error": UNSAFE}), ProviderBlocked, "no", UNSAFE),
        (error(400, {"error": "The image failed the safety check"}), ProviderBlocked, "no", "The image failed"),
        (error(422, {"detail": "seed"}), ProviderRefused, "no", "seed"),
        (error(429, {}), RateLimited, "no", "rate limit"),
        (error(500, {"error": "oops"}), ProviderDown, "unknown", "oops"),
        (lambda: web.Response(status=503, text="<html>"), ProviderDown, "no", "503"),
    ],
)
async def test_each_error_of_ideogram_has_its_meaning(
    http: HttpClient, reply: Reply, kind: type[ProviderError], charged: str, told: str
) -> None:
    with pytest.raises(kind) as caught:
        await ask(http, reply)
    assert type(caught.value) is kind
    assert caught.value.charged == charged
    assert told in str(caught.value)


# -- files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "own"),
    [
        (FILE, True),
        ("https://img.ideogram.ai/x.png", True),
        ("http://ideogram.ai/x.png", False),
        ("https://ideogram.ai.evil.example/x.png", False),
        ("https://notideogram.ai/x.png", False),
        ("https://ideogram.ai:8443/x.png", False),
    ],
)
def test_files_come_from_ideogram_s_own_hosts_by_https(http: HttpClient, url: str, own: bool) -> None:
    assert Ideogram.open(http, key=Secret(KEY))._hosts.is_media(url) is own


async def test_a_file_is_downloaded_without_the_key(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    await made(http, sandbox)
    (download,) = await truth.calls("media")
    assert "api-key" not in {name.lower() for name in download["headers"]}


async def test_a_file_whose_time_is_over_is_lost_though_it_was_paid_for(
    http: HttpClient, sandbox: Sandbox, truth: Truth
) -> None:
    await truth.fail({"provider": "ideogram", "kind": "expired_url"})
    with pytest.raises(ResultLost, match="expired") as told:
        await made(http, sandbox)
    assert told.value.charged == "yes"
    assert len(await truth.bill()) == 1


async def test_a_call_has_no_handle(http: HttpClient) -> None:
    heard: list[Accepted] = []

    async def on_accepted(accepted: Accepted) -> None:
        heard.append(accepted)

    async with serving(server(answered(one()))) as url:
        provider = Ideogram.open(http, key=Secret(KEY), sandbox_url=url)
        await provider.ask(prepared(http), call_id="c", on_accepted=on_accepted)
    assert [(accepted.request_id, accepted.handle) for accepted in heard] == [("xtdZiqPwRxqY1Y7NExFmzB", {})]


async def test_an_image_without_a_url_is_lost(http: HttpClient) -> None:
    with pytest.raises(ResultLost):
        await Ideogram.open(http, key=Secret(KEY)).fetch(ResultImage(blocked=True))


# -- pictures -----------------------------------------------------------------------------------------------------


async def test_an_asymmetric_mask_repaints_its_white_corner_alone(http: HttpClient, sandbox: Sandbox) -> None:
    corner = Image.new("L", (96, 64), 0)
    corner.paste(255, (0, 40, 32, 64))
    file = BytesIO()
    corner.save(file, "PNG")
    mask = SourceImage(data=file.getvalue(), media_type="image/png")
    result = await made(http, sandbox, task="inpaint", images=(picture(96, 64),), mask=mask)
    plain = Image.new("RGB", (96, 64), (40, 90, 160))
    for kept in ((32, 0, 96, 64), (0, 0, 96, 40)):
        assert result.crop(kept).tobytes() == plain.crop(kept).tobytes()
    assert result.crop((0, 40, 32, 64)).tobytes() != plain.crop((0, 40, 32, 64)).tobytes()


async def test_an_outpainting_keeps_its_middle_where_the_margins_put_it(http: HttpClient, sandbox: Sandbox) -> None:
    margins = Margins(left=24, top=8, bottom=40)
    result = await made(http, sandbox, task="outpaint", images=(picture(32, 32),), margins=margins)
    assert result.size == (56, 80)
    assert result.crop((24, 8, 56, 40)).getcolors() == [(32 * 32, (40, 90, 160))]


async def test_a_weaker_edit_is_closer_to_its_image(http: HttpClient, sandbox: Sandbox) -> None:
    async def off(strength: float) -> float:
        flat = picture(64, 64, (250, 20, 120))
        result = (await made(http, sandbox, task="edit", images=(flat,), strength=strength, seed=5)).resize((16, 16))
        return sum(abs(a - b) for a, b in zip(result.tobytes(), bytes((250, 20, 120)) * 256, strict=True))

    assert await off(0.1) < await off(0.6) < await off(1.0)


async def test_a_reframed_image_stands_in_the_middle(http: HttpClient, sandbox: Sandbox) -> None:
    margins = Margins(left=512, right=512)
    result = await made(http, sandbox, "v3-reframe", images=(picture(512, 512),), margins=margins)
    assert result.size == (1536, 512)
    assert result.getpixel((768, 256)) == (40, 90, 160)
    assert result.getpixel((8, 8)) != (40, 90, 160)
