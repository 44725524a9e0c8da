"""Black Forest Labs where it differs from the contract: bodies, handles, polls, hosts, credits, moderated tasks.

There is no official SDK to compare with; the bodies below are what docs.bfl.ai and BFL's OpenAPI document say.
"""

from __future__ import annotations

import asyncio
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
    ProviderRefused,
    RateLimited,
    ResultLost,
)
from mintmark.metering.prices import charge, quote
from mintmark.providers.base import Accepted, Answer, ResultImage
from mintmark.providers.bfl import BASE_URL, Bfl
from mintmark.providers.http import HttpClient, Timeouts
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.sandbox import bfl as twin
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, client, half_mask, left_alone, model, picture, prepared, serving

TODAY = date(2026, 11, 21)
KEY = "bfl-key-0123456789abcdef"
READY = {"id": "t-1", "status": "Ready", "result": {"sample": "https://delivery-eu2.bfl.ai/x.png", "seed": 7}}
ONE, HALF = picture(32, 32), half_mask(32, 32)


class Api:
    """A hand-made BFL, for answers that the sandbox does not give."""

    def __init__(self, *polls: Any, **submitted: Any) -> None:
        self.polls, self.submitted = list(polls), submitted
        self.seen: list[tuple[str, str, str | None]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append((request.method, request.path_qs, request.headers.get("x-key")))
        if request.method == "POST":
            url = f"http://{request.host}/bfl/us3/v1/get_result?id=t-1"
            told = {"id": "t-1", "polling_url": url, "cost": 3, "input_mp": 0, "output_mp": 0.0, **self.submitted}
            return web.Response(text=json.dumps(told), content_type="application/json")
        poll = self.polls.pop(0) if len(self.polls) > 1 else self.polls[0]
        return poll if isinstance(poll, web.Response) else web.json_response(poll)


async def ask(api: Api, http: HttpClient, **asked: Any) -> Answer:
    async with serving(api.answer) as url:
        bfl = Bfl.open(http, key=Secret(KEY), sandbox_url=url)
        return await bfl.ask(prepared(bfl, **asked), call_id="c", on_accepted=ignore)


# -- credits --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cost", "microusd"),
    [
        (3, 30_000), (4.5, 45_000), (1.4, 14_000), (0.1, 1_000), (0.2, 2_000), (1.98, 19_800), (0.00014, 1),
        (0.00016, 2), (123.4567, 1_234_567), (0, 0), ("4.5", 45_000),
    ],
)  # fmt: skip
async def test_credits_become_micro_dollars_exactly(http: HttpClient, cost: Any, microusd: int) -> None:
    assert (await ask(Api(READY, cost=cost), http)).charge_microusd == microusd


@pytest.mark.parametrize("cost", [None, -1, True, "three", [3], {}, "NaN", "Infinity", "1e999999", 10**30])
async def test_a_cost_that_is_none_leaves_the_price_to_the_catalog(http: HttpClient, cost: Any) -> None:
    answer = await ask(Api(READY, cost=cost, output_mp=1.98, input_mp=0), http)
    assert answer.charge_microusd is None
    price = model("bfl/flux-2-pro").price
    assert price is not None
    assert charge(price, answer.usage, {}) == 45_000, "the example of the vendor's resellers: 1.98 MP are 4.5 credits"


async def test_what_bfl_counts_as_nothing_counts_as_asked(http: HttpClient) -> None:
    usage = (await ask(Api(READY, output_mp=0.0), http)).usage
    assert usage.megapixels == 64 * 64 / 1e6


@pytest.mark.parametrize(
    ("name", "asked", "microusd"),
    [
        ("flux-2-pro", {"width": 1024, "height": 1024}, 30_000),
        ("flux-2-pro", {"width": 1920, "height": 1080}, 45_000),
        ("flux-2-pro", {"task": "edit", "images": (ONE,)}, 45_000),
        ("flux-2-max", {"task": "edit", "images": (ONE,)}, 100_000),
        ("flux-2-flex", {"task": "edit", "images": (ONE,)}, 100_000),
        ("flux-2-klein-9b", {"task": "edit", "images": (ONE,)}, 17_000),
        ("flux-2-klein-4b", {"width": 2048, "height": 1024}, 15_000),
        ("flux-2-klein-4b", {"task": "edit", "images": (ONE, picture(1088, 1024))}, 17_000),
        ("flux-kontext-max", {"task": "edit", "images": (ONE,)}, 80_000),
        ("flux-pro-1.0-fill", {"task": "inpaint", "images": (ONE,), "mask": HALF}, 50_000),
        ("flux-dev", {"width": 256, "height": 256}, 25_000),
    ],
)
async def test_what_is_set_aside_is_what_is_charged(
    bfl: Bfl, truth: Truth, name: str, asked: dict[str, Any], microusd: int
) -> None:
    ready = prepared(bfl, name, **asked)
    assert ready.model.price is not None
    assert quote(ready.model.price, ready.quantities, ready.parameters).at_most_microusd == microusd
    answer = await bfl.ask(ready, call_id="c", on_accepted=ignore)
    assert answer.charge_microusd == microusd
    assert [line["microusd"] for line in await truth.bill()] == [microusd]


