"""What Google answers with status 200: images, words alone, and the several forms of a block."""

from __future__ import annotations

import base64
from typing import Any

from . import judge
from .google_models import Gemini, usage_of
from .google_request import Asked

_SENSITIVE = (
    "Unable to show the generated image. The image was filtered out because it violated Google's Generative AI "
    "Prohibited Use Policy. You will not be charged for this request. Try rephrasing the prompt."
)
FILTERED = (
    "Unable to show generated images. All images were filtered out because they violated Google's Responsible AI "
    "practices. You will not be charged for blocked images. Try rephrasing the prompt. Support codes: 56562880"
)
UNSPEAKABLE = (
    "The prompt could not be submitted. This prompt contains sensitive words that violate Google's Responsible AI "
    "practices. Try rephrasing the prompt. Support codes: 58061214"
)
_WORDS_ALONE = "I can describe this picture, but I cannot make it: you asked for words only."


def images(
    asked: Asked, model: Gemini, data: bytes, usage: dict[str, Any], *, response_id: str, vertex: bool
) -> dict[str, Any]:
    """The picture, with the words before it; Vertex tells of the safety of each candidate."""
    blob = {"mimeType": f"image/{asked.kind}", "data": base64.b64encode(data).decode()}
    parts = [{"text": "Here is your image: "}, {"inlineData": blob}]
    candidate: dict[str, Any] = {
        "content": {"role": "model", "parts": parts},
        "finishReason": "STOP",
        "index": 0,
    }
    if vertex:
        candidate["safetyRatings"] = [
            {"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE", "severity": "HARM_SEVERITY_LOW"}
        ]
    return _told({"candidates": [candidate]}, model, usage, response_id)


def words_alone(model: Gemini, usage: dict[str, Any], *, response_id: str) -> dict[str, Any]:
    """A model that would rather talk: it stopped of its own accord, and there is no picture."""
    content = {"role": "model", "parts": [{"text": _WORDS_ALONE}]}
    return _told({"candidates": [{"content": content, "finishReason": "STOP", "index": 0}]}, model, usage, response_id)


def blocked_prompt(reason: str, model: Gemini, asked: Asked, *, response_id: str, vertex: bool) -> dict[str, Any]:
    """The prompt never reached the model. Only Vertex has words for it."""
    feedback = {"blockReason": reason}
    if vertex:
        feedback["blockReasonMessage"] = "The prompt is blocked: it contains content that may violate our policies."
    return _told({"promptFeedback": feedback}, model, _prompt_alone(model, asked), response_id)


def blocked_image(model: Gemini, asked: Asked, *, response_id: str) -> dict[str, Any]:
    """The picture was made and is not shown."""
    candidate = {"finishReason": "IMAGE_SAFETY", "finishMessage": _SENSITIVE, "index": 0}
    return _told({"candidates": [candidate]}, model, _prompt_alone(model, asked), response_id)


def reason_of(categories: list[str]) -> str:
    """Google's word for what the sandbox's judge found."""
    return "PROHIBITED_CONTENT" if "sexual/minors" in categories else "SAFETY"


def found_in(asked: Asked) -> tuple[list[str], list[str]]:
    """What the judge finds in the prompt, and in the images that came with it."""
    found = judge.reasons(judge.text_scores(asked.prompt))
    if asked.harmless:
        found = [category for category in found if category == "sexual/minors"]
    seen = [one for source in asked.sources for one in judge.reasons(judge.image_scores(source.pixels))]
    return found, seen


def _prompt_alone(model: Gemini, asked: Asked) -> dict[str, Any]:
    usage = usage_of(model, asked.prompt, len(asked.sources), None)
    into = {name: usage[name] for name in ("promptTokenCount", "promptTokensDetails")}
    return {**into, "totalTokenCount": usage["promptTokenCount"]}


def _told(body: dict[str, Any], model: Gemini, usage: dict[str, Any], response_id: str) -> dict[str, Any]:
    return {**body, "usageMetadata": usage, "modelVersion": model.name, "responseId": response_id}
