"""Ideogram's stand-in, field by field: what it refuses and how, withheld images, signed URLs that expire, the bill."""

from __future__ import annotations

import io
from typing import Any

import aiohttp
import pytest

from mintmark.sandbox import ideogram

from .conftest import Probe, pixels_of, png_of, white_mask_of

KEY = {"Api-Key": "test-key"}
PICTURE = png_of(size=(96, 64))
BLACK_CORNER = white_mask_of((96, 64), (8, 0, 96, 64))
"""Black in the eight columns on the left."""


def form(fields: dict[str, Any], files: dict[str, bytes | tuple[bytes, ...]]) -> aiohttp.FormData:
    made = aiohttp.FormData(default_to_multipart=True)
    for name, value in fields.items():
        for one in value if isinstance(value, list) else [value]:
            made.add_field(name, str(one))
    for name, data in files.items():
        for one in data if isinstance(data, tuple) else (data,):
            made.add_field(name, io.BytesIO(one), filename=f"{name}.png")
    return made


async def post(
    probe: Probe, service: str, fields: dict[str, Any], headers: dict[str, str] = KEY, **files: Any
) -> tuple[int, Any]:
    path = f"/ideogram/v1/ideogram-{service}"
    return await probe.send("POST", path, data=form(fields, files), headers=headers)


async def fetched(probe: Probe, service: str, fields: dict[str, Any], **files: Any) -> bytes:
    status, told = await post(probe, service, fields, **files)
    assert status == 200, told
    status, data = await probe.fetch(told["data"][0]["url"])
    assert status == 200
    return data


@pytest.mark.parametrize(
    ("service", "fields", "told"),
    [
        ("v3/generate", {}, "prompt is required"),
        ("v3/generate", {"prompt": ""}, "prompt is required"),
        ("v3/generate", {"prompt": "x", "seed": 2**31}, "seed must be"),
        ("v3/generate", {"prompt": "x", "num_images": 9}, "num_images must be"),
        ("v3/generate", {"prompt": "x", "num_images": "1.5"}, "num_images must be"),
        ("v3/generate", {"prompt": "x", "resolution": "1000x1000"}, "resolution must be one of"),
        ("v3/generate", {"prompt": "x", "aspect_ratio": "1:1"}, "aspect_ratio must be one of"),
        ("v3/generate", {"prompt": "x", "aspect_ratio": "1x1", "resolution": "1024x1024"}, "aspect_ratio cannot"),
        ("v3/generate", {"prompt": "x", "rendering_speed": "FAST"}, "rendering_speed must be one of"),
        ("v3/generate", {"prompt": "x", "magic_prompt": "on"}, "magic_prompt must be one of"),
        ("v3/generate", {"prompt": "x", "style_codes": "xyz"}, "style_codes: a code"),
        ("v3/generate", {"prompt": "x", "style_codes": "AAFF5733", "style_type": "AUTO"}, "style_codes cannot"),
        ("v3/generate", {"prompt": "x", "color_palette": "EMBER"}, "color_palette must"),
        ("v3/generate", {"prompt": "x", "color_palette": '{"name": "GREY"}'}, "color_palette must"),
        ("v3/generate", {"prompt": "x", "image_weight": 50}, "image_weight is not a field"),
        ("v3/remix", {"prompt": "x"}, "image is required"),
        ("v4/generate", {"text_prompt": "x", "rendering_speed": "FLASH"}, "rendering_speed must be one of"),
        ("v4/generate", {"text_prompt": "x", "resolution": "1024x1024"}, "resolution must be one of"),
        ("v4/generate", {"text_prompt": "x", "json_prompt": "{}"}, "Supply exactly one"),
        ("v4/generate", {}, "Supply exactly one"),
        ("v4/generate", {"prompt": "x"}, "prompt is not a field"),
    ],
)
async def test_a_bad_field_is_refused_by_name_and_costs_nothing(
    probe: Probe, service: str, fields: dict[str, Any], told: str
) -> None:
    status, body = await post(probe, service, fields)
    assert (status, set(body)) == (400, {"error"})
    assert body["error"].startswith(told)
    assert (await probe.bill())["lines"] == []
    assert [call["outcome"] for call in await probe.calls()] == ["refused"]


