"""Classifiers as transformers saves them: tiny ones of random weights, saved and read back from their folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import ClassifierMismatch
from mintmark.moderation.classifiers.checkers import ImageClassifier, TextClassifier, open_classifiers
from mintmark.moderation.classifiers.description import TextDescription

from .building import (
    RED,
    description,
    picture,
    text_description,
    transformers_image_model,
    transformers_text_model,
)


async def test_an_image_model_scores_each_category_of_its_labels(tmp_path: Path) -> None:
    checker = ImageClassifier.at(transformers_image_model(tmp_path))
    found = await checker.check_image(picture(RED), "image/png")
    assert found.scores.keys() == {"nudity", "sexual"}
    assert 0 < sum(found.scores.values()) < 1
    assert found.scores == (await checker.check_image(picture(RED), "image/png")).scores


async def test_a_long_text_is_read_to_its_end(tmp_path: Path) -> None:
    checker = TextClassifier.at(transformers_text_model(tmp_path))
    short = (await checker.check_text("rude a quiet harbour")).scores["harassment"]
    long = (await checker.check_text("a quiet harbour " * 200 + "rude a quiet harbour")).scores["harassment"]
    calm = (await checker.check_text("a quiet harbour " * 200)).scores["harassment"]
    assert calm != short
    assert long >= calm
    assert (await checker.check_text(" ")).scores == {}


@pytest.mark.parametrize(
    ("told", "labels", "why"),
    [
        ({}, ["drawing", "bare"], "it has 2 labels and its description 3"),
        ({}, ["bare", "drawing", "explicit"], "its label 'bare' is 'drawing'"),
    ],
)
def test_labels_that_differ_are_refused_without_opening_the_model(
    told: dict[str, Any], labels: list[str], why: str, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"id2label": dict(enumerate(labels))}))
    (tmp_path / "mintmark.json").write_text(json.dumps(description(**told)))
    with pytest.raises(ClassifierMismatch) as caught:
        open_classifiers(tmp_path, None)
    assert why in caught.value.message


def test_a_folder_without_a_config_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mintmark.json").write_text(json.dumps(text_description()))
    with pytest.raises(ClassifierMismatch, match=r"config\.json"):
        open_classifiers(None, tmp_path)


def test_a_description_may_not_be_of_the_other_kind(tmp_path: Path) -> None:
    (tmp_path / "mintmark.json").write_text(json.dumps(description()))
    with pytest.raises(ClassifierMismatch, match="wrong at"):
        open_classifiers(None, tmp_path)
    assert TextDescription.model_validate(text_description()).max_tokens == 16


@pytest.mark.parametrize(("size", "why"), [((24, 24), "takes no input"), ((16, 8), "takes no input")])
async def test_an_image_model_of_another_size_is_refused(size: tuple[int, int], why: str, tmp_path: Path) -> None:
    form = {**description()["input"], "width": size[0], "height": size[1]}
    checker = ImageClassifier.at(transformers_image_model(tmp_path, told=description(input=form)))
    with pytest.raises(ClassifierMismatch, match=why):
        await checker.check_image(picture(RED), "image/png")


async def test_a_text_model_that_reads_less_than_it_is_given_is_refused(tmp_path: Path) -> None:
    checker = TextClassifier.at(transformers_text_model(tmp_path, told=text_description(max_tokens=128)))
    with pytest.raises(ClassifierMismatch, match="it reads 64 tokens"):
        await checker.check_text("a quiet harbour")


async def test_weights_that_are_no_safetensors_are_never_unpickled(tmp_path: Path) -> None:
    path = transformers_image_model(tmp_path)
    (path / "model.safetensors").rename(path / "pytorch_model.bin")
    with pytest.raises(ClassifierMismatch, match="cannot open it"):
        await ImageClassifier.at(path).check_image(picture(RED), "image/png")
