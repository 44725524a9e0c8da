"""A request in the words of OpenAI's Images API, wherever that is served: by OpenAI itself, and by Azure. Pure.

Wire facts: the official SDK 3.52.0 (fields, part names) and OpenAI's API reference.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from math import ceil
from typing import Any

from ..errors import InvalidInput
from ..metering.prices import PerToken, Quantities
from .base import Prepared
from .imagefile import alpha_mask, size_of
from .limits import check, check_size, megapixels
from .model import Model
from .multipart import Part
from .openai_stream import TOKENS
from .request import GenerationRequest
from .reshaping import outpainted_size, padded

_MASK_LIMIT = 4 * 1024 * 1024
_EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}


def prepared_of(model: Model, request: GenerationRequest) -> Prepared:
    """The request as it is sent, its path below the API's base. Raises InvalidInput and UnsupportedTask."""
    checked = check(model, request)
    request = _on_canvas(request)
    size = _size(model, request)
    fields = {"model": model.endpoint[request.task], "prompt": request.prompt, "n": request.count, **checked.wire}
    if size:
        fields["size"] = f"{size[0]}x{size[1]}"
    ignored = _streamed(fields, request.count)
    if checked.parameters.get("background") == "transparent" and checked.parameters.get("output_format") == "jpeg":
        raise InvalidInput("JPEG cannot be transparent.", hint="Set output_format to png or webp.")
    return Prepared(
        model=model,
        path="images/generations" if request.task == "text-to-image" else "images/edits",
        fields=fields,
        files=_files(request),
        ignored=checked.ignored + ignored,
        quantities=_bounds(model, request, size, fields),
        parameters={name: value for name, value in checked.parameters.items() if name not in ignored},
    )


def parts_of(prepared: Prepared) -> list[Part] | None:
    """The form of an edit; None where the request is plain JSON."""
    if not prepared.files:
        return None
    plain = [Part(name=name, data=_text(value).encode()) for name, value in prepared.fields.items()]
    files = [Part(name=name, data=data, filename=file, media_type=kind) for name, file, kind, data in prepared.files]
    return plain + files


def _on_canvas(request: GenerationRequest) -> GenerationRequest:
    """There is no outpainting: it is the inpainting of a larger canvas, which decides the size."""
    if request.task != "outpaint":
        return request
    width, height = outpainted_size(request)
    image, mask = padded(request)
    return request.model_copy(update={"images": (image,), "mask": mask, "width": width, "height": height})


def _size(model: Model, request: GenerationRequest) -> tuple[int, int] | None:
    """The size to ask for. An inpainting keeps its image's where the model makes that one."""
    if request.task == "outpaint":
        try:
            return check_size(model, request)
        except InvalidInput as exc:
            raise InvalidInput(f"margins: {exc.message}", hint=exc.hint) from exc
    if request.task == "inpaint" and request.width is None and request.height is None:
        width, height = size_of(request.images[0])
        kept = request.model_copy(update={"width": width, "height": height})
        with contextlib.suppress(InvalidInput):
            return check_size(model, kept)
    return check_size(model, request)


def _files(request: GenerationRequest) -> tuple[tuple[str, str, str, bytes], ...]:
    # One image is the part "image", several are "image[]": recorded from the official SDK.
    name = "image" if len(request.images) == 1 else "image[]"
    files = [
        (name, f"image-{number}.{_EXTENSIONS.get(image.media_type, 'png')}", image.media_type, image.data)
        for number, image in enumerate(request.images, 1)
    ]
    if request.mask is not None:
        mask = alpha_mask(request.mask)
        if len(mask) > _MASK_LIMIT:
            raise InvalidInput(
                "The mask is larger than the 4 MB that are taken.", hint="Simplify the mask or scale it down."
            )
        files.append(("mask", "mask.png", "image/png", mask))
    return tuple(files)


def _text(value: Any) -> str:
    """As the official client writes it into a form."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _streamed(fields: dict[str, Any], count: int) -> tuple[str, ...]:
    """Ask for a stream where previews are wanted. Of several images at once nobody says whose a preview is."""
    if "partial_images" in fields and count > 1:
        del fields["partial_images"]
        return ("previews",)
    if "partial_images" in fields:
        fields["stream"] = True
    return ()


def _bounds(
    model: Model, request: GenerationRequest, size: tuple[int, int] | None, fields: Mapping[str, Any]
) -> Quantities:
    """At most so much: no text has more tokens than bytes, and the catalog bounds an input image's."""
    per_image = model.price.input_image_tokens if isinstance(model.price, PerToken) else 0
    inputs = len(request.images) + (request.mask is not None)
    return Quantities(
        images=request.count,
        megapixels=megapixels(model, size),
        text_tokens=len(request.prompt.encode()) + _previews_as_text(model, fields.get("partial_images", 0)),
        image_tokens=inputs * per_image,
    )


def _previews_as_text(model: Model, previews: int) -> int:
    """So many tokens of text cost what the previews do, for which the price rule has no quantity of its own."""
    price = model.price
    return ceil(previews * TOKENS * price.image_out / price.text_in) if isinstance(price, PerToken) else 0
