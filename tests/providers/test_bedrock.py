"""Bedrock's wire where it differs from the contract: two vendors' words, who asks, blocks in a 200, errors by name."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from mintmark.errors import (
    BadAnswer,
    BadSetting,
    ChargeUnknown,
    InvalidInput,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
)
from mintmark.metering.prices import charge
from mintmark.providers.base import Accepted, Answer, Prepared
from mintmark.providers.bedrock import Bedrock
from mintmark.providers.http import HttpClient
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest, Margins, SourceImage
from mintmark.providers.secret import NO_KEY, Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.aws_account import use_account
from mintmark.tests.providers.conftest import FakeTime, half_mask, picture, serving

KEY = "bedrock-api-key-0123456789"
US = "us.stability.stable-image-"
Reply = Callable[[], web.Response]


def model(name: str) -> Model:
    return Catalog.load().known(f"bedrock/{name}")


def prepared(http: HttpClient, name: str = "sd3.5-large", **asked: Any) -> Prepared:
    known = model(name)
    given: dict[str, Any] = {"task": known.tasks[0], "model": known.name, "prompt": "a boat", **asked}
    if given["task"] != "text-to-image":
        given.setdefault("images", (picture(128, 96),))
    return Bedrock.open(http, key=Secret(KEY)).prepare(known, GenerationRequest.model_validate(given))


def said(body: Any, status: int = 200, **headers: str) -> Reply:
    return lambda: web.json_response(body, status=status, headers={"x-amzn-RequestId": "req-1", **headers})


def image_text(image: SourceImage | None = None) -> str:
    return base64.b64encode((image or picture()).data).decode()


def answering(*replies: Reply, seen: list[Any] | None = None) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A server that gives these answers in turn, the last one for ever."""
    left = list(replies)

    async def handler(request: web.Request) -> web.Response:
        body = await request.read()
        if seen is not None:
            seen.append((request.raw_path, dict(request.headers), body))
        return (left.pop(0) if len(left) > 1 else left[0])()

    return handler


async def ask(http: HttpClient, *replies: Reply, name: str = "sd3.5-large", **asked: Any) -> Answer:
    async with serving(answering(*replies)) as url:
        provider = Bedrock.open(http, key=Secret(KEY), sandbox_url=url)
        return await provider.ask(prepared(http, name, **asked), call_id="c", on_accepted=ignore)


async def made(http: HttpClient, sandbox: Sandbox, name: str, **asked: Any) -> Image.Image:
    """The picture that the sandbox makes of it."""
    provider = Bedrock.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    answer = await provider.ask(prepared(http, name, **asked), call_id="c", on_accepted=ignore)
    opened = Image.open(BytesIO(await provider.fetch(answer.images[0])))
    opened.load()
    return opened


# -- where, and as whom -------------------------------------------------------------------------------------------


def test_the_region_is_part_of_the_host(http: HttpClient) -> None:
    key = Secret(KEY)
    assert Bedrock.open(http, key=key)._base_url == "https://bedrock-runtime.us-west-2.amazonaws.com"
    there = Bedrock.open(http, key=key, options={"region": "us-east-1"})
    assert there._base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    assert Bedrock.open(http, key=key, base_url="https://own/")._base_url == "https://own"
    assert Bedrock.open(http, key=key, sandbox_url="http://x/")._base_url == "http://x/bedrock"
    with pytest.raises(BadSetting, match="region"):
        Bedrock.open(http, key=key, options={"region": "a/b"})


async def test_a_key_is_sent_as_a_bearer_and_the_model_s_colon_to_the_letter(http: HttpClient) -> None:
    seen: list[Any] = []
    async with serving(answering(said({"images": [image_text()]}), seen=seen)) as url:
        provider = Bedrock.open(http, key=Secret(KEY), sandbox_url=url)
        await provider.ask(prepared(http, prompt="ein grünes Boot", seed=7), call_id="c", on_accepted=ignore)
    ((path, headers, body),) = seen
    assert path == "/bedrock/model/stability.sd3-5-large-v1%3A0/invoke"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["Content-Type"] == headers["Accept"] == "application/json"
    assert json.loads(body) == {"prompt": "ein grünes Boot", "seed": 7, "mode": "text-to-image"}