# -- tasks ----------------------------------------------------------------------------------------------------------


async def test_the_handle_holds_all_it_takes_and_no_secret(bfl: Bfl) -> None:
    accepted = await left_alone(bfl, prepared(bfl))
    assert set(accepted.handle) == {"polling_url", "model", "cost", "input_mp", "output_mp", "asked"}
    assert (accepted.handle["model"], accepted.handle["cost"]) == ("flux-2-pro", "3.0")
    assert KEY not in json.dumps(accepted.handle)
    answer = await bfl.resume(model("bfl/flux-2-pro"), Accepted(**json.loads(json.dumps(vars(accepted)))))
    assert (answer.request_id, answer.charge_microusd) == (accepted.request_id, 30_000)


async def test_a_task_is_asked_about_where_its_answer_says(http: HttpClient) -> None:
    api = Api(READY)
    await ask(api, http)
    assert api.seen == [("POST", "/bfl/v1/flux-2-pro", KEY), ("GET", "/bfl/us3/v1/get_result?id=t-1", KEY)]


async def test_every_word_that_means_not_yet_is_waited_out(http: HttpClient, time: FakeTime) -> None:
    words = ["Pending", "Reasoning", "Generating", "Imagining"]
    answer = await ask(Api(*({"id": "t-1", "status": word} for word in words), READY), http)
    assert [(image.url, image.seed) for image in answer.images] == [("https://delivery-eu2.bfl.ai/x.png", 7)]
    assert len(time.slept) == 5, "a pause before each poll, the first one short"


@pytest.mark.parametrize(
    ("word", "kind", "charged"),
    [
        ("Request Moderated", ProviderBlocked, "no"),
        ("Content Moderated", ProviderBlocked, "no"),
        ("Error", ProviderDown, "unknown"),
        ("Task not found", ResultLost, "unknown"),
    ],
)
@pytest.mark.parametrize("status", [200, 404, 503])
async def test_a_task_that_ends_badly_is_told_with_its_reasons_and_what_it_cost(
    http: HttpClient, word: str, kind: type[ProviderError], charged: str, status: int
) -> None:
    told = {"id": "t-1", "status": word, "result": None, "details": {"Moderation Reasons": ["Derivative Works Filter"]}}
    api = Api(web.json_response(told, status=status))
    with pytest.raises(kind) as failed:
        await ask(api, http)
    assert type(failed.value) is kind
    assert (failed.value.charged, failed.value.request_id) == (charged, "t-1")
    assert "Derivative Works Filter" in failed.value.message or word == "Task not found"
    assert len(api.seen) == 2, "a terminal word is believed at once"


@pytest.mark.parametrize(
    ("prompt", "reason"), [("gore", "violence"), ("a solid red wall", "violence")], ids=["request", "result"]
)
async def test_a_moderated_task_is_not_charged(bfl: Bfl, truth: Truth, prompt: str, reason: str) -> None:
    with pytest.raises(ProviderBlocked, match=reason) as told:
        await bfl.ask(prepared(bfl, prompt=prompt), call_id="c", on_accepted=ignore)
    assert told.value.charged == "no"
    assert await truth.bill() == []


