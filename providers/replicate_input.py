"""A request as the input of one of Replicate's models. Pure.

Each model there has a schema of its own. What differs between them is data of the catalog: ``Model.wire`` may name

``image``   the field of one input image (``image`` if it is not named);
``images``  the field of a list of input images, in place of ``image``;
``mask``    the field of a mask (``mask`` if it is not named);
``count``   the field that says how many images are made; without it a call makes one;
``size``    a field that takes width and height as one text, ``1024x1024``;
``custom``  the field that must say ``custom`` for ``width`` and ``height`` to count.
"""

from __future__ import annotations

import base64
from typing import Any

from ..metering.prices import Quantities
from .apps.model import AppModel
from .base import Prepared
from .imagefile import inverted_mask
from .limits import Checked, check, check_size, input_megapixels, megapixels, nearest_ratio
from .model import Model
from .request import GenerationRequest, SourceImage
from .reshaping import padded, scale_of

_MATCH = "match_input_image"
_RATIO = "aspect_ratio"


def prepared(model: Model, request: GenerationRequest) -> Prepared:
    """The body of the paid POST, and its path below the base URL: a pinned version has another one than a model."""
    checked = check(model, request)
    fields = _words(model, request, checked) | _pictures(model, request)
    if (count := model.wire.get("count")) is not None:
        fields[count] = request.count
    if request.task == "upscale" and model.scale is not None and model.scale.wire is not None:
        fields[model.scale.wire] = _plain(scale_of(model, request))
    size, ignored = _told_size(model, request, fields)
    path, version = _endpoint(model.endpoint[request.task])
    return Prepared(
        model=model,
        path=path,
        fields={**version, "input": fields},
        seed=checked.seed,
        ignored=checked.ignored + ignored,
        quantities=Quantities(
            images=request.count,
            megapixels=megapixels(model, size),
            input_megapixels=input_megapixels(request) if request.images else 0.0,
        ),
        parameters=checked.parameters,
    )


def _endpoint(endpoint: str) -> tuple[str, dict[str, str]]:
    """``owner/name`` is an official model, ``owner/name:version`` one that is run by its pinned version alone."""
    name, _, version = endpoint.partition(":")
    return ("predictions", {"version": version}) if version else (f"models/{name}/predictions", {})


def _words(model: Model, request: GenerationRequest, checked: Checked) -> dict[str, Any]:
    fields: dict[str, Any] = dict(checked.wire)
    if request.prompt.strip() and model.prompt.get(request.task) != "none":
        fields["prompt"] = request.prompt
    if model.negative_prompt and request.negative_prompt:
        fields["negative_prompt"] = request.negative_prompt
    if checked.seed is not None:
        fields["seed"] = checked.seed
    return fields


def _pictures(model: Model, request: GenerationRequest) -> dict[str, Any]:
    if not request.images:
        return {}
    images, mask = request.images, request.mask
    if request.task == "outpaint":
        # The vendor's own outpainting knows a few fixed factors; a canvas with a mask takes any margin.
        canvas, mask = padded(request)
        images = (canvas,)
    fields: dict[str, Any] = {}
    if (several := model.wire.get("images")) is not None:
        fields[several] = [data_uri(image) for image in images]
    else:
        fields[model.wire.get("image", "image")] = data_uri(images[0])
    if mask is not None:
        told = mask if model.mask_paints == "white" else inverted_mask(mask)
        fields[model.wire.get("mask", "mask")] = data_uri(told)
    return fields


def data_uri(image: SourceImage) -> str:
    """The image inside the JSON. Large ones are uploaded before the call is made, see ``uploading``."""
    return f"data:{image.media_type};base64,{base64.b64encode(image.data).decode()}"


def _told_size(
    model: Model, request: GenerationRequest, fields: dict[str, Any]
) -> tuple[tuple[int, int] | None, tuple[str, ...]]:
    """Put the size into ``fields`` the way the model takes it; the size that is known, and what was ignored."""
    size = check_size(model, request)
    ratios = model.parameters.get(_RATIO)
    sizable = ratios is not None and (ratios.tasks is None or request.task in ratios.tasks)
    if size is None:
        if sizable and ratios is not None and request.images and _MATCH in ratios.choices:
            fields.setdefault(_RATIO, _MATCH)
        return None, ()
    untold = isinstance(model, AppModel) and not model.is_sized
    if untold or (request.images and not sizable) or _RATIO in fields:
        # An image's own size stays; and what is asked for in the vendor's own words wins over what we would make of it.
        return None, ("width", "height")
    if model.sizes.told_by == "aspect":
        fields[_RATIO] = nearest_ratio(ratios.choices if ratios else (), *size)
        return None, ()
    if (text := model.wire.get("size")) is not None:
        fields[text] = f"{size[0]}x{size[1]}"
    else:
        fields |= {"width": size[0], "height": size[1]}
    if (custom := model.wire.get("custom")) is not None:
        fields[custom] = "custom"
    return size, ()


def _plain(number: float) -> float:
    return int(number) if number == int(number) else number
