"""Stability's wire where it differs from the contract: forms, ratios, seeds, blocks in a 200, results fetched later."""

from __future__ import annotations

import json
import uuid
from collections.abc import Awaitable, Callable
from datetime import date
from io import BytesIO
from typing import Any

import aiohttp
import numpy as np
import pytest
from aiohttp import web
from PIL import Image

from mintmark.errors import (
    BadAnswer,
    ChargeUnknown,
    InvalidInput,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    ProviderRefused,
    RateLimited,
    ResultLost,
)
from mintmark.metering.prices import charge
from mintmark.providers.base import Accepted, Answer, Prepared
from mintmark.providers.http import HttpClient
from mintmark.providers.model import Model
from mintmark.providers.models import Catalog
from mintmark.providers.request import GenerationRequest, Margins, SourceImage
from mintmark.providers.secret import Secret
from mintmark.providers.stability import BASE_URL, POLL_S, Stability
from mintmark.providers.stability_errors import LOCKOUT_S
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, client, picture, serving

TODAY = date(2026, 11, 21)
KEY = "sk-stability-0123456789"
OK = {"finish-reason": "SUCCESS", "seed": "343940597", "x-request-id": "req-1"}
GENERATION = "a" * 64

Reply = Callable[[], web.Response]


def model(name: str = "sd3.5-large") -> Model:
    return Catalog.load().get(f"stability/{name}", TODAY)


def prepared(http: HttpClient, name: str = "sd3.5-large", **asked: Any) -> Prepared:
    known = model(name)
    given: dict[str, Any] = {"task": known.tasks[0], "model": known.name, "prompt": "a boat", **asked}
    if given["task"] != "text-to-image":
        given.setdefault("images", (picture(128, 96),))
    return Stability(http, key=Secret(KEY)).prepare(known, GenerationRequest.model_validate(given))


def image(**headers: str) -> Reply:
    return lambda: web.Response(body=picture().data, content_type="image/png", headers={**OK, **headers})


def error(status: int, name: str = "bad_request", *errors: str) -> Reply:
    body = {"id": "4212a4b66fbe1cedca4bf2133d35dca5", "name": name, "errors": list(errors or ("no",))}
    return lambda: web.json_response(body, status=status)