@pytest.mark.parametrize(
    ("poll", "kind", "charged"),
    [
        ({"id": "t-1"}, BadAnswer, "unknown"),
        (web.Response(text="<html>"), BadAnswer, "unknown"),
        (web.Response(text="[" * 100_000), BadAnswer, "unknown"),
        (web.Response(status=403), ProviderAuth, "unknown"),
        (web.Response(status=404), ResultLost, "unknown"),
        ({"status": "Ready", "result": None}, BadAnswer, "yes"),
        ({"status": "Ready", "result": {"sample": ""}}, BadAnswer, "yes"),
    ],
)
async def test_a_poll_that_makes_no_sense_is_told_with_what_it_cost(
    http: HttpClient, poll: Any, kind: type[ProviderError], charged: str
) -> None:
    with pytest.raises(kind) as told:
        await ask(Api(poll), http)
    assert (told.value.charged, told.value.request_id) == (charged, "t-1")
    assert told.value.microusd == (30_000 if charged == "yes" else None)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(429, RateLimited), (500, ProviderDown), (503, ProviderDown)],
)
async def test_a_call_whose_status_cannot_be_read_is_unknown(
    bfl: Bfl, truth: Truth, status: int, kind: type[ProviderError]
) -> None:
    await truth.fail({"provider": "bfl", "kind": "status", "status": status, "path": "/get_result"})
    with pytest.raises(kind) as told:
        await bfl.ask(prepared(bfl), call_id="c", on_accepted=ignore)
    assert told.value.charged == "unknown"
    assert told.value.request_id


@pytest.mark.parametrize("kind", ["drop_after", "truncated", "status"])
async def test_a_poll_that_fails_for_a_moment_is_asked_again(bfl: Bfl, truth: Truth, kind: str) -> None:
    more = {"status": 503, "retry_after": 2} if kind == "status" else {}
    await truth.fail({"provider": "bfl", "kind": kind, "count": 2, "path": "/get_result", "method": "GET", **more})
    assert len((await bfl.ask(prepared(bfl), call_id="c", on_accepted=ignore)).images) == 1
    assert len(await truth.bill()) == 1


async def test_a_task_that_takes_too_long_is_given_up_and_unknown(time: FakeTime) -> None:
    async with client(time, timeouts=Timeouts(total_s=10)) as http:
        with pytest.raises(ProviderDown, match="10 s") as told:
            await ask(Api({"status": "Generating"}), http)
    assert (told.value.charged, told.value.request_id) == ("unknown", "t-1")


