"""Stability's stand-in, field by field: what it refuses and how, both forms of an answer, results, blocks, the bill."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.sandbox import Sandbox

from .conftest import Probe, pixels_of, png_of, white_mask_of

KEYED = {"Authorization": "Bearer sk-test"}
BYTES = {**KEYED, "Accept": "image/*"}
JSON = {**KEYED, "Accept": "application/json"}
PREFIX = "/stability/v2beta"
PICTURE = png_of(size=(96, 64))


def form(fields: dict[str, Any], **files: bytes) -> aiohttp.FormData:
    """A form as requests makes one: without a file, an empty one named none."""
    made = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        made.add_field(name, str(value))
    for name, data in (files or {"none": b""}).items():
        made.add_field(name, io.BytesIO(data), filename=f"{name}.png" if data else name)
    return made


async def post(
    probe: Probe, service: str, fields: dict[str, Any], headers: dict[str, str] = BYTES, **files: bytes
) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one call; header names in lower case."""
    url = f"{probe.url}{PREFIX}/stable-image/{service}"
    async with probe.session.post(url, data=form(fields, **files), headers=headers) as reply:
        return reply.status, {name.lower(): value for name, value in reply.headers.items()}, await reply.read()


async def refused(probe: Probe, service: str, fields: dict[str, Any], **files: bytes) -> tuple[int, dict[str, Any]]:
    url = f"{probe.url}{PREFIX}/stable-image/{service}"
    async with probe.session.post(url, data=form(fields, **files), headers=BYTES) as reply:
        return reply.status, await reply.json()


@pytest.mark.parametrize(
    ("service", "fields", "told"),
    [
        ("generate/core", {}, "prompt: is required"),
        ("generate/core", {"prompt": ""}, "prompt: is required"),
        ("generate/core", {"prompt": "x" * 10_001}, "prompt: cannot be longer"),
        ("generate/core", {"prompt": "x", "aspect_ratio": "4:3"}, "aspect_ratio: must be one of"),
        ("generate/core", {"prompt": "x", "seed": 4_294_967_295}, "seed: must be between"),
        ("generate/core", {"prompt": "x", "seed": "1.5"}, "seed: must be an integer"),
        ("generate/core", {"prompt": "x", "output_format": "gif"}, "output_format: must be one of"),
        ("generate/core", {"prompt": "x", "cfg_scale": 4}, "cfg_scale: is not a field"),
        ("generate/sd3", {"prompt": "x", "model": "sd3-large"}, "model: must be one of"),
        ("generate/sd3", {"prompt": "x", "cfg_scale": 11}, "cfg_scale: must be between"),
        ("generate/sd3", {"prompt": "x", "mode": "image-to-image", "strength": 0.5}, "image: is required"),
    ],
)
async def test_a_bad_field_is_refused_by_name_and_costs_nothing(
    probe: Probe, service: str, fields: dict[str, Any], told: str
) -> None:
    status, body = await refused(probe, service, fields)
    assert (status, body["name"]) == (400, "bad_request")
    assert set(body) == {"id", "name", "errors"}
    assert any(error.startswith(told) for error in body["errors"]), body
    assert (await probe.bill())["lines"] == []
    assert [call["outcome"] for call in await probe.calls()] == ["refused"]


@pytest.mark.parametrize(
    ("service", "fields", "size", "told"),
    [
        ("edit/inpaint", {"prompt": "x"}, (96, 64), "mask: is required"),
        ("edit/inpaint", {"prompt": "x"}, (60, 64), "image: every side"),
        ("edit/outpaint", {}, (96, 64), "at least one outpaint direction"),
        ("edit/outpaint", {"left": 0}, (96, 64), "at least one outpaint direction"),
        ("edit/outpaint", {"left": 2001}, (96, 64), "left: must be between"),
        ("edit/outpaint", {"left": 1.5}, (96, 64), "left: must be an integer"),
        ("edit/outpaint", {"left": 1}, (200, 64), "image: aspect ratio"),
        ("edit/search-and-replace", {"prompt": "x"}, (96, 64), "search_prompt: is required"),
        ("edit/search-and-recolor", {"prompt": "x"}, (96, 64), "select_prompt: is required"),
        ("upscale/fast", {"prompt": "x"}, (96, 64), "prompt: is not a field"),
        ("upscale/fast", {}, (1600, 64), "image: every side must be at most"),
        ("upscale/conservative", {"prompt": "x", "creativity": 0.1}, (96, 64), "creativity: must be between"),
        ("upscale/creative", {"prompt": "x"}, (1100, 1000), "image: total pixel count"),
        ("control/sketch", {"prompt": "x", "control_strength": 1.1}, (96, 64), "control_strength: must be between"),
        ("generate/sd3", {"prompt": "x", "mode": "image-to-image"}, (96, 64), "strength: is required"),
        ("generate/sd3", {"prompt": "x", "strength": 1}, (96, 64), "mode: must be"),
        ("generate/core", {"prompt": "x"}, (96, 64), "image: is not a file"),
    ],
)
async def test_an_image_and_what_goes_with_it_are_checked(
    probe: Probe, service: str, fields: dict[str, Any], size: tuple[int, int], told: str
) -> None:
    status, body = await refused(probe, service, fields, image=png_of(size=size))
    assert status == 400
    assert any(error.startswith(told) for error in body["errors"]), body


