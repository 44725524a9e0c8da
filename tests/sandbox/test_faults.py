from __future__ import annotations

import base64
import json
from typing import Any

import aiohttp
import pytest

from mintmark.sandbox import picture
from mintmark.sandbox.faults import Faults

from .conftest import FAL, OPENAI, Probe

GENERATE = ("POST", "/openai/v1/images/generations")
BOAT = {"model": "gpt-image-2", "prompt": "a boat", "size": "64x64", "quality": "low"}


async def generate(probe: Probe) -> tuple[int, Any]:
    return await probe.openai("/images/generations", BOAT)


async def submit(probe: Probe) -> str:
    """A completed fal request's path."""
    told = (await probe.fal("POST", "/run/fal-ai/flux/schnell", {"prompt": "a boat", "image_size": "square"}))[1]
    return told["images"][0]["url"]


async def test_a_status_fault_does_no_work_and_ends_after_its_count(probe: Probe) -> None:
    await probe.fail({"provider": "openai", "kind": "status", "status": 503, "count": 2, "path": "images"})
    assert (await probe.openai("/moderations", {"input": "x"}))[0] == 200
    assert [(await generate(probe))[0] for _ in range(3)] == [503, 503, 200]
    assert len((await probe.bill())["lines"]) == 1
    told = (await probe.send("GET", "/_sandbox/faults"))[1]
    assert (told["faults"][0]["left"], told["faults"][0]["fired"]) == (0, 2)


@pytest.mark.parametrize("status", [401, 403, 408, 429, 500, 502, 503, 504, 418])
async def test_a_status_fault_has_the_providers_shape(probe: Probe, status: int) -> None:
    await probe.fail(
        {"provider": "openai", "kind": "status", "status": status, "retry_after": 2},
        {"provider": "fal", "kind": "status", "status": status, "retry_after": 0.5},
    )
    async with probe.session.post(probe.url + GENERATE[1], json=BOAT, headers=OPENAI) as reply:
        assert (reply.status, reply.headers["Retry-After"]) == (status, "2")
        assert reply.headers["x-request-id"].startswith("req_")
        assert set((await reply.json())["error"]) == {"message", "type", "param", "code"}
    async with probe.session.post(probe.url + "/fal/queue/fal-ai/flux/dev", json={}, headers=FAL) as reply:
        assert (reply.status, reply.headers["Retry-After"]) == (status, "0.5")
        assert reply.headers["X-Fal-Error-Type"] == (await reply.json())["error_type"]
        assert reply.headers["X-Fal-Retryable"] in ("true", "false")


async def test_a_drop_before_the_work_costs_nothing(probe: Probe) -> None:
    await probe.fail({"provider": "openai", "kind": "drop_before", "count": 1})
    with pytest.raises(aiohttp.ClientConnectionError):
        await generate(probe)
    assert (await probe.bill())["lines"] == []
    (call,) = await probe.calls()
    assert (call["outcome"], call["status"]) == ("drop_before", None)
    assert call["body"] == BOAT


async def test_a_drop_after_the_work_is_billed(probe: Probe) -> None:
    await probe.fail({"provider": "openai", "kind": "drop_after", "count": 1})
    with pytest.raises(aiohttp.ClientConnectionError):
        await generate(probe)
    (line,) = (await probe.bill())["lines"]
    (call,) = await probe.calls()
    assert (call["outcome"], call["request_id"]) == ("drop_after", line["request_id"])


async def test_a_submission_that_is_dropped_after_the_work_is_done_and_billed(probe: Probe) -> None:
    await probe.fail({"provider": "fal", "kind": "drop_after", "path": "/queue/", "count": 1})
    with pytest.raises(aiohttp.ClientConnectionError):
        await probe.fal("POST", "/queue/fal-ai/flux/schnell", {"prompt": "x", "image_size": "square"})
    (call,) = await probe.calls()
    path = f"/queue/fal-ai/flux/requests/{call['request_id']}"
    while (await probe.fal("GET", path + "/status"))[1]["status"] != "COMPLETED":
        pass
    assert (await probe.fal("GET", path))[0] == 200
    assert [line["request_id"] for line in (await probe.bill())["lines"]] == [call["request_id"]]


async def test_a_truncated_answer_is_billed_and_breaks_off(probe: Probe) -> None:
    await probe.fail({"provider": "openai", "kind": "truncated", "count": 1})
    async with probe.session.post(probe.url + GENERATE[1], json=BOAT, headers=OPENAI) as reply:
        assert reply.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await reply.read()
    assert len((await probe.bill())["lines"]) == 1


async def test_a_slow_answer_is_whole(probe: Probe) -> None:
    import time

    await probe.fail({"provider": "openai", "kind": "slow", "seconds": 0.2, "count": 1})
    start = time.monotonic()
    status, body = await generate(probe)
    assert time.monotonic() - start >= 0.2
    assert status == 200
    assert base64.b64decode(body["data"][0]["b64_json"]).startswith(b"\x89PNG")


async def test_bad_json_is_status_200_and_billed(probe: Probe) -> None:
    await probe.fail({"provider": "openai", "kind": "bad_json", "count": 1})
    async with probe.session.post(probe.url + GENERATE[1], json=BOAT, headers=OPENAI) as reply:
        assert reply.status == 200
        with pytest.raises(json.JSONDecodeError):
            await reply.json()
    assert len((await probe.bill())["lines"]) == 1


