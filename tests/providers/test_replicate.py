"""Replicate where it differs from the contract: waiting, states, cancels, deadlines, charges, hosts and inputs."""

from __future__ import annotations

import asyncio
import base64
import json
from datetime import date
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from mintmark.errors import (
    BadAnswer,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderError,
    RateLimited,
    ResultLost,
)
from mintmark.metering.prices import measured
from mintmark.providers.base import Accepted, Answer, ResultImage
from mintmark.providers.http import HttpClient, Timeouts
from mintmark.providers.replicate import Replicate, deadline_min
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, client, model, picture, prepared, serving

TODAY = date(2026, 11, 21)
KEY = "r8_0123456789abcdefghijkl"
PRO, ESRGAN, FLUX2 = "replicate/flux-1.1-pro", "replicate/real-esrgan", "replicate/flux-2-pro"


class Vendor:
    """A hand-made Replicate, for answers that the sandbox does not give: first the POST's, then one for each look."""

    def __init__(self, *states: dict[str, Any], **urls: str) -> None:
        self.states, self.urls, self.seen = list(states), urls, list[tuple[str, str]]()
        self.headers: dict[str, str] = {}

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.path))
        if not self.headers:
            self.headers = dict(request.headers)
        base = f"http://{request.host}/replicate/v1/predictions/p-1"
        if request.path.endswith("/cancel"):
            return web.json_response({"id": "p-1", "status": "processing"})
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        status = state.get("http", 201 if request.method == "POST" else 200)
        urls = {"get": base, "cancel": f"{base}/cancel", **self.urls}
        return web.json_response({"id": "p-1", "urls": urls, **state}, status=status)


class Ended(Vendor):
    """One whose prediction goes on until it is canceled, and then says how it ended."""

    def __init__(self, end: dict[str, Any]) -> None:
        super().__init__(WAITING)
        self.end = end

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.endswith("/cancel"):
            self.states = [self.end]
        return await super().answer(request)


WAITING = {"status": "processing", "started_at": "2026-11-21T00:00:00Z"}


def done(**more: Any) -> dict[str, Any]:
    return {"status": "succeeded", "output": "https://replicate.delivery/x.png", **more}


async def told_by(vendor: Vendor, http: HttpClient, name: str = PRO, **asked: Any) -> Answer:
    async with serving(vendor.answer) as url:
        replicate = Replicate.open(http, key=Secret(KEY), sandbox_url=url)
        return await replicate.ask(prepared(replicate, name, **asked), call_id="call-1", on_accepted=ignore)


# -- waiting ------------------------------------------------------------------------------------------------------


async def test_a_waited_for_answer_counts_as_done_when_its_output_is_there(http: HttpClient) -> None:
    vendor = Vendor({**WAITING, "output": "https://replicate.delivery/x.png"})
    answer = await told_by(vendor, http)
    assert [image.url for image in answer.images] == ["https://replicate.delivery/x.png"]
    assert [method for method, _ in vendor.seen] == ["POST"]


async def test_part_of_the_output_is_not_the_output(http: HttpClient) -> None:
    one, both = ["https://replicate.delivery/0.png"], ["https://replicate.delivery/0.png"] * 2
    vendor = Vendor({**WAITING, "output": one}, {**WAITING, "output": one}, done(output=both))
    answer = await told_by(vendor, http, "replicate/flux-schnell", count=2)
    assert len(answer.images) == 2
    assert len(vendor.seen) == 3


async def test_what_is_billed_by_time_is_waited_for_until_its_time_is_told(http: HttpClient) -> None:
    early = {**WAITING, "output": "https://replicate.delivery/x.png"}
    vendor = Vendor(early, done(metrics={"predict_time": 2.5}))
    answer = await told_by(vendor, http, ESRGAN, task="upscale", prompt="", images=(picture(),))
    assert answer.usage.seconds == 2.5


async def test_polls_grow_to_two_seconds(http: HttpClient, time: FakeTime) -> None:
    await told_by(Vendor(*[WAITING] * 12, done()), http)
    assert time.slept[0] == 0.25
    assert time.slept == sorted(time.slept)
    assert max(time.slept) == 2.0


async def test_the_paid_request_is_held_shortly_and_has_a_deadline(http: HttpClient) -> None:
    vendor = Vendor(done())
    await told_by(vendor, http)
    assert vendor.headers["Prefer"] == "wait=1"
    assert vendor.headers["Cancel-After"] == "51m"
    assert vendor.headers["Authorization"] == f"Bearer {KEY}"


def test_a_deadline_by_time_bounds_the_price() -> None:
    assert deadline_min(model(ESRGAN), 600) == 4
    assert deadline_min(model(PRO), 600) == 11
    assert deadline_min(model(PRO), 30) == 2


