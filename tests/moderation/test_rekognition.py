"""The Rekognition checker: which label is which category, and what is done so that an image can be looked at."""

from __future__ import annotations

import base64
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mintmark.errors import BadAnswer, InvalidInput
from mintmark.moderation.base import Scores
from mintmark.moderation.rekognition import CATEGORIES, LEAST_CONFIDENCE, RekognitionChecker
from mintmark.providers.registry import open_service
from mintmark.providers.secret import Secret
from mintmark.tests.moderation.conftest import Front
from mintmark.tests.providers.conftest import FakeTime, client


def label(name: str, parent: str = "", confidence: float = 90.0) -> dict[str, Any]:
    return {"Name": name, "ParentName": parent, "Confidence": confidence, "TaxonomyLevel": 1}


def file(picture: Image.Image, kind: str = "PNG") -> bytes:
    out = BytesIO()
    picture.save(out, kind)
    return out.getvalue()


PNG = file(Image.new("RGB", (64, 64), (20, 120, 90)))


async def checked(front: Front, data: bytes = PNG, media_type: str = "image/png") -> Scores:
    async with client(FakeTime()) as http:
        service = open_service("rekognition", http, key=Secret("sandbox-key"), sandbox_url=front.url)
        return await RekognitionChecker(service).check_image(data, media_type)


async def scored(front: Front, *labels: dict[str, Any]) -> Scores:
    front.answer(200, {"ModerationLabels": list(labels), "ModerationModelVersion": "7.0"})
    return await checked(front)


async def test_what_is_harmless_scores_nothing_in_every_category_it_looks_for(front: Front) -> None:
    scores = await checked(front)
    assert scores.scores == dict.fromkeys(set(CATEGORIES.values()), 0.0)
    assert scores.model == "rekognition-moderation 7.0"


async def test_what_the_service_sees_is_told_by_its_finest_label(front: Front) -> None:
    scores = await checked(front, file(Image.new("RGB", (64, 64), (255, 0, 0))))
    assert scores.scores["violence"] == 0.97
    assert scores.rules == {"violence": "rekognition/physical_violence"}


@pytest.mark.parametrize(
    ("labels", "category", "rule"),
    [
        ((label("Explicit"),), "sexual", "explicit"),
        (
            (label("Explicit"), label("Explicit Nudity", "Explicit"), label("Sex Toys", "Explicit", 60.0)),
            *("sexual", "explicit_nudity"),
        ),
        (
            (
                label("Explicit"),
                label("Explicit Nudity", "Explicit"),
                label("Exposed Female Nipple", "Explicit Nudity", 70.0),
            ),
            *("nudity", "exposed_female_nipple"),
        ),
        ((label("Violence"), label("Weapons", "Violence")), "weapons", "weapons"),
        ((label("Violence"),), "violence", "violence"),
        (
            (
                label("Violence"),
                label("Graphic Violence", "Violence"),
                label("Blood & Gore", "Graphic Violence", 55.0),
            ),
            *("violence/graphic", "blood_gore"),
        ),
        ((label("Hate Symbols"), label("Nazi Party", "Hate Symbols")), "hate", "nazi_party"),
        ((label("Corpses", "Death and Emaciation"),), "violence/graphic", "corpses"),
        ((label("Something New"),), "something_new", "something_new"),
        ((label("Something Newer", "Violence"),), "violence", "something_newer"),
    ],
)
async def test_a_label_counts_in_the_category_of_the_surest_one_below_it(
    front: Front, labels: tuple[dict[str, Any], ...], category: str, rule: str
) -> None:
    scores = await scored(front, *labels)
    assert scores.scores[category] == 0.9
    assert scores.rules[category] == f"rekognition/{rule}"


async def test_a_sword_is_no_violence(front: Front) -> None:
    scores = await scored(front, label("Violence"), label("Weapons", "Violence"))
    assert scores.scores["violence"] == 0.0


async def test_labels_that_are_each_other_s_parent_end_all_the_same(front: Front) -> None:
    scores = await scored(front, label("A", "B"), label("B", "A"))
    assert max(scores.scores.values()) == 0.9


@pytest.mark.parametrize(
    ("answer", "where"),
    [
        ({}, "ModerationLabels"),
        ({"ModerationLabels": [{"Name": "X", "Confidence": 101}]}, "ModerationLabels.0.Confidence"),
        ({"ModerationLabels": [{"Confidence": 50}]}, "ModerationLabels.0.Name"),
        ({"ModerationLabels": [], "ModerationModelVersion": 7}, "ModerationModelVersion"),
    ],
)
async def test_a_malformed_answer_is_named(front: Front, answer: Any, where: str) -> None:
    front.answer(200, answer)
    with pytest.raises(BadAnswer, match=where):
        await checked(front)


class Recorder:
    """A client that keeps what it is given."""

    async def post_json(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.path, self.body = path, body
        return {"ModerationLabels": []}


async def sent(data: bytes, media_type: str) -> bytes:
    """The file as the service gets it."""
    recorder = Recorder()
    await RekognitionChecker(recorder).check_image(data, media_type)
    assert recorder.path == "DetectModerationLabels"
    assert recorder.body["MinConfidence"] == LEAST_CONFIDENCE
    return base64.b64decode(recorder.body["Image"]["Bytes"])


async def test_png_and_jpeg_go_as_they_are(front: Front) -> None:
    jpeg = file(Image.new("RGB", (64, 64)), "JPEG")
    assert await sent(PNG, "image/png") == PNG
    assert await sent(jpeg, "image/jpeg") == jpeg


@pytest.mark.parametrize(
    ("picture", "kind", "size"),
    [
        (Image.new("RGBA", (64, 80)), "WEBP", (64, 80)),
        (Image.new("RGB", (8, 16), (9, 9, 9)), "PNG", (50, 50)),
        (Image.new("RGB", (4096, 8)), "WEBP", (1600, 50)),
    ],
)
async def test_what_rekognition_does_not_take_goes_as_a_jpeg_that_it_does(
    picture: Image.Image, kind: str, size: tuple[int, int]
) -> None:
    with Image.open(BytesIO(await sent(file(picture, kind), f"image/{kind.lower()}"))) as made:
        assert (made.format, made.size) == ("JPEG", size)


async def test_a_file_that_is_too_large_is_scaled_down() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (1300, 2600, 3), np.uint8)
    large = file(Image.fromarray(noise))
    assert len(large) > 5_242_880
    told = await sent(large, "image/png")
    assert len(told) <= 5_242_880
    with Image.open(BytesIO(told)) as made:
        assert made.size == (1600, 800)


@pytest.mark.parametrize(("data", "media_type"), [(b"%PDF-1.7", "application/pdf"), (b"rubbish", "image/png")])
async def test_what_is_no_image_is_not_sent(data: bytes, media_type: str) -> None:
    recorder = Recorder()
    with pytest.raises(InvalidInput):
        await RekognitionChecker(recorder).check_image(data, media_type)
    assert not hasattr(recorder, "body")


async def test_text_is_not_its_business() -> None:
    with pytest.raises(InvalidInput, match="images, not text"):
        await RekognitionChecker(Recorder()).check_text("a fox")
