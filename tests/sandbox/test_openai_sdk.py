"""The official client against the sandbox: what it parses and what it raises is the proof of the wire."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import openai
import pytest

from mintmark.sandbox import Sandbox, judge, picture

from .conftest import Probe, mask_of, pixels_of, png_of


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key="test-key", base_url=f"{sandbox.url}/openai/v1", max_retries=0) as client:
        yield client


async def test_generate_gives_base64_images_usage_and_a_bill_line(client: openai.AsyncOpenAI, probe: Probe) -> None:
    answer = await client.images.with_raw_response.generate(
        model="gpt-image-2",
        prompt="a red fox",
        n=2,
        size="1024x1024",
        quality="low",
        extra_headers={"X-Client-Request-Id": "call-1"},
    )
    made = answer.parse()
    assert made.data is not None and made.usage is not None
    images = [pixels_of(base64.b64decode(image.b64_json or "")) for image in made.data]
    assert [image.shape for image in images] == [(1024, 1024, 3)] * 2
    assert (images[0] != images[1]).any()
    assert (made.size, made.quality, made.background, made.output_format) == ("1024x1024", "low", "opaque", "png")
    assert (made.usage.input_tokens, made.usage.output_tokens, made.usage.total_tokens) == (3, 544, 547)
    bill = await probe.bill()
    (line,) = bill["lines"]
    assert line["request_id"] == answer.headers["x-request-id"]
    assert line["client_request_id"] == "call-1"
    assert line["microusd"] == bill["total_microusd"] == 3 * 5 + 544 * 30
    assert (line["provider"], line["model"], line["images"]) == ("openai", "gpt-image-2", 2)


async def test_the_same_prompt_is_the_same_image(client: openai.AsyncOpenAI) -> None:
    made = [await client.images.generate(model="gpt-image-2", prompt="a boat", size="256x256") for _ in range(2)]
    assert made[0].data is not None and made[1].data is not None
    assert made[0].data[0].b64_json == made[1].data[0].b64_json
    assert base64.b64decode(made[0].data[0].b64_json or "") == picture.render("a boat", 256, 256, 0, 0)


@pytest.mark.parametrize(("output_format", "start"), [("png", b"\x89PNG"), ("jpeg", b"\xff\xd8"), ("webp", b"RIFF")])
async def test_output_formats(client: openai.AsyncOpenAI, output_format: str, start: bytes) -> None:
    made = await client.images.generate(
        model="gpt-image-2", prompt="a boat", size="64x64", output_format=output_format, output_compression=80
    )
    assert made.data is not None
    assert base64.b64decode(made.data[0].b64_json or "").startswith(start)


async def test_a_transparent_background_has_alpha(client: openai.AsyncOpenAI) -> None:
    made = await client.images.generate(
        model="gpt-image-2.5-flare", prompt="a boat", size="64x64", background="transparent"
    )
    assert made.data is not None and made.background == "transparent"
    source = picture.read(base64.b64decode(made.data[0].b64_json or ""))
    assert source.has_alpha
    assert source.pixels[0, 0, 3] == 0
    assert source.pixels[32, 32, 3] == 255


async def test_edit_with_a_mask_changes_only_where_alpha_is_zero(client: openai.AsyncOpenAI, probe: Probe) -> None:
    image = picture.render("lavender hills", 128, 96)
    made = await client.images.edit(
        model="gpt-image-2", image=("in.png", image), mask=("mask.png", mask_of((128, 96), (80, 10, 120, 40))),
        prompt="a city at night", size="128x96",
    )  # fmt: skip
    assert made.data is not None and made.usage is not None
    after, before = pixels_of(base64.b64decode(made.data[0].b64_json or "")), pixels_of(image)
    changed = (after != before).any(axis=2)
    assert changed[10:40, 80:120].mean() > 0.9
    changed[10:40, 80:120] = False
    assert not changed.any()
    assert made.usage.input_tokens_details.image_tokens == 65 + 129
    (call,) = await probe.calls()
    assert [part["name"] for part in call["body"] if part["filename"]] == ["image", "mask"]


async def test_edit_takes_several_images(client: openai.AsyncOpenAI, probe: Probe) -> None:
    images = [("a.png", png_of((200, 40, 40))), ("b.png", png_of((40, 200, 40))), ("c.png", png_of((40, 40, 200)))]
    made = await client.images.edit(model="gpt-image-2", image=images, prompt="together", size="64x64")
    assert made.usage is not None
    assert made.usage.input_tokens_details.image_tokens == 3 * (65 + 129)
    (call,) = await probe.calls()
    assert [part["name"] for part in call["body"]].count("image[]") == 3


async def test_streaming_gives_partial_images_and_then_the_whole(client: openai.AsyncOpenAI, probe: Probe) -> None:
    stream = await client.images.generate(
        model="gpt-image-2", prompt="a boat", size="64x64", stream=True, partial_images=2
    )
    events = [event async for event in stream]
    assert [event.type for event in events] == [
        "image_generation.partial_image", "image_generation.partial_image", "image_generation.completed"
    ]  # fmt: skip
    assert base64.b64decode(events[-1].b64_json) == picture.render("a boat", 64, 64)
    usage = (await probe.bill())["lines"][0]["usage"]
    assert usage["output_tokens"] == -(-1056 * 64 * 64 // 1024**2) + 200


async def test_a_harmful_prompt_is_blocked_and_costs_nothing(client: openai.AsyncOpenAI, probe: Probe) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(model="gpt-image-2", prompt="a scene of gore")
    assert caught.value.code == "moderation_blocked"
    assert caught.value.type == "image_generation_user_error"
    assert "safety_violations=[violence, violence/graphic]" in caught.value.message
    assert (await probe.bill())["lines"] == []
    assert [call["outcome"] for call in await probe.calls()] == ["blocked"]


async def test_a_refused_key_is_an_authentication_error(sandbox: Sandbox) -> None:
    async with openai.AsyncOpenAI(
        api_key="bad-key-of-mine", base_url=f"{sandbox.url}/openai/v1", max_retries=0
    ) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            await client.images.generate(model="gpt-image-2", prompt="x")
    assert "key-of-m" not in caught.value.message


async def test_a_rate_limit_is_retried_after_the_time_told(sandbox: Sandbox, probe: Probe) -> None:
    await probe.fail({"provider": "openai", "kind": "status", "status": 429, "retry_after": 0.01, "count": 1})
    async with openai.AsyncOpenAI(api_key="k", base_url=f"{sandbox.url}/openai/v1", max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            await client.images.generate(model="gpt-image-2", prompt="x", size="64x64")
        assert caught.value.response.headers["retry-after"] == "0.01"
        assert caught.value.code == "rate_limit_exceeded"
        await client.images.generate(model="gpt-image-2", prompt="x", size="64x64")
    assert [call["outcome"] for call in await probe.calls()] == ["status 429", "ok"]
    assert len((await probe.bill())["lines"]) == 1


@pytest.mark.parametrize("model", ["gpt-image-1", "dall-e-2", "dall-e-3", "no-such-model"])
async def test_retired_and_unknown_models_are_not_found(client: openai.AsyncOpenAI, model: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await client.images.generate(model=model, prompt="x")
    assert caught.value.code == "model_not_found"


async def test_the_models_list_tells_when_a_model_shuts_down(client: openai.AsyncOpenAI) -> None:
    found = {model.id: model.shutdown_date async for model in client.models.list()}
    assert found["gpt-image-1-mini"] == "2026-12-01"
    assert found["gpt-image-2"] is None
    assert "gpt-image-1" not in found
    assert (await client.models.retrieve("gpt-image-2")).id == "gpt-image-2"


async def test_moderation_of_text_scores_thirteen_categories(client: openai.AsyncOpenAI, probe: Probe) -> None:
    answer = await client.moderations.create(model="omni-moderation-latest", input=["a boat", "gore everywhere"])
    safe, harmful = answer.results
    assert not safe.flagged
    assert harmful.flagged and harmful.categories.violence_graphic
    assert harmful.category_scores.violence_graphic == 0.95
    assert harmful.category_applied_input_types.hate == ["text"]
    assert len(harmful.category_scores.model_dump(by_alias=True, exclude_unset=True)) == 13
    assert (await probe.bill())["total_microusd"] == 0
    assert (await probe.calls()) == []
    assert len(await probe.calls("moderation")) == 1


async def test_moderation_of_an_image_sees_red_and_only_the_categories_scored_from_pixels(
    client: openai.AsyncOpenAI,
) -> None:
    async def judged(data: bytes) -> openai.types.Moderation:
        url = "data:image/png;base64," + base64.b64encode(data).decode()
        answer = await client.moderations.create(
            model="omni-moderation-latest",
            input=[{"type": "text", "text": "a boat"}, {"type": "image_url", "image_url": {"url": url}}],
        )
        assert len(answer.results) == 1
        return answer.results[0]

    red, other = await judged(png_of((255, 4, 0))), await judged(png_of((230, 40, 40)))
    assert red.flagged and red.category_scores.violence == 0.97
    assert not other.flagged
    assert red.category_applied_input_types.violence == ["text", "image"]
    assert red.category_applied_input_types.sexual_minors == ["text"]
    assert (await judged(picture.render("solid red", 256, 256))).flagged


async def test_a_prompt_of_solid_red_makes_an_image_that_is_flagged_in_every_format() -> None:
    for size in (128, 256, 512, 1024):
        for kind in ("png", "jpeg", "webp"):
            data = picture.pack(picture.draw("solid red", size, size), kind)
            assert judge.image_scores(picture.read(data).pixels)["violence"] == 0.97, (size, kind)