@pytest.mark.parametrize("session", [False, True])
async def test_without_a_key_the_machine_s_account_signs_what_the_sandbox_checks(
    http: HttpClient, sandbox: Sandbox, truth: Truth, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, session: bool
) -> None:
    use_account(monkeypatch, tmp_path, session=session)
    provider = Bedrock.open(http, key=NO_KEY, sandbox_url=sandbox.url)
    ready = prepared(http, "inpaint", mask=half_mask(128, 96), prompt="ein Boot / a + b %20")
    answer = await provider.ask(ready, call_id="c", on_accepted=ignore)
    assert len(answer.images) == 1
    assert len(await truth.bill()) == 1


async def test_each_try_has_a_signature_of_its_own(
    http: HttpClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_account(monkeypatch, tmp_path)
    seen: list[Any] = []
    busy = said({"message": "Too many requests"}, 429, **{"x-amzn-ErrorType": "ThrottlingException"})
    async with serving(answering(busy, said({"images": [image_text()]}), seen=seen)) as url:
        provider = Bedrock.open(http, key=NO_KEY, sandbox_url=url)
        await provider.ask(prepared(http), call_id="c", on_accepted=ignore)
    assert len(seen) == 2
    assert all(headers["Authorization"].startswith("AWS4-HMAC-SHA256 ") for _, headers, _ in seen)


async def test_an_account_without_credentials_is_refused_before_anything_is_sent(
    http: HttpClient, sandbox: Sandbox, truth: Truth, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    use_account(monkeypatch, tmp_path, none=True)
    provider = Bedrock.open(http, key=NO_KEY, sandbox_url=sandbox.url)
    with pytest.raises(ProviderAuth) as told:
        await provider.ask(prepared(http), call_id="c", on_accepted=ignore)
    assert told.value.charged == "no"
    assert await truth.calls() == []


# -- Stability's words --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "endpoint", "fields"),
    [
        ("ultra", {}, "stability.stable-image-ultra-v1:1", {}),
        (
            *("core", {"width": 1344, "height": 768, "options": {"output_format": "jpeg"}}),
            *("stability.stable-image-core-v1:1", {"aspect_ratio": "16:9", "output_format": "jpeg"}),
        ),
        (
            *("sd3.5-large", {"negative_prompt": "fog", "seed": 9}, "stability.sd3-5-large-v1:0"),
            {"mode": "text-to-image", "negative_prompt": "fog", "seed": 9},
        ),
        (
            *("sd3.5-large", {"task": "variation", "strength": 0.25}, "stability.sd3-5-large-v1:0"),
            {"mode": "image-to-image", "strength": 0.25, "image": ...},
        ),
        (
            *("inpaint", {"mask": picture(128, 96), "options": {"grow_mask": 0}}, f"{US}inpaint-v1:0"),
            {"image": ..., "mask": ..., "grow_mask": 0},
        ),
        (
            *("outpaint", {"margins": Margins(left=7, right=2000, bottom=3)}, "us.stability.stable-outpaint-v1:0"),
            {"image": ..., "left": 7, "right": 2000, "down": 3},
        ),
        (
            *("search-and-replace", {"options": {"search_prompt": "dog"}}, f"{US}search-replace-v1:0"),
            {"image": ..., "search_prompt": "dog"},
        ),
        ("search-and-recolor", {}, f"{US}search-recolor-v1:0", {"image": ..., "select_prompt": "the main subject"}),
        (
            *("upscale-conservative", {"options": {"creativity": 0.4}}),
            *("us.stability.stable-conservative-upscale-v1:0", {"image": ..., "creativity": 0.4}),
        ),
        ("upscale-creative", {}, "us.stability.stable-creative-upscale-v1:0", {"image": ...}),
        (
            *("sketch", {"control": "sketch", "strength": 0.9}, f"{US}control-sketch-v1:0"),
            {"image": ..., "control_strength": 0.9},
        ),
        ("structure", {"control": "depth"}, f"{US}control-structure-v1:0", {"image": ...}),
        (
            *("style", {"strength": 0.2, "width": 640, "height": 960}, f"{US}style-guide-v1:0"),
            {"image": ..., "fidelity": 0.8, "aspect_ratio": "2:3"},
        ),
        (
            *("style-transfer", {"strength": 0.5}, "us.stability.stable-style-transfer-v1:0"),
            {"init_image": ..., "style_image": ..., "change_strength": 0.5},
        ),
    ],
)  # fmt: skip
def test_each_task_has_its_model_and_its_words(
    http: HttpClient, name: str, asked: dict[str, Any], endpoint: str, fields: dict[str, Any]
) -> None:
    ready = prepared(http, name, **asked)
    assert ready.path == f"model/{endpoint.replace(':', '%3A')}/invoke"
    shown = {name: ... if "image" in name or name == "mask" else value for name, value in ready.fields.items()}
    assert shown == {"prompt": "a boat", **fields}
    assert ready.ignored == ()


def test_images_go_as_bare_base64(http: HttpClient) -> None:
    image, mask = picture(128, 96), half_mask(128, 96)
    fields = prepared(http, "inpaint", images=(image,), mask=mask).fields
    assert base64.b64decode(fields["image"]) == image.data
    assert base64.b64decode(fields["mask"]) == mask.data, "white is repainted there too"


def test_a_style_s_image_is_the_second_and_alone_an_image_keeps_its_own(http: HttpClient) -> None:
    first, second = picture(128, 96), picture(96, 96, (200, 40, 40))
    both = prepared(http, "style-transfer", images=(first, second)).fields
    assert base64.b64decode(both["init_image"]) == first.data
    assert base64.b64decode(both["style_image"]) == second.data
    alone = prepared(http, "style-transfer", images=(first,)).fields
    assert alone["init_image"] == alone["style_image"]


@pytest.mark.parametrize(
    ("name", "asked", "ignored"),
    [
        ("upscale-fast", {"seed": 3, "negative_prompt": "fog"}, ("prompt", "negative_prompt", "seed")),
        ("remove-background", {"seed": 3}, ("prompt", "seed")),
        ("erase", {"mask": picture(128, 96)}, ("prompt",)),
        ("core", {"options": {"style_preset": "anime"}}, ("style_preset",)),
        ("upscale-conservative", {"scale": 4.0}, ("scale",)),
    ],
)
def test_what_a_model_does_not_take_is_named_and_left_out(
    http: HttpClient, name: str, asked: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    ready = prepared(http, name, **asked)
    assert ready.ignored == ignored
    assert not set(ignored) & set(ready.fields)


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("ultra", {"options": {"output_format": "webp"}}, "output_format"),
        ("inpaint", {"mask": picture(128, 96), "options": {"grow_mask": 21}}, "grow_mask"),
        ("search-and-replace", {"options": {"search_prompt": " "}}, "search_prompt"),
        ("upscale-fast", {"images": (picture(1600, 100),)}, "1536"),
        ("sketch", {"control": "sketch", "images": (picture(300, 100),)}, "2.5"),
        ("nova-canvas", {"width": 330, "height": 330}, "multiple of 16"),
        ("nova-canvas", {"prompt": "x" * 1025}, "1024"),
        ("nova-canvas-outpaint", {"margins": Margins(left=10)}, "320"),
    ],
)
def test_what_bedrock_would_refuse_is_refused_before_it_is_sent(
    http: HttpClient, name: str, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        prepared(http, name, **asked)


def test_a_request_over_25_megabytes_is_refused_with_its_size(http: HttpClient) -> None:
    image = picture(128, 96)
    # Bytes after a picture's end do no harm, and make it large.
    large = image.model_copy(update={"data": image.data + bytes(19_000_000)})
    with pytest.raises(InvalidInput, match=r"25\.3 MB.*25 MB"):
        prepared(http, "outpaint", images=(large,), margins=Margins(left=1))


# -- Nova's words -------------------------------------------------------------------------------------------------


def test_nova_is_told_its_task_and_what_all_tasks_share(http: HttpClient) -> None:
    options = {"quality": "premium", "guidance": 7.5}
    ready = prepared(
        http, "nova-canvas", width=512, height=320, count=3, seed=5, negative_prompt="fog", options=options
    )
    assert ready.path == "model/amazon.nova-canvas-v1%3A0/invoke"
    assert ready.fields == {
        "taskType": "TEXT_IMAGE",
        "textToImageParams": {"text": "a boat", "negativeText": "fog"},
        "imageGenerationConfig": {
            "numberOfImages": 3,
            "quality": "premium",
            "cfgScale": 7.5,
            "width": 512,
            "height": 320,
            "seed": 5,
        },
    }
    assert (ready.seed, ready.quantities.images, ready.ignored) == (5, 3, ())


def test_nova_s_variation_is_told_how_much_is_kept(http: HttpClient) -> None:
    images = (picture(320, 320), picture(320, 320, (9, 9, 9)))
    fields = prepared(http, "nova-canvas", task="variation", images=images, prompt="", strength=0.3).fields
    assert fields["taskType"] == "IMAGE_VARIATION"
    own = fields["imageVariationParams"]
    assert [base64.b64decode(text) for text in own["images"]] == [image.data for image in images]
    assert own["similarityStrength"] == 0.7
    assert "text" not in own


def colours(text: str) -> tuple[Any, Any]:
    """A mask's left and right, and that it is pure black and white."""
    with Image.open(BytesIO(base64.b64decode(text))) as mask:
        grey = mask.convert("L")
        assert {colour for _, colour in grey.getcolors(1 << 20) or ()} <= {0, 255}
        return grey.getpixel((0, 0)), grey.getpixel((grey.width - 1, 0))


def test_nova_s_inpainting_repaints_what_is_black_and_its_mask_has_no_greys(http: HttpClient) -> None:
    soft = Image.linear_gradient("L").rotate(90).resize((320, 320))
    file = BytesIO()
    soft.save(file, "PNG")
    mask = SourceImage(data=file.getvalue(), media_type="image/png")
    fields = prepared(http, "nova-canvas-inpaint", images=(picture(320, 320),), mask=mask).fields
    ours = soft.getpixel((0, 0)), soft.getpixel((319, 0))
    assert fields["taskType"] == "INPAINTING"
    assert colours(fields["inPaintingParams"]["maskImage"]) == tuple(0 if one >= 128 else 255 for one in ours)


def test_nova_s_outpainting_repaints_what_is_white_around_the_image(http: HttpClient) -> None:
    margins = Margins(left=64)
    fields = prepared(http, "nova-canvas-outpaint", images=(picture(320, 320),), margins=margins).fields
    own = fields["outPaintingParams"]
    assert fields["taskType"] == "OUTPAINTING"
    with Image.open(BytesIO(base64.b64decode(own["image"]))) as canvas:
        assert canvas.size == (384, 320)
    assert colours(own["maskImage"]) == (255, 0)


async def test_nova_paints_where_our_mask_is_white(http: HttpClient, sandbox: Sandbox) -> None:
    painted = await made(
        http, sandbox, "nova-canvas-inpaint", images=(picture(320, 320),), mask=half_mask(320, 320), prompt="a red sun"
    )
    assert painted.convert("RGB").getpixel((300, 20)) == (40, 90, 160)
    grown = await made(
        http, sandbox, "nova-canvas-outpaint", images=(picture(320, 320),), margins=Margins(left=64), prompt="sand"
    )
    assert grown.size == (384, 320)
    assert grown.convert("RGB").getpixel((200, 20)) == (40, 90, 160)


async def test_nova_s_several_images_are_one_call(http: HttpClient, sandbox: Sandbox, truth: Truth) -> None:
    provider = Bedrock.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    ready = prepared(http, "nova-canvas", width=320, height=320, count=2)
    answer = await provider.ask(ready, call_id="c", on_accepted=ignore)
    (line,) = await truth.bill()
    assert len(answer.images) == 2
    price = model("nova-canvas").price
    assert price is not None
    assert charge(price, answer.usage, ready.parameters) == line["microusd"] == 120_000


# -- every model's task in the sandbox ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "asked", "size"),
    [
        ("core", {"width": 1344, "height": 768}, (1664, 928)),
        ("sd3.5-large", {"task": "variation"}, (128, 96)),
        ("erase", {"mask": half_mask(128, 96), "prompt": ""}, (128, 96)),
        ("outpaint", {"margins": Margins(left=10), "prompt": ""}, (138, 96)),
        ("search-and-recolor", {}, (128, 96)),
        ("remove-background", {"prompt": ""}, (128, 96)),
        ("style-transfer", {}, (128, 96)),
        ("upscale-fast", {"prompt": ""}, (512, 384)),
        ("upscale-creative", {}, (2364, 1774)),
        ("structure", {"control": "depth"}, (128, 96)),
        ("style", {}, (1024, 1024)),
    ],
)
async def test_the_sandbox_does_what_each_model_is_for(
    http: HttpClient, sandbox: Sandbox, name: str, asked: dict[str, Any], size: tuple[int, int]
) -> None:
    assert (await made(http, sandbox, name, **asked)).size == size


