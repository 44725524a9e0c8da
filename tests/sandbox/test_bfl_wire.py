"""BFL's stand-in field by field: submissions, states, prices, moderation, signed URLs that expire."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from mintmark.sandbox import Sandbox, bfl

from .conftest import Probe, pixels_of, png_of, white_mask_of

KEY = {"x-key": "test-key"}
SMALL = {"width": 64, "height": 64, "output_format": "png"}
IMAGE = base64.b64encode(png_of()).decode()


async def submit(probe: Probe, endpoint: str, **body: Any) -> tuple[int, Any]:
    return await probe.send("POST", f"/bfl/v1/{endpoint}", json=body, headers=KEY)


async def poll(probe: Probe, url: str) -> tuple[int, Any]:
    return await probe.send("GET", url.removeprefix(probe.url), headers=KEY)


async def run(probe: Probe, endpoint: str, **body: Any) -> dict[str, Any]:
    """The last poll of a task."""
    status, told = await submit(probe, endpoint, **{"prompt": "a boat", **body})
    assert status == 200, told
    while (answer := (await poll(probe, told["polling_url"]))[1])["status"] in ("Pending", "Reasoning", "Generating"):
        await asyncio.sleep(0)
    return answer


async def fetched(probe: Probe, endpoint: str, **body: Any) -> bytes:
    answer = await run(probe, endpoint, **body)
    status, data = await probe.fetch(answer["result"]["sample"])
    assert status == 200
    return data


async def test_a_submission_answers_with_its_task_its_cost_and_another_host_to_ask(probe: Probe) -> None:
    status, told = await submit(probe, "flux-2-pro", prompt="a boat", width=1920, height=1080)
    assert status == 200
    assert set(told) == {"id", "polling_url", "cost", "input_mp", "output_mp"}
    assert told["polling_url"] == f"{probe.url}/bfl/eu2/v1/get_result?id={told['id']}"
    # A reseller's recorded answer of this very size.
    assert (told["cost"], told["output_mp"]) == (4.5, 1.98)


@pytest.mark.parametrize(
    ("endpoint", "body", "microusd"),
    [
        ("flux-2-pro", {"width": 1024, "height": 1024}, 30_000),
        ("flux-2-pro", {"width": 1024, "height": 1040}, 45_000),
        ("flux-2-pro", {**SMALL, "input_image": IMAGE}, 45_000),
        ("flux-2-pro", {**SMALL, "input_image": IMAGE, "input_image_2": IMAGE}, 60_000),
        ("flux-2-flex", SMALL, 50_000),
        ("flux-2-max", SMALL, 70_000),
        ("flux-2-klein-9b", SMALL, 15_000),
        ("flux-2-klein-4b", {"width": 2048, "height": 1024}, 15_000),
        ("flux-kontext-pro", {"input_image": IMAGE}, 40_000),
        ("flux-kontext-max", {"input_image": IMAGE}, 80_000),
        ("flux-pro-1.1", {"width": 256, "height": 256}, 40_000),
        ("flux-pro-1.1-ultra", {"aspect_ratio": "1:1"}, 60_000),
        ("flux-dev", {"width": 256, "height": 256}, 25_000),
    ],
)
async def test_prices_follow_the_list(probe: Probe, endpoint: str, body: dict[str, Any], microusd: int) -> None:
    assert (await run(probe, endpoint, **body))["status"] == "Ready"
    bill = await probe.bill()
    assert [(line["model"], line["microusd"]) for line in bill["lines"]] == [(endpoint, microusd)]
    assert (await probe.send("GET", "/bfl/v1/credits", headers=KEY))[1] == {"credits": 10_000 - microusd / 10_000}


@pytest.mark.parametrize(
    ("endpoint", "body", "name", "kind"),
    [
        ("flux-2-pro", {}, "prompt", "missing"),
        ("flux-2-pro", {"prompt": 7}, "prompt", "string_type"),
        ("flux-2-pro", {"prompt": "x", "width": 32}, "width", "greater_than_equal"),
        ("flux-2-pro", {"prompt": "x", "width": "64"}, "width", "int_type"),
        ("flux-2-pro", {"prompt": "x", "seed": 1.5}, "seed", "int_type"),
        ("flux-2-pro", {"prompt": "x", "safety_tolerance": 6}, "safety_tolerance", "less_than_equal"),
        ("flux-2-pro", {"prompt": "x", "output_format": "gif"}, "output_format", "enum"),
        ("flux-2-pro", {"prompt": "x", "disable_pup": "yes"}, "disable_pup", "bool_type"),
        ("flux-2-flex", {"prompt": "x", "steps": 51}, "steps", "less_than_equal"),
        ("flux-2-flex", {"prompt": "x", "guidance": 1}, "guidance", "greater_than_equal"),
        ("flux-pro-1.1", {"width": 1472}, "width", "less_than_equal"),
        ("flux-pro-1.1", {"width": 300}, "width", "multiple_of"),
        ("flux-pro-1.0-fill", {}, "image", "missing"),
        ("flux-pro-1.0-fill", {"image": IMAGE, "steps": 14}, "steps", "greater_than_equal"),
        ("flux-pro-1.0-expand", {"image": IMAGE, "top": 2049}, "top", "less_than_equal"),
        ("flux-kontext-pro", {"prompt": "x", "input_image": 5}, "input_image", "string_type"),
    ],
)
async def test_a_bad_field_is_told_by_place_and_type(
    probe: Probe, endpoint: str, body: dict[str, Any], name: str, kind: str
) -> None:
    status, told = await submit(probe, endpoint, **body)
    assert status == 422
    (detail,) = told["detail"]
    assert (detail["loc"], detail["type"]) == (["body", name], kind)
    assert (await probe.bill())["lines"] == []


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [
        ("flux-2-pro", {"input_image": "AAAA"}),
        ("flux-2-pro", {"input_image": "https://example.com/a.png"}),
        ("flux-2-pro", {"width": 4096, "height": 4096}),
        ("flux-pro-1.1-ultra", {"aspect_ratio": "99:1"}),
        ("flux-pro-1.0-fill", {"image": IMAGE}),
        (
            "flux-pro-1.0-fill",
            {"image": IMAGE, "mask": base64.b64encode(white_mask_of((32, 32), (0, 0, 8, 8))).decode()},
        ),
    ],
)
async def test_what_cannot_be_worked_on_is_a_bad_request(probe: Probe, endpoint: str, body: dict[str, Any]) -> None:
    status, told = await submit(probe, endpoint, **{"prompt": "x", **body})
    assert (status, type(told["detail"])) == (400, str)


async def test_a_body_that_is_no_json_object_is_refused(probe: Probe) -> None:
    for data in (b"{", b"[1]"):
        status, told = await probe.send("POST", "/bfl/v1/flux-2-pro", data=data, headers=KEY)
        assert (status, type(told["detail"])) == (422, list)


@pytest.mark.parametrize("header", [{}, {"x-key": ""}, {"x-key": "bad-1"}, {"Authorization": "Bearer k"}])
async def test_without_a_good_key_nothing_is_served(probe: Probe, header: dict[str, str]) -> None:
    for method, path in (("POST", "/v1/flux-2-pro"), ("GET", "/eu2/v1/get_result?id=1"), ("GET", "/v1/credits")):
        status, body = await probe.send(method, f"/bfl{path}", json={"prompt": "x"}, headers=header)
        assert (status, set(body)) == (403, {"detail"})
    assert (await probe.bill())["lines"] == []


async def test_unknown_endpoints_and_tasks_are_not_found(probe: Probe) -> None:
    for endpoint in ("flux-pro-1.0-canny", "flux-pro-1.0-depth", "nothing"):
        assert (await submit(probe, endpoint, prompt="x"))[0] == 404
    status, told = await poll(probe, "/bfl/v1/get_result?id=none")
    assert (status, told["status"]) == (404, "Task not found")
    assert (await probe.fetch(f"{probe.url}/bfl/nothing"))[0] == 404


async def test_a_task_goes_through_its_states_and_is_charged_at_the_end() -> None:
    async with Sandbox(latency_s=0.6) as slow, aiohttp.ClientSession() as session:
        probe = Probe(slow.url, session)
        told = (await submit(probe, "flux-2-max", prompt="a boat", **SMALL))[1]
        words = [(await poll(probe, told["polling_url"]))[1]["status"]]
        assert (await probe.bill())["lines"] == []
        while words[-1] != "Ready":
            await asyncio.sleep(0.01)
            answer = (await poll(probe, told["polling_url"]))[1]
            words.append(answer["status"])
        assert list(dict.fromkeys(words)) == ["Pending", "Reasoning", "Generating", "Ready"]
        assert len((await probe.bill())["lines"]) == 1
        assert set(answer) >= {"id", "status", "result", "progress", "details"}


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"prompt": "gore"}, "Request Moderated"),
        ({"prompt": "x", "input_image": base64.b64encode(png_of((255, 0, 0))).decode()}, "Request Moderated"),
        ({"prompt": "solid red"}, "Content Moderated"),
    ],
)
async def test_a_moderated_task_has_reasons_no_result_and_no_charge(
    probe: Probe, body: dict[str, Any], word: str
) -> None:
    answer = await run(probe, "flux-2-pro", **SMALL, **body)
    assert (answer["status"], answer["result"]) == (word, None)
    assert "violence" in answer["details"]["Moderation Reasons"]
    assert (await probe.bill())["lines"] == []


async def test_a_sample_url_works_without_a_key_until_its_time_is_over(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = (await run(probe, "flux-2-pro", **SMALL))["result"]["sample"]
    assert "/bfl/delivery/" in url
    status, data = await probe.fetch(url)
    assert status == 200
    assert pixels_of(data).shape == (64, 64, 3)
    monkeypatch.setattr(bfl, "SAMPLE_LIFETIME_S", -5.0)
    late = (await run(probe, "flux-2-pro", **SMALL))["result"]["sample"]
    assert (await probe.fetch(late))[0] == 403
    # Nobody can lend it more time: the signature covers it.
    assert (await probe.fetch(late.replace("?se=1", "?se=9")))[0] == 403
    assert (await probe.fetch(url.partition("?")[0]))[0] == 403


async def test_an_edit_comes_from_its_image_and_a_fill_changes_only_what_is_white(probe: Probe) -> None:
    plain = await fetched(probe, "flux-2-pro", **SMALL, seed=1)
    edited = await fetched(probe, "flux-2-pro", output_format="png", seed=1, input_image=IMAGE)
    away = [abs(pixels_of(data) - (40, 120, 200)).mean() for data in (edited, plain)]
    assert away[0] < away[1]
    mask = base64.b64encode(white_mask_of((64, 64), (0, 0, 16, 32))).decode()
    filled = pixels_of(await fetched(probe, "flux-pro-1.0-fill", image=IMAGE, mask=mask, output_format="png"))
    changed = (filled != (40, 120, 200)).any(axis=2)
    assert changed[:32, :16].mean() > 0.9
    changed[:32, :16] = False
    assert not changed.any()


async def test_a_transparent_part_is_a_mask_too(probe: Probe) -> None:
    import io

    from PIL import Image

    image = Image.new("RGBA", (64, 64), (40, 120, 200, 255))
    image.paste((40, 120, 200, 0), (0, 0, 16, 32))
    out = io.BytesIO()
    image.save(out, "PNG")
    holed = base64.b64encode(out.getvalue()).decode()
    filled = pixels_of(await fetched(probe, "flux-pro-1.0-fill", image=holed, output_format="png"))
    assert (filled[:, 32:] == (40, 120, 200)).all()
    assert (filled[:32, :16] != (40, 120, 200)).any()


async def test_an_expansion_keeps_the_middle(probe: Probe) -> None:
    grown = pixels_of(
        await fetched(
            probe, "flux-pro-1.0-expand", image=IMAGE, top=8, left=16, bottom=0, right=32, output_format="png"
        )
    )
    assert grown.shape == (72, 112, 3)
    assert (grown[8:, 16:80] == (40, 120, 200)).all()


@pytest.mark.parametrize(
    ("endpoint", "body", "size"),
    [
        ("flux-2-pro", {}, (1024, 768)),
        ("flux-2-pro", {"input_image": IMAGE}, (64, 64)),
        ("flux-2-pro", {"width": 100, "height": 72}, (100, 72)),
        ("flux-kontext-pro", {"aspect_ratio": "16:9"}, (1344, 736)),
        ("flux-kontext-pro", {"input_image": IMAGE}, (64, 64)),
        ("flux-pro-1.1-ultra", {}, (2720, 1536)),
    ],
)
async def test_the_size_is_the_one_asked_for_or_the_endpoint_s_own(
    probe: Probe, endpoint: str, body: dict[str, Any], size: tuple[int, int]
) -> None:
    height, width, _ = pixels_of(await fetched(probe, endpoint, **body)).shape
    assert (width, height) == size


async def test_pictures_are_the_same_again_and_differ_by_seed(probe: Probe) -> None:
    first = await fetched(probe, "flux-2-pro", **SMALL, seed=1)
    assert first == await fetched(probe, "flux-2-pro", **SMALL, seed=1)
    assert first != await fetched(probe, "flux-2-pro", **SMALL, seed=2)


async def test_a_restarted_sandbox_knows_its_tasks(tmp_path: Path) -> None:
    state = tmp_path / "books.jsonl"
    async with aiohttp.ClientSession() as session:
        async with Sandbox(latency_s=0, state=state) as before:
            probe = Probe(before.url, session)
            done = (await run(probe, "flux-2-pro", **SMALL))["id"]
        async with Sandbox(latency_s=60, state=state) as killed:
            probe = Probe(killed.url, session)
            open_one = (await submit(probe, "flux-2-pro", prompt="a boat", **SMALL))[1]["id"]
        async with Sandbox(latency_s=0, state=state) as after:
            probe = Probe(after.url, session)
            for task_id in (done, open_one):
                url = f"{after.url}/bfl/eu2/v1/get_result?id={task_id}"
                while (answer := (await poll(probe, url))[1])["status"] != "Ready":
                    assert answer["status"] in ("Pending", "Generating")
                    await asyncio.sleep(0)
                assert (await probe.fetch(answer["result"]["sample"]))[0] == 200
            assert len((await probe.bill())["lines"]) == 2


async def test_images_are_told_in_the_books_by_digest(probe: Probe) -> None:
    noise = base64.b64encode(bytes(range(256)) * 32).decode()
    await submit(probe, "flux-2-pro", prompt="x", input_image=noise)
    (call,) = await probe.calls()
    assert set(call["body"]["input_image"]) == {"base64", "sha256", "size"}
    assert "test-key" not in str(call)