def answering(
    *replies: Reply, seen: list[web.Request] | None = None
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A server that gives these answers in turn, the last one for ever."""
    left = list(replies)

    async def handler(request: web.Request) -> web.Response:
        if seen is not None:
            await request.read()
            seen.append(request)
        return (left.pop(0) if len(left) > 1 else left[0])()

    return handler


async def ask(http: HttpClient, *replies: Reply, name: str = "sd3.5-large", **asked: Any) -> Answer:
    async with serving(answering(*replies)) as url:
        provider = Stability.open(http, key=Secret(KEY), sandbox_url=url)
        return await provider.ask(prepared(http, name, **asked), call_id="c", on_accepted=ignore)


async def made(http: HttpClient, sandbox: Sandbox, name: str, **asked: Any) -> Image.Image:
    """The picture that the sandbox makes of it."""
    provider = Stability.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    answer = await provider.ask(prepared(http, name, **asked), call_id="c", on_accepted=ignore)
    with Image.open(BytesIO(await provider.fetch(answer.images[0]))) as opened:
        return opened.convert("RGB")


async def bill(sandbox: Sandbox) -> list[dict[str, Any]]:
    async with aiohttp.ClientSession() as session:
        return await Truth(sandbox.url, session).bill()


# -- requests -----------------------------------------------------------------------------------------------------


def test_the_live_api_is_asked_unless_there_is_a_sandbox_or_a_gateway(http: HttpClient) -> None:
    assert BASE_URL == "https://api.stability.ai"
    assert Stability.open(http, key=Secret(KEY))._base_url == BASE_URL
    assert Stability.open(http, key=Secret(KEY), base_url="https://own/")._base_url == "https://own"
    assert Stability.open(http, key=Secret(KEY), sandbox_url="http://x/")._base_url == "http://x/stability"


async def test_a_request_is_a_form_with_an_empty_file_where_there_is_none(http: HttpClient) -> None:
    seen: list[web.Request] = []
    async with serving(answering(image(), seen=seen)) as url:
        provider = Stability.open(http, key=Secret(KEY), sandbox_url=url)
        await provider.ask(prepared(http, prompt="ein grünes Boot", seed=7), call_id="c", on_accepted=ignore)
    (request,) = seen
    body = await request.read()
    assert request.path == "/stability/v2beta/stable-image/generate/sd3"
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Accept"] == "image/*"
    assert request.content_type == "multipart/form-data"
    assert b'name="none"; filename="none"\r\n\r\n\r\n' in body
    assert 'name="prompt"\r\n\r\nein grünes Boot\r\n'.encode() in body
    assert b'name="model"\r\n\r\nsd3.5-large\r\n' in body
    assert b'name="seed"\r\n\r\n7\r\n' in body


@pytest.mark.parametrize(
    ("name", "asked", "path", "fields"),
    [
        ("ultra", {}, "generate/ultra", {}),
        ("core", {"width": 1344, "height": 768}, "generate/core", {"aspect_ratio": "16:9"}),
        ("core", {"options": {"style_preset": "anime"}}, "generate/core", {"style_preset": "anime"}),
        ("core", {"negative_prompt": "fog"}, "generate/core", {"negative_prompt": "fog"}),
        (
            *("sd3.5-medium", {"options": {"guidance": 3.5, "aspect_ratio": "9:21"}}, "generate/sd3"),
            {"model": "sd3.5-medium", "mode": "text-to-image", "cfg_scale": 3.5, "aspect_ratio": "9:21"},
        ),
        (
            *("sd3.5-large-turbo", {"task": "variation", "strength": 0.25}, "generate/sd3"),
            {"model": "sd3.5-large-turbo", "mode": "image-to-image", "strength": 0.25},
        ),
        ("ultra", {"task": "variation"}, "generate/ultra", {"strength": 0.5}),
        ("inpaint", {"mask": picture(128, 96)}, "edit/inpaint", {}),
        ("inpaint", {"mask": picture(128, 96), "options": {"grow_mask": 0}}, "edit/inpaint", {"grow_mask": 0}),
        (
            *("outpaint", {"margins": Margins(left=7, right=2000, bottom=3)}, "edit/outpaint"),
            {"left": 7, "right": 2000, "down": 3},
        ),
        ("outpaint", {"margins": Margins(top=9)}, "edit/outpaint", {"up": 9}),
        (
            *("search-and-replace", {"options": {"search_prompt": "dog"}}, "edit/search-and-replace"),
            {"search_prompt": "dog"},
        ),
        (
            *("search-and-recolor", {"options": {"select_prompt": "car"}}, "edit/search-and-recolor"),
            {"select_prompt": "car"},
        ),
        ("style-transfer", {"options": {"style_strength": 0.5}}, "control/style-transfer", {"style_strength": 0.5}),
        ("upscale-conservative", {"options": {"creativity": 0.4}}, "upscale/conservative", {"creativity": 0.4}),
        ("upscale-creative", {}, "upscale/creative", {}),
        ("sketch", {"control": "sketch", "strength": 0.9}, "control/sketch", {"control_strength": 0.9}),
        ("structure", {"control": "depth"}, "control/structure", {}),
        (
            *("style", {"strength": 0.2, "width": 640, "height": 960}, "control/style"),
            {"fidelity": 0.8, "aspect_ratio": "2:3"},
        ),
    ],
)  # fmt: skip
def test_each_task_has_its_service_and_its_words(
    http: HttpClient, name: str, asked: dict[str, Any], path: str, fields: dict[str, Any]
) -> None:
    ready = prepared(http, name, **asked)
    assert ready.path == path
    assert ready.fields == {"prompt": "a boat", **fields}
    assert ready.ignored == ()


@pytest.mark.parametrize(
    ("name", "asked", "ignored"),
    [
        ("upscale-fast", {"seed": 3, "negative_prompt": "fog"}, ("prompt", "negative_prompt", "seed")),
        ("erase", {"mask": picture(128, 96)}, ("prompt",)),
        ("remove-background", {"seed": 3}, ("prompt", "seed")),
        ("sketch", {"control": "edges", "width": 512, "height": 512}, ("width", "height")),
        ("sd3.5-large", {"task": "variation", "width": 512, "height": 512}, ("width", "height")),
        ("core", {"width": 512, "height": 512, "options": {"aspect_ratio": "3:2"}}, ("width", "height")),
        ("sd3.5-large", {"task": "variation", "options": {"aspect_ratio": "3:2"}}, ("aspect_ratio",)),
        ("upscale-conservative", {"scale": 4.0}, ("scale",)),
        ("upscale-fast", {"scale": 2.0, "prompt": ""}, ("scale",)),
        ("upscale-fast", {"scale": 4.0, "prompt": ""}, ()),
    ],
)
def test_what_a_service_does_not_take_is_named_and_left_out(
    http: HttpClient, name: str, asked: dict[str, Any], ignored: tuple[str, ...]
) -> None:
    ready = prepared(http, name, **asked)
    assert ready.ignored == ignored
    assert not set(ignored) & set(ready.fields) - {"aspect_ratio"}


@pytest.mark.parametrize(
    ("name", "asked", "told"),
    [
        ("search-and-replace", {"options": {"search_prompt": ""}}, "search_prompt"),
        ("search-and-recolor", {"options": {"select_prompt": " "}}, "select_prompt"),
        ("inpaint", {"mask": picture(128, 96), "options": {"grow_mask": 101}}, "grow_mask"),
        ("search-and-replace", {"options": {"search_prompt": "x", "grow_mask": 21}}, "grow_mask"),
        ("outpaint", {"margins": Margins(left=2001)}, "2000"),
        ("outpaint", {"margins": Margins()}, "margins"),
        ("upscale-conservative", {"prompt": ""}, "prompt"),
        ("upscale-creative", {"images": (picture(1200, 1200),)}, "1048576"),
        ("upscale-fast", {"images": (picture(1600, 100),)}, "1536"),
        ("sketch", {"control": "sketch", "images": (picture(60, 100),)}, "64"),
        ("sketch", {"control": "sketch", "images": (picture(300, 100),)}, "2.5"),
        ("sketch", {"control": "pose"}, "pose"),
        ("core", {"width": 1000, "height": 200}, "ratio"),
        ("core", {"prompt": "x" * 10_001}, "10000"),
    ],
)
def test_what_stability_would_refuse_is_refused_before_it_is_sent(
    http: HttpClient, name: str, asked: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        prepared(http, name, **asked)


def test_two_images_have_names_of_their_own(http: HttpClient) -> None:
    one, other = picture(128, 96), picture(96, 128)
    for name, named in (
        ("style-transfer", ["init_image", "style_image"]),
        ("replace-background", ["subject_image", "background_reference"]),
    ):
        ready = prepared(http, name, images=(one, other))
        assert [(part, data) for part, _, _, data in ready.files] == list(
            zip(named, (one.data, other.data), strict=True)
        )


def test_an_image_without_another_one_is_its_own_style_and_needs_no_background(http: HttpClient) -> None:
    assert [file[0] for file in prepared(http, "style-transfer").files] == ["init_image", "style_image"]
    ready = prepared(http, "replace-background", options={"keep_original_background": True})
    assert [file[0] for file in ready.files] == ["subject_image"]
    assert ready.fields == {"background_prompt": "a boat", "keep_original_background": True}


async def test_a_background_is_removed_and_leaves_nothing_behind(http: HttpClient, sandbox: Sandbox) -> None:
    provider = Stability.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    answer = await provider.ask(prepared(http, "remove-background"), call_id="c", on_accepted=ignore)
    with Image.open(BytesIO(await provider.fetch(answer.images[0]))) as cut:
        assert (cut.mode, cut.size) == ("RGBA", (128, 96))
        assert cut.getpixel((0, 0))[3] == 0  # type: ignore[index]
        assert cut.getpixel((64, 48))[3] == 255  # type: ignore[index]
    assert [line["microusd"] for line in await bill(sandbox)] == [50_000]


@pytest.mark.parametrize("name", ["replace-background", "style-transfer"])
async def test_the_newer_services_cost_eight_credits(http: HttpClient, sandbox: Sandbox, name: str) -> None:
    await made(http, sandbox, name, options={"keep_original_background": True} if "back" in name else {})
    assert [line["microusd"] for line in await bill(sandbox)] == [80_000]


def test_a_request_over_ten_mebibytes_is_refused_with_its_size(http: HttpClient) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (2000, 2000, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, "PNG", compress_level=0)
    with pytest.raises(InvalidInput, match=r"11\.\d MiB.*10 MiB"):
        prepared(
            http,
            "outpaint",
            images=(SourceImage(data=file.getvalue(), media_type="image/png"),),
            margins=Margins(left=1),
        )


def test_outpainting_and_enlarging_need_no_words(http: HttpClient) -> None:
    assert "prompt" not in prepared(http, "outpaint", prompt="", margins=Margins(left=1)).fields
    assert "prompt" not in prepared(http, "upscale-fast", prompt="").fields


@pytest.mark.parametrize(
    ("asked", "sent"), [(0, 1), (1, 1), (4_294_967_294, 4_294_967_294), (4_294_967_295, 2), (2**64 - 1, 4)]
)
def test_a_seed_of_zero_is_no_random_one(http: HttpClient, asked: int, sent: int) -> None:
    """0 means "random" there, so a wish for it becomes another seed, which is recorded and can be repeated."""
    ready = prepared(http, seed=asked)
    assert (ready.seed, ready.fields["seed"]) == (sent, sent)
    assert 1 <= sent <= 4_294_967_294


def test_without_a_seed_none_is_sent(http: HttpClient) -> None:
    ready = prepared(http)
    assert ready.seed is None
    assert "seed" not in ready.fields


# -- answers ------------------------------------------------------------------------------------------------------


async def test_the_bytes_are_handed_on_untouched_with_the_seed_that_was_used(http: HttpClient) -> None:
    answer = await ask(http, image())
    (one,) = answer.images
    assert (one.data, one.media_type, one.seed, one.blocked) == (picture().data, "image/png", 343940597, False)
    assert answer.request_id == "req-1"


async def test_a_filtered_image_inside_a_200_is_blocked_charged_and_not_kept(http: HttpClient) -> None:
    answer = await ask(http, image(**{"finish-reason": "CONTENT_FILTERED"}))
    (one,) = answer.images
    assert (one.blocked, one.data) == (True, None)
    known = model()
    assert known.price is not None
    assert charge(known.price, answer.usage, {}) == 65_000


@pytest.mark.parametrize(
    ("reply", "charged"),
    [
        (lambda: web.Response(body=picture().data[:-20], content_type="image/png", headers=OK), "yes"),
        (lambda: web.Response(body=b"<html>", content_type="image/png"), "unknown"),
        (lambda: web.json_response({"image": "", "finish_reason": "SUCCESS"}), "unknown"),
        (image(**{"finish-reason": "ERROR"}), "unknown"),
    ],
)
async def test_an_answer_without_a_whole_image_is_a_bad_answer(http: HttpClient, reply: Reply, charged: str) -> None:
    with pytest.raises(BadAnswer) as told:
        await ask(http, reply)
    assert told.value.charged == charged


@pytest.mark.parametrize(
    ("reply", "kind", "charged", "told"),
    [
        (error(400, "bad_request", "prompt: is required", "image: is"), ProviderRefused, "no", "required; image"),
        (error(401, "unauthorized"), ProviderAuth, "no", "keys set stability"),
        (lambda: web.json_response({"name": "unauthorized", "message": "x"}, status=401), ProviderAuth, "no", "key"),
        (error(402, "payment_required"), ProviderAuth, "no", "account/credits"),
        (error(403, "content_moderation", "Your request was flagged"), ProviderBlocked, "no", "flagged"),
        (error(403, "permission_denied"), ProviderAuth, "no", "permission_denied"),
        (error(404, "not_found"), ProviderRefused, "no", "refuses the request"),
        (error(413, "payload_too_large", "larger than 10MiB"), ProviderRefused, "no", "10MiB"),
        (error(422, "invalid_language", "English is the only"), ProviderRefused, "no", "English"),
        (error(422, "public_figure", "likeness"), ProviderBlocked, "no", "likeness"),
        (error(500, "internal_error"), ProviderDown, "no", "500"),
        (lambda: web.Response(status=500, text="<html>"), ProviderDown, "unknown", "500"),
        (lambda: web.Response(status=524, text="<html>"), ProviderDown, "unknown", "524"),
        (lambda: web.Response(status=503, text="<html>"), ProviderDown, "no", "503"),
        (error(408, "timeout"), ProviderDown, "unknown", "408"),
    ],
)  # fmt: skip
async def test_each_error_of_stability_has_its_meaning(
    http: HttpClient, reply: Reply, kind: type[ProviderError], charged: str, told: str
) -> None:
    with pytest.raises(kind) as caught:
        await ask(http, reply)
    assert type(caught.value) is kind
    assert caught.value.charged == charged
    assert told in str(caught.value)


async def test_an_error_names_the_id_that_the_vendor_s_support_asks_for(http: HttpClient) -> None:
    with pytest.raises(ProviderRefused) as told:
        await ask(http, error(400))
    assert told.value.request_id == "4212a4b66fbe1cedca4bf2133d35dca5"


@pytest.mark.parametrize("status", [401, 402, 403])
async def test_an_error_s_name_that_quotes_the_key_or_is_a_book_is_not_told(http: HttpClient, status: int) -> None:
    with pytest.raises(ProviderAuth) as told:
        await ask(http, error(status, f"bad_{KEY}_" + "x" * 10_000))
    assert KEY not in str(told.value)
    assert len(str(told.value)) < 400


async def test_a_lockout_is_waited_out_once(http: HttpClient, time: FakeTime) -> None:
    assert (await ask(http, error(429, "rate_limit_exceeded"), image())).images
    assert time.slept == [LOCKOUT_S]


async def test_a_lockout_that_stays_is_told_with_its_minute(http: HttpClient, time: FakeTime) -> None:
    with pytest.raises(RateLimited) as told:
        await ask(http, error(429, "rate_limit_exceeded", "timed out for 60 seconds"))
    assert (told.value.charged, told.value.retry_after) == ("no", 60.0)
    assert time.slept == [LOCKOUT_S]


# -- what is fetched later ----------------------------------------------------------------------------------------


def started() -> web.Response:
    return web.json_response({"id": GENERATION})


def working() -> web.Response:
    return web.json_response({"id": GENERATION, "status": "in-progress"}, status=202)


async def upscale(http: HttpClient, *replies: Reply, seen: list[web.Request] | None = None) -> tuple[Answer, Accepted]:
    heard: list[Accepted] = []

    async def on_accepted(accepted: Accepted) -> None:
        heard.append(accepted)

    async with serving(answering(*replies, seen=seen)) as url:
        provider = Stability.open(http, key=Secret(KEY), sandbox_url=url)
        answer = await provider.ask(prepared(http, "upscale-creative"), call_id="c", on_accepted=on_accepted)
    return answer, heard[0]


async def test_a_generation_is_polled_no_faster_than_stability_allows(http: HttpClient, time: FakeTime) -> None:
    seen: list[web.Request] = []
    answer, accepted = await upscale(http, started, working, working, image(), seen=seen)
    assert time.slept == [POLL_S] * 3 == [10.0] * 3
    assert [request.path for request in seen[1:]] == [f"/stability/v2beta/results/{GENERATION}"] * 3
    assert {request.headers["Accept"] for request in seen} == {"image/*"}
    assert answer.request_id == accepted.request_id == GENERATION
    assert answer.images[0].data == picture().data
    assert KEY not in json.dumps(accepted.handle)


async def test_trouble_while_polling_passes_at_the_vendor_s_pace(http: HttpClient, time: FakeTime) -> None:
    await upscale(http, started, error(500, "internal_error"), error(429, "rate_limit_exceeded"), working, image())
    assert time.slept == [POLL_S, POLL_S, LOCKOUT_S, POLL_S]


@pytest.mark.parametrize("seconds", ["90000", "1e18"])
async def test_a_wait_longer_than_a_call_may_take_is_not_waited(http: HttpClient, time: FakeTime, seconds: str) -> None:
    def later() -> web.Response:
        return web.json_response({"status": "in-progress"}, status=202, headers={"Retry-After": seconds})

    with pytest.raises(ProviderDown, match="did not finish") as told:
        await upscale(http, started, later, image())
    assert (told.value.charged, told.value.request_id) == ("unknown", GENERATION)
    assert time.slept == [POLL_S]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (error(404, "generation_not_found"), ResultLost),
        (error(401, "unauthorized"), ProviderAuth),
        (error(403, "content_moderation"), ProviderBlocked),
        (error(400, "bad_request"), ProviderRefused),
        (error(500, "internal_error"), ProviderDown),
        (lambda: web.Response(status=302, headers={"Location": "https://example.com"}), BadAnswer),
    ],
)
async def test_a_generation_that_cannot_be_had_is_of_unknown_charge(
    http: HttpClient, reply: Reply, kind: type[ProviderError]
) -> None:
    with pytest.raises(kind) as told:
        await upscale(http, started, reply)
    assert type(told.value) is kind
    assert (told.value.charged, told.value.request_id) == ("unknown", GENERATION)


@pytest.mark.parametrize("answer", [{}, {"id": 7}, {"id": ""}, {"id": "../../v1/user/balance"}, []])
async def test_a_start_that_names_no_generation_is_a_bad_answer(http: HttpClient, answer: Any) -> None:
    with pytest.raises(BadAnswer) as told:
        await upscale(http, lambda: web.json_response(answer))
    assert told.value.charged == "unknown"


async def test_patience_ends_with_the_time_limit(time: FakeTime, http: HttpClient) -> None:
    with pytest.raises(ProviderDown, match="MINTMARK_PROVIDER_TIMEOUT_S") as told:
        await upscale(http, started, working)
    assert (told.value.charged, told.value.request_id) == ("unknown", GENERATION)
    assert sum(time.slept) >= http.timeouts.total_s


async def test_an_accepted_upscaling_is_finished_by_another_process(
    http: HttpClient, sandbox: Sandbox, time: FakeTime
) -> None:
    heard: list[Accepted] = []

    class Died(Exception):
        pass

    async def on_accepted(accepted: Accepted) -> None:
        heard.append(accepted)
        raise Died

    provider = Stability.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    with pytest.raises(Died):
        await provider.ask(prepared(http, "upscale-creative"), call_id=str(uuid.uuid4()), on_accepted=on_accepted)
    kept = json.loads(json.dumps(vars(heard[0])))
    assert any(str(value).startswith(f"{sandbox.url}/") for value in kept["handle"].values())
    async with client(time) as other:
        again = Stability.open(other, key=Secret(KEY), sandbox_url=sandbox.url)
        answer = await again.resume(model("upscale-creative"), Accepted(**kept))
        assert (await again.fetch(answer.images[0])).startswith(b"\x89PNG")
        assert not await again.cancel(Accepted(**kept))
    (line,) = await bill(sandbox)
    assert (line["request_id"], line["microusd"]) == (answer.request_id, 600_000)


async def test_a_call_that_answered_at_once_cannot_be_asked_about(http: HttpClient, sandbox: Sandbox) -> None:
    heard: list[Accepted] = []

    async def on_accepted(accepted: Accepted) -> None:
        heard.append(accepted)

    provider = Stability.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    await provider.ask(prepared(http), call_id="c", on_accepted=on_accepted)
    assert heard[0].handle == {}
    with pytest.raises(ChargeUnknown):
        await provider.resume(model(), heard[0])


# -- with the sandbox ---------------------------------------------------------------------------------------------

SMALL: dict[str, dict[str, Any]] = {
    "inpaint": {"mask": picture(128, 96)},
    "erase": {"mask": picture(128, 96)},
    "outpaint": {"margins": Margins(right=32)},
    "search-and-replace": {"options": {"search_prompt": "dog"}},
    "search-and-recolor": {"options": {"select_prompt": "dog"}},
    "sketch": {"control": "sketch"},
    "structure": {"control": "edges"},
}


@pytest.mark.parametrize("name", [one.name.partition("/")[2] for one in Catalog.load().list(provider="stability")])
async def test_every_model_does_all_its_tasks_and_settles_what_is_billed(
    http: HttpClient, sandbox: Sandbox, name: str
) -> None:
    known = model(name)
    assert known.price is not None
    provider = Stability.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    for task in known.tasks:
        ready = prepared(http, name, task=task, seed=5, **SMALL.get(name, {}))
        answer = await provider.ask(ready, call_id="c", on_accepted=ignore)
        line = (await bill(sandbox))[-1]
        assert charge(known.price, answer.usage, ready.parameters) == line["microusd"] > 0
        assert answer.images[0].seed == 5 or known.seeds is None


async def test_only_what_the_mask_shows_in_white_is_repainted(http: HttpClient, sandbox: Sandbox) -> None:
    mask = Image.new("L", (128, 96), 0)
    mask.paste(255, (0, 0, 40, 20))  # one corner: no other polarity, axis or corner would pass
    file = BytesIO()
    mask.save(file, "PNG")
    given = {"mask": SourceImage(data=file.getvalue(), media_type="image/png"), "options": {"grow_mask": 0}}
    result = np.array(await made(http, sandbox, "inpaint", **given), np.int64)
    changed = np.abs(result - np.array((40, 90, 160))).sum(axis=2) > 0
    assert changed[:20, :40].mean() > 0.95
    assert not changed[20:].any()
    assert not changed[:, 40:].any()


async def test_outpainting_keeps_the_image_where_its_margins_put_it(http: HttpClient, sandbox: Sandbox) -> None:
    result = await made(http, sandbox, "outpaint", margins=Margins(left=10, top=20, right=30, bottom=40))
    assert result.size == (128 + 40, 96 + 60)
    assert result.crop((10, 20, 138, 116)).getcolors() == [(128 * 96, (40, 90, 160))]
    assert len(result.getcolors(maxcolors=2**20) or []) > 50


@pytest.mark.parametrize(
    ("name", "size"),
    [("upscale-fast", (512, 384)), ("upscale-conservative", (2364, 1774)), ("upscale-creative", (2364, 1774))],
)
async def test_upscaling_enlarges_the_image(
    http: HttpClient, sandbox: Sandbox, name: str, size: tuple[int, int]
) -> None:
    assert (await made(http, sandbox, name)).size == size


async def test_a_control_follows_its_map_the_more_the_stronger_it_is(http: HttpClient, sandbox: Sandbox) -> None:
    lines = Image.new("RGB", (128, 96), "black")
    lines.paste((255, 255, 255), (60, 0, 68, 96))
    file = BytesIO()
    lines.save(file, "PNG")
    sketch = SourceImage(data=file.getvalue(), media_type="image/png")
    likeness = []
    for strength in (0.0, 0.5, 1.0):
        result = await made(http, sandbox, "sketch", control="sketch", images=(sketch,), strength=strength, seed=4)
        drawn, wanted = np.array(result.convert("L"), float).ravel(), np.array(lines.convert("L"), float).ravel()
        likeness.append(np.corrcoef(drawn, wanted)[0, 1])
    assert likeness == sorted(likeness)
    assert likeness[2] > likeness[0] + 0.5


@pytest.mark.parametrize(("strength", "near"), [(0.0, True), (1.0, False)])
async def test_a_variation_moves_away_from_its_image_as_far_as_it_may(
    http: HttpClient, sandbox: Sandbox, strength: float, near: bool
) -> None:
    result = await made(http, sandbox, "sd3.5-medium", task="variation", strength=strength)
    off = np.abs(np.array(result, np.int64) - np.array((40, 90, 160))).sum(axis=2)
    assert bool(np.median(off) == 0) is near


async def test_a_blocked_generation_is_told_when_it_is_fetched(http: HttpClient, sandbox: Sandbox) -> None:
    async with aiohttp.ClientSession() as session:
        await Truth(sandbox.url, session).fail({"provider": "stability", "kind": "policy_output"})
    provider = Stability.open(http, key=Secret(KEY), sandbox_url=sandbox.url)
    answer = await provider.ask(prepared(http, "upscale-creative"), call_id="c", on_accepted=ignore)
    assert [one.blocked for one in answer.images] == [True]
    assert len(await bill(sandbox)) == 1
