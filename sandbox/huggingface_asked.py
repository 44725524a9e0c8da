"""What each of the router's runners takes in, read and checked; unknown fields are refused, so that one is noticed.

The bodies are those of huggingface_hub 2.4.0, recorded: the router passes them on as they are.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Any

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .huggingface_models import Pipeline, Repo
from .palette import Dice

_TUNING = frozenset(("negative_prompt", "guidance_scale", "seed"))
_STEPPED = _TUNING | {"num_inference_steps"}
_SIZED = frozenset(("width", "height"))
_KNOWN: dict[str, frozenset[str]] = {
    "hf-inference": _STEPPED | _SIZED | {"prompt", "scheduler"},
    "fal-ai": _STEPPED | {"prompt", "image_size", "image_url", "image_urls"},
    "replicate": _STEPPED | _SIZED | {"prompt", "image", "images", "input_image", "input_images"},
    "together": _TUNING | _SIZED | {"prompt", "model", "steps", "response_format", "image_url", "reference_images"},
    "nscale": _TUNING | {"prompt", "model", "size", "response_format"},
    "wavespeed": _STEPPED | _SIZED | {"prompt", "image"},
}
FORMATS: dict[str, picture.Format] = {
    "hf-inference": "png",
    "nscale": "png",
    "replicate": "webp",
    "fal-ai": "jpeg",
    "together": "jpeg",
    "wavespeed": "jpeg",
}
_IMAGE = {"fal-ai": "image_url", "replicate": "input_image", "together": "image_url", "wavespeed": "image"}
_ANSWERED_AS = {"together": "base64", "nscale": "b64_json"}
_MOST_SIDE = 2048


class Refused(Exception):
    """The runner does not do it. Not a failure of ours."""

    def __init__(self, status: int, text: str, field: str = "", *, blocked: bool = False) -> None:
        super().__init__(text)
        self.status, self.text, self.field, self.blocked = status, text, field, blocked


@dataclass(frozen=True)
class Asked:
    """A body that is in order."""

    repo: Repo
    route: str
    prompt: str
    size: tuple[int, int]
    seed: int
    sources: list[picture.Source] = field(default_factory=list)

    @property
    def kind(self) -> picture.Format:
        """The file format that this runner makes."""
        return FORMATS[self.route]

    @property
    def microusd(self) -> int:
        """What it costs; at an Endpoint, whose hours are paid for, nothing by the call."""
        runner = self.repo.runners.get(self.route)
        return runner.price(*self.size) if runner else 0

    def draw(self, *, black: bool = False) -> bytes:
        """The file; always the same one. ``black`` is what a safety checker leaves of it."""
        width, height = self.size
        if black:
            return picture.pack(picture.black(width, height), self.kind)
        if self.sources:
            return picture.pack(picture.edit(self.sources, self.prompt, width, height, self.seed), self.kind)
        return picture.pack(picture.draw(self.prompt, width, height, self.seed), self.kind)


def read(repo: Repo, route: str, body: Any, *, seed: int, pipeline: Pipeline | None = None) -> Asked:
    """What a body asks for. Raises :class:`Refused`. ``seed`` is the sandbox's own."""
    invalid = 422 if route == "fal-ai" else 400
    fields, image = _fields(route, body, pipeline or repo.pipeline)
    for name in fields:
        if name not in _KNOWN[route]:
            raise Refused(invalid, f"{name} is not a field of this model", name)
    prompt = fields.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise Refused(invalid, "Field required", "prompt")
    if judge.reasons(judge.text_scores(prompt)):
        raise blocked(route)
    sources = []
    if (pipeline or repo.pipeline) == "image-to-image":
        sources = [_picture(image, invalid)]
    own = fields.get("seed")
    chosen = Dice("seed", seed, prompt).below(2**31) if own is None else int(own) % 2**64
    return Asked(repo, route, prompt, sources[0].size if sources else _size(fields, invalid), chosen, sources)


def blocked(route: str) -> Refused:
    """The runner's filter stops it, in the runner's words."""
    texts = {
        "fal-ai": "The content could not be processed because it contained material flagged by a content checker.",
        "replicate": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
        "together": "The request was blocked: NSFW content detected.",
        "nscale": "Your request was rejected by our content policy.",
        "wavespeed": "Content flagged as potentially sensitive. Please try different prompts.",
        "hf-inference": "Potential NSFW content was detected.",
    }
    return Refused(422 if route == "fal-ai" else 400, texts[route], "prompt", blocked=True)


def _fields(route: str, body: Any, pipeline: Pipeline) -> tuple[dict[str, Any], Any]:
    """The fields, and the image as base64 or as a data URI."""
    body = body if isinstance(body, dict) else {}
    inside = {"replicate": "input", "hf-inference": "parameters"}.get(route)
    fields = body.get(inside, {}) if inside else body
    if not isinstance(fields, dict) or not body:
        raise Refused(400, "the body has no input", inside or "")
    wanted = _ANSWERED_AS.get(route)
    if wanted is not None and fields.get("response_format") != wanted:
        raise Refused(400, f"response_format must be {wanted}", "response_format")
    if route != "hf-inference":
        image = fields.get(_IMAGE.get(route, ""), fields.get("reference_images"))
        return fields, image[0] if isinstance(image, list) and image else image
    inputs = body.get("inputs")
    return (fields, inputs) if pipeline == "image-to-image" else ({**fields, "prompt": inputs}, None)


def _picture(image: Any, invalid: int) -> picture.Source:
    head, _, data = str(image or "").rpartition(",")
    try:
        return picture.read(base64.b64decode(data, validate=True))
    except (ValueError, NotAnImage, ImageTooLarge) as error:
        raise Refused(invalid, f"cannot identify image file {head[:40]}", "image") from error


def _size(fields: dict[str, Any], invalid: int) -> tuple[int, int]:
    given, text = fields.get("image_size", fields), fields.get("size")
    if isinstance(text, str):
        given = dict(zip(("width", "height"), map(int, text.split("x")), strict=True))
    size = (given.get("width", 1024), given.get("height", 1024))
    if not all(isinstance(side, int) and 64 <= side <= _MOST_SIDE for side in size):
        raise Refused(invalid, f"sides are from 64 to {_MOST_SIDE}", "width")
    return size
