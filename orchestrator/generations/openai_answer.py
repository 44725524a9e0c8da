"""A job's images as OpenAI's clients expect them. Pure.

OpenAI counts tokens, which nobody tells us for a picture of another provider: the counts are zero, and what it really
cost stands beside them.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..jobs.job import Job, Made
from .openai_body import OpenAIOptions


class _View(BaseModel):
    model_config = ConfigDict(frozen=True)


class TokenDetails(_View):
    """How the tokens are made up."""

    image_tokens: int = 0
    text_tokens: int = 0


class OpenAIUsage(_View):
    """Tokens are not counted here, so they are zero; ``cost_microusd`` is what the job cost, in micro-dollars."""

    input_tokens: int = 0
    input_tokens_details: TokenDetails = TokenDetails()
    output_tokens: int = 0
    output_tokens_details: TokenDetails = TokenDetails()
    total_tokens: int = 0
    cost_microusd: int = Field(description="What the job cost, in millionths of a dollar.")


class OpenAIImage(_View):
    """One image, as its bytes or as a link that expires."""

    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class OpenAIImages(_View):
    """The answer to a request for images."""

    created: int = Field(description="Seconds since 1970.")
    data: list[OpenAIImage]
    background: Literal["transparent", "opaque"] = "opaque"
    output_format: str
    quality: str | None = None
    size: str | None
    usage: OpenAIUsage
    job_id: str = Field(description="The job that made it: `GET /v1/jobs/{job_id}` tells more.")


def pictures(job: Job) -> list[Made]:
    """The images among what the job made, without those that wait for a person."""
    return [made for made in job.outputs if made.media_type.startswith("image/") and not made.withheld]


def images(job: Job, body: OpenAIOptions, data: Sequence[OpenAIImage]) -> OpenAIImages:
    """The whole answer; ``data`` are its images in the job's order."""
    made = pictures(job)
    return OpenAIImages(
        created=_seconds(job),
        data=list(data),
        background=_background(body),
        output_format=_format(made),
        quality=_quality(body),
        size=_size(made),
        usage=OpenAIUsage(cost_microusd=job.cost_microusd),
        job_id=job.job_id,
    )


def encoded(data: bytes) -> str:
    """Bytes as they stand in ``b64_json``."""
    return base64.b64encode(data).decode()


def partial(body: OpenAIOptions, kind: str, at: int, index: int, data: bytes, media_type: str) -> dict[str, Any]:
    """The event for how the image looks so far. ``kind``: ``image_generation`` or ``image_edit``."""
    return {
        "type": f"{kind}.partial_image",
        "b64_json": encoded(data),
        "background": body.background or "auto",
        "created_at": at,
        "output_format": media_type.removeprefix("image/"),
        "partial_image_index": index,
        "quality": _quality(body) or "auto",
        "size": body.size or "auto",
    }


def completed(body: OpenAIOptions, kind: str, job: Job, data: bytes) -> dict[str, Any]:
    """The event for the finished image."""
    made = pictures(job)
    return {
        "type": f"{kind}.completed",
        "b64_json": encoded(data),
        "background": _background(body),
        "created_at": _seconds(job),
        "output_format": _format(made),
        "quality": _quality(body) or "auto",
        "size": _size(made) or "auto",
        "usage": OpenAIUsage(cost_microusd=job.cost_microusd).model_dump(),
        "job_id": job.job_id,
    }


def _seconds(job: Job) -> int:
    return int((job.ended_at or job.submitted_at).timestamp())


def _background(body: OpenAIOptions) -> Literal["transparent", "opaque"]:
    return "transparent" if body.background == "transparent" else "opaque"


def _quality(body: OpenAIOptions) -> str | None:
    return body.quality if body.quality in ("low", "medium", "high", "xhigh", "max") else None


def _format(made: Sequence[Made]) -> str:
    return made[0].media_type.removeprefix("image/") if made else "png"


def _size(made: Sequence[Made]) -> str | None:
    return f"{made[0].width}x{made[0].height}" if made and made[0].width and made[0].height else None
