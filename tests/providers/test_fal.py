"""fal's queue where it differs from the contract: handles, polls, cancels, hosts and lost results."""

from __future__ import annotations

import asyncio
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
    InvalidInput,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderRefused,
    ResultLost,
)
from mintmark.metering.prices import charge
from mintmark.providers.base import Accepted, Answer, ResultImage
from mintmark.providers.fal import Fal
from mintmark.providers.http import HttpClient, Timeouts
from mintmark.providers.models import Catalog
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, client, half_mask, left_alone, model, picture, prepared, serving

TODAY = date(2026, 11, 21)
KEY = "fal-id-0123:fal-secret-4567"
RESULT = {"images": [{"url": "https://v3.fal.media/x.png", "width": 64, "height": 64}], "seed": 1}


class Queue:
    """A hand-made fal, for answers that the sandbox does not give."""

    def __init__(self, *statuses: Any, result: Any = RESULT, result_status: int = 200, **urls: str) -> None:
        self.statuses, self.result, self.result_status, self.urls = list(statuses), result, result_status, urls
        self.seen: list[tuple[str, str]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.path))
        base = f"http://{request.host}/fal/queue/fal-ai/flux/requests/r-1"
        if request.method == "POST":
            urls = {"status_url": f"{base}/status", "response_url": base, "cancel_url": f"{base}/cancel"}
            return web.json_response({"request_id": "r-1", **urls, **self.urls})
        if request.method == "PUT":
            return web.json_response({"status": "CANCELLATION_REQUESTED"}, status=202)
        if request.path.endswith("/status"):
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            return status if isinstance(status, web.Response) else web.json_response(status)
        return web.json_response(self.result, status=self.result_status)


async def ask(queue: Queue, http: HttpClient) -> Answer:
    async with serving(queue.answer) as url:
        fal = Fal.open(http, key=Secret(KEY), sandbox_url=url)
        return await fal.ask(prepared(fal), call_id="c", on_accepted=ignore)


async def test_the_handle_holds_all_it_takes_and_no_secret(fal: Fal) -> None:
    heard: list[Accepted] = []

    async def on_accepted(accepted: Accepted) -> None:
        heard.append(accepted)

    await fal.ask(prepared(fal), call_id="c", on_accepted=on_accepted)
    handle = heard[0].handle
    assert set(handle) == {"request_id", "status_url", "response_url", "cancel_url", "app", "megapixels"}
    assert handle["app"] == "fal-ai/flux/schnell"
    # fal drops what follows owner and app from these URLs, so they cannot be made up: they are used as given.
    assert "schnell" not in handle["status_url"]


async def test_polls_begin_soon_and_grow_from_a_tenth_of_a_second_to_one(http: HttpClient, time: FakeTime) -> None:
    waiting = [{"status": "IN_QUEUE"}] * 3 + [{"status": "IN_PROGRESS"}] * 6
    await ask(Queue(*waiting, {"status": "COMPLETED"}), http)
    assert time.slept[:2] == [0.02, 0.1]
    assert time.slept == sorted(time.slept)
    assert time.slept[-1] == 1.0
    assert len(time.slept) == 10


async def test_a_call_that_takes_too_long_is_canceled(time: FakeTime) -> None:
    queue = Queue({"status": "IN_PROGRESS"})
    async with client(time, timeouts=Timeouts(total_s=10)) as http:
        with pytest.raises(ProviderDown, match="10 s") as told:
            await ask(queue, http)
    assert ("PUT", "/fal/queue/fal-ai/flux/requests/r-1/cancel") in queue.seen
    # fal only said that it heard the wish; the call still runs, so nobody knows.
    assert told.value.charged == "unknown"
    assert told.value.request_id == "r-1"


