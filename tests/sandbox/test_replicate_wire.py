"""Replicate's wire as the sandbox speaks it: states, waiting, deadlines, bills, files, expiry."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.sandbox import Sandbox
from mintmark.sandbox.books import Books
from mintmark.sandbox.exchange import Desk
from mintmark.sandbox.replicate import Replicate

from .conftest import Probe, pixels_of, png_of, white_mask_of

KEY = {"Authorization": "Bearer r8_test"}
ESRGAN = "f121d640bd286e1fdc67f9799164c1d5be36ff74576ee11c803ae5b665dd46aa"
BOAT = {"prompt": "a boat", "aspect_ratio": "custom", "width": 256, "height": 256, "seed": 5, "output_format": "png"}
PRO, SCHNELL = (
    "/models/black-forest-labs/flux-1.1-pro/predictions",
    "/models/black-forest-labs/flux-schnell/predictions",
)


def uri(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


async def send(probe: Probe, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return await probe.send(method, f"/replicate/v1{path}", json=body, headers={**KEY, **more})


async def ended(probe: Probe, told: dict[str, Any]) -> dict[str, Any]:
    """The prediction when it has ended."""
    while told["status"] in ("starting", "processing"):
        await asyncio.sleep(0)
        _, told = await send(probe, "GET", f"/predictions/{told['id']}")
    return told


@pytest.fixture
async def slow() -> AsyncIterator[Probe]:
    """A sandbox whose runs take thirty seconds: they are only ever seen starting."""
    async with Sandbox(latency_s=30) as running, aiohttp.ClientSession() as session:
        yield Probe(running.url, session)


async def test_a_prediction_runs_and_is_billed_once(probe: Probe) -> None:
    status, made = await send(probe, "POST", PRO, {"input": BOAT})
    assert (status, made["version"], made["model"]) == (201, "hidden", "black-forest-labs/flux-1.1-pro")
    assert made["urls"]["get"] == f"{probe.url}/replicate/v1/predictions/{made['id']}"
    told = await ended(probe, made)
    assert (told["status"], told["error"], told["data_removed"]) == ("succeeded", None, False)
    assert told["metrics"]["predict_time"] > 0
    assert told["started_at"] <= told["completed_at"]
    status, data = await probe.fetch(told["output"])
    assert (status, pixels_of(data).shape) == (200, (256, 256, 3))
    assert (await probe.fetch(told["output"]))[1] == data
    (line,) = (await probe.bill())["lines"]
    assert (line["request_id"], line["microusd"], line["images"]) == (made["id"], 40_000, 1)


async def test_a_request_that_was_waited_for_is_processing_with_its_output(probe: Probe) -> None:
    _, made = await send(probe, "POST", PRO, {"input": BOAT}, Prefer="wait")
    assert (made["status"], made["metrics"]) == ("processing", {})
    assert made["output"].startswith(f"{probe.url}/replicate/delivery/")
    _, told = await send(probe, "GET", f"/predictions/{made['id']}")
    assert (told["status"], told["output"]) == ("succeeded", made["output"])


async def test_a_wait_ends_before_the_run_does(slow: Probe) -> None:
    _, made = await send(slow, "POST", PRO, {"input": BOAT}, Prefer="wait=0")
    assert (made["status"], made["output"]) == ("starting", None)
    assert "started_at" not in made


async def test_an_open_model_gives_a_list(probe: Probe) -> None:
    given = {"prompt": "a boat", "num_outputs": 2, "megapixels": "0.25"}
    _, made = await send(probe, "POST", SCHNELL, {"input": given}, Prefer="wait")
    assert [url.rpartition("/")[2] for url in made["output"]] == ["out-0.webp", "out-1.webp"]
    assert (await probe.bill())["total_microusd"] == 6_000
    assert (await probe.fetch(made["output"][0].replace("out-0", "out-2")))[0] == 404


async def test_a_pinned_version_is_billed_by_time(probe: Probe) -> None:
    given = {"image": uri(png_of()), "scale": 2}
    for version in (ESRGAN, f"nightmareai/real-esrgan:{ESRGAN}"):
        status, made = await send(probe, "POST", "/predictions", {"version": version, "input": given}, Prefer="wait")
        assert (status, made["version"]) == (201, ESRGAN)
    assert pixels_of((await probe.fetch(made["output"]))[1]).shape == (128, 128, 3)
    assert [line["microusd"] for line in (await probe.bill())["lines"]] == [405, 405]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/predictions", {"version": "0" * 64, "input": {}}, 422),
        ("/predictions", {"input": {}}, 422),
        ("/predictions", {"version": "nightmareai/real-esrgan", "input": {}}, 422),
        ("/models/nightmareai/real-esrgan/predictions", {"input": {}}, 404),
        ("/models/nobody/nothing/predictions", {"input": {}}, 404),
    ],
)
async def test_what_is_not_there_is_told(probe: Probe, path: str, body: Any, status: int) -> None:
    answered, told = await send(probe, "POST", path, body)
    assert (answered, told["status"]) == (status, status)
    assert (await probe.bill())["lines"] == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "prompt is required"),
        ({"prompt": 7}, "Expected: string"),
        ({"prompt": "x", "width": 8}, "greater than or equal to 256"),
        ({"prompt": "x", "width": 9999}, "less than or equal to 1440"),
        ({"prompt": "x", "aspect_ratio": "7:1"}, "must be one of"),
        ({"prompt": "x", "image_size": "square"}, "image_size is not an input"),
        (None, "input is required"),
    ],
)
async def test_an_input_that_does_not_fit_the_schema_is_refused(probe: Probe, given: Any, named: str) -> None:
    status, told = await send(probe, "POST", PRO, {"input": given})
    assert (status, told["title"]) == (422, "Input validation failed")
    assert named in told["detail"]
    assert told["invalid_fields"]


@pytest.mark.parametrize("image", ["https://example.com/x.png", "data:image/png;base64,AAAA", "data:,%%"])
async def test_an_image_that_cannot_be_read_fails_the_run(probe: Probe, image: str) -> None:
    _, made = await send(probe, "POST", "/models/black-forest-labs/flux-fill-pro/predictions", {
        "input": {"prompt": "x", "image": image}
    })  # fmt: skip
    told = await ended(probe, made)
    assert told["status"] == "failed"
    assert told["error"]
    assert (await probe.bill())["lines"] == []


@pytest.mark.parametrize("header", [{}, {"Authorization": "Key x"}, {"Authorization": "Bearer bad-1"}])
async def test_without_a_good_key_nothing_is_served(probe: Probe, header: dict[str, str]) -> None:
    status, told = await probe.send("POST", f"/replicate/v1{PRO}", json={"input": BOAT}, headers=header)
    assert (status, told["title"]) == (401, "Unauthenticated")


async def test_what_was_canceled_before_it_started_costs_nothing(slow: Probe) -> None:
    _, made = await send(slow, "POST", PRO, {"input": BOAT})
    status, told = await send(slow, "POST", f"/predictions/{made['id']}/cancel")
    assert (status, told["status"]) == (200, "canceled")
    assert "started_at" not in told
    assert (await slow.bill())["lines"] == []


async def test_what_was_canceled_while_it_ran_is_charged() -> None:
    async with Sandbox(latency_s=3) as running, aiohttp.ClientSession() as session:
        probe = Probe(running.url, session)
        body = {"version": ESRGAN, "input": {"image": uri(png_of())}}
        _, told = await send(probe, "POST", "/predictions", body)
        while told["status"] == "starting":
            _, told = await send(probe, "GET", f"/predictions/{told['id']}")
        _, told = await send(probe, "POST", f"/predictions/{told['id']}/cancel")
        assert (told["status"], told["metrics"]["predict_time"]) == ("canceled", 0.9)
        assert told["started_at"]
        (line,) = (await probe.bill())["lines"]
        assert line["microusd"] == round(225 * 0.9)


async def test_a_deadline_before_the_start_aborts_for_nothing(slow: Probe) -> None:
    _, made = await send(slow, "POST", PRO, {"input": BOAT}, Cancel_After="0.01s", Prefer="wait=5")
    assert (made["status"], made["output"]) == ("aborted", None)
    assert made["deadline"]
    assert (await slow.bill())["lines"] == []


async def test_a_finished_prediction_stays_finished_when_it_is_canceled(probe: Probe) -> None:
    _, made = await send(probe, "POST", PRO, {"input": BOAT}, Prefer="wait")
    _, told = await send(probe, "POST", f"/predictions/{made['id']}/cancel")
    assert told["status"] == "succeeded"


@pytest.mark.parametrize(("path", "words"), [(PRO, "(E005)"), (SCHNELL, "NSFW content detected")])
async def test_a_harmful_prompt_fails_in_the_model_s_own_words(probe: Probe, path: str, words: str) -> None:
    _, made = await send(probe, "POST", path, {"input": {"prompt": "nsfw gore"}}, Prefer="wait")
    assert (made["status"], made["output"]) == ("failed", None)
    assert words in made["error"]
    assert (await probe.bill())["lines"] == []


async def test_the_open_models_checker_can_be_switched_off(probe: Probe) -> None:
    given = {"prompt": "nsfw gore", "megapixels": "0.25", "disable_safety_checker": True}
    _, made = await send(probe, "POST", SCHNELL, {"input": given}, Prefer="wait")
    assert len(made["output"]) == 1


@pytest.mark.parametrize(
    ("path", "repainted"),
    [
        ("/models/black-forest-labs/flux-fill-pro/predictions", 0),
        ("/models/ideogram-ai/ideogram-v3-turbo/predictions", 1),
    ],
)
async def test_only_the_colour_that_the_model_repaints_changes(probe: Probe, path: str, repainted: int) -> None:
    mask = white_mask_of((64, 64), (0, 0, 32, 64))
    given: dict[str, Any] = {"prompt": "a sun", "image": uri(png_of()), "mask": uri(mask)}
    if "flux" in path:
        given["output_format"] = "png"
    _, made = await send(probe, "POST", path, {"input": given}, Prefer="wait")
    pixels = pixels_of((await probe.fetch(made["output"]))[1])
    halves = [pixels[:, :32], pixels[:, 32:]]
    assert (halves[1 - repainted] == (40, 120, 200)).all()
    assert (halves[repainted] != (40, 120, 200)).any()


async def test_an_uploaded_file_is_an_input(probe: Probe) -> None:
    form = aiohttp.FormData()
    form.add_field("content", png_of(size=(32, 16)), filename="x.png", content_type="image/png")
    status, file = await probe.send("POST", "/replicate/v1/files", data=form, headers=KEY)
    assert (status, file["content_type"]) == (201, "image/png")
    body = {"version": ESRGAN, "input": {"image": file["urls"]["get"], "scale": 2}}
    _, made = await send(probe, "POST", "/predictions", body, Prefer="wait")
    assert pixels_of((await probe.fetch(made["output"]))[1]).shape == (32, 64, 3)


async def test_the_list_shows_the_newest_first(probe: Probe) -> None:
    names = [(await send(probe, "POST", PRO, {"input": BOAT}, Prefer="wait"))[1]["id"] for _ in range(2)]
    _, told = await send(probe, "GET", "/predictions")
    assert [one["id"] for one in told["results"]] == names[::-1]


async def test_an_hour_later_the_data_is_gone() -> None:
    replicate = Replicate(Desk(Books(), 0, 0))
    now = 1_000_000.0
    replicate._runs.clock = lambda: now
    run = await made_in(replicate)
    assert replicate._told(run)["output"]
    now += 3600
    told = replicate._told(run)
    assert (told["data_removed"], told["output"], told["input"], told["status"]) == (True, None, {}, "succeeded")


async def made_in(replicate: Replicate) -> Any:
    from mintmark.sandbox.replicate_runs import Run

    run = Run("p1", "black-forest-labs/flux-1.1-pro", BOAT, "http://127.0.0.1", replicate._runs.clock())
    replicate._runs.enter(run)
    assert run.task is not None
    await run.task
    return run


async def test_a_killed_sandbox_knows_its_predictions_again(tmp_path: Path) -> None:
    state = tmp_path / "books.jsonl"
    async with aiohttp.ClientSession() as session:
        async with Sandbox(latency_s=0, state=state) as first:
            probe = Probe(first.url, session)
            _, made = await send(probe, "POST", PRO, {"input": BOAT}, Prefer="wait")
            _, failed = await send(probe, "POST", PRO, {"input": {"prompt": "nsfw gore"}}, Prefer="wait")
        async with Sandbox(latency_s=0, state=state) as second:
            probe = Probe(second.url, session)
            assert (await send(probe, "GET", f"/predictions/{made['id']}"))[1]["status"] == "succeeded"
            assert "(E005)" in (await send(probe, "GET", f"/predictions/{failed['id']}"))[1]["error"]
            assert len((await probe.bill())["lines"]) == 1


async def test_a_model_s_facts_and_the_account(probe: Probe) -> None:
    assert (await send(probe, "GET", "/models/qwen/qwen-image"))[1]["name"] == "qwen-image"
    assert (await send(probe, "GET", "/models/qwen/nothing"))[0] == 404
    assert (await send(probe, "GET", f"/models/nightmareai/real-esrgan/versions/{ESRGAN}"))[1]["id"] == ESRGAN
    assert (await send(probe, "GET", "/account"))[1]["type"] == "user"
    assert (await send(probe, "GET", "/nowhere"))[0] == 404


async def test_a_model_tells_what_its_latest_version_takes(probe: Probe) -> None:
    headers = {"Authorization": "Bearer r8_0123456789"}
    status, told = await probe.send("GET", "/replicate/v1/models/black-forest-labs/flux-krea-dev", headers=headers)
    assert (status, told["is_official"], told["latest_version"]["id"]) == (200, True, "hidden")
    schemas = told["latest_version"]["openapi_schema"]["components"]["schemas"]
    assert schemas["Input"]["required"] == ["prompt"]
    assert schemas["Input"]["properties"]["aspect_ratio"]["allOf"] == [{"$ref": "#/components/schemas/aspect_ratio"}]
    assert "16:9" in schemas["aspect_ratio"]["enum"]
    assert schemas["Output"]["items"]["format"] == "uri"
    _, told = await probe.send("GET", "/replicate/v1/models/fofr/sdxl-emoji", headers=headers)
    assert told["is_official"] is False
    assert len(told["latest_version"]["id"]) == 64
