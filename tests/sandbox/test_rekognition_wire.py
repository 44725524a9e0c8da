"""The sandbox's Rekognition as its documentation has it: labels in levels, errors by name with status 400."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from .conftest import Probe, png_of

TARGET = "RekognitionService.DetectModerationLabels"
KIND = "application/x-amz-json-1.1"


async def detect(probe: Probe, body: Any, **headers: str) -> tuple[int, Any]:
    given = {"Authorization": "Bearer offline", "X-Amz-Target": TARGET, "Content-Type": KIND, **headers}
    data = BytesIO(json.dumps(body).encode())
    async with probe.session.post(f"{probe.url}/rekognition/", data=data, headers=given) as reply:
        return reply.status, json.loads(await reply.read())


def shown(colour: tuple[int, int, int] = (40, 120, 200), size: int = 64, **more: Any) -> dict[str, Any]:
    return {"Image": {"Bytes": base64.b64encode(png_of(colour, (size, size))).decode()}, **more}


async def test_what_is_harmless_has_no_labels(probe: Probe) -> None:
    status, told = await detect(probe, shown())
    assert (status, told) == (200, {"ModerationLabels": [], "ModerationModelVersion": "7.0", "ContentTypes": []})
    assert len(await probe.calls("moderation")) == 1


async def test_what_is_harmful_is_labelled_on_every_level(probe: Probe) -> None:
    _, told = await detect(probe, shown((255, 0, 0)))
    assert [(one["Name"], one["ParentName"], one["TaxonomyLevel"]) for one in told["ModerationLabels"]] == [
        ("Violence", "", 1),
        ("Graphic Violence", "Violence", 2),
        ("Physical Violence", "Graphic Violence", 3),
    ]
    assert {one["Confidence"] for one in told["ModerationLabels"]} == {97.0}


async def test_only_labels_of_the_least_confidence_are_told(probe: Probe) -> None:
    assert (await detect(probe, shown((255, 0, 0), MinConfidence=98)))[1]["ModerationLabels"] == []
    every = (await detect(probe, shown(MinConfidence=0)))[1]["ModerationLabels"]
    assert {one["Name"] for one in every} >= {"Explicit", "Violence", "Blood & Gore", "Self-Harm"}


def webp() -> str:
    file = BytesIO()
    Image.new("RGB", (64, 64)).save(file, "WEBP")
    return base64.b64encode(file.getvalue()).decode()


@pytest.mark.parametrize(
    ("body", "headers", "error"),
    [
        ({}, {}, "SerializationException"),
        (shown(MinConfidence=101), {}, "InvalidParameterException"),
        (shown(size=49), {}, "InvalidParameterException"),
        ({"Image": {"Bytes": "no base64!"}}, {}, "InvalidImageFormatException"),
        ({"Image": {"Bytes": webp()}}, {}, "InvalidImageFormatException"),
        ({"Image": {"Bytes": base64.b64encode(bytes(5_242_881)).decode()}}, {}, "ImageTooLargeException"),
        (shown(), {"X-Amz-Target": "RekognitionService.DetectFaces"}, "UnknownOperationException"),
        (shown(), {"Content-Type": "application/json"}, "UnknownOperationException"),
        (shown(), {"Authorization": ""}, "MissingAuthenticationTokenException"),
    ],
)
async def test_every_refusal_is_a_400_that_names_itself(probe: Probe, body: Any, headers: Any, error: str) -> None:
    status, told = await detect(probe, body, **headers)
    assert (status, told["__type"]) == (400, error)
