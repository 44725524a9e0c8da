"""The adapter for this machine's own checkpoints, with a device that makes flat pictures behind it."""

from __future__ import annotations

import asyncio
import json
from datetime import date
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from mintmark.errors import BadSetting, ChargeUnknown, InvalidInput, ProviderError, ResultLost, UnsupportedTask
from mintmark.metering.prices import charge, quote
from mintmark.providers.base import Accepted, Answer, Prepared, ResultImage
from mintmark.providers.local import Local
from mintmark.providers.local_model import NOT_PRICED, LocalModel, local_model
from mintmark.providers.local_name import is_local
from mintmark.providers.local_request import Added, order_of
from mintmark.providers.request import GenerationRequest
from mintmark.tests.contracts.provider import ignore, mask_image, plain_image
from mintmark.tests.generation.own_device import FLUX, ROWS, TURBO, XL, Device

HOUR = Decimal(1_200_000)
TODAY = date(2026, 11, 21)


def model(name: str = XL, hour: Decimal | None = HOUR, **more: Any) -> LocalModel:
    return local_model({**ROWS[name], **more}, hour, TODAY)


def prepared(name: str = XL, *, of: LocalModel | None = None, **more: Any) -> Prepared:
    asked = {"task": "text-to-image", "prompt": "a teal boat", "width": 64, "height": 64, "model": name}
    return Local(Device()).prepare(of or model(name), GenerationRequest.model_validate({**asked, **more}))


async def ask(ready: Prepared, device: Device | None = None) -> Answer:
    return await Local(device or Device()).ask(ready, call_id="x", on_accepted=ignore)


@pytest.mark.parametrize(("name", "is_ours"), [(XL, True), ("local/a", True), ("local/", False), ("fal/local", False)])
def test_a_local_model_is_told_by_its_name(name: str, is_ours: bool) -> None:
    assert is_local(name) is is_ours


# -- what is asked for --------------------------------------------------------------------------------------------


def test_what_is_not_asked_for_is_the_checkpoint_s_own() -> None:
    order = order_of(prepared(TURBO, width=None, height=None))
    assert (order.steps, order.guidance, order.scheduler) == (4, 0.0, "auto")
    assert (order.width, order.height, order.count, order.seed) == (512, 512, 1, None)
    assert order.checkpoint == "turbo.safetensors"


def test_everything_asked_for_reaches_the_sampler_and_the_record() -> None:
    options = {"steps": 12, "guidance": 3.5, "scheduler": "euler"}
    ready = prepared(negative_prompt="fog", seed=2**64 - 1, count=3, options=options)
    order = order_of(ready)
    assert (order.prompt, order.negative_prompt) == ("a teal boat", "fog")
    assert (order.seed, order.count, order.steps, order.guidance, order.scheduler) == (2**64 - 1, 3, 12, 3.5, "euler")
    assert ready.parameters == {**options, "width": 64, "height": 64}
    assert (ready.seed, ready.ignored) == (2**64 - 1, ())
    json.dumps(ready.fields)


def test_preparing_gives_the_same_each_time() -> None:
    image = plain_image()
    assert prepared(task="edit", images=(image,), seed=7) == prepared(task="edit", images=(image,), seed=7)


@pytest.mark.parametrize("task", ["edit", "variation"])
def test_an_edit_has_the_image_s_own_size_in_steps_the_checkpoint_makes(task: str) -> None:
    order = order_of(prepared(task=task, images=(plain_image(131, 90),), width=None, height=None, strength=0.3))
    assert (order.width, order.height, order.strength) == (128, 88, 0.3)
    assert order.image == plain_image(131, 90)


def test_an_edit_without_a_strength_says_which_it_took() -> None:
    assert prepared(task="edit", images=(plain_image(),)).parameters["strength"] == 0.75


def test_the_least_strength_leaves_one_step() -> None:
    order = order_of(prepared(task="edit", images=(plain_image(),), strength=0, options={"steps": 20}))
    assert int(order.steps * (order.strength or 0)) == 1


def test_an_inpainting_keeps_the_image_s_size_and_refuses_one_it_cannot_make() -> None:
    order = order_of(prepared(task="inpaint", images=(plain_image(),), mask=mask_image(), width=None, height=None))
    assert (order.width, order.height, order.strength) == (64, 64, 1.0)
    odd: Any = {"images": (plain_image(66, 66),), "mask": mask_image(66, 66), "width": None, "height": None}
    with pytest.raises(InvalidInput, match="multiple of 8"):
        prepared(task="inpaint", **odd)


def test_loras_and_embeddings_are_named_with_their_weights() -> None:
    loras = [{"name": "brand.safetensors", "weight": 0.8}, {"name": "grain.safetensors"}]
    ready = prepared(options={"loras": loras, "embeddings": [{"name": "tok.safetensors", "token": "<tok>"}]})
    order = order_of(ready)
    assert order.loras == (Added("brand.safetensors", 0.8), Added("grain.safetensors", 1.0))
    assert order.embeddings == (Added("tok.safetensors", 1.0, "<tok>"),)
    assert ready.parameters["loras"] == loras
    assert ready.ignored == ()


