"""Error shapes that the official client hides: message, type, param and code, field by field."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from mintmark.sandbox import Sandbox

from .conftest import OPENAI, Probe, mask_of, png_of

GOOD = {"model": "gpt-image-2", "prompt": "a boat", "size": "64x64"}


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": ""}, "prompt", "empty_string"),
        ({"prompt": 7}, "prompt", "invalid_type"),
        ({"prompt": "x" * 32_001}, "prompt", "string_above_max_length"),
        ({"model": None}, "model", "missing_required_parameter"),
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 11}, "n", "integer_above_max_value"),
        ({"n": "2"}, "n", "invalid_type"),
        ({"n": True}, "n", "invalid_type"),
        ({"size": "64"}, "size", "invalid_value"),
        ({"size": "64x65"}, "size", "invalid_value"),
        ({"size": "0x64"}, "size", "invalid_value"),
        ({"size": "64x256"}, "size", "invalid_value"),
        ({"size": "3856x2160"}, "size", "invalid_value"),
        ({"size": "3840x3840"}, "size", "invalid_value"),
        ({"size": "512x512", "model": "gpt-image-1.5"}, "size", "invalid_value"),
        ({"quality": "hd"}, "quality", "invalid_value"),
        ({"quality": "max"}, "quality", "invalid_value"),
        ({"background": "none"}, "background", "invalid_value"),
        ({"background": "transparent", "output_format": "jpeg"}, "background", "invalid_value"),
        ({"output_format": "gif"}, "output_format", "invalid_value"),
        ({"output_compression": 101}, "output_compression", "integer_above_max_value"),
        ({"partial_images": 1}, "partial_images", "invalid_value"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"moderation": "off"}, "moderation", "invalid_value"),
        ({"response_format": "url"}, "response_format", "unknown_parameter"),
        ({"seed": 1}, "seed", "unknown_parameter"),
        ({"input_fidelity": "high"}, "input_fidelity", "unknown_parameter"),
    ],
)
async def test_a_bad_field_is_refused_by_name_and_costs_nothing(
    probe: Probe, change: dict[str, Any], param: str, code: str
) -> None:
    status, body = await probe.openai("/images/generations", {**GOOD, **change})
    assert status == 400
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert (body["error"]["param"], body["error"]["code"]) == (param, code)
    assert (await probe.bill())["lines"] == []
    assert [call["outcome"] for call in await probe.calls()] == ["refused"]


@pytest.mark.parametrize(
    ("model", "size", "quality"),
    [
        ("gpt-image-2.5-flare", "64x64", "max"),
        ("gpt-image-1.5", "1024x1536", "high"),
        ("gpt-image-2", "3840x2160", "low"),
    ],
)
async def test_what_a_model_documents_is_accepted(probe: Probe, model: str, size: str, quality: str) -> None:
    status, body = await probe.openai(
        "/images/generations", {"model": model, "prompt": "solid black", "size": size, "quality": quality}
    )
    assert status == 200, body
    assert body["size"] == size


@pytest.mark.parametrize(
    ("model", "microusd"),
    [("gpt-image-2", 31_685), ("gpt-image-1.5", 33_797), ("gpt-image-1-mini", 8_450)],
)
async def test_prices_follow_the_list(probe: Probe, model: str, microusd: int) -> None:
    await probe.openai("/images/generations", {"model": model, "prompt": "boat", "size": "1024x1024"})
    assert (await probe.bill())["total_microusd"] == microusd


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer "}, {"Authorization": "Basic x"}])
async def test_without_a_key_nothing_is_served(probe: Probe, header: dict[str, str]) -> None:
    for method, path in (("POST", "/images/generations"), ("POST", "/moderations"), ("GET", "/models")):
        status, body = await probe.send(method, f"/openai/v1{path}", json=GOOD, headers=header)
        assert status == 401
        assert body["error"]["type"] == "invalid_request_error"
    assert (await probe.bill())["lines"] == []


async def test_a_body_that_is_no_json_and_a_path_that_is_not_there(probe: Probe) -> None:
    status, body = await probe.send("POST", "/openai/v1/images/generations", data=b"{", headers=OPENAI)
    assert (status, body["error"]["code"]) == (400, None)
    status, body = await probe.send("POST", "/openai/v1/images/variations", json={}, headers=OPENAI)
    assert (status, body["error"]["message"]) == (404, "Invalid URL (POST /v1/images/variations)")


def form(*files: tuple[str, bytes], **fields: str) -> aiohttp.FormData:
    data = aiohttp.FormData(default_to_multipart=True)
    for name, value in {"model": "gpt-image-2", "prompt": "a boat", **fields}.items():
        data.add_field(name, value)
    for name, content in files:
        data.add_field(name, content, filename=f"{name}.png", content_type="image/png")
    return data


@pytest.mark.parametrize(
    ("files", "param", "code"),
    [
        ([], "image", "missing_required_parameter"),
        ([("image", b"not an image")], "image", "invalid_image_file"),
        ([("image[]", png_of())] * 17, "image", "array_above_max_length"),
        ([("image", png_of()), ("mask", png_of())], "mask", "invalid_mask_image_format"),
        ([("image", png_of()), ("mask", mask_of((32, 64), (0, 0, 9, 9)))], "mask", "invalid_mask_image_format"),
        ([("image", png_of()), ("mask", b"nothing")], "mask", "invalid_mask_image_format"),
    ],
)
async def test_a_bad_upload_is_refused(probe: Probe, files: list[tuple[str, bytes]], param: str, code: str) -> None:
    status, body = await probe.send("POST", "/openai/v1/images/edits", data=form(*files), headers=OPENAI)
    assert (status, body["error"]["param"], body["error"]["code"]) == (400, param, code)
    assert (await probe.bill())["lines"] == []


async def test_an_edit_without_a_size_keeps_the_shape_of_its_first_image(probe: Probe) -> None:
    data = form(("image", png_of(size=(90, 160))))
    status, body = await probe.send("POST", "/openai/v1/images/edits", data=data, headers=OPENAI)
    assert (status, body["size"]) == (200, "1024x1536")


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        [7],
        [{"type": "image_url"}],
        [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}],
    ],
)
async def test_a_bad_moderation_input_is_refused(probe: Probe, given: Any) -> None:
    status, body = await probe.openai("/moderations", {"input": given})
    assert (status, body["error"]["param"]) == (400, "input")


async def test_a_client_request_id_that_is_too_long_is_refused(probe: Probe) -> None:
    headers = {**OPENAI, "X-Client-Request-Id": "x" * 513}
    status, _ = await probe.send("POST", "/openai/v1/images/generations", json=GOOD, headers=headers)
    assert status == 400


async def test_a_stream_is_sent_as_it_is_made() -> None:
    body = {"model": "gpt-image-2", "prompt": "a boat", "size": "64x64", "stream": True, "partial_images": 1}
    async with Sandbox(latency_s=0.2) as slow, aiohttp.ClientSession() as session:
        url = f"{slow.url}/openai/v1/images/generations"
        async with session.post(url, json=body, headers=OPENAI) as reply:
            chunks = [chunk async for chunk in reply.content.iter_any()]
    assert b"partial_image" in chunks[0]
    assert b"completed" not in chunks[0]
    assert b"image_generation.completed" in b"".join(chunks)
