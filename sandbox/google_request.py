"""Requests for Gemini's images, read and checked as Google checks them: ``generateContent``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ImageTooLarge, NotAnImage
from . import picture
from .exchange import Exchange
from .google_errors import Refused, invalid_value
from .google_json import document, kind_of, message, seed_of, unpacked
from .google_models import Gemini

_LARGEST_IMAGE = 7 * 1024 * 1024
_THRESHOLDS = ("BLOCK_LOW_AND_ABOVE", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_ONLY_HIGH", "BLOCK_NONE", "OFF")
_HARMS = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT", "CIVIC_INTEGRITY", "JAILBREAK")
_GENERATION = frozenset(
    ("responseModalities", "imageConfig", "seed", "temperature", "topP", "topK", "candidateCount", "maxOutputTokens",
     "stopSequences", "thinkingConfig")
)  # fmt: skip
_VERTEX_ONLY = frozenset(("personGeneration", "prominentPeople", "imageOutputOptions"))


@dataclass(frozen=True)
class Asked:
    """A request that is in order, for one kind of model or the other."""

    prompt: str
    size: tuple[int, int]
    image_size: str
    seed: int | None
    kind: picture.Format
    quality: int
    sources: tuple[picture.Source, ...] = ()
    harmless: bool = False
    """Whether the filters that can be switched off are."""
    count: int = 1
    tells_reasons: bool = False


def read_content(exchange: Exchange, model: Gemini, *, vertex: bool) -> Asked:
    """The JSON of ``generateContent``."""
    known = frozenset(("contents", "generationConfig", "safetySettings", "systemInstruction", "labels", "tools"))
    body = message(document(exchange), known, "")
    texts, sources = _contents(body.get("contents"), model, vertex=vertex)
    config = message(body.get("generationConfig", {}), _GENERATION, "generation_config")
    if "IMAGE" not in [str(one).upper() for one in config.get("responseModalities", ["TEXT", "IMAGE"])]:
        raise Refused("The sandbox serves images: generation_config.response_modalities must have IMAGE.")
    if config.get("candidateCount", 1) != 1:
        raise Refused("Multiple candidates is not enabled for this model")
    ratio, image_size, kind, quality = _image_config(config.get("imageConfig", {}), model, vertex=vertex)
    return Asked(
        prompt="\n".join(texts),
        size=model.size(ratio or _usual(sources, model), image_size),
        image_size=image_size,
        seed=seed_of(config, "generation_config.seed"),
        kind=kind,
        quality=quality,
        sources=tuple(sources),
        harmless=_harmless(body.get("safetySettings", [])),
    )


def _contents(value: Any, model: Gemini, *, vertex: bool) -> tuple[list[str], list[picture.Source]]:
    contents = [value] if isinstance(value, dict) else value
    if not isinstance(contents, list) or not contents:
        raise Refused("* GenerateContentRequest.contents: contents is not specified\n")
    texts: list[str] = []
    sources: list[picture.Source] = []
    for number, each in enumerate(contents):
        content = message(each, frozenset(("role", "parts")), f"contents[{number}]")
        if content.get("role", None if vertex else "user") not in ("user", "model"):
            raise Refused("Please use a valid role: user, model.")
        for place, raw in enumerate(content.get("parts", [])):
            part = message(raw, frozenset(("text", "inlineData")), f"contents[{number}].parts[{place}]")
            if "text" in part:
                texts.append(str(part["text"]))
            elif "inlineData" in part:
                sources.append(_inline(part["inlineData"], f"contents[{number}].parts[{place}].inline_data"))
    if not "".join(texts).strip() and not sources:
        raise Refused("Unable to submit request because it must have a text parameter.")
    if len(sources) > model.most_images:
        raise Refused(f"Too many images in the request: at most {model.most_images} are supported by {model.name}.")
    return texts, sources


def _inline(value: Any, at: str) -> picture.Source:
    blob = message(value, frozenset(("mimeType", "data", "displayName")), at)
    kind = blob.get("mimeType")
    if kind not in ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"):
        raise Refused(f"Unsupported MIME type: {kind}")
    try:
        data = unpacked(blob.get("data"))
        if len(data) > _LARGEST_IMAGE:
            raise ImageTooLarge("more than 7 MB")
        return picture.read(data)
    except (ValueError, NotAnImage, ImageTooLarge) as error:
        raise Refused("Unable to process input image. Please retry or report in the developer forum.") from error


def _image_config(value: Any, model: Gemini, *, vertex: bool) -> tuple[str | None, str, picture.Format, int]:
    at = "generation_config.image_config"
    known = frozenset(("aspectRatio", "imageSize")) | (_VERTEX_ONLY if vertex else frozenset())
    config = message(value, known, at)
    ratio, image_size = config.get("aspectRatio"), config.get("imageSize", "1K")
    if ratio is not None and ratio not in model.ratios:
        raise Refused("aspect_ratio must be one of " + ", ".join(f"'{one}'" for one in model.ratios))
    if image_size not in model.tokens:
        raise invalid_value(f"{at}.image_size", "TYPE_STRING", image_size)
    output = message(
        config.get("imageOutputOptions", {}),
        frozenset(("mimeType", "compressionQuality")),
        f"{at}.image_output_options",
    )
    return ratio, image_size, kind_of(output.get("mimeType", "image/png")), output.get("compressionQuality", 75)


def _usual(sources: list[picture.Source], model: Gemini) -> str:
    """The ratio where none is asked for: that of the image to edit, as near as the model's come; else a square."""
    wide = sources[0].size[0] / sources[0].size[1] if sources else 1.0
    return min(model.ratios, key=lambda ratio: abs(model.ratios[ratio][0] / model.ratios[ratio][1] / wide - 1))


def _harmless(settings: Any) -> bool:
    """Whether every setting lets everything through; there must be some."""
    if not isinstance(settings, list):
        raise invalid_value("safety_settings", "Starting an object on a scalar field", settings)
    for number, each in enumerate(settings):
        setting = message(each, frozenset(("category", "threshold", "method")), f"safety_settings[{number}]")
        _check_setting(setting, f"safety_settings[{number}]")
    return bool(settings) and all(each["threshold"] in ("BLOCK_NONE", "OFF") for each in settings)


def _check_setting(setting: Mapping[str, Any], at: str) -> None:
    if setting.get("category") not in [f"HARM_CATEGORY_{harm}" for harm in _HARMS]:
        raise invalid_value(f"{at}.category", "TYPE_ENUM", setting.get("category"))
    if setting.get("threshold") not in _THRESHOLDS:
        raise invalid_value(f"{at}.threshold", "TYPE_ENUM", setting.get("threshold"))