async def test_a_removed_background_is_transparent(http: HttpClient, sandbox: Sandbox) -> None:
    cut = await made(http, sandbox, "remove-background", prompt="")
    assert cut.mode == "RGBA"
    assert cut.getpixel((0, 0))[3] == 0  # type: ignore[index]


# -- answers ------------------------------------------------------------------------------------------------------


async def test_the_seed_that_was_used_is_told_also_where_the_model_chose_it(http: HttpClient) -> None:
    answer = await ask(http, said({"seeds": [2130420379], "finish_reasons": [None], "images": [image_text()]}))
    assert answer.images[0].seed == 2130420379
    assert answer.request_id == "req-1"
    assert answer.images[0].media_type == "image/png"


@pytest.mark.parametrize(
    ("reason", "kind", "charged"),
    [
        ("Filter reason: prompt", ProviderBlocked, "no"),
        ("Filter reason: input image", ProviderBlocked, "no"),
        ("Filter reason: output image", ProviderBlocked, "unknown"),
        ("Inference error", ProviderDown, "unknown"),
    ],
)
async def test_a_200_with_finish_reasons_only_is_no_image_in_the_vendor_s_words(
    http: HttpClient, reason: str, kind: type[ProviderError], charged: str
) -> None:
    with pytest.raises(kind, match=reason) as told:
        await ask(http, said({"finish_reasons": [reason]}))
    assert type(told.value) is kind
    assert (told.value.charged, told.value.status, told.value.request_id) == (charged, 200, "req-1")


