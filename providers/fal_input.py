"""What each of fal's apps takes in: the images, the map, the factor and the size, under the names it has for them.

An app of the catalog is known here (:data:`_SHAPES`); of any other one ``Model.wire`` names ``image`` or ``images`` (a
list), ``mask`` and ``count``.

Wire facts: fal's model pages and llms.txt, 2026-11. ControlNet unions of ``fal-ai/flux-general`` take the map as it is.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InvalidInput
from .apps.model import AppModel
from .imagefile import size_of
from .limits import check_size, nearest_ratio
from .model import Model
from .request import GenerationRequest, SourceImage
from .reshaping import outpainted_size, padded, scale_of, scaled_size

Size = tuple[int, int]
_SIDES = "image_size"
UNION = "Shakker-Labs/FLUX.1-dev-ControlNet-Union-Pro"
"""The weights that ``fal-ai/flux-general`` is told to follow a map with."""
_MODES = {"edges": "canny", "depth": "depth", "pose": "pose"}


@dataclass(frozen=True)
class Shape:
    """How an app is told of its images, and what decides the size of its results."""

    image: str = "image_urls"
    several: bool = True
    """Whether that is a list of them."""
    size: Literal["asked", "source"] = "asked"


_ONE, _SAME_SIZE = Shape("image_url", several=False), Shape("image_url", several=False, size="source")
_SHAPES = {
    "fal-ai/flux/dev/image-to-image": _SAME_SIZE,
    "fal-ai/flux/dev/redux": _ONE,
    "fal-ai/flux-pro/v1/fill": _SAME_SIZE,
    "fal-ai/flux-pro/kontext": _ONE,
    "fal-ai/flux-pro/kontext/max": _ONE,
    "fal-ai/clarity-upscaler": _SAME_SIZE,
}
"""The apps of the catalog that take one image; the others there take a list of them."""


def put_input(model: Model, request: GenerationRequest, fields: dict[str, Any]) -> tuple[Size | None, tuple[str, ...]]:
    """Put images and size into ``fields``; the size of a result where it is known, and what was ignored.

    Raises InvalidInput.
    """
    app = model.endpoint[request.task]
    shape = _shape(model, app)
    if request.task == "control":
        fields["controlnet_unions"] = [_union(request, fields.pop("conditioning_scale", None))]
    elif request.task == "outpaint":
        size = _canvas(model, request)
        image, mask = padded(request)
        fields |= {"image_url": data_uri(image), "mask_url": data_uri(mask)}
        return size, _unasked(request)
    elif request.images:
        urls = [data_uri(image) for image in request.images]
        fields[shape.image] = urls if shape.several else urls[0]
        if request.mask is not None:
            # fal's fill takes our polarity: white is repainted.
            fields[model.wire.get("mask", "mask_url")] = data_uri(request.mask)
    if request.task == "upscale":
        if model.scale is not None and model.scale.wire:
            fields[model.scale.wire] = scale_of(model, request)
        return scaled_size(model, request), _unasked(request)
    if shape.size == "source":
        return size_of(request.images[0]), _unasked(request)
    return _asked(model, request, fields)


def _shape(model: Model, app: str) -> Shape:
    """As the model's published schema has it, or as the catalog's apps do."""
    if (one := model.wire.get("image")) is not None:
        return Shape(one, several=False)
    if (several := model.wire.get("images")) is not None:
        return Shape(several)
    return _SHAPES.get(app, Shape())


def data_uri(image: SourceImage) -> str:
    """The image as fal takes it inside the input."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def _union(request: GenerationRequest, scale: float | None) -> dict[str, Any]:
    control: dict[str, Any] = {
        "control_image_url": data_uri(request.images[0]),
        "control_mode": _MODES[request.control or "edges"],
    }
    if scale is not None:
        control["conditioning_scale"] = scale
    return {"path": UNION, "controls": [control]}


def _canvas(model: Model, request: GenerationRequest) -> Size:
    """The size with the margins, which must be one that the model makes."""
    width, height = outpainted_size(request)
    try:
        check_size(model, request.model_copy(update={"width": width, "height": height}))
    except InvalidInput as exc:
        raise InvalidInput(f"margins: {exc.message}", hint=exc.hint) from exc
    return width, height


def _unasked(request: GenerationRequest) -> tuple[str, ...]:
    """Sizes mean nothing where the image decides."""
    return ("width", "height") if request.width or request.height else ()


def _asked(model: Model, request: GenerationRequest, fields: dict[str, Any]) -> tuple[Size | None, tuple[str, ...]]:
    size = check_size(model, request)
    if size is None:
        return None, ()
    if isinstance(model, AppModel) and (not model.is_sized or _SIDES in fields):
        # It cannot be told, or was in the vendor's own words.
        return None, ("width", "height")
    sides = {"width": size[0], "height": size[1]}
    if model.sizes.told_by == "pixels" and isinstance(model, AppModel) and _SIDES not in model.parameters:
        fields |= sides
    elif model.sizes.told_by == "pixels":
        fields[_SIDES] = sides
    elif "aspect_ratio" in fields:
        # What is asked for in the vendor's own words wins over what we would make of the size.
        return None, ("width", "height")
    else:
        fields["aspect_ratio"] = nearest_ratio(model.parameters["aspect_ratio"].choices, *size)
        return None, ()
    return size, ()