async def test_canceling_us_cancels_the_remote_call_and_costs_nothing(http: HttpClient, time: FakeTime) -> None:
    async with Sandbox(latency_s=60) as slow, aiohttp.ClientSession() as session:
        fal = Fal.open(http, key=Secret(KEY), sandbox_url=slow.url)
        accepted: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()

        async def on_accepted(one: Accepted) -> None:
            accepted.set_result(one)

        task = asyncio.create_task(fal.ask(prepared(fal), call_id="c", on_accepted=on_accepted), name="ask")
        call = await asyncio.wait_for(accepted, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with session.get(call.handle["status_url"], headers={"Authorization": f"Key {KEY}"}) as reply:
            assert "cancel" in (await reply.json())["error"]
        # Whoever asks again, to be sure, is told the same.
        assert await fal.cancel(call) is True
        assert await Truth(slow.url, session).bill() == []


async def test_a_call_in_the_queue_can_be_canceled_and_a_finished_one_cannot(http: HttpClient, time: FakeTime) -> None:
    async with Sandbox(latency_s=60) as slow:
        fal = Fal.open(http, key=Secret(KEY), sandbox_url=slow.url)
        accepted = await left_alone(fal, prepared(fal))
        assert await fal.cancel(accepted) is True
        with pytest.raises(ProviderRefused) as told:
            await fal.resume(model("fal/flux-schnell"), accepted)
        assert told.value.charged == "no"
    async with Sandbox(latency_s=0) as quick:
        fal = Fal.open(http, key=Secret(KEY), sandbox_url=quick.url)
        accepted = await left_alone(fal, prepared(fal))
        await fal.resume(model("fal/flux-schnell"), accepted)
        assert await fal.cancel(accepted) is False


async def test_a_cancel_that_was_only_heard_is_not_believed(http: HttpClient) -> None:
    async with serving(Queue({"status": "IN_PROGRESS"}).answer) as url:
        fal = Fal.open(http, key=Secret(KEY), sandbox_url=url)
        assert await fal.cancel(await left_alone(fal, prepared(fal))) is False


async def test_a_cancel_at_a_server_that_is_gone_is_false(http: HttpClient, unused_tcp_port: int) -> None:
    base = f"http://127.0.0.1:{unused_tcp_port}"
    fal = Fal.open(http, key=Secret(KEY), sandbox_url=base)
    urls = dict.fromkeys(("status_url", "response_url", "cancel_url"), f"{base}/fal/queue/a/b")
    assert await fal.cancel(Accepted(request_id="r", handle=urls)) is False


@pytest.mark.parametrize("name", ["status_url", "response_url", "cancel_url"])
@pytest.mark.parametrize(
    "url", ["https://evil.example/x", "http://queue.fal.run/x", "https://fal.run.evil.example/", ""]
)
async def test_the_key_is_not_sent_where_fal_is_not(http: HttpClient, name: str, url: str) -> None:
    queue = Queue({"status": "COMPLETED"}, **{name: url})
    with pytest.raises(BadAnswer) as told:
        await ask(queue, http)
    assert told.value.charged == "unknown"
    assert [method for method, _ in queue.seen] == ["POST"]


def test_live_hosts_are_fal_s_own_by_https() -> None:
    live = Fal.live
    assert live.is_api("https://queue.fal.run/fal-ai/flux/requests/1")
    assert live.is_media("https://v3.fal.media/files/x.png")
    assert live.is_media("https://v3b.fal.media/files/x.png")
    for url in (
        "https://v3.fal.media/x",
        "http://queue.fal.run/x",
        "https://evilfal.run/",
        "https://fal.run@evil.example/",
    ):
        assert not live.is_api(url)
    for url in (
        "http://v3.fal.media/x",
        "https://fal.media.evil.example/x",
        "https://notfal.media/",
        "http://127.0.0.1/",
    ):
        assert not live.is_media(url)


async def test_a_status_that_fails_for_a_while_is_asked_again(fal: Fal, truth: Truth) -> None:
    await truth.fail({"provider": "fal", "kind": "status", "status": 503, "count": 2, "path": "/status"})
    answer = await fal.ask(prepared(fal), call_id="c", on_accepted=ignore)
    assert len(answer.images) == 1


@pytest.mark.parametrize("kind", ["drop_after", "truncated"])
@pytest.mark.parametrize("path", ["/status", "/requests/"])
async def test_a_poll_that_is_lost_is_asked_again(fal: Fal, truth: Truth, kind: str, path: str) -> None:
    await truth.fail({"provider": "fal", "kind": kind, "count": 1, "path": path, "method": "GET"})
    assert len((await fal.ask(prepared(fal), call_id="c", on_accepted=ignore)).images) == 1
    assert len(await truth.bill()) == 1


@pytest.mark.parametrize(
    ("status", "kind"), [(500, ProviderDown), (503, ProviderDown), (401, ProviderAuth), (404, ResultLost)]
)
async def test_a_call_whose_status_cannot_be_read_is_unknown(
    fal: Fal, truth: Truth, status: int, kind: type[Exception]
) -> None:
    await truth.fail({"provider": "fal", "kind": "status", "status": status, "path": "/status"})
    with pytest.raises(kind) as told:
        await fal.ask(prepared(fal), call_id="c", on_accepted=ignore)
    assert told.value.charged == "unknown"  # type: ignore[attr-defined]
    assert told.value.request_id  # type: ignore[attr-defined]


async def test_a_result_that_fails_for_a_moment_is_asked_again(fal: Fal, truth: Truth) -> None:
    fault = {"provider": "fal", "kind": "status", "status": 502, "count": 1, "path": "/requests/", "method": "GET"}
    await truth.fail({**fault, "path": "/requests/", "count": 2})
    assert len((await fal.ask(prepared(fal), call_id="c", on_accepted=ignore)).images) == 1


@pytest.mark.parametrize(
    ("result", "status", "kind", "charged"),
    [
        ({"detail": "runner died", "error_type": "runner_disconnected"}, 500, ProviderDown, "no"),
        ({"oops": 1}, 502, ProviderDown, "unknown"),
        ({"detail": [{"loc": ["body"], "msg": "big", "type": "less_than_equal"}]}, 422, ProviderRefused, "no"),
        ({"detail": [{"loc": ["body"], "msg": "5", "type": "int_parsing"}]}, 422, ProviderRefused, "no"),
        (
            {"detail": [{"loc": ["body"], "msg": "empty", "type": "no_media_generated"}]},
            422,
            ProviderRefused,
            "unknown",
        ),
        ({"detail": "could not be processed"}, 422, ProviderRefused, "unknown"),
        (
            {"detail": [{"loc": ["body", "prompt"], "msg": "flagged", "type": "content_policy_violation"}]},
            422,
            ProviderBlocked,
            "unknown",
        ),
        ({"detail": "gone"}, 404, ResultLost, "unknown"),
        ({"images": []}, 200, BadAnswer, "yes"),
        ({"images": [{"width": 3}]}, 200, BadAnswer, "yes"),
        ([1], 200, BadAnswer, "yes"),
    ],
)
async def test_a_finished_call_without_images_is_told_with_what_it_cost(
    http: HttpClient, result: Any, status: int, kind: type[Exception], charged: str
) -> None:
    queue = Queue({"status": "COMPLETED"}, result=result, result_status=status)
    with pytest.raises(kind) as told:
        await ask(queue, http)
    assert type(told.value) is kind
    assert told.value.charged == charged  # type: ignore[attr-defined]
    assert told.value.request_id == "r-1"  # type: ignore[attr-defined]


async def test_a_call_that_completed_with_an_error_is_a_failure_that_costs_nothing(http: HttpClient) -> None:
    failed = {"status": "COMPLETED", "error": "runner died", "error_type": "runner_disconnected"}
    queue = Queue(failed, result={"detail": "x"}, result_status=500)
    with pytest.raises(ProviderDown, match="runner died") as told:
        await ask(queue, http)
    assert told.value.charged == "no"
    # Its result is its error: asking for it again and again would only tell the same.
    assert queue.seen.count(("GET", "/fal/queue/fal-ai/flux/requests/r-1")) == 1


@pytest.mark.parametrize("status", [{"status": "EXPLODED"}, {"state": "COMPLETED"}, [], {"status": 3}])
async def test_a_status_outside_the_protocol_is_a_bad_answer(http: HttpClient, status: Any) -> None:
    with pytest.raises(BadAnswer) as told:
        await ask(Queue(web.json_response(status)), http)
    assert told.value.charged == "unknown"


async def test_a_submission_that_names_no_request_may_have_been_charged(http: HttpClient) -> None:
    with pytest.raises(BadAnswer) as told:
        await ask(Queue({"status": "COMPLETED"}, request_id=""), http)
    assert told.value.charged == "unknown"


async def test_a_wrong_input_is_found_when_it_runs_and_is_not_charged(fal: Fal, truth: Truth) -> None:
    broken = prepared(fal)
    broken.fields["num_images"] = 77
    with pytest.raises(ProviderRefused, match="num_images") as told:
        await fal.ask(broken, call_id="c", on_accepted=ignore)
    assert told.value.charged == "no"
    assert await truth.bill() == []


async def test_an_image_that_the_checker_blacked_out_is_marked_and_charged(fal: Fal, truth: Truth) -> None:
    answer = await fal.ask(prepared(fal, prompt="gore", count=2), call_id="c", on_accepted=ignore)
    assert [image.blocked for image in answer.images] == [True, True]
    assert len(await truth.bill()) == 1


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_an_expired_file_is_lost_though_it_was_paid_for(http: HttpClient, status: int) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serving(handler) as url:
        fal = Fal.open(http, key=Secret(KEY), sandbox_url=url)
        with pytest.raises(ResultLost) as told:
            await fal.fetch(ResultImage(url=f"{url}/fal/media/x.png"))
    assert told.value.charged == "yes"


@pytest.mark.parametrize("url", ["https://fal.media:99999/x.png", "https://[fal.media", "https://fal\uff0fmedia/x", ""])
async def test_a_file_whose_place_is_no_url_is_lost_though_it_was_paid_for(http: HttpClient, url: str) -> None:
    with pytest.raises(ResultLost) as told:
        await Fal.open(http, key=Secret(KEY)).fetch(ResultImage(url=url))
    assert told.value.charged == "yes"


async def test_a_file_server_that_is_down_is_not_a_lost_file(http: HttpClient) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=503)

    async with serving(handler) as url:
        fal = Fal.open(http, key=Secret(KEY), sandbox_url=url)
        with pytest.raises(ProviderDown) as told:
            await fal.fetch(ResultImage(url=f"{url}/fal/media/x.png"))
    assert told.value.charged == "yes"


