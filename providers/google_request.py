"""A request in Google's words: ``generateContent`` of the Gemini image models, and ``predict`` of Imagen. Pure.

Wire facts: the official SDK google-genai 3.4.0 (names, which of them Vertex alone takes), and Google Cloud's pages on
the models (14 images, 7 MB each). A model's parameters say in the catalog where they stand, as a path with dots.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from ..errors import InvalidInput
from .limits import Checked, check_size, nearest_ratio
from .model import Model
from .request import GenerationRequest, SourceImage

_LARGEST_IMAGE = 7 * 1024 * 1024
_HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
_SETTINGS = "safetySettings"
_VERTEX_ONLY = frozenset({"output_format", "output_compression", "person_generation", "prominent_people"})
_VERTEX_ONLY_OF_IMAGEN = frozenset({"enhance_prompt"})

Said = tuple[dict[str, Any], tuple[str, ...]]
"""The JSON body, and the names of what is not in it."""


def speaks_predict(endpoint: str) -> bool:
    """Whether the model is one of Imagen's, which have a wire of their own."""
    return endpoint.startswith("imagen-")


def content_of(model: Model, request: GenerationRequest, checked: Checked, *, vertex: bool) -> Said:
    """The body of ``generateContent``. Raises InvalidInput."""
    wire, ignored = _own(model, checked, frozenset() if vertex else _VERTEX_ONLY)
    ignored += _ratio(model, request, checked, wire)
    threshold = wire.pop(_SETTINGS, None)
    config = {"responseModalities": ["TEXT", "IMAGE"], **nested(wire)}
    if checked.seed is not None:
        config["seed"] = checked.seed
    parts = [{"text": request.prompt}, *(_inline(image, number) for number, image in enumerate(request.images, 1))]
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}
    if threshold is not None:
        body[_SETTINGS] = [{"category": f"HARM_CATEGORY_{harm}", "threshold": threshold} for harm in _HARMS]
    return body, ignored


def predict_of(model: Model, request: GenerationRequest, checked: Checked, *, vertex: bool) -> Said:
    """The body of ``predict``. Raises InvalidInput."""
    wire, ignored = _own(model, checked, frozenset() if vertex else _VERTEX_ONLY_OF_IMAGEN)
    ignored += _ratio(model, request, checked, wire)
    parameters = {"sampleCount": request.count, **nested(wire), "includeRaiReason": True}
    if vertex and checked.seed is not None:
        # With its watermark, which is on unless told otherwise, Imagen refuses a seed.
        parameters |= {"seed": checked.seed, "addWatermark": False}
    elif checked.seed is not None:
        ignored += ("seed",)
    if model.negative_prompt and request.negative_prompt:
        if vertex:
            parameters["negativePrompt"] = request.negative_prompt
        else:
            ignored += ("negative_prompt",)
    return {"instances": [{"prompt": request.prompt}], "parameters": parameters}, ignored


def nested(wire: Mapping[str, Any]) -> dict[str, Any]:
    """Values by their paths (``imageConfig.imageSize``) as JSON has them."""
    found: dict[str, Any] = {}
    for path, value in wire.items():
        *above, name = path.split(".")
        place = found
        for each in above:
            place = place.setdefault(each, {})
        place[name] = value
    return found


def _own(model: Model, checked: Checked, foreign: frozenset[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The model's own parameters by their paths, without those that this API does not have; their names."""
    lost = tuple(name for name in checked.parameters if name in foreign)
    gone = {model.parameters[name].wire for name in lost}
    wire = {path: value for path, value in checked.wire.items() if path not in gone}
    return {path: f"image/{value}" if path.endswith(".mimeType") else value for path, value in wire.items()}, lost


def _ratio(model: Model, request: GenerationRequest, checked: Checked, wire: dict[str, Any]) -> tuple[str, ...]:
    """Put the wished size into ``wire`` as a ratio; the names of what is ignored."""
    size = check_size(model, request)
    if size is None:
        return ()
    if "aspect_ratio" in checked.parameters:
        # What is asked for in the vendor's own words wins over what we would make of the size.
        return ("width", "height")
    own = model.parameters["aspect_ratio"]
    wire[own.wire or "aspectRatio"] = nearest_ratio(own.choices, *size)
    return ()


def _inline(image: SourceImage, number: int) -> dict[str, Any]:
    if len(image.data) > _LARGEST_IMAGE:
        raise InvalidInput(
            f"images: image {number} has {len(image.data) / 2**20:.1f} MiB; Google takes at most 7 MiB.",
            hint="Scale it down, or save it as JPEG or WebP.",
        )
    return {"inlineData": {"mimeType": image.media_type, "data": base64.b64encode(image.data).decode()}}