@pytest.mark.parametrize("kind", ["policy_input", "policy_output"])
async def test_openais_policy_blocks_cost_nothing(probe: Probe, kind: str) -> None:
    await probe.fail({"provider": "openai", "kind": kind, "count": 1})
    # Other requests do not use the fault up.
    assert (await probe.openai("/moderations", {"input": "x"}))[0] == 200
    status, body = await generate(probe)
    assert (status, body["error"]["code"]) == (400, "moderation_blocked")
    assert (await generate(probe))[0] == 200
    assert len((await probe.bill())["lines"]) == 1


async def test_fals_policy_blocks(probe: Probe) -> None:
    await probe.fail({"provider": "fal", "kind": "policy_input", "count": 1})
    body = {"prompt": "a boat", "image_size": "square"}
    status, told = await probe.fal("POST", "/run/fal-ai/flux/dev", body)
    assert (status, told["detail"][0]["type"]) == (422, "content_policy_violation")
    assert (await probe.bill())["lines"] == []
    await probe.fail({"provider": "fal", "kind": "policy_output", "count": 1})
    status, told = await probe.fal("POST", "/run/fal-ai/flux/dev", body)
    assert (status, told["has_nsfw_concepts"]) == (200, [True])
    assert (await probe.bill())["total_microusd"] == 25_000


async def test_a_corrupt_image_starts_like_one_and_cannot_be_decoded(probe: Probe) -> None:
    await probe.fail(
        {"provider": "openai", "kind": "corrupt_image", "count": 1},
        {"provider": "fal", "kind": "corrupt_image", "count": 1},
    )
    data = base64.b64decode((await generate(probe))[1]["data"][0]["b64_json"])
    assert data.startswith(b"\x89PNG")
    with pytest.raises(picture.NotAnImage):
        picture.read(data)
    url = await submit(probe)
    status, data = await probe.fetch(url)
    assert status == 200
    with pytest.raises(picture.NotAnImage):
        picture.read(data)
    assert picture.read((await probe.fetch(url))[1]).size == (512, 512)


async def test_an_expired_url_answers_404(probe: Probe) -> None:
    await probe.fail({"provider": "fal", "kind": "expired_url", "count": 1})
    url = await submit(probe)
    assert (await probe.fetch(url))[0] == 404
    assert (await probe.fetch(url))[0] == 200


def test_a_probability_repeats_itself_with_its_seed() -> None:
    def fired(seed: int) -> list[bool]:
        faults = Faults()
        entry = {"provider": "fal", "kind": "drop_before", "probability": 0.3}
        faults.replace({"faults": [entry], "seed": seed}, ["fal"])
        return [faults.draw("fal", "POST", "/fal/queue/x", ()) is not None for _ in range(400)]

    assert fired(7) == fired(7)
    assert fired(7) != fired(8)
    assert 80 < sum(fired(7)) < 160


def test_a_count_bounds_a_probability() -> None:
    faults = Faults()
    faults.replace({"faults": [{"provider": "fal", "kind": "slow", "probability": 1, "count": 2}]}, ["fal"])
    assert [bool(faults.draw("fal", "GET", "/", ())) for _ in range(4)] == [True, True, False, False]


def test_method_and_path_narrow_a_fault() -> None:
    faults = Faults()
    entry = {"provider": "fal", "kind": "status", "status": 500, "path": "/status", "method": "get"}
    faults.replace({"faults": [entry]}, ["fal", "openai"])
    assert faults.draw("fal", "POST", "/fal/x/status", ()) is None
    assert faults.draw("fal", "GET", "/fal/x", ()) is None
    assert faults.draw("openai", "GET", "/fal/x/status", ()) is None
    assert faults.draw("fal", "GET", "/fal/x/status", ()) is not None


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ([], "faults"),
        ({"faults": {}}, "faults"),
        ({"faults": [7]}, "faults[0]"),
        ({"faults": [], "sead": 1}, "sead"),
        ({"faults": [], "seed": "x"}, "seed"),
        ({"faults": [{"kind": "slow"}]}, "faults[0].provider"),
        ({"faults": [{"provider": "acme", "kind": "slow"}]}, "faults[0].provider"),
        ({"faults": [{"provider": "fal", "kind": "fire"}]}, "faults[0].kind"),
        ({"faults": [{"provider": "fal", "kind": "status"}]}, "faults[0].status"),
        ({"faults": [{"provider": "fal", "kind": "status", "status": 200}]}, "faults[0].status"),
        ({"faults": [{"provider": "fal", "kind": "slow", "seconds": -1}]}, "faults[0].seconds"),
        ({"faults": [{"provider": "fal", "kind": "slow", "status": 500}]}, "faults[0].status"),
        ({"faults": [{"provider": "fal", "kind": "slow", "count": 1.5}]}, "faults[0].count"),
        ({"faults": [{"provider": "fal", "kind": "slow", "probability": 2}]}, "faults[0].probability"),
        (
            {"faults": [{"provider": "fal", "kind": "slow"}, {"provider": "fal", "kind": "slow", "path": 1}]},
            "faults[1].path",
        ),
    ],
)
async def test_a_bad_fault_is_refused_by_name_and_changes_nothing(probe: Probe, spec: Any, named: str) -> None:
    await probe.fail({"provider": "fal", "kind": "slow", "seconds": 9})
    status, told = await probe.send("PUT", "/_sandbox/faults", json=spec)
    assert status == 400
    assert told["error"]["code"] == "invalid_input"
    assert named in told["error"]["message"]
    assert (await probe.send("GET", "/_sandbox/faults"))[1]["faults"][0]["seconds"] == 9


async def test_faults_can_be_taken_away(probe: Probe) -> None:
    await probe.fail({"provider": "openai", "kind": "status", "status": 500})
    assert (await generate(probe))[0] == 500
    assert (await probe.send("DELETE", "/_sandbox/faults"))[1] == {"faults": [], "seed": 0}
    assert (await generate(probe))[0] == 200