async def test_a_version_is_told_unless_it_is_hidden(http: HttpClient) -> None:
    assert (await told_by(Vendor(done(version="abc")), http)).model_version == "abc"
    assert (await told_by(Vendor(done(version="hidden")), http)).model_version is None


# -- how it ends --------------------------------------------------------------------------------------------------

STARTED = {"started_at": "2026-11-21T00:00:00Z", "metrics": {"predict_time": 4.0}}


@pytest.mark.parametrize(
    ("name", "state", "kind", "charged", "microusd"),
    [
        (PRO, {"status": "aborted"}, ProviderDown, "no", None),
        (PRO, {"status": "canceled"}, ProviderDown, "no", None),
        (PRO, {"status": "canceled", **STARTED}, ProviderDown, "yes", None),
        (PRO, {"status": "failed", "error": "CUDA out of memory", **STARTED}, ProviderDown, "no", None),
        (FLUX2, {"status": "failed", "error": "worker died", **STARTED}, ProviderDown, "unknown", None),
        (ESRGAN, {"status": "failed", "error": "worker died", **STARTED}, ProviderDown, "yes", 900),
        (ESRGAN, {"status": "canceled", **STARTED}, ProviderDown, "yes", 900),
        (ESRGAN, {"status": "failed", "error": "no worker"}, ProviderDown, "no", None),
        (PRO, {"status": "failed", "error": "was flagged as sensitive (E005)"}, ProviderBlocked, "no", None),
        (PRO, {"status": "failed", "error": "NSFW content detected. Try"}, ProviderBlocked, "no", None),
        (PRO, {"status": "paused"}, BadAnswer, "unknown", None),
        (PRO, {"status": "succeeded", "output": []}, BadAnswer, "yes", None),
        (PRO, {"status": "succeeded", "output": None, "data_removed": True}, ResultLost, "yes", None),
    ],
)
async def test_every_end_is_told_with_what_it_cost(
    http: HttpClient, name: str, state: dict[str, Any], kind: type[ProviderError], charged: str, microusd: int | None
) -> None:
    asked = {"task": "upscale", "images": (picture(),), "prompt": ""} if name == ESRGAN else {}
    with pytest.raises(kind) as told:
        await told_by(Vendor(WAITING, state), http, name, **asked)
    assert type(told.value) is kind
    assert (told.value.charged, told.value.microusd, told.value.request_id) == (charged, microusd, "p-1")


async def test_an_error_that_quotes_the_key_does_not_tell_it(http: HttpClient) -> None:
    with pytest.raises(ProviderDown) as told:
        await told_by(Vendor({"status": "failed", "error": f"bad token {KEY}"}), http)
    assert KEY not in str(told.value)


@pytest.mark.parametrize(
    ("status", "kind"), [(401, ProviderAuth), (404, ResultLost), (400, ProviderDown), (200, BadAnswer)]
)
async def test_a_prediction_that_cannot_be_read_is_unknown(
    http: HttpClient, status: int, kind: type[ProviderError]
) -> None:
    with pytest.raises(kind) as told:
        await told_by(Vendor(WAITING, {"http": status, "id": None}), http)
    assert (told.value.charged, told.value.request_id) == ("unknown", "p-1")


async def test_an_account_without_credit_is_told_as_one(replicate: Replicate, truth: Truth) -> None:
    await truth.fail({"provider": "replicate", "kind": "status", "status": 402, "path": "/predictions"})
    with pytest.raises(ProviderAuth, match="credit") as told:
        await replicate.ask(prepared(replicate), call_id="c", on_accepted=ignore)
    assert told.value.charged == "no"


async def test_a_throttle_is_waited_out_by_the_words_of_its_detail(
    replicate: Replicate, truth: Truth, time: FakeTime
) -> None:
    await truth.fail({"provider": "replicate", "kind": "status", "status": 429, "count": 1, "method": "POST"})
    answer = await replicate.ask(prepared(replicate, width=256, height=256), call_id="c", on_accepted=ignore)
    assert len(answer.images) == 1
    assert 30.0 in time.slept


async def test_a_throttle_that_stays_is_told_with_the_wait_of_its_detail(replicate: Replicate, truth: Truth) -> None:
    await truth.fail({"provider": "replicate", "kind": "status", "status": 429, "method": "POST"})
    with pytest.raises(RateLimited) as told:
        await replicate.ask(prepared(replicate), call_id="c", on_accepted=ignore)
    assert (told.value.charged, told.value.retry_after) == ("no", 30.0)