async def test_every_fault_of_a_form_is_told_at_once(probe: Probe) -> None:
    _, body = await refused(probe, "control/structure", {"seed": -1, "output_format": "x"}, image=b"no image")
    assert len(body["errors"]) == 4


async def test_only_forms_are_taken(probe: Probe) -> None:
    url = f"{PREFIX}/stable-image/generate/core"
    for more in ({"json": {"prompt": "x"}}, {"data": {"prompt": "x"}}):
        status, body = await probe.send("POST", url, headers=BYTES, **more)
        assert (status, body["errors"]) == (400, ["content-type: must be multipart/form-data"])


async def test_a_payload_over_ten_mebibytes_is_refused(probe: Probe) -> None:
    status, body = await refused(probe, "upscale/fast", {}, image=b"x" * (10 * 1024 * 1024 + 1))
    assert (status, body["name"]) == (413, "payload_too_large")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Key x"}, {"Authorization": "Bearer bad-key"}])
async def test_a_bad_key_is_unauthorized(probe: Probe, headers: dict[str, str]) -> None:
    status, body = await probe.send("GET", "/stability/v1/user/balance", headers=headers)
    assert (status, body["name"]) == (401, "unauthorized")


async def test_an_unknown_path_is_not_found(probe: Probe) -> None:
    status, body = await probe.send("POST", f"{PREFIX}/stable-image/generate/sd4", headers=KEYED)
    assert (status, body["name"]) == (404, "not_found")


async def test_bytes_come_with_headers_and_json_says_the_same(probe: Probe) -> None:
    asked = {"prompt": "a boat", "seed": 9}
    status, headers, body = await post(probe, "generate/sd3", asked)
    assert (status, headers["content-type"]) == (200, "image/png")
    assert (headers["finish-reason"], headers["seed"]) == ("SUCCESS", "9")
    assert len(headers["x-request-id"]) == 32
    _, other, text = await post(probe, "generate/sd3", asked, JSON)
    assert other["content-type"] == "application/json; type=image/png"
    told = json.loads(text)
    assert (told["finish_reason"], told["seed"]) == ("SUCCESS", 9)
    assert base64.b64decode(told["image"]) == body


async def test_another_accept_is_refused(probe: Probe) -> None:
    status, _, body = await post(probe, "generate/core", {"prompt": "x"}, {**KEYED, "Accept": "text/html"})
    assert status == 400
    assert b"accept" in body


async def test_a_seed_of_zero_is_chosen_and_told(probe: Probe) -> None:
    seeds = [(await post(probe, "generate/sd3", {"prompt": "x", "seed": seed}))[1]["seed"] for seed in (0, 7)]
    assert int(seeds[0]) > 0
    assert seeds[1] == "7"


@pytest.mark.parametrize(
    ("service", "fields", "microusd"),
    [
        ("generate/ultra", {}, 80_000),
        ("generate/core", {}, 30_000),
        ("generate/sd3", {}, 65_000),
        ("generate/sd3", {"model": "sd3.5-large-turbo"}, 40_000),
        ("generate/sd3", {"model": "sd3.5-medium"}, 35_000),
    ],
)
async def test_prices_follow_the_credits(probe: Probe, service: str, fields: dict[str, Any], microusd: int) -> None:
    await post(probe, service, {"prompt": "a boat", **fields})
    (line,) = (await probe.bill())["lines"]
    assert (line["microusd"], line["usage"]) == (microusd, {"credits": microusd / 10_000})
    _, told = await probe.send("GET", "/stability/v1/user/balance", headers=KEYED)
    assert told == {"credits": 1000 - microusd / 10_000}


async def test_a_harmful_prompt_is_refused_and_not_charged(probe: Probe) -> None:
    status, body = await refused(probe, "generate/core", {"prompt": "gore everywhere"})
    assert (status, body["name"]) == (403, "content_moderation")
    assert (await probe.bill())["lines"] == []
    assert [call["outcome"] for call in await probe.calls()] == ["blocked"]


async def test_a_stopped_result_is_a_200_with_a_blurred_image_and_is_charged(probe: Probe) -> None:
    asked = {"prompt": "a boat", "seed": 3}
    _, _, clear = await post(probe, "generate/sd3", asked)
    await probe.fail({"provider": "stability", "kind": "policy_output"})
    status, headers, body = await post(probe, "generate/sd3", asked)
    assert (status, headers["finish-reason"]) == (200, "CONTENT_FILTERED")
    blurred = pixels_of(body)
    assert blurred.shape == pixels_of(clear).shape
    assert (blurred[:100, :100] == blurred[0, 0]).all()
    assert len((await probe.bill())["lines"]) == 2