async def test_a_filtered_answer_is_a_block_whatever_else_it_has(http: HttpClient) -> None:
    with pytest.raises(ProviderBlocked, match="output image"):
        await ask(http, said({"finish_reasons": ["Filter reason: output image"], "images": [image_text()]}))


async def test_nova_s_withheld_images_are_marked_beside_those_that_came(
    http: HttpClient, caplog: pytest.LogCaptureFixture
) -> None:
    words = "Some of the generated images have been blocked by our content filters."
    replied = said({"images": [image_text(), image_text()], "error": words})
    answer = await ask(http, replied, name="nova-canvas", count=3, width=320, height=320)
    assert [image.blocked for image in answer.images] == [False, False, True]
    assert answer.usage.images == 3, "what a withheld image costs is said nowhere: it counts"
    assert words in caplog.text


@pytest.mark.parametrize("images", [[], None])
async def test_nova_s_images_all_withheld_are_a_block(http: HttpClient, images: Any) -> None:
    words = "All of the generated images have been blocked by our content filters."
    with pytest.raises(ProviderBlocked, match=words) as told:
        await ask(http, said({"images": images, "error": words}), name="nova-canvas")
    assert told.value.charged == "unknown"


async def test_nova_refuses_a_harmful_prompt_as_a_block_that_costs_nothing(
    http: HttpClient, sandbox: Sandbox, truth: Truth
) -> None:
    provider = Bedrock.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    with pytest.raises(ProviderBlocked, match=r"blocked by our content filters\. Please adjust your text") as told:
        await provider.ask(prepared(http, "nova-canvas", prompt="gore"), call_id="c", on_accepted=ignore)
    assert (told.value.charged, told.value.status) == ("no", 400)
    assert await truth.bill() == []


