"""OpenAI's wire where it differs from the contract: masks, forms, tokens, error codes, moderations."""

from __future__ import annotations

import base64
import json
from datetime import date
from io import BytesIO
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image

from mintmark.errors import (
    BadAnswer,
    ImageTooLarge,
    InternalError,
    InvalidInput,
    NotAnImage,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
)
from mintmark.metering.prices import Quantities, charge, quote
from mintmark.providers.base import Accepted, Answer, Prepared
from mintmark.providers.http import HttpClient
from mintmark.providers.imagefile import alpha_mask, is_whole, media_type
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog
from mintmark.providers.openai import BASE_URL, OpenAI, where
from mintmark.providers.openai_moderations import openai_moderations_client
from mintmark.providers.previews import shown_by
from mintmark.providers.request import GenerationRequest, SourceImage
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, half_mask, picture, serving

TODAY = date(2026, 11, 21)
KEY = "sk-openai-0123456789"
USAGE = {"input_tokens": 5, "input_tokens_details": {"text_tokens": 2, "image_tokens": 3}, "output_tokens": 9}
GOOD_IMAGE = base64.b64encode(picture().data).decode()


def model(name: str = "openai/gpt-image-2") -> Model:
    return Catalog.load().get(name, TODAY)


def prepared(http: HttpClient, name: str = "openai/gpt-image-2", **asked: Any) -> Prepared:
    given = {"task": "text-to-image", "model": name, "prompt": "a boat", "width": 1024, "height": 1024, **asked}
    return OpenAI(http, key=Secret(KEY)).prepare(model(name), GenerationRequest.model_validate(given))


async def ask(
    http: HttpClient, body: Any, status: int = 200, name: str = "openai/gpt-image-2", **headers: str
) -> Answer:
    """One call to a server that gives this answer."""

    async def handler(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers={"x-request-id": "req-1", **headers})

    async with serving(handler) as url:
        provider = OpenAI.open(http, key=Secret(KEY), sandbox_url=url)
        return await provider.ask(prepared(http, name), call_id="c", on_accepted=ignore)


def error(code: str | None = None, kind: str = "invalid_request_error", message: str = "no") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def test_the_live_api_is_asked_unless_there_is_a_sandbox() -> None:
    assert where(None, None) == BASE_URL == "https://api.openai.com/v1"
    assert where("http://127.0.0.1:1/", None) == "http://127.0.0.1:1/openai/v1"


@pytest.mark.parametrize(
    ("body", "status", "kind", "charged", "told"),
    [
        (error("moderation_blocked", "image_generation_user_error"), 400, ProviderBlocked, "no", "content policy"),
        (error("content_policy_violation"), 400, ProviderBlocked, "no", "content policy"),
        (error(None, "image_generation_user_error"), 400, ProviderBlocked, "no", "content policy"),
        (error("unknown_parameter", message="Unknown parameter: 'x'."), 400, ProviderRefused, "no", "'x'"),
        (error("model_not_found"), 404, ProviderRefused, "no", "refuses"),
        (error("invalid_api_key", message="Incorrect API key provided: sk-op***6789"), 401, ProviderAuth, "no", "key"),
        (error("rate_limit_exceeded"), 429, RateLimited, "no", "rate limit"),
        (error("insufficient_quota"), 429, ProviderAuth, "no", "billing"),
        (error("billing_hard_limit_reached"), 400, ProviderAuth, "no", "billing"),
        (error(None, "server_error"), 500, ProviderDown, "unknown", "500"),
        (error(None, "server_error"), 503, ProviderDown, "no", "503"),
        (error(None, "server_error"), 504, ProviderDown, "unknown", "504"),
        (error(None, "server_error"), 408, ProviderDown, "unknown", "408"),
        ("not an object", 400, ProviderRefused, "no", "no reason"),
        ({"error": "text"}, 418, ProviderRefused, "no", "no reason"),
    ],
)
async def test_each_error_of_openai_has_its_meaning(
    http: HttpClient, body: Any, status: int, kind: type[Exception], charged: str, told: str
) -> None:
    with pytest.raises(kind) as caught:
        await ask(http, body, status)
    found = caught.value
    assert type(found) is kind
    assert told in str(found)
    assert "6789" not in str(found), "the vendor quotes parts of the key"
    assert (found.charged, found.request_id, found.status) == (charged, "req-1", status)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("body", "headers"), [(error("insufficient_quota"), {}), (error("x"), {"x-should-retry": "false"})]
)
async def test_waiting_does_not_mend_a_lack_of_credit_or_what_the_server_forbids(
    http: HttpClient, time: FakeTime, body: Any, headers: dict[str, str]
) -> None:
    with pytest.raises((ProviderAuth, RateLimited)):
        await ask(http, body, 429, **headers)
    assert time.slept == []


