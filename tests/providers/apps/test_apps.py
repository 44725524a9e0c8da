"""Apps by their ids, against the sandbox: read from what is published, checked by it, called like any model."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from mintmark.errors import InvalidInput, ProviderDown, UnknownModel, UnsupportedTask
from mintmark.providers.apps.model import AppModel
from mintmark.providers.apps.published import Published, model_of
from mintmark.providers.base import Prepared
from mintmark.providers.fal import Fal
from mintmark.providers.http import HttpClient
from mintmark.providers.replicate import Replicate
from mintmark.providers.request import GenerationRequest
from mintmark.providers.secret import Secret
from mintmark.sandbox import Sandbox
from mintmark.tests.contracts.provider import Truth, ignore
from mintmark.tests.providers.conftest import drawn, half_mask, picture

DAY = date(2026, 11, 21)
KREA, EDIT, CUT_OUT, LORA = "fal-ai/flux/krea", "fal-ai/qwen-image-edit", "fal-ai/birefnet/v2", "fal-ai/flux-lora"
FILL = "fal-ai/flux-pro/v1/fill"
OFFICIAL, PINNED = "black-forest-labs/flux-krea-dev", "fofr/sdxl-emoji"


async def learned(provider: Any, app: str) -> AppModel:
    return model_of(f"{provider.name}/{app}", await provider.published(app), DAY)


def ready(provider: Any, model: AppModel, **asked: Any) -> Prepared:
    given = {"task": "text-to-image", "prompt": "a boat", "model": model.name, **asked}
    prepared: Prepared = provider.prepare(model, GenerationRequest.model_validate(given))
    return prepared


# -- fal ----------------------------------------------------------------------------------------------------------


async def test_an_app_is_a_model_with_what_it_publishes_and_no_price(fal: Fal) -> None:
    model = await learned(fal, KREA)
    assert (model.name, model.endpoint) == (f"fal/{KREA}", {"text-to-image": KREA})
    assert (model.price, model.max_count, model.negative_prompt) == (None, 4, False)
    assert model.seeds is not None
    steps = model.parameters["num_inference_steps"]
    assert (steps.type, steps.min, steps.max) == ("integer", 1, 50)
    assert steps.help == "The number of inference steps to perform. Default: 28."
    assert model.parameters["image_size"].type == "json"
    assert model.parameters["output_format"].choices == ("jpeg", "png")
    assert model.licence.commercial_use is None
    assert KREA in model.lifecycle.source


async def test_an_app_is_called_with_its_own_inputs(fal: Fal, truth: Truth) -> None:
    model = await learned(fal, KREA)
    options = {"num_inference_steps": 4, "output_format": "png"}
    made = await drawn(fal, ready(fal, model, width=128, height=64, count=2, seed=3, options=options))
    assert made.size == (128, 64)
    (call,) = await truth.calls()
    assert call["path"] == f"/fal/queue/{KREA}"
    sizes = {"image_size": {"width": 128, "height": 64}, "num_images": 2, "seed": 3}
    assert call["body"] == {"prompt": "a boat", **options, **sizes}


async def test_a_size_in_the_app_s_own_words_wins(fal: Fal) -> None:
    made = ready(fal, await learned(fal, KREA), width=128, height=64, options={"image_size": "square"})
    assert made.fields["image_size"] == "square"
    assert made.ignored == ("width", "height")


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"num_inference_steps": 99}, "num_inference_steps: at most 50"),
        ({"num_inference_steps": "4"}, "num_inference_steps: it must be of type integer"),
        ({"output_format": "bmp"}, "output_format: 'bmp' is none of"),
        ({"image_size": {"width": 99_999}}, r"image_size\.width: at most 14142"),
        ({"steps": 4}, "steps: .* has no such input"),
    ],
)
async def test_an_input_that_does_not_fit_is_refused_by_name(fal: Fal, options: dict[str, Any], named: str) -> None:
    model = await learned(fal, KREA)
    with pytest.raises(InvalidInput, match=named):
        ready(fal, model, options=options)


async def test_lists_of_objects_are_inputs_too(fal: Fal, truth: Truth) -> None:
    model = await learned(fal, LORA)
    loras = [{"path": "https://example.com/x.safetensors", "scale": 0.8}]
    await fal.ask(ready(fal, model, options={"loras": loras}), call_id="c", on_accepted=ignore)
    assert (await truth.calls())[0]["body"]["loras"] == loras
    with pytest.raises(InvalidInput, match=r"loras\[0\]\.path: is missing"):
        ready(fal, model, options={"loras": [{}]})


async def test_an_app_that_needs_an_image_edits(fal: Fal, truth: Truth) -> None:
    model = await learned(fal, EDIT)
    assert (model.tasks, model.max_images) == (("edit",), 1)
    with pytest.raises(UnsupportedTask):
        ready(fal, model)
    made = await drawn(fal, ready(fal, model, task="edit", images=(picture(80, 64),)))
    assert made.size == (80, 64)
    assert "image_url" in (await truth.calls())[0]["body"]


async def test_an_app_that_takes_no_words_is_sent_none(fal: Fal, truth: Truth) -> None:
    model = await learned(fal, CUT_OUT)
    made = ready(fal, model, task="edit", prompt="unheard", images=(picture(),), width=64, height=64)
    assert set(made.ignored) == {"prompt", "width", "height"}
    await fal.ask(made, call_id="c", on_accepted=ignore)
    assert set((await truth.calls())[0]["body"]) == {"image_url"}


async def test_an_app_that_needs_a_mask_inpaints(fal: Fal) -> None:
    model = await learned(fal, FILL)
    assert model.tasks == ("inpaint",)
    asked = {"images": (picture(),), "mask": half_mask(), "options": {"output_format": "png"}}
    made = await drawn(fal, ready(fal, model, task="inpaint", **asked))
    assert made.getpixel((60, 32)) == (40, 90, 160)
    assert made.getpixel((4, 32)) != (40, 90, 160)


async def test_an_app_that_there_is_not_is_unknown(fal: Fal, replicate: Replicate) -> None:
    with pytest.raises(UnknownModel, match="no/such"):
        await fal.published("no/such")
    with pytest.raises(UnknownModel, match="no/such"):
        await replicate.published("no/such")


async def test_an_app_that_gives_no_images_says_so(fal: Fal) -> None:
    assert not (await fal.published("fal-ai/wan/v2.2-5b/text-to-video")).gives_images
    assert (await fal.published(KREA)).gives_images


async def test_fal_s_documents_are_anybody_s_so_no_key_goes_there(sandbox: Sandbox, http: HttpClient) -> None:
    assert (await Fal.open(http, key=Secret("bad-key"), sandbox_url=sandbox.url).published(KREA)).app == KREA


async def test_a_vendor_that_is_not_there_costs_nothing(http: HttpClient, unused_tcp_port: int) -> None:
    gone = Fal.open(http, key=Secret("k"), sandbox_url=f"http://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(ProviderDown) as told:
        await gone.published(KREA)
    assert told.value.charged == "no"


# -- Replicate ----------------------------------------------------------------------------------------------------


async def test_an_official_model_is_run_by_its_name(replicate: Replicate, truth: Truth) -> None:
    model = await learned(replicate, OFFICIAL)
    assert model.endpoint == {"text-to-image": OFFICIAL, "edit": OFFICIAL}
    assert model.parameters["aspect_ratio"].type == "choice"
    assert model.wire == {"image": "image", "count": "num_outputs"}
    options = {"num_inference_steps": 4, "output_format": "png"}
    await replicate.ask(
        ready(replicate, model, width=160, height=90, count=2, options=options), call_id="c", on_accepted=ignore
    )
    (call,) = await truth.calls()
    assert call["path"] == f"/replicate/v1/models/{OFFICIAL}/predictions"
    assert call["body"]["input"] == {"prompt": "a boat", **options, "num_outputs": 2, "aspect_ratio": "16:9"}


async def test_another_model_is_run_by_its_latest_version(replicate: Replicate, truth: Truth) -> None:
    model = await learned(replicate, PINNED)
    made = ready(replicate, model, negative_prompt="blur", width=256, height=256, seed=2**63)
    await replicate.ask(made, call_id="c", on_accepted=ignore)
    (call,) = await truth.calls()
    assert call["path"] == "/replicate/v1/predictions"
    assert len(call["body"]["version"]) == 64
    assert call["body"]["input"]["width"] == 256
    assert call["body"]["input"]["negative_prompt"] == "blur"
    assert 0 <= call["body"]["input"]["seed"] <= 2**31 - 1


async def test_a_published_size_is_held(replicate: Replicate) -> None:
    model = await learned(replicate, PINNED)
    with pytest.raises(InvalidInput, match="each side is 256 to 1024"):
        ready(replicate, model, width=64, height=64)
    with pytest.raises(InvalidInput, match="lora_scale: at most 1"):
        ready(replicate, model, options={"lora_scale": 2})


# -- what is made of a schema -------------------------------------------------------------------------------------


def made_of(properties: dict[str, Any], required: tuple[str, ...] = ()) -> AppModel:
    inputs = {"type": "object", "properties": properties, "required": list(required)}
    return model_of("fal/some/app", Published("some/app", "An app", inputs, "its page"), DAY)


def test_an_input_that_is_needed_is_asked_for(fal: Fal) -> None:
    model = made_of({"prompt": {"type": "string"}, "style": {"type": "string"}}, ("prompt", "style"))
    with pytest.raises(InvalidInput, match=r"style: .* needs it"):
        ready(fal, model)
    assert ready(fal, model, options={"style": "ink"}).fields == {"prompt": "a boat", "style": "ink"}


def test_an_app_without_a_size_ignores_one(fal: Fal, replicate: Replicate) -> None:
    model = made_of({"prompt": {"type": "string"}})
    assert not model.is_sized
    for provider in (fal, replicate):
        assert ready(provider, model, width=64, height=64).ignored == ("width", "height")


def test_sides_of_their_own_are_told_as_they_are(fal: Fal) -> None:
    side = {"type": "integer", "minimum": 64, "maximum": 512, "multipleOf": 8}
    model = made_of({"prompt": {"type": "string"}, "width": side, "height": side})
    assert ready(fal, model, width=64, height=128).fields == {"prompt": "a boat", "width": 64, "height": 128}
    with pytest.raises(InvalidInput, match="multiple of 8"):
        ready(fal, model, width=64, height=100)


def test_several_images_go_where_a_list_is_taken(fal: Fal) -> None:
    one = {"type": "string"}
    model = made_of({"prompt": one, "image_urls": {"type": "array", "items": one, "maxItems": 3}, "image_url": one})
    assert (model.tasks, model.max_images) == (("text-to-image", "edit"), 3)
    made = ready(fal, model, task="edit", images=(picture(), picture()))
    assert len(made.fields["image_urls"]) == 2


def test_ratios_that_are_no_whole_numbers_are_left_to_the_user(fal: Fal) -> None:
    ratio = {"type": "string", "enum": ["2.39:1", "1:1"]}
    assert not made_of({"prompt": {"type": "string"}, "aspect_ratio": ratio}).is_sized


def test_words_are_optional_where_they_are_not_required(fal: Fal) -> None:
    model = made_of({"prompt": {"type": "string"}, "image_url": {"type": "string"}}, ("image_url",))
    assert model.prompt == {"edit": "optional"}
    assert "prompt" not in ready(fal, model, task="edit", prompt="", images=(picture(),)).fields