async def test_a_file_is_fetched_without_the_key(http: HttpClient) -> None:
    headers: list[list[str]] = []

    async def handler(request: web.Request) -> web.Response:
        headers.append([name.lower() for name in request.headers])
        return web.Response(body=picture().data)

    async with serving(handler) as url:
        fal = Fal.open(http, key=Secret(KEY), sandbox_url=url)
        assert await fal.fetch(ResultImage(url=f"{url}/fal/media/x.png")) == picture().data
    assert "authorization" not in headers[0]


async def test_a_size_that_fal_does_not_report_is_the_one_that_was_asked_for(http: HttpClient) -> None:
    queue = Queue({"status": "COMPLETED"}, result={"images": [{"url": "https://v3.fal.media/x.png"}]})
    assert (await ask(queue, http)).usage.megapixels == 64 * 64 / 1e6


@pytest.mark.parametrize("side", [0, -1000, 10**9, pytest.param(10**400, id="endless"), True])
async def test_a_size_that_no_picture_has_is_no_size(http: HttpClient, side: int) -> None:
    # It is money: such a one would be booked as a credit, as a fortune, or break the settlement.
    images = [{"url": "https://v3.fal.media/x.png", "width": side, "height": 1000}]
    assert (
        await ask(Queue({"status": "COMPLETED"}, result={"images": images}), http)
    ).usage.megapixels == 64 * 64 / 1e6