@pytest.mark.parametrize(
    ("body", "charged"),
    [
        ({"data": []}, "unknown"),
        ({"data": [], "usage": USAGE}, "yes"),
        ({"data": [{}], "usage": USAGE}, "yes"),
        ({"data": [{"b64_json": "%%%"}], "usage": USAGE}, "yes"),
        ({"data": [{"b64_json": GOOD_IMAGE[:-8]}], "usage": USAGE}, "yes"),
        ({"data": [{"b64_json": f"{GOOD_IMAGE[:40]}\n{GOOD_IMAGE[40:]}"}], "usage": USAGE}, "yes"),
        ({"data": [{"b64_json": base64.b64encode(b"<html>").decode()}]}, "unknown"),
        ({"data": "x"}, "unknown"),
        ([], "unknown"),
    ],
)
async def test_an_answer_without_a_whole_image_is_a_bad_answer(http: HttpClient, body: Any, charged: str) -> None:
    with pytest.raises(BadAnswer) as told:
        await ask(http, body)
    assert (told.value.charged, told.value.request_id) == (charged, "req-1")


async def test_of_several_images_one_that_is_broken_takes_nothing_from_the_others(http: HttpClient) -> None:
    rows = [{"b64_json": GOOD_IMAGE}, {"b64_json": GOOD_IMAGE[:-8]}, {}]
    answer = await ask(http, {"data": rows, "usage": USAGE})
    good, cut, none = (image.data for image in answer.images)
    assert good == picture().data and cut is not None and good.startswith(cut) and none == b""
    assert answer.usage.output_tokens == USAGE["output_tokens"], "all of it is paid"


async def test_what_came_in_an_image_s_place_goes_to_who_keeps_results(http: HttpClient) -> None:
    with pytest.raises(BadAnswer) as told:
        await ask(http, {"data": [{"b64_json": base64.b64encode(b"GIF89a").decode()}], "usage": USAGE})
    assert told.value.file == b"GIF89a"


@pytest.mark.parametrize(
    ("details", "drawn", "words"),
    [
        ({"image_tokens": 1056, "text_tokens": 444}, 1056, 444),
        ({"image_tokens": 1500, "text_tokens": 0}, 1500, 0),
        (None, 1500, 0),
        ({}, 1500, 0),
        ({"image_tokens": 9999}, 1500, 0),
        ({"image_tokens": "x"}, 1500, 0),
    ],
)
async def test_words_that_come_out_have_their_own_price_where_there_is_one(
    http: HttpClient, details: Any, drawn: int, words: int
) -> None:
    usage = {
        "input_tokens": 50,
        "output_tokens": 1500,
        **({} if details is None else {"output_tokens_details": details}),
    }
    body = {"data": [{"b64_json": GOOD_IMAGE}], "usage": usage}
    for name in ("openai/gpt-image-1.5", "openai/gpt-image-2"):
        known = model(name)
        answer = await ask(http, body, name=name)
        apart = name.endswith("1.5")
        assert answer.usage.output_tokens == (drawn if apart else 1500)
        assert known.price is not None
        paid = 50 * 5 + (drawn * 32 + words * 10 if apart else 1500 * 30)
        assert charge(known.price, answer.usage, {}) == paid


async def test_the_vendor_s_own_count_of_tokens_is_what_is_used(http: HttpClient) -> None:
    answer = await ask(http, {"data": [{"b64_json": GOOD_IMAGE}], "usage": USAGE})
    assert answer.usage == Quantities(images=1, text_tokens=2, image_tokens=3, output_tokens=9)
    assert answer.charge_microusd is None


@pytest.mark.parametrize(
    "usage",
    [
        *(None, {}, {"output_tokens": "many"}, {"output_tokens": -1}, {"output_tokens": 10**40}),
        *({"output_tokens": 9, "input_tokens": [2]},),
        {"output_tokens": 9, "input_tokens_details": {"text_tokens": "two", "image_tokens": 3}},
    ],
)
async def test_an_answer_without_a_count_is_settled_at_the_most_it_can_have_cost(http: HttpClient, usage: Any) -> None:
    answer = await ask(http, {"data": [{"b64_json": GOOD_IMAGE}], "usage": usage})
    ready = prepared(http)
    assert ready.model.price is not None
    assert answer.charge_microusd == quote(ready.model.price, ready.quantities, ready.parameters).at_most_microusd > 0