@pytest.mark.parametrize("body", [{}, {"images": []}, {"images": "x"}, {"seeds": [1]}, {"images": None, "error": None}])
async def test_an_answer_without_images_or_reasons_may_have_been_charged(http: HttpClient, body: Any) -> None:
    with pytest.raises(BadAnswer, match="no images") as told:
        await ask(http, said(body))
    assert told.value.charged == "unknown"


@pytest.mark.parametrize("text", ["", "no base64!", 7, None, base64.b64encode(picture().data[:60]).decode()])
async def test_half_an_image_is_never_handed_on(http: HttpClient, text: Any) -> None:
    with pytest.raises(BadAnswer, match="whole image") as told:
        await ask(http, said({"images": [text]}))
    assert told.value.charged == "yes"


# -- errors -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "kind", "charged", "tries"),
    [
        (400, "ValidationException", ProviderRefused, "no", 1),
        (400, "ServiceQuotaExceededException", RateLimited, "no", 1),
        (403, "AccessDeniedException", ProviderAuth, "no", 1),
        (403, "ExpiredTokenException", ProviderAuth, "no", 1),
        (403, "InvalidSignatureException", ProviderAuth, "no", 1),
        (404, "ResourceNotFoundException", ProviderRefused, "no", 1),
        (408, "ModelTimeoutException", ProviderDown, "unknown", 1),
        (424, "ModelErrorException", ProviderDown, "unknown", 1),
        (429, "ThrottlingException", RateLimited, "no", 3),
        (429, "ModelNotReadyException", RateLimited, "no", 3),
        (500, "InternalServerException", ProviderDown, "unknown", 1),
        (503, "ServiceUnavailableException", ProviderDown, "no", 1),
    ],
)
async def test_every_documented_error_has_its_code_its_cost_and_its_tries(
    http: HttpClient, status: int, code: str, kind: type[ProviderError], charged: str, tries: int
) -> None:
    seen: list[Any] = []
    refused = said({"message": "It is so."}, status, **{"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/"})
    async with serving(answering(refused, seen=seen)) as url:
        provider = Bedrock.open(http, key=Secret(KEY), sandbox_url=url)
        with pytest.raises(kind) as told:
            await provider.ask(prepared(http), call_id="c", on_accepted=ignore)
    assert type(told.value) is kind
    assert (told.value.charged, told.value.status, told.value.request_id) == (charged, status, "req-1")
    assert len(seen) == tries
    assert code in told.value.message or "It is so." in told.value.message


