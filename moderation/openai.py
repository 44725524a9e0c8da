"""The OpenAI moderation endpoint as a checker of prompts and images. It is free of charge.

Wire facts (openai package 3.52.0 and its types, 2026-11): ``POST /moderations`` with ``model`` and ``input``; the
answer holds ``results[].category_scores`` (13 categories, 0 to 1) and ``category_applied_input_types``. From pixels
only self-harm, sexual and violence are scored, each with its sub-categories: harassment, hate, illicit and
sexual/minors come back for an image without having been looked at, so they are left out here.
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
from .verdict import Subject

MODEL = "omni-moderation-latest"
_LARGE = 64 * 1024  # bytes of an image that are written as text in a thread

SCORED_FROM_PIXELS = frozenset(
    {"self-harm", "self-harm/intent", "self-harm/instructions", "sexual", "violence", "violence/graphic"}
)

_INPUT_TYPE: Mapping[Subject, str] = {"prompt": "text", "image": "image"}


class _Answered(BaseModel):
    # Lax about what is added, strict about what is read.
    model_config = ConfigDict(extra="ignore", strict=True)


class _Result(_Answered):
    category_scores: dict[str, Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] | None]
    category_applied_input_types: dict[str, list[str] | None] = {}


class _Moderation(_Answered):
    model: str
    results: Annotated[list[_Result], Field(min_length=1)]


class OpenAIChecker(Checker):
    """Scores prompts and images by OpenAI's own categories."""

    name = "openai"
    subjects = frozenset({"prompt", "image"})
    local = False

    @classmethod
    def open(cls, connect: Connect) -> Self | None:
        client = connect("openai")
        return cls(client) if client is not None else None

    def __init__(self, client: JsonClient, *, model: str = MODEL) -> None:
        self._client = client
        self._model = model

    async def check_text(self, text: str, negative: str = "") -> Scores:
        # The negative prompt is not sent: it lists what shall be absent, and would be scored as if it were wanted.
        if not text.strip():
            return Scores(scores={}, model=self._model)
        return await self._ask("prompt", text)

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        if not media_type.startswith("image/"):
            raise InvalidInput(f"Only images can be checked, not {media_type}.")
        large = len(data) > _LARGE
        url = await asyncio.to_thread(_data_uri, data, media_type) if large else _data_uri(data, media_type)
        return await self._ask("image", [{"type": "image_url", "image_url": {"url": url}}])

    async def _ask(self, subject: Subject, content: str | list[dict[str, Any]]) -> Scores:
        answer = await self._client.post_json("/moderations", {"model": self._model, "input": content})
        try:
            parsed = _Moderation.model_validate(answer)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"]))
            raise BadAnswer(
                f"OpenAI's moderation answer is wrong at {where}: {first['msg']}.", provider="openai"
            ) from error
        return Scores(scores=_scores(parsed.results[0], subject), model=parsed.model)


def _data_uri(data: bytes, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def _scores(result: _Result, subject: Subject) -> dict[str, float]:
    return {
        category: score
        for category, score in result.category_scores.items()
        if score is not None and _was_scored(category, result.category_applied_input_types.get(category), subject)
    }


def _was_scored(category: str, applied: list[str] | None, subject: Subject) -> bool:
    if applied is not None:
        return _INPUT_TYPE[subject] in applied
    return subject == "prompt" or category in SCORED_FROM_PIXELS