async def test_a_call_id_that_is_no_header_is_a_defect_of_ours(http: HttpClient) -> None:
    provider = OpenAI(http, key=Secret(KEY))
    for bad in ("x" * 513, "line\r\nX-Evil: 1", "ü"):
        with pytest.raises(InternalError):
            await provider.ask(prepared(http), call_id=bad, on_accepted=ignore)


async def test_an_answer_without_a_request_id_is_still_an_answer(sandbox: Sandbox, http: HttpClient) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response({"data": [{"b64_json": GOOD_IMAGE}], "usage": USAGE})

    heard: list[Accepted] = []

    async def on_accepted(accepted: Accepted) -> None:
        heard.append(accepted)

    async with serving(handler) as url:
        provider = OpenAI.open(http, key=Secret(KEY), sandbox_url=url)
        answer = await provider.ask(prepared(http), call_id="c", on_accepted=on_accepted)
    assert (answer.request_id, heard) == (None, [])


@pytest.mark.parametrize("name", [one.name for one in Catalog.load().list(provider="openai", today=TODAY) if one.price])
async def test_every_model_settles_what_the_vendor_bills(http: HttpClient, sandbox: Sandbox, name: str) -> None:
    provider = OpenAI.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    known = model(name)
    assert known.price is not None
    for asked in ({"count": 2}, {"task": "edit", "images": (picture(700, 300),) * 2, "options": {"quality": "low"}}):
        ready = prepared(http, name, prompt="grüne Boote", **asked)
        answer = await provider.ask(ready, call_id="c", on_accepted=ignore)
        settled = charge(known.price, answer.usage, ready.parameters)
        async with aiohttp.ClientSession() as session:
            line = (await Truth(sandbox.url, session).bill())[-1]
        assert settled == line["microusd"]
        assert settled <= quote(known.price, ready.quantities, ready.parameters).at_most_microusd


# -- requests -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("openai/gpt-image-2", (1000, 1024), "multiple of 16"),
        ("openai/gpt-image-2", (3840, 1024), "times the shorter"),
        ("openai/gpt-image-2", (4096, 2048), "16 to 3840"),
        ("openai/gpt-image-2", (3840, 2176), "pixels in all"),
        ("openai/gpt-image-1.5", (512, 512), "1536x1024"),
    ],
)
def test_a_size_the_model_does_not_make_is_refused_with_why(
    http: HttpClient, name: str, size: tuple[int, int], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        prepared(http, name, width=size[0], height=size[1])


def test_nothing_is_sent_that_was_not_asked_for(http: HttpClient) -> None:
    ready = prepared(http, width=None, height=None)
    assert ready.fields == {"model": "gpt-image-2", "prompt": "a boat", "n": 1}
    assert (ready.path, ready.files) == ("images/generations", ())


def test_a_jpeg_cannot_be_transparent(http: HttpClient) -> None:
    with pytest.raises(InvalidInput, match="webp"):
        prepared(http, options={"background": "transparent", "output_format": "jpeg"})


def test_a_parameter_that_only_another_model_takes_is_ignored(http: HttpClient) -> None:
    ready = prepared(http, task="edit", images=(picture(),), options={"input_fidelity": "high", "moderation": "low"})
    assert set(ready.ignored) == {"input_fidelity", "moderation"}
    assert "input_fidelity" not in ready.fields


@pytest.mark.parametrize("options", [{"output_compression": 101}, {"output_compression": True}, {"quality": "best"}])
def test_an_option_out_of_its_range_is_refused_by_name(http: HttpClient, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(options))):
        prepared(http, options=options)


def test_more_images_than_the_model_takes_are_refused(http: HttpClient) -> None:
    with pytest.raises(InvalidInput, match="16"):
        prepared(http, task="edit", images=(picture(),) * 17)


def test_an_input_image_s_tokens_are_set_aside(http: HttpClient) -> None:
    without = prepared(http).quantities
    with_two = prepared(http, task="edit", images=(picture(), picture())).quantities
    assert without.image_tokens == 0
    assert with_two.image_tokens == 2 * 9000


# -- masks and image files ----------------------------------------------------------------------------------------


def test_white_becomes_transparent_and_black_stays_opaque() -> None:
    with Image.open(BytesIO(alpha_mask(half_mask()))) as mask:
        alpha = mask.getchannel("A")
        assert (mask.mode, mask.size) == ("RGBA", (64, 64))
    assert alpha.getpixel((0, 0)) == 0
    assert alpha.getpixel((63, 0)) == 255


