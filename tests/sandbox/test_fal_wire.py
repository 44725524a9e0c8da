"""fal's queue field by field: errors, prices, sizes, the safety checker."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from mintmark.sandbox import Sandbox

from .conftest import Probe, pixels_of, png_of, white_mask_of

SMALL = {"width": 64, "height": 64}


async def run(probe: Probe, app: str, **body: Any) -> tuple[int, Any]:
    return await probe.fal("POST", f"/run/{app}", {"prompt": "a boat", **body})


@pytest.mark.parametrize(
    ("app", "body", "microusd"),
    [
        ("fal-ai/flux/schnell", {"num_images": 3, "image_size": SMALL}, 9_000),
        ("fal-ai/flux/schnell", {"image_size": {"width": 1920, "height": 1088}}, 6_000),
        ("fal-ai/flux/dev", {"image_size": {"width": 1024, "height": 1024}}, 25_000),
        ("fal-ai/flux/dev", {"image_size": {"width": 1024, "height": 1040}}, 50_000),
        ("fal-ai/flux-pro/v1.1", {"image_size": SMALL}, 40_000),
        ("fal-ai/flux-pro/v1.1-ultra", {"aspect_ratio": "1:1"}, 60_000),
        # The three examples of fal's own page of FLUX.2 [pro].
        ("fal-ai/flux-2-pro", {"image_size": {"width": 512, "height": 512}}, 30_000),
        ("fal-ai/flux-2-pro", {"image_size": {"width": 1024, "height": 1024}}, 30_000),
        ("fal-ai/flux-2-pro", {"image_size": {"width": 1920, "height": 1080}}, 45_000),
        ("fal-ai/nano-banana", {}, 39_000),
        ("fal-ai/ideogram/v3", {"image_size": "square"}, 60_000),
        ("fal-ai/ideogram/v3", {"image_size": "square", "rendering_speed": "TURBO"}, 30_000),
    ],
)
async def test_prices_follow_the_list(probe: Probe, app: str, body: dict[str, Any], microusd: int) -> None:
    status, _ = await run(probe, app, **body)
    assert status == 200
    assert (await probe.bill())["total_microusd"] == microusd


@pytest.mark.parametrize(
    ("body", "name", "kind"),
    [
        ({"prompt": 7}, "prompt", "string_type"),
        ({"prompt": "x" * 32_001}, "prompt", "string_too_long"),
        ({"num_images": 0}, "num_images", "greater_than_equal"),
        ({"num_images": "2"}, "num_images", "int_type"),
        ({"seed": 1.5}, "seed", "int_type"),
        ({"image_size": "huge"}, "image_size", "literal_error"),
        ({"image_size": {"width": 5000, "height": 64}}, "image_size", "less_than_equal"),
        ({"image_size": {"width": 8, "height": 64}}, "image_size", "greater_than_equal"),
        ({"output_format": "gif"}, "output_format", "literal_error"),
        ({"sync_mode": "yes"}, "sync_mode", "bool_type"),
        ({"num_inference_steps": 13}, "num_inference_steps", "less_than_equal"),
        ({"guidance_scale": 0}, "guidance_scale", "greater_than_equal"),
        ({"acceleration": "warp"}, "acceleration", "literal_error"),
    ],
)
async def test_a_bad_input_is_told_by_place_and_type(probe: Probe, body: dict[str, Any], name: str, kind: str) -> None:
    status, told = await run(probe, "fal-ai/flux/schnell", **body)
    assert status == 422
    (detail,) = told["detail"]
    assert (detail["loc"], detail["type"]) == (["body", name], kind)
    assert {"msg", "url", "input"} <= set(detail)
    assert (await probe.bill())["lines"] == []


async def test_a_missing_prompt_and_a_body_that_is_no_object(probe: Probe) -> None:
    assert (await probe.fal("POST", "/run/fal-ai/flux/dev", {}))[1]["detail"][0]["type"] == "missing"
    assert (await probe.fal("POST", "/run/fal-ai/flux/dev", [1]))[1]["detail"][0]["type"] == "dict_type"


@pytest.mark.parametrize(
    ("app", "body", "kind"),
    [
        ("fal-ai/flux-2-pro/edit", {}, "missing"),
        ("fal-ai/flux-2-pro/edit", {"image_urls": []}, "too_short"),
        ("fal-ai/flux-2-pro/edit", {"image_urls": ["http://example.com/a.png"]}, "file_download_error"),
        ("fal-ai/flux-2-pro/edit", {"image_urls": ["data:image/png;base64,AAAA"]}, "image_load_error"),
        ("fal-ai/flux-2-pro/edit", {"image_urls": ["data:image/png;base64,?"]}, "file_download_error"),
    ],
)
async def test_a_bad_source_is_refused(probe: Probe, app: str, body: dict[str, Any], kind: str) -> None:
    status, told = await run(probe, app, **body)
    assert (status, told["detail"][0]["type"]) == (422, kind)


async def test_a_mask_of_another_size_is_refused(probe: Probe) -> None:
    def uri(data: bytes) -> str:
        return "data:image/png;base64," + base64.b64encode(data).decode()

    mask = uri(white_mask_of((32, 32), (0, 0, 8, 8)))
    status, told = await run(probe, "fal-ai/flux-pro/v1/fill", image_url=uri(png_of()), mask_url=mask)
    assert (status, told["detail"][0]["loc"]) == (422, ["body", "mask_url"])


@pytest.mark.parametrize("header", [{}, {"Authorization": "Key "}, {"Authorization": "Key bad-id:x"}])
async def test_without_a_good_key_nothing_is_served(probe: Probe, header: dict[str, str]) -> None:
    for method, path in (
        ("POST", "/queue/fal-ai/flux/dev"),
        ("POST", "/run/fal-ai/flux/dev"),
        ("GET", "/api/v1/models/pricing"),
    ):
        status, body = await probe.send(method, f"/fal{path}", json={"prompt": "x"}, headers=header)
        assert (status, set(body)) == (401, {"detail"})
    assert (await probe.bill())["lines"] == []


async def test_unknown_apps_requests_and_paths_are_not_found(probe: Probe) -> None:
    assert (await probe.fal("POST", "/queue/fal-ai/no-such-app", {}))[0] == 404
    assert (await probe.fal("GET", "/queue/fal-ai/flux/requests/none/status"))[0] == 404
    assert (await probe.fal("GET", "/queue/fal-ai/flux/requests/none"))[0] == 404
    assert (await probe.fal("PUT", "/queue/fal-ai/flux/requests/none/cancel")) == (404, {"status": "NOT_FOUND"})
    assert (await probe.fal("GET", "/nothing"))[0] == 404
    submitted = (await probe.fal("POST", "/queue/fal-ai/flux/dev", {"prompt": "x"}))[1]
    assert (await probe.fal("GET", f"/queue/fal-ai/flux-pro/requests/{submitted['request_id']}"))[0] == 404


async def test_a_result_is_not_there_before_it_is_done() -> None:
    import aiohttp

    async with Sandbox(latency_s=30) as slow, aiohttp.ClientSession() as session:
        probe = Probe(slow.url, session)
        first = (await probe.fal("POST", "/queue/fal-ai/flux/dev", {"prompt": "x"}))[1]
        second = (await probe.fal("POST", "/queue/fal-ai/flux/dev", {"prompt": "x"}))[1]
        assert (first["status"], first["queue_position"]) == ("IN_QUEUE", 0)
        status, told = await probe.send(
            "GET", second["status_url"].removeprefix(slow.url), headers={"Authorization": "Key k"}
        )
        assert (status, told["status"], told["queue_position"]) == (202, "IN_QUEUE", 1)
        path = f"/queue/fal-ai/flux/requests/{second['request_id']}"
        assert (await probe.fal("GET", path))[0] == 400
        assert (await probe.fetch(f"{slow.url}/fal/media/files/sandbox/{second['request_id']}_0.jpeg"))[0] == 404


async def test_the_safety_checker_gives_a_black_image_that_is_billed(probe: Probe) -> None:
    status, told = await run(
        probe, "fal-ai/flux/dev", prompt="gore", image_size=SMALL, output_format="png", num_images=2
    )
    assert (status, told["has_nsfw_concepts"]) == (200, [True, True])
    pixels = pixels_of((await probe.fetch(told["images"][0]["url"]))[1])
    assert (pixels.max(axis=2) == 0).mean() > 0.5
    assert (await probe.bill())["total_microusd"] == 50_000
    unchecked = await run(probe, "fal-ai/flux/dev", prompt="gore", image_size=SMALL, enable_safety_checker=False)
    assert unchecked[1]["has_nsfw_concepts"] == [False]


async def test_an_app_without_a_checker_refuses_a_harmful_prompt(probe: Probe) -> None:
    status, told = await run(probe, "fal-ai/nano-banana", prompt="gore")
    assert (status, told["detail"][0]["type"]) == (422, "content_policy_violation")
    assert (await probe.bill())["lines"] == []


async def test_sync_mode_gives_data_uris(probe: Probe) -> None:
    _, told = await run(probe, "fal-ai/flux/schnell", image_size=SMALL, sync_mode=True, output_format="png")
    head, _, data = told["images"][0]["url"].partition(",")
    assert head == "data:image/png;base64"
    assert pixels_of(base64.b64decode(data)).shape == (64, 64, 3)


async def test_pictures_differ_by_seed_and_without_one_follow_the_prompt(probe: Probe) -> None:
    async def made(**body: Any) -> tuple[int, bytes]:
        _, told = await run(probe, "fal-ai/flux/schnell", image_size=SMALL, output_format="png", **body)
        return told["seed"], (await probe.fetch(told["images"][0]["url"]))[1]

    assert (await made(seed=1))[1] != (await made(seed=2))[1]
    assert await made() == await made()
    assert (await made())[0] != (await made(prompt="another boat"))[0]


@pytest.mark.parametrize(
    ("ratio", "width", "height"), [("16:9", 2720, 1536), ("1:1", 2048, 2048), ("9:21", 1312, 3104)]
)
async def test_an_aspect_ratio_becomes_pixels(probe: Probe, ratio: str, width: int, height: int) -> None:
    _, told = await run(probe, "fal-ai/flux-pro/v1.1-ultra", aspect_ratio=ratio)
    image = told["images"][0]
    assert (image["width"], image["height"]) == (width, height)
    assert width * height <= 4 * 1024 * 1024


async def test_the_pricing_api_tells_unit_prices(probe: Probe) -> None:
    query = "?endpoint_id=fal-ai/flux/dev&endpoint_id=fal-ai/flux/schnell"
    status, told = await probe.fal("GET", "/api/v1/models/pricing" + query)
    assert status == 200
    assert told["prices"][0] == {
        "endpoint_id": "fal-ai/flux/dev", "unit_price": 0.025, "unit": "megapixels", "currency": "USD"
    }  # fmt: skip
    assert (await probe.fal("GET", "/api/v1/models/pricing?endpoint_id=none"))[0] == 404


async def test_an_upload_without_a_token_is_refused(probe: Probe) -> None:
    status, _ = await probe.send("POST", "/fal/media/files/upload", data=b"x", headers={"Authorization": "Bearer key"})
    assert status == 401


def uri(size: tuple[int, int] = (64, 48)) -> str:
    return f"data:image/png;base64,{base64.b64encode(png_of(size=size)).decode()}"


async def test_an_upscaler_gives_one_image_and_bills_its_area(probe: Probe) -> None:
    body = {"image_url": uri((1024, 512)), "upscale_factor": 1.5}
    status, told = await probe.fal("POST", "/run/fal-ai/clarity-upscaler", body)
    assert status == 200
    assert "images" not in told
    assert (told["image"]["width"], told["image"]["height"]) == (1536, 768)
    assert (await probe.bill())["total_microusd"] == 60_000


async def test_redux_takes_no_words_and_makes_its_own_size(probe: Probe) -> None:
    status, told = await probe.fal("POST", "/run/fal-ai/flux/dev/redux", {"image_url": uri(), "num_images": 2})
    assert status == 200
    assert [(each["width"], each["height"]) for each in told["images"]] == [(1024, 768)] * 2


def union(**control: Any) -> dict[str, Any]:
    told = {"control_image_url": uri(), "control_mode": "depth", **control}
    return {"prompt": "a boat", "controlnet_unions": [{"path": "some/union", "controls": [told]}]}


async def test_a_controlnet_follows_the_map_it_is_given(probe: Probe) -> None:
    images = set()
    red = f"data:image/png;base64,{base64.b64encode(png_of((200, 30, 30))).decode()}"
    for body in (union(), union(control_image_url=red)):
        status, told = await probe.fal("POST", "/run/fal-ai/flux-general", {**body, "image_size": SMALL, "seed": 1})
        assert status == 200
        images.add((await probe.fetch(told["images"][0]["url"]))[1])
    assert len(images) == 2


@pytest.mark.parametrize(
    ("app", "body", "name"),
    [
        ("fal-ai/flux-general", union(control_mode="canyy"), "control_mode"),
        ("fal-ai/flux-general", union(conditioning_scale=3), "conditioning_scale"),
        ("fal-ai/flux-general", {"prompt": "a boat"}, "controlnet_unions"),
        ("fal-ai/flux-general", {"prompt": "a boat", "controlnet_unions": [{}]}, "controlnet_unions"),
        ("fal-ai/clarity-upscaler", {"image_url": uri(), "upscale_factor": 5}, "upscale_factor"),
        ("fal-ai/flux/dev/redux", {"prompt": "a boat"}, "image_url"),
        ("fal-ai/bytedance/seedream/v4/text-to-image", {"prompt": "a boat", "image_size": SMALL}, "image_size"),
    ],
)
async def test_the_other_tasks_refuse_what_they_cannot_do(
    probe: Probe, app: str, body: dict[str, Any], name: str
) -> None:
    status, told = await probe.fal("POST", f"/run/{app}", body)
    assert status == 422
    assert told["detail"][0]["loc"][-1] == name


async def test_an_app_s_document_is_public_and_names_its_inputs(probe: Probe) -> None:
    path = "/fal/site/api/openapi/queue/openapi.json?endpoint_id="
    status, told = await probe.send("GET", f"{path}fal-ai/flux-lora")
    assert status == 200
    reference = told["paths"]["/fal-ai/flux-lora"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert reference == {"$ref": "#/components/schemas/Input"}
    taken = told["components"]["schemas"]["Input"]
    assert taken["required"] == ["prompt"]
    assert taken["properties"]["num_inference_steps"]["maximum"] == 50
    assert taken["properties"]["loras"]["items"]["required"] == ["path"]
    assert (await probe.send("GET", f"{path}no/such"))[0] == 404


@pytest.mark.parametrize("app", ["fal-ai/nano-banana-2", "fal-ai/nano-banana-pro"])
async def test_what_a_document_offers_is_taken(probe: Probe, app: str) -> None:
    _, told = await probe.send("GET", f"/fal/site/api/openapi/queue/openapi.json?endpoint_id={app}")
    assert "16:9" in told["components"]["schemas"]["Input"]["properties"]["aspect_ratio"]["enum"]
    status, made = await probe.fal("POST", f"/run/{app}", {"prompt": "a boat", "aspect_ratio": "16:9"})
    assert (status, len(made["images"])) == (200, 1)