@pytest.mark.parametrize("told", ["NaN", "Infinity", "-1", "true", '"4"', "1e300", "[4]"])
async def test_a_time_that_cannot_be_is_not_taken_for_money(http: HttpClient, told: str) -> None:
    vendor = Vendor(done(metrics={"predict_time": json.loads(told)}))
    answer = await told_by(vendor, http, ESRGAN, task="upscale", prompt="", images=(picture(),))
    assert answer.usage.seconds is None
    price = model(ESRGAN).price
    assert price is not None
    assert not measured(price, answer.usage), "so the whole hold is settled"


async def test_an_image_inside_the_answer_needs_no_download(http: HttpClient) -> None:
    uri = "data:image/png;base64," + base64.b64encode(picture().data).decode()
    answer = await told_by(Vendor(done(output=uri)), http)
    assert [(one.data, one.url, one.media_type) for one in answer.images] == [(picture().data, None, "image/png")]


@pytest.mark.parametrize("cut", [1, 40, 60])
async def test_a_broken_image_inside_the_answer_was_paid_for(http: HttpClient, cut: int) -> None:
    uri = "data:image/png;base64," + base64.b64encode(picture().data).decode()
    with pytest.raises(BadAnswer) as told:
        await told_by(Vendor(done(output=uri[:-cut])), http)
    assert (told.value.charged, told.value.request_id) == ("yes", "p-1")


# -- cancel -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "gone"),
    [
        ({"status": "canceled"}, True),
        ({"status": "aborted"}, True),
        ({"status": "canceled", **STARTED}, False),
        ({"status": "succeeded", "output": "https://replicate.delivery/x.png"}, False),
        (WAITING, False),
        ({"http": 404}, False),
    ],
)
async def test_only_what_never_started_is_gone_for_nothing(http: HttpClient, state: dict[str, Any], gone: bool) -> None:
    vendor = Vendor(state)
    async with serving(vendor.answer) as url:
        replicate = Replicate.open(http, key=Secret(KEY), sandbox_url=url)
        base = f"{url}/replicate/v1/predictions/p-1"
        accepted = Accepted(request_id="p-1", handle={"get": base, "cancel": f"{base}/cancel"})
        assert await replicate.cancel(accepted) is gone
    assert vendor.seen[0] == ("POST", "/replicate/v1/predictions/p-1/cancel")


