"""A request in Black Forest Labs' words: one JSON body an endpoint, images as bare base64. Pure.

Field names and limits: api.bfl.ai/openapi.json (Flux2Inputs, Flux2FlexInputs, Flux2KleinInputs, FluxKontextProInputs,
FluxPro11Inputs, FluxUltraInput, FluxProFillInputs, FluxProExpandInputs). Those of ``flux-tools`` as clients have
them that others wrote and hold against that document (2026-09).
"""

from __future__ import annotations

import base64
from math import ceil
from typing import Any

from ..errors import InvalidInput
from ..metering.prices import MEGAPIXEL, PerMegapixel, Quantities
from .base import Prepared
from .imagefile import size_of
from .limits import Checked, check, check_size, megapixels, nearest_ratio, size_problem
from .model import Model
from .request import GenerationRequest, SourceImage, Task
from .reshaping import outpainted_size

_DEBLUR = "flux-tools/deblur-v1"
_CANVAS = "flux-tools/outpainting-v1"
"""It is told the canvas and where the image lies on it, not the margins."""
_KEEPS_SIZE: frozenset[Task] = frozenset({"inpaint", "outpaint"})
"""Tasks whose result has the size of what goes in."""


def prepared_of(model: Model, request: GenerationRequest) -> Prepared:
    """The request as it is sent. Raises InvalidInput and UnsupportedTask."""
    checked = check(model, request)
    worded = request.prompt.strip() and model.prompt.get(request.task) != "none"
    fields: dict[str, Any] = {**({"prompt": request.prompt} if worded else {}), **checked.wire}
    if checked.seed is not None:
        fields["seed"] = checked.seed
    fields |= _inputs(model, request)
    size, ignored = _told_size(model, request, checked, fields)
    return Prepared(
        model=model,
        path=model.endpoint[request.task],
        fields=fields,
        seed=checked.seed,
        ignored=checked.ignored + ignored,
        quantities=Quantities(
            images=1, megapixels=megapixels(model, size), input_megapixels=_input_area(model, request)
        ),
        parameters=checked.parameters,
    )


def _inputs(model: Model, request: GenerationRequest) -> dict[str, Any]:
    images = [_base64(image) for image in request.images]
    if request.task == "edit" and model.endpoint["edit"] == _DEBLUR:
        return {"image": images[0]}
    if request.task == "edit":
        # The first one has no number.
        return {"input_image" if number == 1 else f"input_image_{number}": one for number, one in enumerate(images, 1)}
    if request.task == "variation":
        return {"image_prompt": images[0]}
    if request.task == "inpaint" and request.mask is not None:
        # BFL's fill takes our polarity: white is repainted.
        return {"image": images[0], "mask": _base64(request.mask)}
    if request.task == "outpaint" and model.endpoint["outpaint"] == _CANVAS and request.margins is not None:
        width, height = _canvas(model, request)
        place = {"reference_offset_x": request.margins.left, "reference_offset_y": request.margins.top}
        return {"input_image": images[0], "width": width, "height": height, **place}
    if request.task == "outpaint" and request.margins is not None:
        sides = request.margins.model_dump(include={"top", "bottom", "left", "right"})
        return {"image": images[0], **sides}
    return {}


def _canvas(model: Model, request: GenerationRequest) -> tuple[int, int]:
    """The size with the margins. Raises InvalidInput where the tool does not make it."""
    width, height = outpainted_size(request)
    if (problem := size_problem(model.sizes, width, height)) is not None:
        raise InvalidInput(
            f"margins: with them the image is {width}x{height}; {problem}.",
            hint="Choose smaller ones, or scale it down.",
        )
    return width, height


def _base64(image: SourceImage) -> str:
    return base64.b64encode(image.data).decode()


def _told_size(
    model: Model, request: GenerationRequest, checked: Checked, fields: dict[str, Any]
) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """Put the size into ``fields`` the way the endpoint takes it; the size that is known, and what was ignored."""
    asked = () if request.width is None and request.height is None else ("width", "height")
    if request.task in _KEEPS_SIZE:
        return outpainted_size(request), asked
    if model.endpoint[request.task] == _DEBLUR:
        return None, asked
    size = check_size(model, request)
    if size is None:
        return None, ()
    if model.sizes.told_by == "pixels":
        fields["width"], fields["height"] = size
        return size, ()
    if "aspect_ratio" in checked.parameters:
        # What is asked for in the vendor's own words wins over what we would make of the size.
        return None, asked
    fields["aspect_ratio"] = nearest_ratio(model.parameters["aspect_ratio"].choices, *size)
    return None, ()


def _input_area(model: Model, request: GenerationRequest) -> float | None:
    """At most so many megapixels of input are billed: every image counts in whole ones, as BFL counts them."""
    if not isinstance(model.price, PerMegapixel) or not request.images:
        return None
    unit = model.price.pixels
    whole = sum(ceil(width * height / unit) for width, height in map(size_of, request.images))
    return whole * unit / MEGAPIXEL
