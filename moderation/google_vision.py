"""Google Cloud Vision's SafeSearch as a checker of images. Google bills each image beyond the first 1,000 of a month.

Wire facts: the reference of ``images:annotate`` (v1; ``safeSearchAnnotation`` has a likelihood in words for adult,
racy, violence, medical and spoof; an image that cannot be read has an ``error`` in its place) and its quotas (10 MB of
JSON). Sexual content about minors has no kind of its own here: a policy that needs an eye for that names another
checker too.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import Self

from ..errors import BadAnswer, InvalidInput, ProviderRefused
from .base import Checker, Connect, JsonClient, Scores
from .fitting import Takes, fitted
from .verdict import Subject

MODEL = "cloud-vision safe-search v1"
_INVALID_ARGUMENT = 3
"""google.rpc.Code of an image that Google cannot read."""
_TAKES = Takes(
    media_types=frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"}),
    # In base64 a third more, and the whole request has 10 MB at most.
    most_bytes=7 * 1024 * 1024,
    least_side=1,
)

SCORES: Mapping[str, float] = {
    "VERY_UNLIKELY": 0.0,
    "UNLIKELY": 0.2,
    "POSSIBLE": 0.5,
    "LIKELY": 0.75,
    "VERY_LIKELY": 0.95,
}
"""By likelihood, so that the thresholds of policies mean what the words say: what is unlikely passes, what is possible
or likely is flagged, and what is very likely is blocked. An ``UNKNOWN`` kind was not looked at."""
CATEGORIES: Mapping[str, str] = {
    "adult": "sexual",
    "violence": "violence",
    "racy": "racy",
    "medical": "medical",
    "spoof": "spoof",
}
"""What Google tells, in our categories. The last three decide nothing unless a policy names them."""

Likelihood = Literal["UNKNOWN", "VERY_UNLIKELY", "UNLIKELY", "POSSIBLE", "LIKELY", "VERY_LIKELY"]


class _Answered(BaseModel):
    # Lax about what is added, strict about what is read.
    model_config = ConfigDict(extra="ignore", strict=True)


class _SafeSearch(_Answered):
    adult: Likelihood = "UNKNOWN"
    violence: Likelihood = "UNKNOWN"
    racy: Likelihood = "UNKNOWN"
    medical: Likelihood = "UNKNOWN"
    spoof: Likelihood = "UNKNOWN"


class _Problem(_Answered):
    code: int = 0
    message: str = ""


class _Response(_Answered):
    error: _Problem | None = None
    annotation: _SafeSearch | None = Field(default=None, alias="safeSearchAnnotation")


class _Responses(_Answered):
    responses: Annotated[list[_Response], Field(min_length=1)]


class GoogleVisionChecker(Checker):
    """Scores images by how likely Google finds each kind of content."""

    name = "google-vision"
    subjects = frozenset[Subject]({"image"})
    local = False

    @classmethod
    def open(cls, connect: Connect) -> Self | None:
        client = connect("google-vision")
        return cls(client) if client is not None else None

    def __init__(self, client: JsonClient) -> None:
        self._client = client

    async def check_text(self, text: str, negative: str = "") -> Scores:
        raise InvalidInput("Cloud Vision judges images, not texts.")

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        if not media_type.startswith("image/"):
            raise InvalidInput(f"Only images can be checked, not {media_type}.")
        body = await asyncio.to_thread(_request, data, media_type)
        return _scores(_annotation(await self._client.post_json("images:annotate", body)))


def _request(data: bytes, media_type: str) -> dict[str, Any]:
    content = base64.b64encode(fitted(data, media_type, _TAKES)).decode()
    return {"requests": [{"image": {"content": content}, "features": [{"type": "SAFE_SEARCH_DETECTION"}]}]}


def _annotation(answer: dict[str, Any]) -> _SafeSearch:
    try:
        first = _Responses.model_validate(answer).responses[0]
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))
        raise _bad(f"is wrong at {where}: {problem['msg']}") from error
    if first.error is not None and first.error.code == _INVALID_ARGUMENT:
        raise InvalidInput("Only images can be checked; Cloud Vision cannot read this one.")
    if first.error is not None:
        raise ProviderRefused(
            f"Cloud Vision did not look at the image: {first.error.message[:300]}", provider="google-vision"
        )
    if first.annotation is None:
        raise _bad("has neither likelihoods nor an error")
    return first.annotation


def _scores(found: _SafeSearch) -> Scores:
    told = {kind: likelihood for kind, likelihood in found.model_dump().items() if likelihood != "UNKNOWN"}
    return Scores(
        scores={CATEGORIES[kind]: SCORES[likelihood] for kind, likelihood in told.items()},
        rules={"sexual": f"{GoogleVisionChecker.name}/adult"} if "adult" in told else {},
        model=MODEL,
    )


def _bad(what: str) -> BadAnswer:
    return BadAnswer(f"Cloud Vision's answer {what}.", provider="google-vision")
