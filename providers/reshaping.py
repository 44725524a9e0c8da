"""Tasks that change an image's size or follow a map: what the catalog says of them, held against a request. Pure.

Outpainting where the vendor has no such call is an inpainting of a larger canvas: :func:`padded` makes one.
"""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from .imagefile import read, size_of
from .model import Model, Scale
from .request import GenerationRequest, Margins, SourceImage

if TYPE_CHECKING:
    from PIL.Image import Image


MAX_CANVAS = 100_000_000
"""Pixels of the largest canvas that is ever made; a margin can come from anywhere."""


def check_shape(model: Model, request: GenerationRequest) -> None:
    """Margins, map and factor of the request. Raises InvalidInput naming the field, its limits and the fix."""
    if request.task == "outpaint":
        _check_margins(model, request)
    elif request.margins is not None:
        raise InvalidInput(f"margins: {request.task} takes none.", hint="Leave them out, or ask for outpaint.")
    if request.task == "control":
        _check_control(model, request)
    elif request.control is not None:
        raise InvalidInput(f"control: {request.task} takes no map.", hint="Leave it out, or ask for control.")
    if request.task == "upscale":
        scaled_size(model, request)
    elif request.scale is not None:
        raise InvalidInput(f"scale: {request.task} takes none.", hint="Leave it out, or ask for upscale.")


def without_choice(model: Model, request: GenerationRequest) -> list[str]:
    """What was asked for otherwise than in the one way that the model has. It goes that way, so that changing the model
    alone is always a valid request."""
    found = []
    if request.scale is not None and request.scale != scale_of(model, request):
        found.append("scale")
    if request.control is not None and request.control not in model.controls:
        found.append("control")
    return found


def scaled_size(model: Model, request: GenerationRequest) -> tuple[int, int]:
    """Width and height of the upscaled image. Raises InvalidInput where the model does not enlarge that far."""
    rule = model.scale or Scale()
    factor = scale_of(model, request)
    width, height = size_of(request.images[0])
    size = round(width * factor), round(height * factor)
    if rule.max_pixels is not None and size[0] * size[1] > rule.max_pixels:
        raise InvalidInput(
            f"scale: {width}x{height} times {factor:g} is {size[0]}x{size[1]}; "
            f"{model.name} makes at most {rule.max_pixels} pixels.",
            hint="Choose a smaller factor or scale the image down first.",
        )
    return size


def scale_of(model: Model, request: GenerationRequest) -> float:
    """The factor that is asked for, or the model's own: its only one, whatever is asked for. Raises InvalidInput naming
    those it has."""
    rule = model.scale or Scale()
    factor = rule.own if request.scale is None or rule.is_fixed else request.scale
    if rule.choices and factor not in rule.choices:
        offered = ", ".join(f"{choice:g}" for choice in rule.choices)
        raise InvalidInput(f"scale: {model.name} does not enlarge {factor:g} times.", hint=f"Factors: {offered}.")
    if not rule.choices and not rule.min <= factor <= rule.max:
        raise InvalidInput(
            f"scale: {model.name} does not enlarge {factor:g} times.", hint=f"From {rule.min:g} to {rule.max:g}."
        )
    return factor


def outpainted_size(request: GenerationRequest) -> tuple[int, int]:
    """Width and height of the image with its margins."""
    width, height = size_of(request.images[0])
    margins = request.margins or Margins()
    return width + margins.left + margins.right, height + margins.top + margins.bottom


def padded(request: GenerationRequest) -> tuple[SourceImage, SourceImage]:
    """The image on a canvas that has its margins, and the mask (white: repaint) of what is new.

    Below the margins lies the image stretched over the whole canvas: a model that looks there sees plausible colours
    in place of a black frame.
    """
    from PIL import Image as Pillow

    margins = request.margins or Margins()
    width, height = outpainted_size(request)
    with read(request.images[0]) as picture:
        picture = picture.convert("RGB")
        canvas = picture.resize((width, height), Pillow.Resampling.BICUBIC)
        canvas.paste(picture, (margins.left, margins.top))
        mask = Pillow.new("L", (width, height), 255)
        mask.paste(0, (margins.left, margins.top, margins.left + picture.width, margins.top + picture.height))
    return _png(canvas), _png(mask)


def _png(picture: Image) -> SourceImage:
    file = BytesIO()
    picture.save(file, "PNG", compress_level=4)
    return SourceImage(data=file.getvalue(), media_type="image/png")


def _check_margins(model: Model, request: GenerationRequest) -> None:
    margins = request.margins or Margins()
    if margins.none:
        raise InvalidInput("margins: all are 0.", hint="Say on which side the image shall grow, in pixels.")
    width, height = outpainted_size(request)
    if width * height > MAX_CANVAS:
        raise InvalidInput(
            f"margins: with them the image is {width}x{height}; at most {MAX_CANVAS} pixels are sent.",
            hint="Choose smaller ones or scale the image down first.",
        )
    if model.max_margin is None:
        return
    for side in ("left", "top", "right", "bottom"):
        if getattr(margins, side) > model.max_margin:
            raise InvalidInput(
                f"{side}: {getattr(margins, side)} pixels; {model.name} adds at most {model.max_margin} on one side.",
                hint="Outpaint in several steps.",
            )


def _check_control(model: Model, request: GenerationRequest) -> None:
    if request.control is None:
        raise InvalidInput("control: is missing.", hint=f"Say what the map shows: {', '.join(model.controls)}.")
    if request.control not in model.controls and len(model.controls) != 1:
        raise InvalidInput(
            f"control: {model.name} takes no {request.control} map.", hint=f"It takes: {', '.join(model.controls)}."
        )