@pytest.mark.parametrize(
    ("service", "fields", "files", "told"),
    [
        ("v3/remix", {"prompt": "x", "image_weight": 0}, {"image": PICTURE}, "image_weight must be"),
        ("v3/remix", {"prompt": "x"}, {"image": b"no image"}, "image must be"),
        ("v3/inpaint", {"prompt": "x"}, {"image": PICTURE}, "mask is required"),
        ("v3/inpaint", {"prompt": "x"}, {"image": PICTURE, "mask": png_of()}, "The mask must have the same size"),
        ("v3/inpaint", {"prompt": "x", "resolution": "1024x1024"}, {"image": PICTURE}, "resolution is not a field"),
        ("v3/reframe", {}, {"image": PICTURE}, "resolution is required"),
        ("v3/reframe", {"prompt": "x"}, {"image": PICTURE}, "prompt is not a field"),
        ("v3/generate", {"prompt": "x"}, {"image": PICTURE}, "image is not a file"),
        (
            *("v3/generate", {"prompt": "x", "style_codes": "AAFF5733"}, {"style_reference_images": PICTURE}),
            "style_codes cannot",
        ),
        (
            *("v3/generate", {"prompt": "x"}, {"character_reference_images": (PICTURE, PICTURE)}),
            "currently only 1 character",
        ),
        (
            *("v3/generate", {"prompt": "x", "rendering_speed": "FLASH"}, {"character_reference_images": PICTURE}),
            "rendering_speed must be one of TURBO",
        ),
    ],
)  # fmt: skip
async def test_images_and_what_goes_with_them_are_checked(
    probe: Probe, service: str, fields: dict[str, Any], files: dict[str, Any], told: str
) -> None:
    status, body = await post(probe, service, fields, **files)
    assert status == 400
    assert body["error"].startswith(told)


@pytest.mark.parametrize("headers", [{}, {"Api-Key": "bad-key"}, {"Authorization": "Bearer test-key"}])
async def test_without_a_good_key_nothing_is_made(probe: Probe, headers: dict[str, str]) -> None:
    status, _ = await post(probe, "v3/generate", {"prompt": "x"}, headers)
    assert status == 401
    assert (await probe.bill())["lines"] == []


async def test_only_a_good_key_learns_the_account_s_models(probe: Probe) -> None:
    assert await probe.send("GET", "/ideogram/models", headers=KEY) == (200, {"models": []})
    assert (await probe.send("GET", "/ideogram/models", headers={"Api-Key": "bad-key"}))[0] == 401


async def test_only_forms_are_taken(probe: Probe) -> None:
    status, _ = await probe.send("POST", "/ideogram/v1/ideogram-v3/generate", json={"prompt": "x"}, headers=KEY)
    assert status == 400


async def test_an_answer_has_what_the_documentation_says(probe: Probe) -> None:
    status, told = await post(probe, "v3/generate", {"prompt": "a boat", "seed": 9, "num_images": 2})
    assert (status, set(told)) == (200, {"created", "data"})
    first, second = told["data"]
    assert set(first) == {"url", "prompt", "resolution", "is_image_safe", "seed", "style_type"}
    assert (first["resolution"], first["is_image_safe"], first["style_type"]) == ("1024x1024", True, "GENERAL")
    assert (first["seed"], second["seed"]) == (9, 10)
    pictures = [await probe.fetch(one["url"]) for one in (first, second)]
    assert pixels_of(pictures[0][1]).shape == (1024, 1024, 3)
    assert pictures[0] != pictures[1]


@pytest.mark.parametrize(
    ("service", "fields", "files", "microusd"),
    [
        ("v3/generate", {"num_images": 3}, {}, 180_000),
        ("v3/generate", {"rendering_speed": "FLASH"}, {}, 30_000),
        ("v3/generate", {"rendering_speed": "QUALITY"}, {}, 90_000),
        ("v3/generate", {}, {"style_reference_images": (PICTURE, PICTURE)}, 60_000),
        ("v3/generate", {}, {"character_reference_images": PICTURE}, 150_000),
        ("v3/remix", {"rendering_speed": "TURBO"}, {"image": PICTURE, "character_reference_images": PICTURE}, 100_000),
        ("v3/replace-background", {}, {"image": PICTURE}, 60_000),
    ],
)
async def test_prices_follow_the_list(
    probe: Probe, service: str, fields: dict[str, Any], files: dict[str, Any], microusd: int
) -> None:
    status, _ = await post(probe, service, {"prompt": "a boat", **fields}, **files)
    assert status == 200
    assert [line["microusd"] for line in (await probe.bill())["lines"]] == [microusd]


@pytest.mark.parametrize(
    ("service", "fields", "files"),
    [
        ("v3/generate", {"prompt": "gore"}, {}),
        ("v4/generate", {"text_prompt": "gore"}, {}),
        ("v3/remix", {"prompt": "x"}, {"image": png_of((255, 0, 0))}),
    ],
)
async def test_a_harmful_request_is_refused_in_the_vendor_s_words_and_not_charged(
    probe: Probe, service: str, fields: dict[str, Any], files: dict[str, Any]
) -> None:
    status, body = await post(probe, service, fields, **files)
    assert (status, body) == (422, {"error": ideogram.UNSAFE})
    assert (await probe.bill())["lines"] == []
    assert [call["outcome"] for call in await probe.calls()] == ["blocked"]