@pytest.mark.parametrize(("grow", "reach"), [(0, 0), (4, 4)])
async def test_a_mask_is_grown_by_as_many_pixels_as_are_asked_for(probe: Probe, grow: int, reach: int) -> None:
    mask = white_mask_of((96, 64), (10, 20, 30, 40))
    _, _, body = await post(probe, "edit/inpaint", {"prompt": "sun", "grow_mask": grow}, image=PICTURE, mask=mask)
    changed = (pixels_of(body) != pixels_of(PICTURE)).any(axis=2)
    rows, columns = changed.any(axis=1).nonzero()[0], changed.any(axis=0).nonzero()[0]
    assert (rows.min(), rows.max()) == (20 - reach, 39 + reach)
    assert (columns.min(), columns.max()) == (10 - reach, 29 + reach)


async def test_a_transparent_image_is_its_own_mask(probe: Probe) -> None:
    status, _, body = await post(probe, "edit/inpaint", {"prompt": "sun"}, image=png_of((1, 2, 3, 0), (64, 64)))
    assert status == 200
    assert (pixels_of(body) != (1, 2, 3)).any()


async def start(probe: Probe) -> str:
    url = f"{PREFIX}/stable-image/upscale/creative"
    status, body = await probe.send("POST", url, data=form({"prompt": "a boat"}, image=PICTURE), headers=BYTES)
    assert status == 200
    assert list(body) == ["id"]
    return str(body["id"])


async def result(probe: Probe, generation: str, headers: dict[str, str] = BYTES) -> tuple[int, dict[str, str], bytes]:
    async with probe.session.get(f"{probe.url}{PREFIX}/results/{generation}", headers=headers) as reply:
        return reply.status, {name.lower(): value for name, value in reply.headers.items()}, await reply.read()


async def done(probe: Probe, generation: str) -> tuple[dict[str, str], bytes]:
    """The result, once it is there."""

    async def fetched() -> tuple[int, dict[str, str], bytes]:
        while (found := await result(probe, generation))[0] == 202:
            continue
        return found

    status, headers, body = await asyncio.wait_for(fetched(), 60)
    assert status == 200
    return headers, body


async def test_an_asynchronous_result_is_in_progress_until_it_is_there_and_stays_there() -> None:
    async with Sandbox(latency_s=60) as running, aiohttp.ClientSession() as session:
        probe = Probe(running.url, session)
        generation = await start(probe)
        status, _, body = await result(probe, generation)
        assert status == 202
        assert json.loads(body) == {"id": generation, "status": "in-progress"}
        assert (await probe.bill())["lines"] == []


async def test_a_result_is_the_same_each_time_and_billed_once(probe: Probe) -> None:
    generation = await start(probe)
    headers, body = await done(probe, generation)
    assert headers["finish-reason"] == "SUCCESS"
    assert (await result(probe, generation))[2] == body
    (line,) = (await probe.bill())["lines"]
    assert (line["request_id"], line["microusd"]) == (generation, 600_000)


async def test_only_the_key_that_started_it_gets_the_result(probe: Probe) -> None:
    generation = await start(probe)
    await done(probe, generation)
    for headers, name in (({**BYTES, "Authorization": "Bearer sk-other"}, generation), (BYTES, "0" * 64)):
        status, _, body = await result(probe, name, headers)
        assert status == 404
        assert b"generation_not_found" in body


async def test_a_result_outlives_a_killed_sandbox(tmp_path: Path) -> None:
    state = tmp_path / "state.jsonl"
    async with aiohttp.ClientSession() as session:
        async with Sandbox(latency_s=60, state=state) as first:
            generation = await start(Probe(first.url, session))
        async with Sandbox(latency_s=0, state=state) as second:
            _, body = await done(Probe(second.url, session), generation)
        async with Sandbox(latency_s=60, state=state) as third:
            assert (await result(Probe(third.url, session), generation))[2] == body
            assert len((await Probe(third.url, session).bill())["lines"]) == 1


async def test_a_result_can_expire_and_can_be_broken(probe: Probe) -> None:
    generation = await start(probe)
    _, whole = await done(probe, generation)
    await probe.fail({"provider": "stability", "kind": "expired_url", "count": 1, "path": "results"})
    assert (await result(probe, generation))[0] == 404
    await probe.fail({"provider": "stability", "kind": "corrupt_image", "count": 1, "path": "results"})
    assert (await result(probe, generation))[2] != whole


@pytest.mark.parametrize(
    ("status", "name"), [(402, "payment_required"), (422, "invalid_language"), (429, "rate_limit_exceeded")]
)
async def test_a_fault_of_status_is_told_in_the_vendor_s_shape(probe: Probe, status: int, name: str) -> None:
    await probe.fail({"provider": "stability", "kind": "status", "status": status})
    assert (await refused(probe, "generate/core", {"prompt": "x"}))[1]["name"] == name


async def test_a_gateway_s_trouble_has_nothing_of_the_vendor_s_shape(probe: Probe) -> None:
    await probe.fail({"provider": "stability", "kind": "status", "status": 504})
    status, headers, _ = await post(probe, "generate/core", {"prompt": "x"})
    assert (status, headers["content-type"].partition(";")[0]) == (504, "text/html")