# -- what is refused, and what is left out ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"prompt": " "}, "prompt"),
        ({"width": 66}, "multiple of 8"),
        ({"width": 8192}, "64 to 4096"),
        ({"height": None}, "height"),
        ({"count": 99}, "99"),
        ({"options": {"steps": 0}}, "steps"),
        ({"options": {"guidance": -1}}, "guidance"),
        ({"options": {"scheduler": "eular"}}, "scheduler"),
        ({"options": {"loras": "brand"}}, "loras"),
        ({"options": {"loras": [{"weight": 1}]}}, r"loras\[0\]"),
        ({"options": {"loras": [{"name": "a", "weight": "1"}]}}, r"loras\[0\].weight"),
        ({"options": {"embeddings": [{"name": "a", "token": 1}]}}, r"embeddings\[0\].token"),
        ({"images": (plain_image(),)}, "images"),
        ({"task": "edit", "options": {"handed": 5}}, "needs an image"),
        ({"task": "inpaint", "images": (plain_image(),)}, "mask"),
    ],
)
def test_a_wrong_request_is_refused_by_name(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidInput, match=named):
        prepared(**wrong)


def test_a_task_that_the_family_cannot_do_names_those_it_can() -> None:
    with pytest.raises(UnsupportedTask, match="inpaint"):
        prepared(task="control", images=(plain_image(),), control="edges")


def test_what_the_family_cannot_do_is_named_and_not_sent() -> None:
    ready = prepared(FLUX, negative_prompt="fog", strength=0.5, options={"no_such": 1})
    assert set(ready.ignored) == {"negative_prompt", "strength", "no_such"}
    assert order_of(ready).negative_prompt == ""


def test_a_negative_prompt_is_of_no_use_without_guidance() -> None:
    assert "negative_prompt" in prepared(TURBO, negative_prompt="fog").ignored
    assert "negative_prompt" not in prepared(TURBO, negative_prompt="fog", options={"guidance": 2.0}).ignored


# -- what comes back, and what it costs ---------------------------------------------------------------------------


async def test_a_call_makes_images_of_the_size_that_was_asked_for() -> None:
    answer = await ask(prepared(count=2, seed=7))
    assert [each.seed for each in answer.images] == [7, 8]
    for image in answer.images:
        with Image.open(BytesIO(await Local(Device()).fetch(image))) as made:
            assert made.size == (64, 64)


async def test_the_time_of_the_device_is_what_is_charged() -> None:
    ready = prepared()
    answer = await ask(ready, Device(step_seconds=0.5))
    assert answer.usage.seconds == 15.0
    assert ready.model.price is not None
    assert charge(ready.model.price, answer.usage, {}) == 5000  # 15 s of an hour of 1.20 dollars
    assert answer.charged_by == "15.000 GPU seconds at $1.20 an hour (MINTMARK_GPU_HOUR_USD)"
    assert (answer.request_id, answer.charge_microusd) == (None, None)


async def test_few_steps_are_cheaper_before_and_after() -> None:
    many, few = prepared(), prepared(TURBO)
    assert _bound(few) < _bound(many)
    spent = [charge(each.model.price, (await ask(each)).usage, {}) for each in (many, few) if each.model.price]
    assert spent[1] < spent[0] / 5


async def test_without_a_price_of_an_hour_nothing_is_charged_and_it_is_said() -> None:
    ready = prepared(of=model(hour=None))
    assert _bound(ready) == 0
    assert (await ask(ready)).charged_by == f"3.000 GPU seconds, {NOT_PRICED}"


def test_what_is_set_aside_follows_what_was_measured() -> None:
    slow, quick = prepared(of=model(step_s=30.0)), prepared(of=model(step_s=0.1))
    assert _bound(quick) < _bound(prepared()) < _bound(slow)
    assert _bound(prepared(count=2)) > _bound(prepared())


def _bound(ready: Prepared) -> int:
    assert ready.model.price is not None
    return quote(ready.model.price, ready.quantities, ready.parameters).at_most_microusd


async def test_a_canceled_call_is_known_to_cost_nothing() -> None:
    device = Device(holds=True)
    task = asyncio.create_task(ask(prepared(), device))
    await device.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError) as told:
        await task
    assert isinstance(told.value.__cause__, ProviderError)
    assert told.value.__cause__.charged == "no"


async def test_what_is_gone_is_gone() -> None:
    local, handle = Local(Device()), Accepted(request_id="", handle={})
    with pytest.raises(ChargeUnknown):
        await local.resume(model(), handle)
    with pytest.raises(ResultLost):
        await local.fetch(ResultImage())
    assert await local.cancel(handle)
    with pytest.raises(BadSetting):
        Local.open(None, key=None)  # type: ignore[arg-type]
