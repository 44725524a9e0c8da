"""Requests for Imagen, read and checked as Google checks them: ``predict``."""

from __future__ import annotations

from .exchange import Exchange
from .google_errors import Refused, invalid_value
from .google_json import document, kind_of, message, seed_of
from .google_models import IMAGEN_RATIOS, Imagen
from .google_request import Asked

_PARAMETERS = frozenset(
    ("sampleCount", "aspectRatio", "sampleImageSize", "safetySetting", "personGeneration", "includeRaiReason",
     "includeSafetyAttributes", "outputOptions", "guidanceScale", "language")
)  # fmt: skip
_PARAMETERS_OF_VERTEX = frozenset(("seed", "negativePrompt", "addWatermark", "enhancePrompt", "storageUri"))


def read_predict(exchange: Exchange, model: Imagen, *, vertex: bool) -> Asked:
    """The JSON of ``predict``."""
    body = message(document(exchange), frozenset(("instances", "parameters", "labels")), "")
    instances = body.get("instances")
    if not isinstance(instances, list) or len(instances) != 1:
        raise Refused("Only one instance is supported per request.")
    instance = message(instances[0], frozenset(("prompt",)), "instances[0]")
    if not isinstance(instance.get("prompt"), str) or not instance["prompt"].strip():
        raise Refused("Image generation failed with the following error: Text prompt is missing.")
    known = _PARAMETERS | (_PARAMETERS_OF_VERTEX if vertex else frozenset())
    parameters = message(body.get("parameters", {}), known, "parameters")
    if parameters.get("seed") is not None and parameters.get("addWatermark", True):
        raise Refused("Seed is not supported when watermark is enabled.")
    ratio, image_size = parameters.get("aspectRatio", "1:1"), parameters.get("sampleImageSize", "1K")
    if ratio not in IMAGEN_RATIOS:
        raise invalid_value("parameters.aspectRatio", "TYPE_STRING", ratio)
    if image_size not in model.sizes:
        raise invalid_value("parameters.sampleImageSize", "TYPE_STRING", image_size)
    count = parameters.get("sampleCount", 4)
    if not isinstance(count, int) or not 1 <= count <= 4:
        raise Refused(f"{count} is out of range for sampleCount. The valid range is 1 to 4.")
    output = parameters.get("outputOptions", {})
    return Asked(
        prompt=instance["prompt"],
        size=model.size(ratio, image_size),
        image_size=image_size,
        seed=seed_of(parameters, "parameters.seed"),
        kind=kind_of(output.get("mimeType", "image/png")),
        quality=output.get("compressionQuality", 75),
        count=count,
        tells_reasons=bool(parameters.get("includeRaiReason")),
    )
