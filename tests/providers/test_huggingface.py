"""What is special about Hugging Face: who runs a model, how it is waited for, and blocks in each runner's own words."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import web

from mintmark.errors import (
    BadAnswer,
    InvalidInput,
    ProviderAuth,
    ProviderBlocked,
    ProviderDown,
    ProviderRefused,
    ResultLost,
)
from mintmark.providers.base import Accepted, Prepared
from mintmark.providers.hosts import Hosts
from mintmark.providers.http import HttpClient, Timeouts
from mintmark.providers.huggingface import HuggingFace
from mintmark.providers.model import Model
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import FakeTime, Handler, client, left_alone, model, picture, serving

KEY = Secret("hf_0123456789abcdef")
BLOCKED_WORDS = {
    "fal-ai": ("flux.1-schnell", "content checker"),
    "replicate": ("flux.1-schnell", "E005"),
    "together": ("flux.1-schnell", "NSFW content detected"),
    "wavespeed": ("flux.1-schnell", "potentially sensitive"),
    "nscale": ("stable-diffusion-xl", "rejected by our content policy"),
    "hf-inference": ("stable-diffusion-3-medium", "Potential NSFW content"),
}


@pytest.fixture
def hf(sandbox: Sandbox, http: HttpClient) -> HuggingFace:
    return HuggingFace.open(http, key=KEY, sandbox_url=sandbox.url)


def prepared(provider: HuggingFace, name: str = "flux.1-schnell", **asked: Any) -> Prepared:
    known = model(f"huggingface/{name}")
    given = {"task": "text-to-image", "prompt": "a boat", "model": known.name, **asked}
    return provider.prepare(known, GenerationRequest.model_validate(given))


async def ask(provider: HuggingFace, name: str = "flux.1-schnell", **asked: Any) -> Any:
    return await provider.ask(prepared(provider, name, **asked), call_id="c", on_accepted=ignore)


def fault(kind: str, path: str = "/huggingface/", **more: Any) -> dict[str, Any]:
    return {"provider": "huggingface", "kind": kind, "count": 1, "path": path, "method": "POST", **more}


# -- who runs it --------------------------------------------------------------------------------------------------


def hub(told: Any, seen: list[str], status: int = 200) -> Handler:
    async def answered(request: web.Request) -> web.StreamResponse:
        seen.append(request.path_qs)
        return web.json_response({"inferenceProviderMapping": told}, status=status)

    return answered


def row(provider: str = "fal-ai", **more: str) -> dict[str, str]:
    return {"provider": provider, "providerId": "some/app", "status": "live", "task": "text-to-image", **more}


def at(http: HttpClient, url: str) -> HuggingFace:
    return HuggingFace(http, key=KEY, hosts=Hosts(f"{url}/router"), hub=f"{url}/hub")


async def test_who_runs_a_model_is_asked_once_an_hour(http: HttpClient, time: FakeTime) -> None:
    seen: list[str] = []
    async with serving(hub([row()], seen)) as url:
        provider = at(http, url)
        for _ in range(2):
            # The hub's answer is no image, which does not matter here.
            with pytest.raises(BadAnswer):
                await ask(provider)
        time.now += 3601
        with pytest.raises(BadAnswer):
            await ask(provider)
    asked = "/hub/api/models/black-forest-labs/FLUX.1-schnell?expand=inferenceProviderMapping"
    call = "/router/fal-ai/some/app"
    assert seen == [asked, call, call, asked, call]


async def test_many_calls_at_once_ask_the_hub_once(http: HttpClient) -> None:
    seen: list[str] = []
    async with serving(hub([row()], seen)) as url:
        provider = at(http, url)
        await asyncio.gather(*(ask(provider) for _ in range(20)), return_exceptions=True)
    assert len([path for path in seen if path.startswith("/hub/")]) == 1
    assert len(seen) == 21


@pytest.mark.parametrize("status", ["live", "staging", "error"])
async def test_a_runner_that_is_unwell_is_asked_all_the_same(http: HttpClient, status: str) -> None:
    seen: list[str] = []
    async with serving(hub({"fal-ai": {"providerId": "x/y", "status": status, "task": "text-to-image"}}, seen)) as url:
        with pytest.raises(BadAnswer):
            await ask(at(http, url))
    assert seen[-1] == "/router/fal-ai/x/y"


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ([row("replicate")], "fal-ai does not run"),
        ([row(task="image-to-image")], "not for text-to-image"),
        ([], "does not run"),
    ],
)
async def test_a_runner_that_does_not_have_the_model_is_refused_with_those_that_do(
    http: HttpClient, told: Any, said: str
) -> None:
    async with serving(hub(told, [])) as url:
        with pytest.raises(ProviderRefused, match=said) as refused:
            await ask(at(http, url))
    assert refused.value.charged == "no"
    assert all(one["provider"] in refused.value.hint for one in told)


@pytest.mark.parametrize(("status", "kind"), [(401, ProviderAuth), (404, ProviderRefused), (500, ProviderDown)])
async def test_a_hub_that_does_not_answer_costs_nothing(http: HttpClient, status: int, kind: type[Exception]) -> None:
    async with serving(hub([row()], [], status)) as url:
        with pytest.raises(kind) as told:
            await ask(at(http, url))
    assert told.value.charged == "no"  # type: ignore[attr-defined]


async def test_a_hub_that_talks_nonsense_costs_nothing(http: HttpClient) -> None:
    async with serving(hub("nonsense", [])) as url:
        with pytest.raises(BadAnswer) as told:
            await ask(at(http, url))
    assert told.value.charged == "no"


async def test_who_pays_is_said_where_it_is_set(sandbox: Sandbox, http: HttpClient, truth: Truth) -> None:
    for options in ({}, {"bill_to": "our-org"}):
        await ask(HuggingFace.open(http, key=KEY, sandbox_url=sandbox.url, options=options))
    assert [call["headers"].get("X-HF-Bill-To") for call in await truth.calls()] == [None, "our-org"]


# -- a model that is being loaded ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["stable-diffusion-3-medium", "endpoint"])
async def test_a_model_that_is_being_loaded_is_waited_for(
    hf: HuggingFace, truth: Truth, time: FakeTime, name: str
) -> None:
    await truth.fail(fault("status", status=503, count=3))
    assert len((await ask(hf, name)).images) == 1
    assert time.slept == [20.0, 20.0, 20.0]
    assert len(await truth.bill()) == (0 if name == "endpoint" else 1)


async def test_an_endpoint_that_says_nothing_more_than_503_is_waited_for_too(http: HttpClient, time: FakeTime) -> None:
    answers = iter([503, 503, 200])

    async def answered(_: web.Request) -> web.StreamResponse:
        status = next(answers)
        image = picture().data if status == 200 else b"Service Unavailable"
        return web.Response(status=status, body=image, content_type="image/png" if status == 200 else "text/plain")

    async with serving(answered) as url:
        provider = HuggingFace(http, key=KEY, endpoints={"own": url})
        assert len((await ask(provider, "endpoint")).images) == 1
    assert time.slept == [5.0, 5.0]


async def test_a_model_that_is_not_there_in_time_costs_nothing(hf: HuggingFace, truth: Truth, time: FakeTime) -> None:
    await truth.fail(fault("status", status=503, count=999))
    with pytest.raises(ProviderDown, match="still being loaded") as told:
        await ask(hf, "endpoint")
    assert told.value.charged == "no"
    assert 2900 < sum(time.slept) <= 3000


async def test_a_runner_that_is_merely_busy_is_not_waited_for(hf: HuggingFace, truth: Truth, time: FakeTime) -> None:
    await truth.fail(fault("status", status=503))
    with pytest.raises(ProviderDown):
        await ask(hf)
    assert time.slept == []


async def test_who_leaves_while_a_model_is_being_loaded_does_not_ask_again(sandbox: Sandbox, truth: Truth) -> None:
    await truth.fail(fault("status", status=503, count=999))
    waiting = asyncio.Event()

    async def forever(_: float) -> None:
        waiting.set()
        await asyncio.sleep(60)

    async with HttpClient(sleep=forever) as http:
        provider = HuggingFace.open(http, key=KEY, sandbox_url=sandbox.url)
        task = asyncio.create_task(ask(provider, "endpoint"), name="asking")
        await asyncio.wait_for(waiting.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError) as left:
            await task
    assert isinstance(left.value.__cause__, ProviderDown)
    assert left.value.__cause__.charged == "no"
    assert len(await truth.calls()) == 1


# -- Endpoints ----------------------------------------------------------------------------------------------------


def test_an_endpoint_that_is_not_set_is_refused_with_how_to_set_one(http: HttpClient) -> None:
    with pytest.raises(InvalidInput, match="which one") as told:
        prepared(HuggingFace.open(http, key=KEY), "endpoint")
    assert "huggingface.endpoint.<name>" in told.value.hint


def test_one_of_several_endpoints_is_named(http: HttpClient) -> None:
    options = {"endpoint.one": "https://one.example", "endpoint.two": "https://two.example"}
    provider = HuggingFace.open(http, key=KEY, options=options)
    with pytest.raises(InvalidInput, match="which one"):
        prepared(provider, "endpoint")
    with pytest.raises(InvalidInput, match="three"):
        prepared(provider, "endpoint", options={"endpoint": "three"})
    assert prepared(provider, "endpoint", options={"endpoint": "two"}).path == "https://two.example"
    alone = HuggingFace.open(http, key=KEY, options={"endpoint.one": "https://one.example"})
    assert prepared(alone, "endpoint").path == "https://one.example"


def test_a_gateway_stands_before_the_router(http: HttpClient) -> None:
    provider = HuggingFace.open(http, key=KEY, base_url="https://gateway.example/hf/")
    assert provider._hosts.base == "https://gateway.example/hf"


# -- what runners answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("route", BLOCKED_WORDS)
async def test_a_block_is_told_in_the_runner_s_own_words(hf: HuggingFace, truth: Truth, route: str) -> None:
    name, words = BLOCKED_WORDS[route]
    await truth.fail(fault("policy_input"))
    with pytest.raises(ProviderBlocked, match=words):
        await ask(hf, name, options={"route": route})
    assert await truth.bill() == []


async def test_an_edit_that_fal_blocks_is_told_by_its_result(hf: HuggingFace, truth: Truth) -> None:
    await truth.fail(fault("policy_input"))
    with pytest.raises(ProviderBlocked, match="content checker") as told:
        await ask(hf, "flux.1-kontext-dev", task="edit", images=(picture(),))
    assert told.value.charged == "unknown"
    assert told.value.request_id


@pytest.mark.parametrize("route", ["fal-ai", "wavespeed"])
async def test_a_result_that_a_checker_blackened_is_marked(hf: HuggingFace, truth: Truth, route: str) -> None:
    await truth.fail(fault("policy_output"))
    answer = await ask(hf, options={"route": route})
    assert [image.blocked for image in answer.images] == [True]


async def test_exhausted_credit_says_where_to_get_more(hf: HuggingFace, truth: Truth) -> None:
    await truth.fail(fault("status", status=402))
    with pytest.raises(ProviderAuth, match="credit") as told:
        await ask(hf)
    assert "settings/billing" in told.value.hint


async def test_what_goes_on_is_asked_about_through_the_router_alone(hf: HuggingFace, sandbox: Sandbox) -> None:
    for route in ("replicate", "wavespeed"):
        accepted = await left_alone(hf, prepared(hf, options={"route": route}))
        assert accepted.handle["poll"].startswith(f"{sandbox.url}/huggingface/router/{route}/")


async def test_a_call_that_the_runner_forgot_is_lost(hf: HuggingFace, sandbox: Sandbox) -> None:
    poll = f"{sandbox.url}/huggingface/router/replicate/v1/predictions/gone"
    known = model("huggingface/flux.1-schnell")
    with pytest.raises(ResultLost) as told:
        await hf.resume(known, Accepted(request_id="gone", handle={"route": "replicate", "poll": poll}))
    assert told.value.charged == "unknown"


async def test_a_call_without_an_end_is_given_up_and_may_have_been_charged(time: FakeTime) -> None:
    async with serving(_predictions("processing")) as url, client(time) as http:
        with pytest.raises(ProviderDown, match="did not finish") as told:
            await ask(at(http, url), options={"route": "replicate"})
    assert told.value.charged == "unknown"


@pytest.mark.parametrize(("word", "kind"), [("failed", ProviderDown), ("aborted", ProviderDown), ("odd", BadAnswer)])
async def test_how_a_call_ends_badly(http: HttpClient, word: str, kind: type[Exception]) -> None:
    async with serving(_predictions(word)) as url:
        with pytest.raises(kind) as told:
            await ask(at(http, url), options={"route": "replicate"})
    assert told.value.charged == "unknown"  # type: ignore[attr-defined]


async def test_a_call_that_is_done_without_an_image_was_charged(http: HttpClient) -> None:
    async with serving(_predictions("succeeded")) as url:
        with pytest.raises(BadAnswer) as told:
            await ask(at(http, url), options={"route": "replicate"})
    assert told.value.charged == "yes"


async def test_a_finished_call_may_still_be_called_processing(http: HttpClient) -> None:
    async with serving(_predictions("processing", "https://replicate.delivery/x.webp")) as url:
        answer = await ask(at(http, url), options={"route": "replicate"})
    assert [image.url for image in answer.images] == ["https://replicate.delivery/x.webp"]


async def test_time_that_is_not_told_is_not_known(http: HttpClient) -> None:
    async def answered(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/hub"):
            return web.json_response({"inferenceProviderMapping": [row("hf-inference")]})
        return web.Response(body=picture().data, content_type="image/png")

    async with serving(answered) as url:
        answer = await ask(at(http, url), "stable-diffusion-3-medium")
    assert answer.usage.seconds is None


async def test_a_broken_image_costs_the_time_that_it_took(hf: HuggingFace, truth: Truth) -> None:
    await truth.fail(fault("corrupt_image"))
    with pytest.raises(BadAnswer) as told:
        await ask(hf, "stable-diffusion-3-medium")
    assert (told.value.charged, told.value.microusd) == ("yes", 216)
    assert [line["microusd"] for line in await truth.bill()] == [216]


def test_the_size_of_an_edit_is_its_image_s(hf: HuggingFace) -> None:
    made = prepared(hf, "flux.1-kontext-dev", task="edit", images=(picture(),), width=512, height=512)
    assert made.ignored == ("width", "height")
    assert "image_size" not in made.fields


def test_nscale_is_told_no_steps(hf: HuggingFace) -> None:
    known: Model = model("huggingface/stable-diffusion-xl")
    assert "steps" not in known.parameters


def _predictions(word: str, output: str | None = None) -> Handler:
    async def answered(request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/hub"):
            return web.json_response({"inferenceProviderMapping": [row("replicate")]})
        return web.json_response({"id": "p1", "status": word, "output": output, "urls": {}})

    return answered


@pytest.mark.parametrize("told", [1e-9, 10**400, 1e308])
async def test_a_time_that_is_none_to_load_in_is_waited_in_measure(time: FakeTime, told: Any) -> None:
    posts = 0

    async def handler(request: web.Request) -> web.Response:
        nonlocal posts
        posts += 1
        return web.json_response({"error": "It is loading.", "estimated_time": told}, status=503)

    async with serving(handler) as url, client(time, timeouts=Timeouts(total_s=100)) as http:
        provider = HuggingFace(http, key=KEY, hosts=Hosts(url), endpoints={"own": url})
        with pytest.raises(ProviderDown, match="still being loaded") as caught:
            await ask(provider, "endpoint")
    assert caught.value.charged == "no"
    assert 1 < posts <= 101