async def test_a_model_that_is_not_there_is_told_with_the_region_and_the_successor(http: HttpClient) -> None:
    over = said({"message": "This model version has reached the end of its life."}, 404)
    with pytest.raises(ProviderRefused, match="end of its life") as told:
        await ask(http, over, name="nova-canvas")
    assert "bedrock/sd3.5-large" in told.value.hint
    async with serving(answering(said({"message": "The provided model identifier is invalid."}, 400))) as url:
        for region, hint in (("eu-west-1", "bedrock.region=us-west-2"), ("us-west-2", "mintmark models check")):
            provider = Bedrock.open(http, key=Secret(KEY), sandbox_url=url, options={"region": region})
            with pytest.raises(ProviderRefused) as told:
                await provider.ask(prepared(http), call_id="c", on_accepted=ignore)
            assert hint in told.value.hint


async def test_an_error_that_is_no_json_is_told_by_its_status(http: HttpClient) -> None:
    with pytest.raises(ProviderRefused, match="no reason given"):
        await ask(http, lambda: web.Response(status=413, text="<html>"))


async def test_what_is_canceled_while_it_waits_to_be_asked_again_costs_nothing(
    http: HttpClient, time: FakeTime, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = asyncio.Event()

    async def sleep(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(http, "sleep", sleep)
    task = asyncio.ensure_future(ask(http, said({"message": "busy"}, 429)))
    await asyncio.wait_for(waiting.wait(), 60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as told:
        await task
    assert isinstance(told.value.__cause__, ProviderDown)
    assert told.value.__cause__.charged == "no"


async def test_nobody_can_be_asked_about_an_earlier_call(http: HttpClient) -> None:
    provider = Bedrock.open(http, key=Secret(KEY))
    with pytest.raises(ChargeUnknown):
        await provider.resume(model("core"), Accepted(request_id="req-1", handle={}))
    assert not await provider.cancel(Accepted(request_id="req-1", handle={}))
