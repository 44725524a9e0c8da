"""A request in Firefly's words: one JSON body an endpoint. Images are uploaded first and named by their ids. Pure.

Field names and limits: Adobe's own OpenAPI of the Firefly API (GenerateImagesRequestV3, ImageGenerateRequestV3 of v4,
GenerateSimilarImagesRequestV3, ExpandImageRequestV3, FillImageRequestV3). In :attr:`Prepared.files` the first word of
each file is the place in the body where its source belongs.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidInput
from ..metering.prices import Quantities
from .base import Prepared
from .imagefile import size_of
from .limits import Checked, check, check_size, nearest_ratio, nearest_size, sides
from .model import Model
from .request import GenerationRequest, Margins, SourceImage, fold_seed
from .reshaping import outpainted_size

Files = tuple[tuple[str, str, str, bytes], ...]

_V4 = "v4/images/generate-async"
_NEGATIVE = frozenset({"v3/images/generate-async", "v3/images/fill-async"})
"""Operations that take a negative prompt."""
_LARGEST_UPLOAD = 15 * 1024 * 1024
_MOST_SIDE = 3999
"""Of an expanded image."""
_REFERENCE_LARGEST, _REFERENCE_ASPECT = 10 * 1024 * 1024, 5
_REFERENCE_LEAST, _REFERENCE_MOST = 512 * 512, 2048 * 2048


def prepared_of(model: Model, request: GenerationRequest) -> Prepared:
    """The request as it is sent, but for its uploads. Raises InvalidInput and UnsupportedTask."""
    checked = check(model, request)
    path = model.endpoint[request.task]
    body = _v4(request, checked) if path == _V4 else _v3(model, request, checked)
    sized, ignored = _size(path, model, request, checked)
    return Prepared(
        model=model,
        path=path,
        fields={**body, **sized},
        files=_files(path, request),
        seed=checked.seed,
        ignored=checked.ignored + ignored + _unheard(path, model, request),
        quantities=Quantities(images=request.count),
        parameters=checked.parameters,
    )


def placed(fields: Mapping[str, Any], uploads: Mapping[str, str]) -> dict[str, Any]:
    """The body with each upload's id where its source belongs."""
    body = copy.deepcopy(dict(fields))
    for place, upload in uploads.items():
        *way, last = place.split(".")
        at: Any = body
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        at[last] = {"uploadId": upload}
    return body


def _v3(model: Model, request: GenerationRequest, checked: Checked) -> dict[str, Any]:
    body: dict[str, Any] = {"numVariations": request.count, **_own(checked)}
    if request.prompt.strip() and model.prompt.get(request.task) != "none":
        body["prompt"] = request.prompt
    if request.negative_prompt and model.endpoint[request.task] in _NEGATIVE:
        body["negativePrompt"] = request.negative_prompt
    if checked.seed is not None and model.seeds is not None:
        # One for each image, all of them different.
        seeds = model.seeds
        body["seeds"] = [fold_seed(checked.seed + number, seeds.min, seeds.max) for number in range(request.count)]
    if request.task == "outpaint":
        body["placement"] = {"inset": (request.margins or Margins()).model_dump()}
    return body


def _unheard(path: str, model: Model, request: GenerationRequest) -> tuple[str, ...]:
    """Of a model that takes a negative prompt, not every operation does."""
    return ("negative_prompt",) if request.negative_prompt and model.negative_prompt and path not in _NEGATIVE else ()


def _own(checked: Checked) -> dict[str, Any]:
    """The model's own parameters, some of them below an object of their own."""
    own = {name: value for name, value in checked.wire.items() if name not in ("resolution", "aspect_ratio")}
    presets, style_strength = own.pop("style_presets", None), own.pop("style_strength", None)
    structure = own.pop("structure_strength", None)
    style: dict[str, Any] = {"presets": presets.replace(",", " ").split()} if presets else {}
    if style_strength is not None:
        style["strength"] = style_strength
    if style:
        own["style"] = style
    if structure is not None:
        own["structure"] = {"strength": round(structure * 100)}
    return own


