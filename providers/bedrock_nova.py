"""A request in Nova Canvas's words: a task type, that task's own parameters, and what all tasks share. Pure.

Wire facts: Amazon's Nova user guide ("Image generation and editing"), read in excerpts 2026-11-21. A mask is pure black
and white: an inpainting repaints what is **black**, an outpainting what is **white**. Reported as switched off since
2026-09-30; the wire is kept for who still has it under an agreement of their own, and for the records that name it.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from .bedrock_request import base64_of, check_body
from .imagefile import inverted_mask, read
from .limits import Checked, check_size
from .model import Model
from .request import GenerationRequest, SourceImage, Task
from .reshaping import outpainted_size, padded

_TASKS: dict[Task, tuple[str, str]] = {
    "text-to-image": ("TEXT_IMAGE", "textToImageParams"),
    "variation": ("IMAGE_VARIATION", "imageVariationParams"),
    "inpaint": ("INPAINTING", "inPaintingParams"),
    "outpaint": ("OUTPAINTING", "outPaintingParams"),
}
_MODE = "outPaintingMode"
_SIMILARITY = "similarityStrength"
_OWN = frozenset({_MODE, _SIMILARITY})
"""Words of a task's own parameters; the other ones of the catalog belong to all tasks."""


def speaks(endpoint: str) -> bool:
    """Whether this model id is one of Nova's."""
    return endpoint.startswith("amazon.nova-canvas")


def fields_of(model: Model, request: GenerationRequest, checked: Checked) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The JSON body, and the names of what is ignored. Raises InvalidInput."""
    kind, name = _TASKS[request.task]
    own = {
        **({"text": request.prompt} if request.prompt.strip() else {}),
        **({"negativeText": request.negative_prompt} if request.negative_prompt else {}),
        **_images(request),
        **{word: value for word, value in checked.wire.items() if word in _OWN},
    }
    shared = {"numberOfImages": request.count, **{word: v for word, v in checked.wire.items() if word not in _OWN}}
    ignored = _size(model, request, shared)
    if checked.seed is not None:
        shared["seed"] = checked.seed
    check_body(own)
    return {"taskType": kind, name: own, "imageGenerationConfig": shared}, ignored


def _size(model: Model, request: GenerationRequest, shared: dict[str, Any]) -> tuple[str, ...]:
    """Put the size into ``shared``, where the task has one of its own; the names of what is ignored."""
    if request.task in ("inpaint", "outpaint"):
        if request.task == "outpaint":
            width, height = outpainted_size(request)
            check_size(model, request.model_copy(update={"width": width, "height": height}))
        return ("width", "height") if request.width or request.height else ()
    if (size := check_size(model, request)) is not None:
        shared["width"], shared["height"] = size
    return ()


def _images(request: GenerationRequest) -> dict[str, Any]:
    if request.task == "variation":
        return {"images": [base64_of(image) for image in request.images]}
    if request.task == "outpaint":
        # It only repaints: the canvas must have its size already.
        canvas, mask = padded(request)
        return {"image": base64_of(canvas), "maskImage": base64_of(mask)}
    if request.task == "inpaint" and request.mask is not None:
        return {"image": base64_of(request.images[0]), "maskImage": base64_of(inverted_mask(_two_tone(request.mask)))}
    return {}


def _two_tone(mask: SourceImage) -> SourceImage:
    """The mask with its greys decided at the middle: Nova refuses one that is not pure black and white."""
    with read(mask, "The mask") as picture:
        pure = picture.convert("L").point([0] * 128 + [255] * 128)
    file = BytesIO()
    pure.save(file, "PNG")
    return SourceImage(data=file.getvalue(), media_type="image/png")
