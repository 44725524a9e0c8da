"""Hosted App, on a real runner and a real sandbox: apps by their ids, their inputs as JSON, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from .conftest import PROMPT, bench_at
from .test_generating import SAVED, holed, record_of

KREA, EDIT, FILL = "fal/fal-ai/flux/krea", "fal/fal-ai/qwen-image-edit", "fal/fal-ai/flux-pro/v1/fill"


@pytest.fixture
async def open_bench(tmp_path: Path) -> AsyncIterator[Any]:
    async with bench_at(tmp_path, allow_unknown_price=True) as made:
        yield made


def graph(model: str = KREA, **inputs: Any) -> dict[str, Any]:
    return {
        "3": {"class_type": "MintmarkHostedApp", "inputs": {"model": model, "prompt": PROMPT, "seed": 5, **inputs}},
        "2": {"class_type": "MintmarkSignAndSave", "inputs": SAVED},
    }


def with_image(made: dict[str, Any], name: str) -> dict[str, Any]:
    return {**made, "1": {"class_type": "LoadImage", "inputs": {"image": name}}}


def error_of(history: dict[str, Any]) -> str:
    (told,) = (data for kind, data in history["status"]["messages"] if kind == "execution_error")
    return str(told["exception_message"])


async def test_an_app_by_its_id_makes_an_image(open_bench: Any) -> None:
    history = await open_bench.run(graph(inputs='{"num_inference_steps": 4}', width=256, height=192))
    record = record_of(history)
    assert (record["task"], record["model"], record["parameters"]["num_inference_steps"]) == (
        "text-to-image",
        KREA,
        4,
    )
    (call,) = await open_bench.calls()
    assert call["body"]["image_size"] == {"width": 256, "height": 192}


async def test_what_is_connected_says_what_it_is(open_bench: Any) -> None:
    name = await open_bench.upload(holed(160, 0, 256, 64))
    edited = await open_bench.run(with_image(graph(EDIT, image=["1", 0]), name))
    assert record_of(edited)["task"] == "edit"
    filled = await open_bench.run(with_image(graph(FILL, image=["1", 0], mask=["1", 1]), name))
    assert record_of(filled)["task"] == "inpaint"


async def test_an_app_without_a_price_is_called_only_where_that_is_allowed(bench: Any) -> None:
    history = await bench.run(graph())
    assert "does not know what fal/fal-ai/flux/krea costs" in error_of(history)
    assert await bench.calls() == []


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"inputs": "{"}, "inputs: that is no JSON"),
        ({"inputs": "[]"}, "no JSON object"),
        ({"inputs": '{"guidance_scale": NaN}'}, "inputs: that is no JSON (NaN is no number there)"),
        ({"inputs": '{"guidance_scale": 1e999}'}, "guidance_scale: it is no finite number"),
        ({"inputs": '{"guidance_scale": "\\ud83d"}'}, "guidance_scale: it holds half a character"),
        ({"prompt": "a boat \ud83d"}, "prompt: it holds half a character"),
        ({"inputs": '{"model": "x"}'}, "Name the app in model"),
        ({"inputs": '{"num_inference_steps": 99}'}, "num_inference_steps: at most 50"),
        ({"inputs": '{"steps": 9}'}, "has no such input"),
        ({"model": "fal/flux-dev"}, "is no app's id"),
        ({"model": "fal/no/such"}, "publishes no inputs"),
        ({"model": "openai/some/app"}, "no apps"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_name(open_bench: Any, inputs: dict[str, Any], said: str) -> None:
    assert said in error_of(await open_bench.run(graph(**inputs)))
    assert await open_bench.calls() == []


async def test_a_mask_alone_is_refused(open_bench: Any) -> None:
    name = await open_bench.upload(holed(160, 0, 256, 64))
    history = await open_bench.run(with_image(graph(FILL, mask=["1", 1]), name))
    assert "mask: there is no image for it" in error_of(history)
