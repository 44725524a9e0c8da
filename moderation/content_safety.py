"""Azure AI Content Safety as a checker of prompts and images, in its four categories. Azure bills each question.

Wire facts: the REST reference and TypeSpec of API version 2024-09-01: ``text:analyze`` takes at most 10,000 characters
(Unicode code points) and tells severities of 0 to 7 where eight levels are asked for; ``image:analyze`` takes base64 of
at most 4 MB and 50 to 7200 pixels a side, and tells 0, 2, 4 or 6. Sexual content about minors has no category of its
own here: a policy that needs an eye for that names another checker too.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from typing_extensions import Self

from ..errors import BadAnswer, InvalidInput
from .base import Checker, Connect, JsonClient, Scores
from .fitting import Takes, fitted
from .verdict import maxima

MODEL = "azure-content-safety 2024-09-01"
MOST_CHARACTERS = 10_000
_OVERLAP = 200
"""Characters that two pieces of a longer text share, so that nothing hides where it is cut."""
_TAKES = Takes(
    media_types=frozenset({"image/png", "image/jpeg", "image/webp", "image/gif", "image/bmp", "image/tiff"}),
    most_bytes=4 * 1024 * 1024,
    least_side=50,
    most_side=7200,
)

CATEGORIES: Mapping[str, str] = {"Hate": "hate", "SelfHarm": "self-harm", "Sexual": "sexual", "Violence": "violence"}
SCORES = (0.0, 0.1, 0.3, 0.4, 0.7, 0.8, 0.95, 1.0)
"""By severity. Azure calls 0 and 1 safe, 2 and 3 low, 4 and 5 medium, 6 and 7 high; these scores make the thresholds of
policies mean that: what is low passes, what is medium is flagged and what is high is blocked."""


class _Answered(BaseModel):
    # Lax about what is added, strict about what is read.
    model_config = ConfigDict(extra="ignore", strict=True)


class _Category(_Answered):
    category: str
    severity: Annotated[int, Field(ge=0, le=7)]


class _Analysis(_Answered):
    analysis: Annotated[list[_Category], Field(min_length=1, alias="categoriesAnalysis")]


class ContentSafetyChecker(Checker):
    """Scores prompts and images by Azure's severities."""

    name = "content-safety"
    subjects = frozenset({"prompt", "image"})
    local = False

    @classmethod
    def open(cls, connect: Connect) -> Self | None:
        client = connect("content-safety")
        return cls(client) if client is not None else None

    def __init__(self, client: JsonClient) -> None:
        self._client = client

    async def check_text(self, text: str, negative: str = "") -> Scores:
        # The negative prompt is not sent: it lists what shall be absent, and would be scored as if it were wanted.
        found = [
            await self._asked("text:analyze", {"text": piece, "outputType": "EightSeverityLevels"})
            for piece in _pieces(text)
        ]
        return Scores(scores=maxima(found), model=MODEL)

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        if not media_type.startswith("image/"):
            raise InvalidInput(f"Only images can be checked, not {media_type}.")
        content = await asyncio.to_thread(_base64, data, media_type)
        body = {"image": {"content": content}, "outputType": "FourSeverityLevels"}
        return Scores(scores=await self._asked("image:analyze", body), model=MODEL)

    async def _asked(self, operation: str, body: dict[str, Any]) -> dict[str, float]:
        answer = await self._client.post_json(operation, body)
        try:
            parsed = _Analysis.model_validate(answer)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise BadAnswer(
                f"Content Safety's answer is wrong at {where}: {first['msg']}.", provider="content-safety"
            ) from error
        return {CATEGORIES.get(one.category, one.category.lower()): SCORES[one.severity] for one in parsed.analysis}


def _pieces(text: str) -> list[str]:
    """The text in pieces that the service takes; none where there are no words."""
    if not text.strip():
        return []
    step = MOST_CHARACTERS - _OVERLAP
    return [text[start : start + MOST_CHARACTERS] for start in range(0, max(1, len(text) - _OVERLAP), step)]


def _base64(data: bytes, media_type: str) -> str:
    return base64.b64encode(fitted(data, media_type, _TAKES)).decode()
