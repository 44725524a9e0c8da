"""Hugging Face's stand-in against its documentation: mapping, runners' answers, refusals, Endpoints, books."""

from __future__ import annotations

import asyncio
import base64
import io
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from PIL import Image

from mintmark.sandbox import Sandbox
from mintmark.tests.sandbox.conftest import Probe, png_of

TOKEN = {"Authorization": "Bearer hf_0123456789"}
SCHNELL = "black-forest-labs/FLUX.1-schnell"
SD3 = "/router/hf-inference/models/stabilityai/stable-diffusion-3-medium-diffusers"


async def send(probe: Probe, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    return await probe.send(method, f"/huggingface{path}", json=body, headers={**TOKEN, **headers})


async def until_done(probe: Probe, path: str, word: str) -> Any:
    for _ in range(500):
        _, told = await send(probe, "GET", path)
        if word in str(told):
            return told
        await asyncio.sleep(0.01)
    raise AssertionError(told)


async def test_the_hub_tells_who_runs_a_model(probe: Probe) -> None:
    status, told = await send(probe, "GET", f"/hub/api/models/{SCHNELL}?expand=inferenceProviderMapping")
    assert status == 200
    rows = {row["provider"]: row for row in told["inferenceProviderMapping"]}
    assert rows["fal-ai"] == {
        "provider": "fal-ai",
        "providerId": "fal-ai/flux/schnell",
        "status": "live",
        "task": "text-to-image",
    }
    assert (await send(probe, "GET", "/hub/api/models/no/such"))[0] == 404


@pytest.mark.parametrize("authorization", [None, "Basic x", "Bearer bad-token"])
async def test_a_bad_token_is_refused(probe: Probe, authorization: str | None) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    status, told = await probe.send("GET", "/huggingface/hub/api/whoami-v2", headers=headers)
    assert (status, told) == (401, {"error": "Invalid username or password."})


async def test_hf_inference_answers_with_the_image(probe: Probe) -> None:
    body = {"inputs": "a boat", "parameters": {"width": 128, "height": 64}}
    async with probe.session.post(f"{probe.url}/huggingface{SD3}", json=body, headers=TOKEN) as reply:
        assert reply.status == 200
        assert reply.headers["x-compute-time"] == "1.8"
        with Image.open(io.BytesIO(await reply.read())) as made:
            assert (made.format, made.size) == ("PNG", (128, 64))
    (line,) = (await probe.bill())["lines"]
    assert line["microusd"] == 216


async def test_fal_answers_at_once_with_a_url(probe: Probe) -> None:
    body = {"prompt": "a boat", "image_size": {"width": 128, "height": 64}, "seed": 5}
    status, told = await send(probe, "POST", "/router/fal-ai/fal-ai/flux/schnell", body)
    assert (status, told["seed"], told["has_nsfw_concepts"]) == (200, 5, [False])
    assert (await probe.fetch(told["images"][0]["url"]))[0] == 200


async def test_fal_s_queue_names_its_own_host(probe: Probe) -> None:
    image = f"data:image/png;base64,{base64.b64encode(png_of()).decode()}"
    body = {"prompt": "at night", "image_url": image, "image_urls": [image]}
    _, told = await send(probe, "POST", "/router/fal-ai/fal-ai/flux-kontext/dev?_subdomain=queue", body)
    assert told["response_url"].startswith("https://queue.fal.run/fal-ai/flux-kontext/requests/")
    path = "/router/fal-ai/fal-ai/flux-kontext/requests/" + told["request_id"]
    await until_done(probe, f"{path}/status?_subdomain=queue", "COMPLETED")
    assert len((await send(probe, "GET", f"{path}?_subdomain=queue"))[1]["images"]) == 1


async def test_replicate_holds_the_answer_where_it_is_asked_to(probe: Probe) -> None:
    path = "/router/replicate/v1/models/black-forest-labs/flux-schnell/predictions"
    status, told = await send(probe, "POST", path, {"input": {"prompt": "a boat"}}, Prefer="wait")
    assert (status, told["status"]) == (201, "succeeded")
    assert told["urls"]["get"].startswith("https://api.replicate.com/v1/predictions/")


async def test_together_and_nscale_answer_in_base64(probe: Probe) -> None:
    body = {"prompt": "a boat", "model": SCHNELL, "response_format": "base64", "width": 128, "height": 128}
    _, told = await send(probe, "POST", "/router/together/v1/images/generations", body)
    assert base64.b64decode(told["data"][0]["b64_json"])[:3] == b"\xff\xd8\xff"
    body = {
        "prompt": "a boat",
        "model": "stabilityai/stable-diffusion-xl-base-1.0",
        "response_format": "b64_json",
        "size": "1000x500",
    }
    _, told = await send(probe, "POST", "/router/nscale/v1/images/generations", body)
    assert base64.b64decode(told["data"][0]["b64_json"]).startswith(b"\x89PNG")
    assert [line["microusd"] for line in (await probe.bill())["lines"]] == [2_700, 1_500]


async def test_wavespeed_is_asked_until_it_is_done(probe: Probe) -> None:
    _, told = await send(probe, "POST", "/router/wavespeed/api/v3/wavespeed-ai/flux-dev", {"prompt": "a boat"})
    data = told["data"]
    assert (data["status"], data["outputs"]) == ("created", [])
    done = await until_done(probe, f"/router/wavespeed/api/v3/predictions/{data['id']}/result", "completed")
    assert (await probe.fetch(done["data"]["outputs"][0]))[0] == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/router/fal-ai/fal-ai/flux/schnell", {"prompt": "a boat", "no_such": 1}),
        ("/router/fal-ai/fal-ai/flux/schnell", {}),
        ("/router/fal-ai/no/app", {"prompt": "a boat"}),
        ("/router/together/v1/images/generations", {"prompt": "a boat", "model": SCHNELL}),
        ("/router/replicate/v1/predictions", {"version": "nope", "input": {"prompt": "x"}}),
        (SD3, {"inputs": "", "parameters": {}}),
        (SD3, {"inputs": "a boat", "parameters": {"width": 5}}),
        ("/endpoint/own", {"inputs": "a boat", "parameters": {"no_such": 1}}),
    ],
)
async def test_a_wrong_body_is_refused_and_costs_nothing(probe: Probe, path: str, body: Any) -> None:
    status, told = await send(probe, "POST", path, body)
    assert 400 <= status < 500
    assert told
    assert (await probe.bill())["lines"] == []