@pytest.mark.parametrize("loc", [7, None, {"a": 1}])
async def test_a_reason_without_a_place_is_told_all_the_same(http: HttpClient, loc: Any) -> None:
    result = {"detail": [{"loc": loc, "msg": "too big", "type": "less_than_equal"}]}
    with pytest.raises(ProviderRefused, match="too big"):
        await ask(Queue({"status": "COMPLETED"}, result=result, result_status=422), http)


async def test_the_largest_image_counts_for_the_price(http: HttpClient) -> None:
    images = [{"url": "https://v3.fal.media/x.png", "width": side, "height": side} for side in (64, 1000)]
    assert (await ask(Queue({"status": "COMPLETED"}, result={"images": images}), http)).usage.megapixels == 1.0


SHAPES: dict[str, dict[str, Any]] = {
    "outpaint": {"margins": {"left": 65, "bottom": 3}},
    "control": {"control": "depth"},
    "upscale": {"scale": 1.5},
}


@pytest.mark.parametrize("one", [each.name for each in Catalog.load().list(provider="fal")])
@pytest.mark.parametrize("size", [(1024, 1024), (1920, 1088), (512, 512)])
async def test_every_model_settles_what_the_vendor_bills(
    fal: Fal, truth: Truth, one: str, size: tuple[int, int]
) -> None:
    known = model(one)
    for task in known.tasks:
        asked: dict[str, Any] = {"task": task, "width": size[0], "height": size[1], **SHAPES.get(task, {})}
        if known.sizes.told_by == "aspect" or known.sizes.min > min(size):
            asked |= {"width": 1024, "height": 1024}
        if task != "text-to-image":
            asked["images"] = (picture(*size),)
        if task == "inpaint":
            asked["mask"] = half_mask(*size)
        ready = prepared(fal, one, **asked)
        answer = await fal.ask(ready, call_id="c", on_accepted=ignore)
        assert known.price is not None
        settled = charge(known.price, answer.usage, ready.parameters)
        assert settled == (await truth.bill())[-1]["microusd"]
        assert settled <= charge(known.price, ready.quantities, ready.parameters), "more than was set aside"