async def test_canceling_us_cancels_the_remote_call(http: HttpClient) -> None:
    async with Sandbox(latency_s=30) as slow, aiohttp.ClientSession() as session:
        replicate = Replicate.open(http, key=Secret(KEY), sandbox_url=slow.url)
        accepted = asyncio.get_running_loop().create_future()

        async def on_accepted(told: Accepted) -> None:
            accepted.set_result(told)

        task = asyncio.create_task(replicate.ask(prepared(replicate), call_id="c", on_accepted=on_accepted))
        told = await asyncio.wait_for(accepted, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await replicate.cancel(told)
        assert await Truth(slow.url, session).bill() == []


async def test_canceling_us_during_the_submission_stops_what_it_made(http: HttpClient) -> None:
    heard: list[Accepted] = []

    async def on_accepted(told: Accepted) -> None:
        heard.append(told)

    async with Sandbox(latency_s=30) as slow, aiohttp.ClientSession() as session:
        truth = Truth(slow.url, session)
        replicate = Replicate.open(http, key=Secret(KEY), sandbox_url=slow.url)
        task = asyncio.create_task(replicate.ask(prepared(replicate), call_id="c", on_accepted=on_accepted))
        while not await truth.calls():
            await asyncio.sleep(0)
        assert not heard, "the request is still held"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (told,) = heard
        assert await replicate.cancel(told), "it was stopped before it started"
        assert await truth.bill() == []


async def test_a_call_that_takes_too_long_is_canceled(time: FakeTime) -> None:
    vendor = Vendor(WAITING)
    async with client(time, timeouts=Timeouts(total_s=20)) as http:
        with pytest.raises(ProviderDown, match="20 s") as told:
            await told_by(vendor, http)
    assert told.value.charged == "unknown"
    assert ("POST", "/replicate/v1/predictions/p-1/cancel") in vendor.seen


@pytest.mark.parametrize(
    ("name", "end", "charged", "microusd"),
    [
        (PRO, {"status": "canceled"}, "no", None),
        (ESRGAN, {"status": "canceled", **STARTED}, "yes", 900),
        (PRO, {"status": "aborted"}, "no", None),
    ],
)
async def test_a_call_that_took_too_long_costs_what_its_end_says(
    time: FakeTime, name: str, end: dict[str, Any], charged: str, microusd: int | None
) -> None:
    async with client(time, timeouts=Timeouts(total_s=20)) as http:
        vendor = Ended(end)
        asked = {"task": "upscale", "images": (picture(),), "prompt": ""} if name == ESRGAN else {}
        with pytest.raises(ProviderDown) as told:
            await told_by(vendor, http, name, **asked)
    assert (told.value.charged, told.value.microusd, told.value.request_id) == (charged, microusd, "p-1")
    assert time.now >= 20


async def test_a_call_that_is_done_at_the_last_moment_is_not_thrown_away(time: FakeTime) -> None:
    async with client(time, timeouts=Timeouts(total_s=20)) as http:
        answer = await told_by(Ended(done()), http)
    assert [one.url for one in answer.images] == ["https://replicate.delivery/x.png"]


# -- hosts and files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["get", "cancel"])
@pytest.mark.parametrize("url", ["https://evil.example/v1/p", "http://api.replicate.com/v1/p", ""])
async def test_the_key_is_not_sent_where_replicate_is_not(http: HttpClient, name: str, url: str) -> None:
    vendor = Vendor(WAITING, **{name: url})
    with pytest.raises(BadAnswer, match="key is not sent") as told:
        await told_by(vendor, http)
    assert told.value.charged == "unknown"
    assert len(vendor.seen) == 1


def test_live_hosts_are_replicate_s_own_by_https(http: HttpClient) -> None:
    hosts = Replicate.open(http, key=Secret(KEY))._hosts
    assert hosts.is_api("https://api.replicate.com/v1/predictions/x")
    assert hosts.is_media("https://replicate.delivery/x.png")
    assert hosts.is_media("https://pbxt.replicate.delivery/x.png")
    for url in (
        "https://replicate.delivery.evil.example/x",
        "https://xreplicate.delivery/x",
        "http://replicate.delivery",
    ):
        assert not hosts.is_media(url)
    assert not hosts.is_api("https://replicate.delivery/x")


async def test_a_gateway_is_asked_in_replicate_s_place(http: HttpClient) -> None:
    gateway = Replicate.open(http, key=Secret(KEY), base_url="https://gateway.example/replicate/")
    assert gateway._hosts.base == "https://gateway.example/replicate"


async def test_an_expired_file_is_lost_though_it_was_paid_for(replicate: Replicate, truth: Truth) -> None:
    answer = await replicate.ask(prepared(replicate, width=256, height=256), call_id="c", on_accepted=ignore)
    await truth.fail({"provider": "replicate", "kind": "expired_url", "path": "/delivery/"})
    with pytest.raises(ResultLost, match="hour") as told:
        await replicate.fetch(answer.images[0])
    assert told.value.charged == "yes"


async def test_a_call_resumed_after_an_hour_is_lost_though_it_was_paid_for(replicate: Replicate, truth: Truth) -> None:
    heard: list[Accepted] = []

    async def on_accepted(told: Accepted) -> None:
        heard.append(told)

    await replicate.ask(prepared(replicate, width=256, height=256), call_id="c", on_accepted=on_accepted)
    await truth.fail({"provider": "replicate", "kind": "expired_url"})
    with pytest.raises(ResultLost, match="hour") as told:
        await replicate.resume(model(PRO), Accepted(**json.loads(json.dumps(vars(heard[0])))))
    assert told.value.charged == "yes"


async def test_a_file_is_fetched_without_the_key(http: HttpClient) -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(body=picture().data, content_type="image/png")

    async with serving(answer) as url:
        replicate = Replicate.open(http, key=Secret(KEY), sandbox_url=url)
        assert await replicate.fetch(ResultImage(url=f"{url}/replicate/delivery/x.png")) == picture().data
    assert seen == [None]


async def test_a_large_image_is_uploaded_first_and_a_small_one_is_not(replicate: Replicate, truth: Truth) -> None:
    small, large = picture(), picture().model_copy(update={"data": picture().data + bytes(300_000)})
    asked = prepared(replicate, FLUX2, task="edit", images=(small, large), width=256, height=256)
    await replicate.ask(asked, call_id="c", on_accepted=ignore)
    (call,) = await truth.calls()
    first, second = call["body"]["input"]["input_images"]
    assert first["data_uri"].startswith("data:image/png")
    assert "/v1/files/" in second


async def test_an_upload_that_fails_costs_nothing(replicate: Replicate, truth: Truth) -> None:
    large = picture().model_copy(update={"data": picture().data + bytes(300_000)})
    await truth.fail({"provider": "replicate", "kind": "status", "status": 500, "path": "/files"})
    with pytest.raises(ProviderDown) as told:
        await replicate.ask(
            prepared(replicate, "replicate/flux-kontext-pro", task="edit", images=(large,)),
            call_id="c",
            on_accepted=ignore,
        )
    assert told.value.charged == "no"
    assert await truth.calls() == []