def _v4(request: GenerationRequest, checked: Checked) -> dict[str, Any]:
    body: dict[str, Any] = {"prompt": request.prompt, "modelId": "firefly_image", "numVariations": 1}
    if checked.seed is not None:
        body["seeds"] = [checked.seed]
    if (locale := checked.wire.get("localeCode")) is not None:
        body["modelSpecificPayload"] = {"localeCode": locale}
    body["referenceBlobs"] = [{"usage": "general"} for _ in request.images]
    return body


# -- sizes ----------------------------------------------------------------------------------------------------------


def _size(
    path: str, model: Model, request: GenerationRequest, checked: Checked
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The size as the endpoint takes it, and what is ignored. Raises InvalidInput."""
    asked = ("width", "height") if request.width or request.height else ()
    if request.task == "outpaint":
        return {"size": _expanded(model, request)}, asked
    for name, put in (("resolution", _pixels), ("aspect_ratio", _ratio)):
        # What is asked for in the vendor's own words wins over what we would make of the size.
        if (chosen := checked.wire.get(name)) is not None:
            return put(chosen), asked
    size = check_size(model, request)
    if path == _V4:
        return ({} if size is None else _ratio(nearest_ratio(model.parameters["aspect_ratio"].choices, *size))), ()
    return _near(model, request, size), ()


def _near(model: Model, request: GenerationRequest, size: tuple[int, int] | None) -> dict[str, Any]:
    """One of the model's own sizes: that of the shape asked for, else that of the image that goes in."""
    known = size or (size_of(request.images[0]) if request.images else None)
    if known is None:
        return {}
    choices = model.parameters["resolution"].choices
    if (nearest := nearest_size(choices, *known)) is not None:
        return _pixels(nearest)
    if size is None and request.task != "inpaint":
        # A variation need not have the shape of its image; a filled image must.
        return {}
    raise InvalidInput(
        f"No size of {model.name} fits {known[0]}x{known[1]}.", hint=f"Sizes of these shapes: {', '.join(choices)}."
    )


def _pixels(size: str) -> dict[str, Any]:
    width, height = sides(size)
    return {"size": {"width": width, "height": height}}


def _ratio(ratio: str) -> dict[str, Any]:
    return {"aspectRatio": ratio}


def _expanded(model: Model, request: GenerationRequest) -> dict[str, int]:
    width, height = outpainted_size(request)
    if max(width, height) > _MOST_SIDE:
        raise InvalidInput(
            f"margins: with them the image is {width}x{height}; {model.name} makes sides of at most {_MOST_SIDE}.",
            hint="Choose smaller ones or scale the image down first.",
        )
    return {"width": width, "height": height}


# -- files ----------------------------------------------------------------------------------------------------------


def _files(path: str, request: GenerationRequest) -> Files:
    """What is uploaded, and where its source belongs. Raises InvalidInput."""
    if path == _V4:
        for image in request.images:
            _check_reference(image)
        return tuple(_file(f"referenceBlobs.{at}.source", image) for at, image in enumerate(request.images))
    place = "structure.imageReference.source" if request.task == "control" else "image.source"
    files = [_file(place, image) for image in request.images[:1]]
    if request.mask is not None:
        # White is filled, as it is with us.
        files.append(_file("mask.source", request.mask))
    return tuple(files)


def _file(place: str, image: SourceImage) -> tuple[str, str, str, bytes]:
    if len(image.data) > _LARGEST_UPLOAD:
        size = len(image.data) / 2**20
        raise InvalidInput(
            f"images: {size:.1f} MiB; Firefly takes at most 15 MB a file.",
            hint="Scale the image down, or save it as JPEG or WebP.",
        )
    return place, "image", image.media_type, image.data


def _check_reference(image: SourceImage) -> None:
    width, height = size_of(image)
    problem = None
    if len(image.data) > _REFERENCE_LARGEST:
        problem = "the file has at most 10 MB"
    elif not _REFERENCE_LEAST <= width * height <= _REFERENCE_MOST:
        problem = "it has from 512x512 to 2048x2048 pixels in all"
    elif max(width, height) > _REFERENCE_ASPECT * min(width, height):
        problem = f"the longer side is at most {_REFERENCE_ASPECT} times the shorter"
    if problem:
        raise InvalidInput(
            f"images: Firefly Image 5 does not take {width}x{height}: {problem}.", hint="Scale or crop the image."
        )
