"""An ONNX classifier scores by its description, and one that is not what that says is refused before it judges."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import BadAnswer, ClassifierMismatch, FileMissing, InvalidInput
from mintmark.moderation.classifiers.checkers import ImageClassifier, open_classifiers
from mintmark.moderation.moderator import Moderator
from mintmark.moderation.policy import Policy

from .building import BLUE, GREEN, RED, description, onnx_model, picture


async def scores(path: Path, colour: tuple[int, int, int]) -> dict[str, float]:
    found = await ImageClassifier.at(path).check_image(picture(colour), "image/png")
    assert found.model == "colours@1"
    return dict(found.scores)


async def test_labels_become_categories_and_what_speaks_for_none_is_left_out(tmp_path: Path) -> None:
    path = onnx_model(tmp_path)
    assert await scores(path, RED) == pytest.approx({"nudity": 0.0, "sexual": 1.0}, abs=1e-3)
    assert await scores(path, GREEN) == pytest.approx({"nudity": 1.0, "sexual": 0.0}, abs=1e-3)
    assert await scores(path, BLUE) == pytest.approx({"nudity": 0.0, "sexual": 0.0}, abs=1e-3)


async def test_labels_of_one_category_are_added_where_they_exclude_each_other(tmp_path: Path) -> None:
    both = {"bare": "sexual", "explicit": "sexual"}
    half = onnx_model(tmp_path, told=description(categories=both))
    assert (await scores(half, (250, 250, 0)))["sexual"] == pytest.approx(1.0, abs=1e-3)
    (half.with_suffix(".json")).write_text(json.dumps(description(categories=both, activation="sigmoid")))
    assert (await scores(half, (250, 250, 0)))["sexual"] <= 1.0


@pytest.mark.parametrize(
    ("form", "colour", "category"),
    [
        ({"channels": "BGR"}, BLUE, "sexual"),
        ({"range": "0..255"}, RED, "sexual"),
        ({"range": "-1..1", "resize": "crop"}, RED, "sexual"),
        ({"resize": "pad"}, GREEN, "nudity"),
        ({"mean": [1.0, 0.0, 0.0], "std": [0.1, 1.0, 1.0]}, GREEN, "nudity"),
    ],
)
async def test_pictures_are_prepared_as_the_file_says(
    form: dict[str, Any], colour: tuple[int, int, int], category: str, tmp_path: Path
) -> None:
    plain = description()
    path = onnx_model(tmp_path, told=description(input={**plain["input"], **form}))
    found = await scores(path, colour)
    assert found[category] > 0.9
    assert sum(found.values()) == pytest.approx(found[category], abs=0.1)


async def test_a_model_with_the_colours_last_and_whole_numbers_is_asked_as_well(tmp_path: Path) -> None:
    form = {**description()["input"], "layout": "NHWC", "dtype": "uint8", "range": "0..255"}
    path = onnx_model(tmp_path, told=description(input=form), dtype="UINT8", layout="NHWC", shape=(1, 16, 16, 3))
    assert (await scores(path, RED))["sexual"] > 0.9


async def test_of_several_outputs_the_named_one_counts(tmp_path: Path) -> None:
    path = onnx_model(tmp_path, outputs=2, told=description(output="logits"))
    assert (await scores(path, RED))["sexual"] > 0.9


_INPUT = description()["input"]


@pytest.mark.parametrize(
    ("built", "told", "why"),
    [
        ({"shape": ("b", 3, 32, 32)}, {}, "32, 32"),
        ({"shape": ("b", 16, 16, 3), "layout": "NHWC"}, {}, "16, 16, 3"),
        ({"shape": ("b", 3, "h")}, {}, "cannot open it"),
        ({"dtype": "FLOAT16"}, {}, "float16"),
        ({"dtype": "DOUBLE"}, {}, "double"),
        ({"labels": 5}, {}, "it has 5 labels and its description 3"),
        ({"outputs": 2}, {}, "output does not say which"),
        ({}, {"output": "scores"}, "no output 'scores'"),
        ({"shape": (4, 3, 16, 16)}, {}, "4, 3, 16, 16"),
    ],
)
async def test_a_model_that_is_not_what_its_description_says_is_refused(
    built: dict[str, Any], told: dict[str, Any], why: str, tmp_path: Path
) -> None:
    path = onnx_model(tmp_path, told=description(**told), **built)
    with pytest.raises(ClassifierMismatch, match=r"colours\.onnx") as caught:
        await scores(path, RED)
    assert why in caught.value.message


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"labels": []}, "labels"),
        ({"labels": ["bare", "bare", "explicit"]}, "listed twice"),
        ({"categories": {"bare": "nudity", "porn": "sexual"}}, "'porn', which is none of the labels"),
        ({"categories": {"bare": "undressed"}}, "'undressed' is no category"),
        ({"categories": {}}, "categories"),
        ({"activation": "relu"}, "activation"),
        ({"input": {**_INPUT, "std": [1, 0, 1]}}, "input.std"),
        ({"input": {**_INPUT, "mean": [1, 1]}}, "input.mean"),
        ({"input": {**_INPUT, "layout": "CHW"}}, "input.layout"),
        ({"input": {"width": 16, "height": 16}}, "input.resize"),
        ({"kind": "text"}, "kind"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_description_is_refused_before_anything_is_opened(
    told: dict[str, Any], field: str, tmp_path: Path
) -> None:
    path = tmp_path / "colours.onnx"
    path.write_bytes(b"never read")
    path.with_suffix(".json").write_text(json.dumps(description(**told)))
    with pytest.raises(ClassifierMismatch, match=r"colours\.json") as caught:
        open_classifiers(path, None)
    assert field in caught.value.message


def test_a_missing_model_and_a_missing_description_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match="nowhere"):
        open_classifiers(tmp_path / "nowhere.onnx", None)
    (tmp_path / "bare.onnx").write_bytes(b"")
    with pytest.raises(FileMissing, match=r"bare\.json"):
        open_classifiers(tmp_path / "bare.onnx", None)


async def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path = onnx_model(tmp_path)
    path.write_bytes(b"no protobuf of anything")
    with pytest.raises(ClassifierMismatch, match="cannot open it"):
        await scores(path, RED)


async def test_numbers_that_are_no_scores_are_a_failure_and_never_a_pass(tmp_path: Path) -> None:
    path = onnx_model(tmp_path, told=description(activation="none"))
    with pytest.raises(BadAnswer, match="outside of 0 to 1"):
        await scores(path, RED)


async def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        await ImageClassifier.at(onnx_model(tmp_path)).check_image(b"%PDF-1.7", "application/pdf")


async def test_a_policy_decides_by_its_scores(tmp_path: Path) -> None:
    data = {
        "name": "mine",
        "version": "1.0.0",
        "image_checkers": ["image-classifier"],
        "categories": {"sexual": {"block_at": 0.8}, "nudity": {"blur_at": 0.5}},
    }
    moderator = Moderator(Policy.model_validate(data), open_classifiers(onnx_model(tmp_path), None))
    decided = [await moderator.image(picture(colour), "image/png") for colour in (RED, GREEN, BLUE)]
    assert [each.decision for each in decided] == ["blocked", "blurred", "allowed"]
    assert decided[1].rule == "image-classifier/nudity"
