"""A request in the words of Stability's forms: fields, files, and the limits of what goes in. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import InvalidInput
from .imagefile import size_of
from .limits import Checked, check_size, nearest_ratio
from .model import Model
from .request import GenerationRequest, SourceImage

_LARGEST_REQUEST = 10 * 1024 * 1024
_ROOM_FOR_FIELDS = 64 * 1024
_USUAL_STRENGTH = 0.5
"""Stability requires a strength with an image and has no default of its own."""
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
_FILES = {
    "control/style-transfer": ("init_image", "style_image"),
    "edit/replace-background-and-relight": ("subject_image", "background_reference"),
}
"""Where there are two images, and they are not called ``image``."""
_WORDS = {"edit/replace-background-and-relight": "background_prompt"}
_NEEDED = {"edit/search-and-replace": "search_prompt", "edit/search-and-recolor": "select_prompt"}
_OWN_SIZE = frozenset({"upscale/conservative", "upscale/creative"})
"""They make about four megapixels of whatever they get; no factor can be asked for."""


@dataclass(frozen=True)
class Input:
    """What a service takes for an image; None = no limit is documented."""

    least_side: int = 64
    most_side: int | None = None
    most_pixels: int | None = 9_437_184
    most_aspect: float | None = 2.5


_INPUTS = {
    "generate/ultra": Input(most_side=16_384, most_pixels=None, most_aspect=None),
    "generate/sd3": Input(most_pixels=None, most_aspect=None),
    "edit/inpaint": Input(most_aspect=None),
    "edit/erase": Input(most_aspect=None),
    "upscale/fast": Input(least_side=32, most_side=1536, most_pixels=1_048_576, most_aspect=None),
    "upscale/creative": Input(most_pixels=1_048_576, most_aspect=None),
}


def fields_of(
    model: Model, request: GenerationRequest, checked: Checked, path: str = ""
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The form's plain fields, and the names of what is ignored. Raises InvalidInput.

    ``path`` is the service where the model's endpoint is not: on Bedrock they have other names and the same fields.
    """
    path = path or model.endpoint[request.task]
    needed = _NEEDED.get(path)
    if needed and not str(checked.parameters.get(needed, "")).strip():
        raise InvalidInput(f"{needed}: {model.name} needs it.", hint=model.parameters[needed].help)
    fields: dict[str, Any] = {}
    if request.prompt.strip() and model.prompt.get(request.task) != "none":
        fields[_WORDS.get(path, "prompt")] = request.prompt
    fields |= checked.wire
    if model.negative_prompt and request.negative_prompt:
        fields["negative_prompt"] = request.negative_prompt
    if checked.seed is not None:
        fields["seed"] = checked.seed
    fields |= _task_fields(path, model, request, fields)
    return fields, _ratio(model, request, fields) + (("scale",) if path in _OWN_SIZE and request.scale else ())


def files_of(model: Model, request: GenerationRequest) -> tuple[tuple[str, str, str, bytes], ...]:
    """Image and mask as parts of the form. White is repainted there as it is with us. Raises InvalidInput."""
    path = model.endpoint[request.task]
    files: list[tuple[str, str, str, bytes]] = []
    for part, image in zip(_FILES.get(path, ("image",)), _given(path, request), strict=False):
        check_image(path, model, image)
        name = f"image.{_EXTENSIONS.get(image.media_type, 'png')}"
        files.append((part, name, image.media_type, image.data))
    if request.mask is not None:
        files.append(("mask", "mask.png", request.mask.media_type, request.mask.data))
    total = sum(len(data) for *_, data in files)
    if total > _LARGEST_REQUEST - _ROOM_FOR_FIELDS:
        raise InvalidInput(
            f"images: {total / 2**20:.1f} MiB; Stability takes at most 10 MiB in one request.",
            hint="Scale the image down, or save it as JPEG or WebP.",
        )
    return tuple(files)


def _given(path: str, request: GenerationRequest) -> tuple[SourceImage, ...]:
    """The images that go in. A style must come along: without a second image, the first one is its own."""
    if path == "control/style-transfer" and len(request.images) == 1:
        return request.images * 2
    return request.images


def _task_fields(path: str, model: Model, request: GenerationRequest, fields: dict[str, Any]) -> dict[str, Any]:
    if path == "generate/sd3":
        mode = "image-to-image" if request.images else "text-to-image"
        more: dict[str, Any] = {"model": model.name.partition("/")[2], "mode": mode}
        return more | _strength(request, fields)
    if path == "generate/ultra":
        return _strength(request, fields)
    margins = request.margins
    if path == "edit/outpaint" and margins is not None:
        sides = {"left": margins.left, "right": margins.right, "up": margins.top, "down": margins.bottom}
        return {name: pixels for name, pixels in sides.items() if pixels}
    return {}


def _strength(request: GenerationRequest, fields: dict[str, Any]) -> dict[str, Any]:
    return {"strength": _USUAL_STRENGTH} if request.images and "strength" not in fields else {}


def _ratio(model: Model, request: GenerationRequest, fields: dict[str, Any]) -> tuple[str, ...]:
    """Put the wished size into ``fields`` as a ratio, where the service takes one; the names of what is ignored."""
    own = model.parameters.get("aspect_ratio")
    if own is None or (own.tasks is not None and request.task not in own.tasks):
        # The size is that of the image that goes in, or follows from it.
        return ("width", "height") if request.width or request.height else ()
    size = check_size(model, request)
    if size is None:
        return ()
    if "aspect_ratio" in fields:
        # What is asked for in the vendor's own words wins over what we would make of the size.
        return ("width", "height")
    fields["aspect_ratio"] = nearest_ratio(own.choices, *size)
    return ()


def check_image(path: str, model: Model, image: SourceImage) -> None:
    """Raises InvalidInput where this service does not take an image of this size."""
    rule = _INPUTS.get(path, Input())
    width, height = size_of(image)
    problem = None
    if min(width, height) < rule.least_side:
        problem = f"each side has at least {rule.least_side} pixels"
    elif rule.most_side is not None and max(width, height) > rule.most_side:
        problem = f"each side has at most {rule.most_side} pixels"
    elif rule.most_pixels is not None and width * height > rule.most_pixels:
        problem = f"at most {rule.most_pixels} pixels in all"
    elif rule.most_aspect is not None and max(width, height) > rule.most_aspect * min(width, height):
        problem = f"the longer side is at most {rule.most_aspect:g} times the shorter"
    if problem:
        raise InvalidInput(
            f"images: {model.name} does not take {width}x{height}: {problem}.", hint="Scale or crop the image."
        )
