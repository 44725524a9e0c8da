"""Nova Canvas as it answered while it lived: task types, each with its own parameters, one to five images a call.

From Amazon's Nova user guide ("Image generation and editing", "Error handling"), read in excerpts 2026-11-21. The tasks
that colours, a removed background or a worn garment are for are not served.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .aws import Refused
from .bedrock_request import decoded, invalid
from .brush import Canvas

_TASKS: dict[str, tuple[str, frozenset[str]]] = {
    "TEXT_IMAGE": ("textToImageParams", frozenset(("text", "negativeText"))),
    "IMAGE_VARIATION": (
        "imageVariationParams", frozenset(("text", "negativeText", "images", "similarityStrength")),
    ),
    "INPAINTING": ("inPaintingParams", frozenset(("text", "negativeText", "image", "maskImage"))),
    "OUTPAINTING": (
        "outPaintingParams", frozenset(("text", "negativeText", "image", "maskImage", "outPaintingMode")),
    ),
}  # fmt: skip
_SHARED = frozenset(("width", "height", "numberOfImages", "quality", "cfgScale", "seed"))
_RANGES = {
    "width": (320, 4096), "height": (320, 4096), "numberOfImages": (1, 5), "cfgScale": (1.1, 10),
    "seed": (0, 858_993_459), "similarityStrength": (0.2, 1),
}  # fmt: skip
_MOST_PIXELS = 4_194_304
_LONGEST_TEXT = 1024
BLOCKED_TEXT = (
    "This request has been blocked by our content filters. Please adjust your text prompt to submit a new request."
)
BLOCKED_ALL = "All of the generated images have been blocked by our content filters."
BLOCKED_SOME = "Some of the generated images have been blocked by our content filters."


@dataclass(frozen=True)
class Wanted:
    """A request that is in order."""

    text: str
    size: tuple[int, int]
    count: int
    seed: int
    images: list[picture.Source]
    where: NDArray[np.bool_] | None
    """What may change: black for an inpainting, white for an outpainting."""

    def draw(self, index: int) -> Canvas:
        """One of its images."""
        if not self.images:
            return picture.draw(self.text, *self.size, self.seed, index)
        return picture.edit(self.images, self.text or "open land", *self.size, self.seed, index, self.where)


def read_body(body: Mapping[str, Any]) -> Wanted:
    """Check a request. Raises :class:`Refused`."""
    task = body.get("taskType")
    if task not in _TASKS:
        raise invalid(
            "Malformed input request: taskType is not one of the supported tasks, please reformat your input."
        )
    name, known = _TASKS[task]
    own, shared = _objects(body, name)
    _check({**own, **shared}, known | _SHARED)
    text = str(own.get("text", ""))
    if (task == "TEXT_IMAGE" and not text) or len(text) > _LONGEST_TEXT:
        raise invalid(f"text: must have 1 to {_LONGEST_TEXT} characters")
    if judge.reasons(judge.text_scores(text)):
        raise Refused(400, "ValidationException", BLOCKED_TEXT)
    images = [_image("image", own["image"])] if "image" in own else []
    images += [_image("images", one) for one in own.get("images", [])]
    if task != "TEXT_IMAGE" and not 1 <= len(images) <= 5:
        raise invalid("image: one to five are required")
    where = _mask(own["maskImage"], images[0], task) if "maskImage" in own else None
    if where is None and task in ("INPAINTING", "OUTPAINTING"):
        raise invalid("maskImage or maskPrompt is required")
    size = images[0].size if where is not None else (int(shared.get("width", 1024)), int(shared.get("height", 1024)))
    _check_size(*size)
    return Wanted(text, size, int(shared.get("numberOfImages", 1)), int(shared.get("seed", 12)), images, where)


def _objects(body: Mapping[str, Any], name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    if set(body) - {"taskType", name, "imageGenerationConfig"}:
        raise invalid(
            f"Malformed input request: extraneous key [{min(set(body) - {'taskType', name})}] is not permitted."
        )
    own, shared = body.get(name), body.get("imageGenerationConfig", {})
    if not isinstance(own, dict) or not isinstance(shared, dict):
        raise invalid(f"Malformed input request: {name} is required, please reformat your input and try again.")
    return own, shared


def _check(fields: Mapping[str, Any], known: frozenset[str]) -> None:
    for field, value in fields.items():
        if field not in known:
            raise invalid(f"Malformed input request: extraneous key [{field}] is not permitted.")
        if field in _RANGES:
            low, high = _RANGES[field]
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise invalid(f"{field}: must be between {low:g} and {high:g}")
    if fields.get("quality", "standard") not in ("standard", "premium"):
        raise invalid("quality: must be standard or premium")
    if fields.get("outPaintingMode", "DEFAULT") not in ("DEFAULT", "PRECISE"):
        raise invalid("outPaintingMode: must be DEFAULT or PRECISE")


def _check_size(width: int, height: int) -> None:
    if min(width, height) < 320 or max(width, height) > 4096 or width * height > _MOST_PIXELS:
        raise invalid("width and height: 320 to 4096 pixels each, 4194304 in all")
    if width % 16 or height % 16 or max(width, height) > 4 * min(width, height):
        raise invalid("width and height: multiples of 16, the longer at most four times the shorter")


def _image(name: str, value: Any) -> picture.Source:
    try:
        return picture.read(decoded(name, value))
    except (NotAnImage, ImageTooLarge):
        raise invalid(f"{name}: must be a valid PNG or JPEG image") from None


def _mask(value: Any, image: picture.Source, task: str) -> NDArray[np.bool_]:
    mask = _image("maskImage", value)
    light = mask.pixels[..., :3]
    white, black = np.all(light == 255, axis=2), np.all(light == 0, axis=2)
    if not np.all(white | black):
        raise invalid("maskImage: only pure black and pure white pixels are allowed")
    if mask.size != image.size:
        raise invalid("maskImage: must have the size of the image")
    return np.asarray(black if task == "INPAINTING" else white)
