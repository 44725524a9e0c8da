"""The official OpenAI client against a whole service: sandbox, runner, store, signing."""

from __future__ import annotations

import base64
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from mintmark.provenance.reading import read

from ..house import ServiceHouse, service_house


@pytest.fixture
async def whole(tmp_path: Path) -> AsyncIterator[ServiceHouse]:
    async with service_house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def client(whole: ServiceHouse) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{whole.url}/openai/v1", api_key="unused", max_retries=0) as opened:
        yield opened


def picture(mode: str = "RGB", size: tuple[int, int] = (256, 256), colour: Any = (90, 120, 150)) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "PNG")
    return file.getvalue()


def decoded(image: Any) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(image.b64_json)))


async def test_an_image_is_made_signed_and_told_as_openai_tells_it(client: AsyncOpenAI, whole: ServiceHouse) -> None:
    answer = await client.images.generate(prompt="a red fox", size="512x512")
    (image,) = answer.data or []
    assert decoded(image).size == (512, 512)
    assert (answer.size, answer.output_format, answer.background) == ("512x512", "png", "opaque")
    assert answer.usage is not None and answer.usage.total_tokens == 0
    job = await whole.job(str(answer._request_id))
    assert (job.ordered.surface, job.cost_microusd > 0) == ("openai", True)
    assert answer.usage.model_extra == {"cost_microusd": job.cost_microusd}
    assert read(base64.b64decode(image.b64_json or "")).state == "valid"


async def test_several_images_come_as_links_that_open(client: AsyncOpenAI, whole: ServiceHouse) -> None:
    answer = await client.images.generate(prompt="a red fox", n=2, size="256x256", response_format="url")
    assert len(answer.data or []) == 2
    for image in answer.data or []:
        assert image.b64_json is None
        async with whole.session.get(str(image.url)) as got:
            assert (got.status, got.content_type) == (200, "image/png")
            assert Image.open(io.BytesIO(await got.read())).size == (256, 256)


async def test_openais_own_model_names_and_settings_reach_openais_model(
    client: AsyncOpenAI, whole: ServiceHouse
) -> None:
    answer = await client.images.generate(
        prompt="a red fox", model="gpt-image-2", size="1024x1024", quality="low", output_format="jpeg", user="anna"
    )
    (image,) = answer.data or []
    assert decoded(image).format == "JPEG"
    assert (answer.output_format, answer.quality) == ("jpeg", "low")
    job = await whole.job(str(answer._request_id))
    values = job.ordered.values
    assert (values["model"], values["model.quality"], values["format"]) == ("openai/gpt-image-2", "low", "JPEG")
    assert job.ordered.end_user == "anna"
    assert job.receipts[0].model == "openai/gpt-image-2"


async def test_a_format_the_model_does_not_make_is_encoded_by_the_workflow(client: AsyncOpenAI) -> None:
    answer = await client.images.generate(
        prompt="a red fox", model="fal/flux-schnell", size="256x256", output_format="webp", output_compression=60
    )
    assert decoded((answer.data or [])[0]).format == "WEBP"


async def test_an_edit_changes_the_picture_that_is_sent(client: AsyncOpenAI, whole: ServiceHouse) -> None:
    answer = await client.images.edit(
        image=("cat.png", picture(), "image/png"), prompt="make it night", model="fal/flux-dev", n=2
    )
    assert [decoded(each).size for each in answer.data or []] == [(256, 256)] * 2
    job = await whole.job(str(answer._request_id))
    assert (job.ordered.workflow, job.ordered.values["count"]) == ("image-to-image", 2)
    assert [each.asset for each in job.outputs] != list(job.ordered.images.values())


async def test_an_edit_without_a_model_goes_to_one_that_follows_instructions(
    client: AsyncOpenAI, whole: ServiceHouse
) -> None:
    answer = await client.images.edit(image=[("cat.png", picture())], prompt="make it night", size="512x512")
    job = await whole.job(str(answer._request_id))
    assert job.receipts[0].model == "fal/flux-2-pro"
    # The workflow's own strength is not told to a model that has none.
    assert job.ordered.values["strength"] == 0.0


async def test_a_mask_says_what_is_repainted(client: AsyncOpenAI, whole: ServiceHouse) -> None:
    mask = Image.new("RGBA", (256, 256), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 128, 256))
    file = io.BytesIO()
    mask.save(file, "PNG")
    answer = await client.images.edit(
        image=("cat.png", picture()), mask=("mask.png", file.getvalue()), prompt="a red ball", size="256x256"
    )
    made = decoded((answer.data or [])[0]).convert("RGB")
    assert made.getpixel((250, 5)) == (90, 120, 150)
    assert made.getpixel((5, 128)) != (90, 120, 150)
    job = await whole.job(str(answer._request_id))
    assert (job.ordered.workflow, job.receipts[0].model) == ("inpaint", "fal/flux-pro-fill")


