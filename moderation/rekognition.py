"""Amazon Rekognition as a checker of images: its moderation labels, told in our categories.

Wire facts: botocore 1.44.5 (DetectModerationLabels: ``Image.Bytes`` of PNG or JPEG, at most 5 MiB; answered with
``ModerationLabels`` of ``Name``, ``ParentName`` and ``Confidence`` 0 to 100, and ``ModerationModelVersion``). The
labels are those of moderation model version 7, in three levels: "Using the image and video moderation APIs" of
Rekognition's developer guide, read in excerpts 2026-11-21; the whole list as the MemoLens project has it (third party).

The guide says that Rekognition does not tell illegal content, such as abuse of children: a policy names another checker
for that. AWS bills each image.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import Self

from ..errors import BadAnswer, InvalidInput
from .base import Checker, Connect, JsonClient, Scores
from .fitting import Takes, fitted

OPERATION = "DetectModerationLabels"
_TAKES = Takes(
    media_types=frozenset({"image/png", "image/jpeg"}),
    # botocore's model (ImageBlob); the side: "Guidelines and quotas in Amazon Rekognition" for moderation.
    most_bytes=5_242_880,
    least_side=50,
)
LEAST_CONFIDENCE = 5.0
"""Percent. Below that a label is not told, and its category scores 0; AWS's own default is 50."""
_LEVELS = 3

CATEGORIES: Mapping[str, str] = {
    "Explicit": "sexual",
    "Explicit Nudity": "sexual",
    "Exposed Male Genitalia": "sexual",
    "Exposed Female Genitalia": "sexual",
    "Exposed Buttocks or Anus": "nudity",
    "Exposed Female Nipple": "nudity",
    "Explicit Sexual Activity": "sexual",
    "Sex Toys": "sexual",
    "Non-Explicit Nudity of Intimate parts and Kissing": "suggestive",
    "Non-Explicit Nudity": "suggestive",
    "Obstructed Intimate Parts": "suggestive",
    "Kissing on the Lips": "suggestive",
    "Swimwear or Underwear": "suggestive",
    "Violence": "violence",
    "Weapons": "weapons",
    "Graphic Violence": "violence/graphic",
    "Weapon Violence": "violence",
    "Physical Violence": "violence",
    "Explosions and Blasts": "violence",
    "Self-Harm": "self-harm",
    "Blood & Gore": "violence/graphic",
    "Visually Disturbing": "disturbing",
    "Death and Emaciation": "violence/graphic",
    "Crashes": "disturbing",
    "Drugs & Tobacco": "drugs",
    "Alcohol": "alcohol",
    "Rude Gestures": "rude",
    "Gambling": "gambling",
    "Hate Symbols": "hate",
}
"""By label; one that is not here has its parent's. Suggestive, weapons, disturbing, drugs, alcohol, rude and gambling
are Rekognition's own: they decide nothing until a policy names them."""


class _Answered(BaseModel):
    # Lax about what is added, strict about what is read.
    model_config = ConfigDict(extra="ignore", strict=True)


class _Label(_Answered):
    Name: str
    ParentName: str = ""
    Confidence: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class _Moderation(_Answered):
    ModerationLabels: list[_Label]
    ModerationModelVersion: str = ""


class RekognitionChecker(Checker):
    """Scores images by Rekognition's moderation labels."""

    name = "rekognition"
    subjects = frozenset({"image"})
    local = False

    @classmethod
    def open(cls, connect: Connect) -> Self | None:
        client = connect("rekognition")
        return cls(client) if client is not None else None

    def __init__(self, client: JsonClient) -> None:
        self._client = client

    async def check_text(self, text: str, negative: str = "") -> Scores:
        raise InvalidInput("Rekognition judges images, not text.")

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        if not media_type.startswith("image/"):
            raise InvalidInput(f"Only images can be checked, not {media_type}.")
        text = await asyncio.to_thread(_base64, data, media_type)
        body = {"Image": {"Bytes": text}, "MinConfidence": LEAST_CONFIDENCE}
        answer = await self._client.post_json(OPERATION, body)
        try:
            parsed = _Moderation.model_validate(answer)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise BadAnswer(
                f"Rekognition's answer is wrong at {where}: {first['msg']}.", provider="rekognition"
            ) from error
        return _scores(parsed.ModerationLabels, parsed.ModerationModelVersion)


def _base64(data: bytes, media_type: str) -> str:
    return base64.b64encode(fitted(data, media_type, _TAKES)).decode()


def _scores(labels: list[_Label], version: str) -> Scores:
    """Each category's highest confidence, and as its rule the label that it comes from."""
    scores = dict.fromkeys(sorted(set(CATEGORIES.values())), 0.0)
    rules: dict[str, str] = {}
    for label in labels:
        named = _named(label, labels)
        category = _category(named)
        score = label.Confidence / 100
        if score > scores.get(category, 0.0):
            scores[category], rules[category] = score, f"rekognition/{_slug(named.Name)}"
    return Scores(scores=scores, rules=rules, model=f"rekognition-moderation {version or 'of unknown version'}")


def _named(label: _Label, labels: list[_Label]) -> _Label:
    """What a label means: that of its labels below of which Rekognition is surest. "Violence" alone may be a sword."""
    for _ in range(_LEVELS):
        below = [one for one in labels if one.ParentName == label.Name]
        if not below:
            break
        label = max(below, key=lambda one: one.Confidence)
    return label


def _category(label: _Label) -> str:
    return CATEGORIES.get(label.Name) or CATEGORIES.get(label.ParentName) or _slug(label.ParentName or label.Name)


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