async def test_a_withheld_image_is_a_200_without_a_url(probe: Probe) -> None:
    status, told = await post(probe, "v3/generate", {"prompt": "solid red"})
    assert status == 200
    assert [(one["url"], one["is_image_safe"]) for one in told["data"]] == [(None, False)]
    assert len((await probe.bill())["lines"]) == 1


async def test_a_url_works_without_a_key_until_its_time_is_over(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    _, told = await post(probe, "v3/generate", {"prompt": "x", "resolution": "832x960"})
    url = told["data"][0]["url"]
    assert "/ideogram/api/images/ephemeral/" in url
    status, data = await probe.fetch(url)
    assert (status, pixels_of(data).shape) == (200, (960, 832, 3))
    assert (await probe.fetch(url.replace("?exp=1", "?exp=9")))[0] == 403
    assert (await probe.fetch(url.partition("?")[0]))[0] == 403
    monkeypatch.setattr(ideogram, "LIFETIME_S", -5.0)
    _, late = await post(probe, "v3/generate", {"prompt": "x"})
    assert (await probe.fetch(late["data"][0]["url"]))[0] == 403
    await probe.send("POST", "/_sandbox/reset")
    assert (await probe.fetch(url))[0] == 404


@pytest.mark.parametrize("service", ["v3/inpaint", "v3/edit"])
async def test_black_is_repainted_and_white_is_kept(probe: Probe, service: str) -> None:
    body = await fetched(probe, service, {"prompt": "sun"}, image=PICTURE, mask=BLACK_CORNER)
    changed = (pixels_of(body) != pixels_of(PICTURE)).any(axis=2)
    assert changed[:, :8].mean() > 0.9
    assert not changed[:, 8:].any()


async def test_the_deprecated_service_says_so(probe: Probe) -> None:
    files = {"image": PICTURE, "mask": BLACK_CORNER}
    for service, said in (("v3/edit", "@1777420800"), ("v3/inpaint", None)):
        url = f"{probe.url}/ideogram/v1/ideogram-{service}"
        async with probe.session.post(url, data=form({"prompt": "x"}, files), headers=KEY) as reply:
            assert reply.headers.get("Deprecation") == said


async def test_a_remix_is_cropped_to_its_shape_and_kept_by_its_weight(probe: Probe) -> None:
    async def off(weight: int) -> float:
        asked = {"prompt": "x", "image_weight": weight, "seed": 3, "aspect_ratio": "16x9"}
        pixels = pixels_of(await fetched(probe, "v3/remix", asked, image=PICTURE))
        assert pixels.shape == (736, 1312, 3)
        return float(abs(pixels - (40, 120, 200)).mean())

    assert await off(100) < await off(50) < await off(1)


async def test_a_replaced_background_keeps_the_middle(probe: Probe) -> None:
    body = await fetched(probe, "v3/replace-background", {"prompt": "sea"}, image=PICTURE)
    pixels = pixels_of(body)
    assert pixels.shape == (64, 96, 3)
    assert (pixels[32, 48] == (40, 120, 200)).all()
    assert (pixels[0, 0] != (40, 120, 200)).any()


async def test_a_reframed_image_is_whole_in_the_middle(probe: Probe) -> None:
    pixels = pixels_of(await fetched(probe, "v3/reframe", {"resolution": "512x1536"}, image=PICTURE))
    assert pixels.shape == (1536, 512, 3)
    assert (pixels[768, 256] == (40, 120, 200)).all()
    assert (pixels[0, 0] != (40, 120, 200)).any()


async def test_ideogram_4_makes_its_own_sizes(probe: Probe) -> None:
    _, told = await post(probe, "v4/generate", {"text_prompt": "a sign that says OPEN", "resolution": "1440x2560"})
    (one,) = told["data"]
    assert set(one) == {"url", "prompt", "resolution", "is_image_safe", "seed"}
    assert one["resolution"] == "1440x2560"


async def test_the_same_form_gives_the_same_picture(probe: Probe) -> None:
    asked = {"prompt": "a boat", "seed": 1, "resolution": "832x960"}
    first = await fetched(probe, "v3/generate", asked)
    assert first == await fetched(probe, "v3/generate", asked)
    assert first != await fetched(probe, "v3/generate", {**asked, "seed": 2})