@pytest.mark.parametrize(
    ("mask", "size", "param"),
    [
        (picture("RGBA", (128, 128), (0, 0, 0, 0)), "auto", "mask"),
        (picture(), "auto", "mask"),
        (picture("RGBA", (256, 256), (0, 0, 0, 0)), "512x512", "size"),
        (b"no picture", "auto", "mask"),
    ],
    ids=["of another size", "without holes", "result of another size", "no picture"],
)
async def test_a_mask_that_does_not_fit_is_refused(client: AsyncOpenAI, mask: bytes, size: str, param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(image=("a.png", picture()), mask=("m.png", mask), prompt="a ball", size=size)
    assert caught.value.param == param


async def test_an_image_is_streamed_as_openai_streams_it(client: AsyncOpenAI) -> None:
    stream = await client.images.generate(
        prompt="a red fox", model="gpt-image-2", size="1024x1024", stream=True, partial_images=2
    )
    events = [event async for event in stream]
    assert {event.type for event in events[:-1]} <= {"image_generation.partial_image"}
    last = events[-1]
    assert last.type == "image_generation.completed"
    assert decoded(last).size == (1024, 1024)


async def test_what_fails_in_a_stream_is_raised_by_the_client(client: AsyncOpenAI, whole: ServiceHouse) -> None:
    await whole.fail({"provider": "fal", "kind": "status", "status": 422, "count": 20})
    with pytest.raises(openai.APIError):
        async for _ in await client.images.generate(prompt="a red fox", model="fal/flux-dev", stream=True):
            pass


@pytest.mark.parametrize(
    ("asked", "param", "words"),
    [
        ({"size": "8000x8000"}, "size", "does not make"),
        ({"size": "big"}, "size", "pattern"),
        ({"model": "fal/flux-schnell", "quality": "high"}, "quality", "does not know 'high'"),
        ({"model": "fal/flux-schnell", "background": "transparent"}, "background", "does not know 'transparent'"),
        ({"output_compression": 50}, "output_compression", "a PNG has none"),
        ({"n": 2, "stream": True}, "n", "one image at a time"),
        ({"partial_images": 2}, "partial_images", "only shown in a stream"),
        ({"n": 11}, "n", "less than or equal to 10"),
        ({"prompt": ""}, "prompt", "at least 1 character"),
        ({"output_format": "svg"}, "output_format", "Input should be"),
        ({"extra_body": {"frames": 3}}, "frames", "there is no such field"),
    ],
)
async def test_what_cannot_be_is_a_bad_request_naming_the_parameter(
    client: AsyncOpenAI, asked: dict[str, Any], param: str, words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(**{"prompt": "a red fox", **asked})
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert words in caught.value.message


@pytest.mark.parametrize("name", ["dall-e-3", "fal/flux-dvelop", "no-such-workflow"])
async def test_an_unknown_model_is_not_found(client: AsyncOpenAI, name: str) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        await client.images.generate(prompt="a red fox", model=name)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


async def test_a_published_workflow_is_a_model_too(client: AsyncOpenAI, whole: ServiceHouse) -> None:
    answer = await client.images.generate(prompt="a red fox", model="text-to-image@^1", size="256x256")
    assert (await whole.job(str(answer._request_id))).receipts[0].model == "fal/flux-schnell"


async def test_a_blocked_prompt_is_told_in_openais_word(client: AsyncOpenAI, whole: ServiceHouse) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(prompt="child porn")
    assert caught.value.code == "moderation_blocked"
    assert await whole.calls() == []


async def test_a_budget_that_is_used_up_is_openais_insufficient_quota(tmp_path: Path) -> None:
    async with service_house(tmp_path, settings={"budget_microusd": 10}) as house:
        async with AsyncOpenAI(base_url=f"{house.url}/openai/v1", api_key="unused") as client:
            # With the client's usual retries: it must not even try again.
            with pytest.raises(openai.RateLimitError) as caught:
                await client.images.generate(prompt="a red fox")
        assert (caught.value.code, caught.value.type) == ("insufficient_quota", "insufficient_quota")
        assert caught.value.response.headers["x-should-retry"] == "false"


async def test_a_provider_that_fails_is_a_server_error(client: AsyncOpenAI, whole: ServiceHouse) -> None:
    await whole.fail({"provider": "fal", "kind": "status", "status": 401, "count": 20})
    with pytest.raises(openai.InternalServerError) as caught:
        await client.images.generate(prompt="a red fox", size="256x256")
    assert caught.value.code == "provider_auth"


async def test_the_models_are_listed_and_found_by_either_name(client: AsyncOpenAI) -> None:
    listed = {model.id: model async for model in client.models.list()}
    assert {"fal/flux-dev", "openai/gpt-image-2"} <= listed.keys()
    assert listed["fal/flux-dev"].owned_by == "fal"
    for name in ("fal/flux-dev", "gpt-image-2"):
        assert (await client.models.retrieve(name)).id == name
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("gpt-5")


async def test_texts_and_pictures_are_judged_by_the_services_policy(client: AsyncOpenAI) -> None:
    one = await client.moderations.create(input="a red fox")
    assert (len(one.results), one.results[0].flagged) == (1, False)
    assert one.results[0].categories.violence_graphic is False
    two = await client.moderations.create(input=["a red fox", "child porn"])
    assert [each.flagged for each in two.results] == [False, True]
    assert two.results[1].categories.sexual_minors
    url = f"data:image/png;base64,{base64.b64encode(picture()).decode()}"
    parts: Any = [{"type": "text", "text": "a red fox"}, {"type": "image_url", "image_url": {"url": url}}]
    (both,) = (await client.moderations.create(input=parts)).results
    assert not both.flagged


async def test_more_than_one_picture_is_refused(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.edit(image=[("a.png", picture()), ("b.png", picture())], prompt="join them")
    assert caught.value.param == "image"


async def test_a_picture_beyond_the_limit_is_refused_before_it_is_unpacked(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        await client.images.edit(image=("a.png", picture("1", (10_001, 10_000), 0)), prompt="smaller")
    assert (caught.value.status_code, caught.value.code) == (413, "image_too_large")  # type: ignore[attr-defined]


async def test_the_short_address_of_edits_works_and_a_broken_form_is_told(whole: ServiceHouse) -> None:
    form = aiohttp.FormData()
    form.add_field("image", picture(), filename="a.png")
    form.add_field("prompt", "night")
    async with whole.session.post(f"{whole.url}/openai/v1/edits", data=form) as answer:
        assert answer.status == 200, await answer.text()
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x\r\n", b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n\xff\r\n--x--\r\n'):
        async with whole.session.post(f"{whole.url}/openai/v1/images/edits", data=body, headers=headers) as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["type"] == "invalid_request_error"


async def test_the_same_idempotency_key_is_the_same_image(client: AsyncOpenAI) -> None:
    extra = {"Idempotency-Key": "once"}
    first, second = [
        await client.images.generate(prompt="a red fox", size="256x256", extra_headers=extra) for _ in range(2)
    ]
    assert (first.data, first._request_id) == (second.data, second._request_id)


async def test_errors_off_the_routes_are_in_openais_shape_too(whole: ServiceHouse) -> None:
    status, body = await whole.ask("GET", "/openai/v1/nothing")
    assert (status, body["error"]["type"]) == (404, "invalid_request_error")
    status, body = await whole.ask("GET", "/v1/nothing")
    assert (status, body["code"]) == (404, "not_found")


async def test_the_document_says_how_openais_routes_answer(whole: ServiceHouse) -> None:
    _, document = await whole.ask("GET", "/openapi.json")
    answers = document["paths"]["/openai/v1/images/generations"]["post"]["responses"]
    assert set(answers["200"]["content"]) == {"application/json", "text/event-stream"}
    assert "422" not in answers
    for status in ("400", "401", "404", "429", "500"):
        (content,) = answers[status]["content"].items()
        assert content == ("application/json", {"schema": {"$ref": "#/components/schemas/OpenAIError"}})


async def test_once_there_are_keys_one_is_needed_with_its_scope(whole: ServiceHouse) -> None:
    keys = whole.service.access.keys
    _, reader = keys.create(scopes=["read"], project="p", user="u")
    _, writer = keys.create(scopes=["submit", "read"], project="p", user="u")

    def client(key: str) -> AsyncOpenAI:
        return AsyncOpenAI(base_url=f"{whole.url}/openai/v1", api_key=key, max_retries=0)

    async with client("mm_test_nobody") as nobody, client(reader) as looking, client(writer) as making:
        with pytest.raises(openai.AuthenticationError) as caught:
            await nobody.models.list()
        assert caught.value.code == "invalid_api_key"
        assert (await looking.models.list()).data
        with pytest.raises(openai.PermissionDeniedError):
            await looking.images.generate(prompt="a red fox")
        assert (await making.images.generate(prompt="a red fox", size="256x256")).data
