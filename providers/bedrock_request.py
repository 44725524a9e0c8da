"""A request in the words of Stability's models on Bedrock: its own API's fields as JSON, images as base64. Pure.

Ids, fields and ranges: Amazon's user guide ("Stability AI models", "Stability AI Image Services"), read in excerpts
2026-11-21, and kalleeh/bedrock-image-mcp-server (third party, tried live in 2026), which found that Core and Ultra take
neither image nor mode, and PNG and JPEG alone. The image services are had by inference profile only (``us.``), so they
may run in any of three regions of the United States.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidInput
from .limits import Checked
from .model import Model
from .request import GenerationRequest, SourceImage
from .stability_request import check_image
from .stability_request import fields_of as stability_fields

LARGEST_BODY = 25_000_000
"""Bytes; botocore's model of InvokeModel."""
_ROOM_FOR_FIELDS = 64 * 1024
_STYLE_TRANSFER = "us.stability.stable-style-transfer-v1:0"
_IMAGE = "us.stability.stable-image-"

SERVICES: Mapping[str, str] = {
    "stability.stable-image-ultra-v1:1": "generate/ultra",
    "stability.stable-image-core-v1:1": "generate/core",
    "stability.sd3-5-large-v1:0": "generate/sd3",
    f"{_IMAGE}inpaint-v1:0": "edit/inpaint",
    f"{_IMAGE}erase-object-v1:0": "edit/erase",
    f"{_IMAGE}remove-background-v1:0": "edit/remove-background",
    f"{_IMAGE}search-replace-v1:0": "edit/search-and-replace",
    f"{_IMAGE}search-recolor-v1:0": "edit/search-and-recolor",
    f"{_IMAGE}control-sketch-v1:0": "control/sketch",
    f"{_IMAGE}control-structure-v1:0": "control/structure",
    f"{_IMAGE}style-guide-v1:0": "control/style",
    _STYLE_TRANSFER: "control/style-transfer",
    "us.stability.stable-outpaint-v1:0": "edit/outpaint",
    "us.stability.stable-fast-upscale-v1:0": "upscale/fast",
    "us.stability.stable-conservative-upscale-v1:0": "upscale/conservative",
    "us.stability.stable-creative-upscale-v1:0": "upscale/creative",
}
"""By Bedrock's model id: what the same service is called in Stability's own API."""


def fields_of(model: Model, request: GenerationRequest, checked: Checked) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The JSON body, and the names of what is ignored. Raises InvalidInput."""
    endpoint = model.endpoint[request.task]
    service = SERVICES[endpoint]
    for image in request.images:
        check_image(service, model, image)
    fields, ignored = stability_fields(model, request, checked, service)
    # The id in the URL says which model it is.
    fields.pop("model", None)
    fields |= _images(endpoint, request)
    check_body(fields)
    return fields, ignored


def check_body(fields: Mapping[str, Any]) -> None:
    """Raises InvalidInput where the images make the request larger than Bedrock takes it."""
    texts = [text for value in fields.values() for text in (value if isinstance(value, list) else [value])]
    size = sum(len(text) for text in texts if isinstance(text, str))
    if size > LARGEST_BODY - _ROOM_FOR_FIELDS:
        raise InvalidInput(
            f"images: {size / 1e6:.1f} MB as base64; Bedrock takes at most 25 MB in one request.",
            hint="Scale the image down, or save it as JPEG or WebP.",
        )


def base64_of(image: SourceImage) -> str:
    """The file as Bedrock takes it: bare base64, no data URI."""
    return base64.b64encode(image.data).decode()


def _images(endpoint: str, request: GenerationRequest) -> dict[str, Any]:
    """Image and mask by their names. White is repainted there as it is with us."""
    if not request.images:
        return {}
    first = base64_of(request.images[0])
    if endpoint == _STYLE_TRANSFER:
        # The second image is the style. Alone, an image keeps its own, and the prompt is what changes it.
        return {"init_image": first, "style_image": base64_of(request.images[-1])}
    mask = {"mask": base64_of(request.mask)} if request.mask is not None else {}
    return {"image": first, **mask}