def test_a_soft_mask_is_decided_at_the_middle() -> None:
    file = BytesIO()
    ramp = Image.new("L", (256, 1))
    ramp.putdata(range(256))
    ramp.save(file, "PNG")
    with Image.open(BytesIO(alpha_mask(SourceImage(data=file.getvalue(), media_type="image/png")))) as mask:
        assert set(mask.getchannel("A").crop((0, 0, 128, 1)).tobytes()) == {255}
        assert set(mask.getchannel("A").crop((128, 0, 256, 1)).tobytes()) == {0}


def test_what_is_no_image_is_no_mask(http: HttpClient) -> None:
    text = SourceImage(data=b"hello", media_type="image/png")
    with pytest.raises(NotAnImage, match="mask"):
        prepared(http, task="inpaint", images=(picture(),), mask=text)


def test_a_bomb_is_refused_by_its_header() -> None:
    data = bytearray(picture().data)
    data[16:24] = (30_000).to_bytes(4, "big") * 2
    with pytest.raises(ImageTooLarge):
        alpha_mask(SourceImage(data=fixed_crc(data), media_type="image/png"))


def fixed_crc(data: bytearray) -> bytes:
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_whole_file_is_told_from_a_cut_one(kind: str) -> None:
    data = picture(kind=kind).data
    assert media_type(data) == f"image/{kind.lower()}"
    assert is_whole(data)
    assert not is_whole(data[: len(data) // 2])
    assert not is_whole(b"")
    assert not is_whole(b"GIF89a" + data)


# -- moderations --------------------------------------------------------------------------------------------------


async def test_a_moderation_is_asked_again_because_it_is_free(http: HttpClient, time: FakeTime) -> None:
    statuses = [500, 429, 200]

    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"asked": await request.json(), "path": request.path}, status=statuses.pop(0))

    async with serving(handler) as url:
        client = openai_moderations_client(http, key=Secret(KEY), sandbox_url=url)
        answer = await client.post_json("moderations", {"input": "x"})
    assert answer == {"asked": {"input": "x"}, "path": "/openai/v1/moderations"}
    assert len(time.slept) == 2


async def test_a_moderation_whose_connection_is_cut_is_asked_again(http: HttpClient, time: FakeTime) -> None:
    cuts = 2

    async def handler(request: web.Request) -> web.Response:
        nonlocal cuts
        cuts -= 1
        if cuts >= 0:
            assert request.transport is not None
            request.transport.abort()
        return web.json_response({"cuts": cuts})

    async with serving(handler) as url:
        client = openai_moderations_client(http, key=Secret(KEY), sandbox_url=url)
        assert await client.post_json("/moderations", {}) == {"cuts": -1}
    assert len(time.slept) == 2


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [(401, "{}", ProviderAuth), (500, "{}", ProviderDown), (400, "{}", ProviderRefused), (200, "[", BadAnswer)],
)
async def test_a_moderation_that_fails_never_cost_anything(
    http: HttpClient, status: int, text: str, kind: type[Exception]
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type="application/json")

    async with serving(handler) as url:
        client = openai_moderations_client(http, key=Secret(KEY), sandbox_url=url)
        with pytest.raises(kind) as told:
            await client.post_json("/moderations", {})
    assert told.value.charged == "no"  # type: ignore[attr-defined]


def test_an_outpainting_is_the_repainting_of_a_larger_canvas(http: HttpClient) -> None:
    sizeless = {"width": None, "height": None}
    asked = {"task": "outpaint", "images": (picture(96, 64),), "margins": {"right": 32, "top": 16}, **sizeless}
    ready = prepared(http, **asked)
    assert (ready.path, ready.fields["size"]) == ("images/edits", "128x80")
    image, mask = (Image.open(BytesIO(data)) for _, _, _, data in ready.files)
    assert image.size == mask.size == (128, 80)
    alpha = mask.getchannel("A")
    assert alpha.getpixel((0, 15)) == alpha.getpixel((96, 79)) == 0, "clear is repainted"
    assert alpha.getpixel((0, 16)) == alpha.getpixel((95, 79)) == 255
    with pytest.raises(InvalidInput, match="margins: openai/gpt-image-2 does not make 127x80"):
        prepared(http, **{**asked, "margins": {"right": 31, "top": 16}})


def test_a_canvas_beyond_measure_is_refused_before_it_is_made(http: HttpClient) -> None:
    asked = {"task": "outpaint", "images": (picture(96, 64),), "width": None, "height": None}
    with pytest.raises(InvalidInput, match="margins: with them the image is 1000000096x64"):
        prepared(http, **asked, margins={"right": 10**9})


