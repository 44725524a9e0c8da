"""A chosen model's own parameters, set by name."""

from __future__ import annotations

from typing import Any

import pytest

from mintmark.errors import InvalidInput, UnknownInput
from mintmark.workflows.bind import bind, parse_cli, parse_cli_images
from mintmark.workflows.library import Library

SHIPPED = Library().resolve("text-to-image")
SCHNELL, ULTRA, GPT = "fal/flux-schnell", "bfl/flux-pro-1.1-ultra", "openai/gpt-image-2"


@pytest.mark.parametrize(
    ("model", "setting", "value"),
    [
        (SCHNELL, "model.steps=4", 4),
        (SCHNELL, "model.guidance=2.5", 2.5),
        (SCHNELL, "model.guidance=2", 2),
        (SCHNELL, "model.acceleration=high", "high"),
        (SCHNELL, "model.safety_checker=off", "off"),
        (SCHNELL, "model.safety_checker=true", "on"),
        (ULTRA, "model.raw=no", "off"),
        (ULTRA, "model.aspect_ratio=16:9", "16:9"),
        (GPT, "model.quality=low", "low"),
        ("fal/flux-pro-1.1", "model.safety_tolerance=5", "5"),
    ],
)
def test_a_text_becomes_what_the_models_own_parameter_takes(
    model: str, setting: str, value: Any, palette: dict[str, Any]
) -> None:
    bound = bind(SHIPPED, {"model": model, **parse_cli(SHIPPED, [setting])}, object_info=palette)
    name = setting.partition("=")[0]
    assert bound.graph["2"]["inputs"][name] == value
    assert bound.inputs[name] == value
    assert type(bound.inputs[name]) is type(value)


@pytest.mark.parametrize(
    ("model", "setting", "message"),
    [
        (SCHNELL, "model.stepz=4", r"fal/flux-schnell has no such parameter \(did you mean steps\?\)"),
        (GPT, "model.steps=4", "openai/gpt-image-2 has no such parameter"),
        (SCHNELL, "model.steps=99", "above the node's maximum of 12"),
        (SCHNELL, "model.steps=many", "'many' is no INT"),
        (SCHNELL, "model.acceleration=warp", "none of the worker's choices"),
    ],
)
def test_what_the_model_does_not_take_is_refused(
    model: str, setting: str, message: str, palette: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput, match=message) as caught:
        bind(SHIPPED, {"model": model, **parse_cli(SHIPPED, [setting])}, object_info=palette)
    assert "model." in caught.value.hint


def test_values_that_have_a_type_already_are_taken_as_they_are(palette: dict[str, Any]) -> None:
    bound = bind(SHIPPED, {"model.steps": 3, "model.safety_checker": False}, object_info=palette)
    assert (bound.inputs["model.steps"], bound.inputs["model.safety_checker"]) == (3, "off")


def test_without_a_worker_a_text_that_looks_like_a_number_is_one() -> None:
    bound = bind(SHIPPED, parse_cli(SHIPPED, ["model.steps=4", "model.acceleration=high"]))
    assert (bound.inputs["model.steps"], bound.inputs["model.acceleration"]) == (4, "high")


def test_a_parameter_of_two_nodes_is_written_to_both(palette: dict[str, Any]) -> None:
    version = Library().resolve("prompt-ab-ranked")
    graph = bind(version, parse_cli(version, ["model.steps=2"]), object_info=palette).graph
    assert [graph[node]["inputs"]["model.steps"] for node in ("3", "4")] == [2, 2]


@pytest.mark.parametrize("name", ["prompt.steps", "model.", "model.Steps", "modell.steps", "width.x"])
def test_a_dot_alone_makes_no_parameter(name: str) -> None:
    with pytest.raises(UnknownInput, match="there is no such input"):
        parse_cli(SHIPPED, [f"{name}=4"])
    with pytest.raises(UnknownInput):
        bind(SHIPPED, {name: 4})


def test_a_parameter_given_twice_is_refused() -> None:
    with pytest.raises(InvalidInput, match="given twice"):
        parse_cli(SHIPPED, ["model.steps=4", "model.steps=5"])


def test_an_image_that_is_required_says_how_to_give_it() -> None:
    version = Library().resolve("edit-image")
    with pytest.raises(InvalidInput, match="image: it is required") as caught:
        bind(version, {})
    assert "--image image=PATH" in caught.value.hint
    assert parse_cli_images(version, ["image=a.png"])["image"].name == "a.png"