async def test_a_task_cannot_be_canceled_and_its_charge_is_learned_by_resuming(http: HttpClient) -> None:
    async with Sandbox(latency_s=0.2) as slow, aiohttp.ClientSession() as session:
        bfl = Bfl.open(http, key=Secret(KEY), sandbox_url=slow.url)
        accepted: asyncio.Future[Accepted] = asyncio.get_running_loop().create_future()

        async def on_accepted(one: Accepted) -> None:
            accepted.set_result(one)

        task = asyncio.create_task(bfl.ask(prepared(bfl), call_id="c", on_accepted=on_accepted), name="ask")
        call = await asyncio.wait_for(accepted, 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await bfl.cancel(call) is False
        assert (await bfl.resume(model("bfl/flux-2-pro"), call)).charge_microusd == 30_000
        assert [line["microusd"] for line in await Truth(slow.url, session).bill()] == [30_000]


# -- refusals -------------------------------------------------------------------------------------------------------


async def refused(http: HttpClient, status: int, body: Any) -> ProviderError:
    async def handler(_: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    async with serving(handler) as url:
        bfl = Bfl.open(http, key=Secret(KEY), sandbox_url=url)
        with pytest.raises(ProviderError) as told:
            await bfl.ask(prepared(bfl), call_id="c", on_accepted=ignore)
    return told.value


@pytest.mark.parametrize(
    ("status", "detail", "kind", "charged", "said"),
    [
        (402, "Insufficient credits", ProviderAuth, "no", "credit"),
        (403, "Not authenticated", ProviderAuth, "no", "key"),
        (400, "Bad image", ProviderRefused, "no", "Bad image"),
        (400, {"error": "content_policy_violation"}, ProviderBlocked, "no", "policy"),
        (422, [{"loc": ["body", "width"], "msg": "too small", "type": "x"}], ProviderRefused, "no", "width: too small"),
        (429, "24 active tasks", RateLimited, "no", "24 active tasks"),
        (500, "oops", ProviderDown, "unknown", "oops"),
        (503, "busy", ProviderDown, "no", "busy"),
    ],
)
async def test_a_refusal_says_why_and_what_it_cost(
    http: HttpClient, status: int, detail: Any, kind: type[ProviderError], charged: str, said: str
) -> None:
    told = await refused(http, status, {"detail": detail})
    assert type(told) is kind
    assert (told.charged, told.status) == (charged, status)
    assert said in told.message


async def test_a_key_in_an_answer_is_masked(http: HttpClient) -> None:
    told = await refused(http, 400, {"detail": f"the key {KEY} is odd"})
    assert KEY not in told.message


@pytest.mark.parametrize("submitted", [{"id": ""}, {"id": None}, {"polling_url": None}, {"polling_url": 7}])
async def test_a_submission_that_names_no_task_may_have_been_charged(
    http: HttpClient, submitted: dict[str, Any]
) -> None:
    with pytest.raises(BadAnswer) as told:
        await ask(Api(READY, **submitted), http)
    assert told.value.charged == "unknown"


# -- hosts ----------------------------------------------------------------------------------------------------------


async def test_a_polling_url_on_a_foreign_host_is_refused_and_sees_no_key(http: HttpClient) -> None:
    foreign = Api(READY)
    async with serving(foreign.answer) as evil:
        api = Api(READY, polling_url=f"{evil}/v1/get_result?id=t-1")
        with pytest.raises(BadAnswer, match="polling_url") as told:
            await ask(api, http)
    assert (told.value.charged, told.value.request_id) == ("unknown", "t-1")
    assert foreign.seen == []


async def test_a_handle_that_points_elsewhere_is_not_followed(http: HttpClient) -> None:
    foreign = Api(READY)
    async with serving(foreign.answer) as evil:
        bfl = Bfl.open(http, key=Secret(KEY))
        with pytest.raises(BadAnswer) as told:
            await bfl.resume(model("bfl/flux-2-pro"), Accepted(request_id="t-1", handle={"polling_url": f"{evil}/x"}))
    assert told.value.charged == "unknown"
    assert foreign.seen == []


@pytest.mark.parametrize(
    ("url", "own"),
    [
        (f"{BASE_URL}/get_result?id=1", True),
        ("https://api.eu2.bfl.ai/v1/x", True),
        ("https://delivery-us3.bfl.ai/a.png", True),
        ("http://api.bfl.ai/v1/x", False),
        ("https://bfl.ai.evil.example/", False),
        ("https://notbfl.ai/", False),
        ("https://api.bfl.ai@evil.example/", False),
        ("http://127.0.0.1/", False),
        ("file:///etc/passwd", False),
        ("", False),
    ],
)
def test_live_hosts_are_bfl_s_own_by_https(url: str, own: bool) -> None:
    assert (Bfl.live.is_api(url), Bfl.live.is_media(url)) == (own, own)


@pytest.mark.parametrize(
    ("given", "base"),
    [
        ("https://api.eu.bfl.ai", "https://api.eu.bfl.ai/v1"),
        ("https://api.us.bfl.ai/v1/", "https://api.us.bfl.ai/v1"),
        ("https://gate.example/bfl", "https://gate.example/bfl"),
    ],
)
def test_a_region_is_another_base_url(http: HttpClient, given: str, base: str) -> None:
    hosts = Bfl.open(http, key=Secret(KEY), base_url=given)._hosts
    assert hosts.base == base
    assert hosts.is_api("https://api.eu2.bfl.ai/v1/get_result"), "tasks live on BFL's own hosts all the same"


def test_a_sandbox_is_not_bfl(http: HttpClient) -> None:
    sandbox = Bfl.open(http, key=Secret(KEY), sandbox_url="http://127.0.0.1:9")._hosts
    assert not sandbox.is_api(f"{BASE_URL}/get_result")
    assert not sandbox.is_media("https://delivery-us3.bfl.ai/a.png")


async def test_a_sample_is_downloaded_without_the_key(bfl: Bfl, truth: Truth) -> None:
    answer = await bfl.ask(prepared(bfl), call_id="c", on_accepted=ignore)
    await bfl.fetch(answer.images[0])
    (download,) = await truth.calls("media")
    assert "x-key" not in {name.lower() for name in download["headers"]}


async def test_a_sample_whose_time_is_over_is_lost_though_it_was_paid_for(
    bfl: Bfl, truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twin, "SAMPLE_LIFETIME_S", -5.0)
    answer = await bfl.ask(prepared(bfl), call_id="c", on_accepted=ignore)
    with pytest.raises(ResultLost, match="expired") as told:
        await bfl.fetch(answer.images[0])
    assert (told.value.charged, told.value.status) == ("yes", 403)
    assert len(await truth.bill()) == 1


@pytest.mark.parametrize(("status", "kind"), [(404, ResultLost), (410, ResultLost), (500, ProviderDown)])
async def test_a_sample_that_cannot_be_had_was_paid_for(
    http: HttpClient, status: int, kind: type[ProviderError]
) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with serving(handler) as url:
        bfl = Bfl.open(http, key=Secret(KEY), sandbox_url=url)
        with pytest.raises(kind) as told:
            await bfl.fetch(ResultImage(url=f"{url}/bfl/delivery/x.png"))
    assert told.value.charged == "yes"