@pytest.mark.parametrize(("size", "told"), [((96, 64), "96x64"), ((97, 64), None)])
def test_an_inpainting_keeps_its_size_where_the_model_makes_it(
    http: HttpClient, size: tuple[int, int], told: str | None
) -> None:
    images = {"images": (picture(*size),), "mask": half_mask(*size), "width": None, "height": None}
    assert prepared(http, task="inpaint", **images).fields.get("size") == told


async def test_previews_are_shown_while_the_image_is_made(http: HttpClient, sandbox: Sandbox) -> None:
    ready = prepared(http, options={"previews": 2, "quality": "low"})
    shown: list[tuple[int, int]] = []

    async def show(data: bytes, number: int, of: int) -> None:
        assert is_whole(data)
        shown.append((number, of))

    openai = OpenAI.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    with shown_by(show):
        answer = await openai.ask(ready, call_id="c", on_accepted=ignore)
    assert shown == [(1, 2), (2, 2)]
    plain = await openai.ask(prepared(http, options={"quality": "low"}), call_id="d", on_accepted=ignore)
    assert [image.data for image in answer.images] == [image.data for image in plain.images]
    price = model().price
    assert price is not None
    streamed, alone = (charge(price, each.usage, {}) for each in (answer, plain))
    async with aiohttp.ClientSession() as session:
        bill = await Truth(sandbox.url, session).bill()
    assert [line["microusd"] for line in bill] == [streamed, alone]
    assert alone < streamed <= quote(price, ready.quantities, ready.parameters).at_most_microusd


async def test_a_listener_that_fails_costs_nobody_the_image(http: HttpClient, sandbox: Sandbox) -> None:
    async def show(data: bytes, number: int, of: int) -> None:
        raise RuntimeError("the page is gone")

    openai = OpenAI.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    with shown_by(show):
        ready = prepared(http, options={"previews": 1})
        assert (await openai.ask(ready, call_id="c", on_accepted=ignore)).images


def test_of_several_images_no_previews_are_asked_for(http: HttpClient) -> None:
    ready = prepared(http, count=2, options={"previews": 2})
    assert ready.ignored == ("previews",)
    assert "previews" not in ready.parameters
    assert not {"stream", "partial_images"} & set(ready.fields)


async def streamed(http: HttpClient, body: bytes) -> Answer:
    """One call with a preview to a server that streams this, byte by byte."""

    async def handler(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"x-request-id": "req-1"})
        await answer.prepare(request)
        for number in range(len(body)):
            await answer.write(body[number : number + 1])
        return answer

    async with serving(handler) as url:
        openai = OpenAI(http, key=Secret(KEY), base_url=url)
        return await openai.ask(prepared(http, options={"previews": 1}), call_id="c", on_accepted=ignore)


async def test_a_stream_may_be_cut_anywhere_and_break_its_lines_in_both_ways(http: HttpClient) -> None:
    image = base64.b64encode(picture(2, 2).data).decode()
    event = {"type": "image_generation.completed", "b64_json": image, "usage": {"input_tokens": 1, "output_tokens": 2}}
    answer = await streamed(http, f": hello\r\n\r\nevent: x\r\ndata: {json.dumps(event)}\r\n\r\ndata: [DONE]".encode())
    assert (answer.images[0].data, answer.usage.output_tokens) == (picture(2, 2).data, 2)


@pytest.mark.parametrize(
    ("code", "kind", "charged"), [("moderation_blocked", ProviderBlocked, "no"), ("boom", ProviderRefused, "unknown")]
)
async def test_an_error_inside_a_stream_is_told_as_what_it_is(
    http: HttpClient, code: str, kind: type[ProviderError], charged: str
) -> None:
    event = {"type": "error", "error": {"code": code, "message": "no", "type": "invalid_request_error"}}
    with pytest.raises(kind) as raised:
        await streamed(http, f"data: {json.dumps(event)}\n\n".encode())
    assert raised.value.charged == charged


async def test_an_event_that_is_nested_without_end_is_none(http: HttpClient) -> None:
    with pytest.raises(BadAnswer) as raised:
        await streamed(http, b"data: " + b"[" * 100_000 + b"\n\n")
    assert raised.value.charged == "unknown"


async def test_a_stream_that_ends_early_leaves_the_charge_unknown(http: HttpClient) -> None:
    with pytest.raises(BadAnswer) as raised:
        await streamed(http, b'data: {"type": "image_generation.par')
    assert raised.value.charged == "unknown"