async def test_a_harmful_prompt_is_stopped(probe: Probe) -> None:
    status, told = await send(probe, "POST", "/router/fal-ai/fal-ai/flux/schnell", {"prompt": "nsfw"})
    assert (status, told["detail"][0]["type"]) == (422, "content_policy_violation")
    assert [call["outcome"] for call in await probe.calls()] == ["blocked"]


@pytest.mark.parametrize("path", [SD3, "/endpoint/own"])
async def test_a_model_that_is_not_loaded_says_how_long_it_will_take(probe: Probe, path: str) -> None:
    await probe.fail({"provider": "huggingface", "kind": "status", "status": 503, "count": 1})
    status, told = await send(probe, "POST", path, {"inputs": "a boat", "parameters": {"width": 64, "height": 64}})
    assert (status, told["estimated_time"]) == (503, 20.0)


async def test_an_endpoint_costs_nothing_by_the_call(probe: Probe) -> None:
    body = {"inputs": "a boat", "parameters": {"width": 64, "height": 64}}
    async with probe.session.post(f"{probe.url}/huggingface/endpoint/own", json=body, headers=TOKEN) as reply:
        assert (reply.status, reply.content_type) == (200, "image/png")
    assert (await probe.bill())["lines"] == []


async def test_what_was_asked_for_outlives_the_sandbox(tmp_path: Path) -> None:
    state = tmp_path / "books"
    path = "/huggingface/router/wavespeed/api/v3"
    async with Sandbox(latency_s=0, state=state) as first, aiohttp.ClientSession() as session:
        probe = Probe(first.url, session)
        _, told = await probe.send("POST", f"{path}/wavespeed-ai/flux-dev", json={"prompt": "a boat"}, headers=TOKEN)
        poll = f"{path}/predictions/{told['data']['id']}/result"
        await until_done(probe, poll.removeprefix("/huggingface"), "completed")
    async with Sandbox(latency_s=0, state=state) as second, aiohttp.ClientSession() as session:
        probe = Probe(second.url, session)
        done = await until_done(probe, poll.removeprefix("/huggingface"), "completed")
        assert (await probe.fetch(done["data"]["outputs"][0]))[0] == 200
        assert len((await probe.bill())["lines"]) == 1