def test_images_travel_as_data_uris(fal: Fal) -> None:
    one = picture()
    uri = f"data:image/png;base64,{base64.b64encode(one.data).decode()}"
    sizeless = {"width": None, "height": None}
    edit = prepared(fal, "fal/flux-dev", task="edit", images=(one,), strength=0.5, **sizeless)
    assert edit.fields == {
        "prompt": "a boat",
        "image_url": uri,
        "strength": 0.5,
        "num_images": 1,
        "output_format": "png",
    }
    several = prepared(fal, "fal/flux-2-pro", task="edit", images=(one, one), **sizeless)
    assert several.fields["image_urls"] == [uri, uri]
    assert "num_images" not in several.fields, "this model has no such field"


def test_a_map_travels_with_its_kind_and_weight(fal: Fal) -> None:
    one = picture()
    uri = f"data:image/png;base64,{base64.b64encode(one.data).decode()}"
    asked = {"task": "control", "images": (one,), "control": "pose", "strength": 0.7}
    (union,) = prepared(fal, "fal/flux-dev-controlnet", **asked).fields["controlnet_unions"]
    assert union["controls"] == [{"control_image_url": uri, "control_mode": "pose", "conditioning_scale": 0.7}]
    assert "conditioning_scale" not in prepared(fal, "fal/flux-dev-controlnet", **asked).fields


def test_an_outpainting_is_the_filling_of_a_larger_canvas(fal: Fal) -> None:
    asked = {"task": "outpaint", "images": (picture(96, 32),), "margins": {"left": 8, "bottom": 32}}
    ready = prepared(fal, "fal/flux-pro-fill", width=None, height=None, **asked)
    canvas, mask = (opened(ready.fields[name]) for name in ("image_url", "mask_url"))
    assert canvas.size == mask.size == (104, 64)
    assert mask.getpixel((7, 0)) == mask.getpixel((8, 32)) == 255
    assert mask.getpixel((8, 31)) == mask.getpixel((103, 0)) == 0
    assert ready.quantities.megapixels == 104 * 64 / 1e6


def opened(uri: str) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_an_upscaling_says_its_factor_and_needs_no_words(fal: Fal) -> None:
    asked = {"task": "upscale", "images": (picture(96, 32),), "prompt": "", "width": None, "height": None}
    ready = prepared(fal, "fal/clarity-upscaler", scale=1.5, **asked)
    assert "prompt" not in ready.fields
    assert ready.fields["upscale_factor"] == 1.5
    assert ready.quantities.megapixels == 144 * 48 / 1e6
    assert prepared(fal, "fal/clarity-upscaler", **asked).fields["upscale_factor"] == 2, "the model's own"


def test_an_app_that_keeps_the_input_s_size_names_the_asked_one_as_ignored(fal: Fal) -> None:
    edit = prepared(fal, "fal/flux-dev", task="edit", images=(picture(96, 32),), width=512, height=512)
    assert edit.ignored == ("width", "height")
    assert "image_size" not in edit.fields
    assert edit.quantities.megapixels == 96 * 32 / 1e6


def test_a_parameter_of_another_task_is_ignored(fal: Fal) -> None:
    assert prepared(fal, "fal/flux-dev", options={"strength": 0.5}).ignored == ("strength",)


@pytest.mark.parametrize(("size", "ratio"), [((1024, 1024), "1:1"), ((1920, 1080), "16:9"), ((1080, 1920), "9:16")])
def test_a_size_becomes_the_ratio_it_has(fal: Fal, size: tuple[int, int], ratio: str) -> None:
    ready = prepared(fal, "fal/nano-banana", width=size[0], height=size[1])
    assert ready.fields["aspect_ratio"] == ratio
    assert "image_size" not in ready.fields


def test_a_ratio_that_the_model_lacks_is_refused_with_those_it_has(fal: Fal) -> None:
    with pytest.raises(InvalidInput, match="16:9"):
        prepared(fal, "fal/nano-banana", width=2000, height=500)


def test_a_ratio_in_the_vendor_s_words_wins_over_the_size(fal: Fal) -> None:
    ready = prepared(fal, "fal/nano-banana", options={"aspect_ratio": "3:2"})
    assert (ready.fields["aspect_ratio"], ready.ignored) == ("3:2", ("width", "height"))


def test_a_negative_prompt_is_sent_to_the_model_that_takes_one(fal: Fal) -> None:
    assert prepared(fal, "fal/ideogram-v3", negative_prompt="blur").fields["negative_prompt"] == "blur"


def test_a_prepared_request_is_plain_json(fal: Fal) -> None:
    fields = prepared(fal, options={"steps": 4, "safety_checker": False}).fields
    assert json.loads(json.dumps(fields)) == fields
