"""Bodies for Firefly, read and checked as Adobe's OpenAPI of the Firefly API 3.0.0 has them (read 2026-11-21)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .palette import Dice

Load = Callable[[str], bytes | None]
"""Gives an uploaded file by its id."""

GENERATE, SIMILAR = "v3/images/generate-async", "v3/images/generate-similar-async"
EXPAND, FILL, FIVE = "v3/images/expand-async", "v3/images/fill-async", "v4/images/generate-async"
_LOOK = ("contentClass", "visualIntensity", "style", "structure", "tileable", "customModelId", "upsamplerType")
_SHARED = ("numVariations", "seeds", "size")
FIELDS: Mapping[str, frozenset[str]] = {
    GENERATE: frozenset((*_SHARED, "prompt", "negativePrompt", "promptBiasingLocaleCode", *_LOOK)),
    SIMILAR: frozenset((*_SHARED, "image")),
    EXPAND: frozenset((*_SHARED, "prompt", "image", "mask", "placement")),
    FILL: frozenset((*_SHARED, "prompt", "negativePrompt", "promptBiasingLocaleCode", "image", "mask")),
    FIVE: frozenset(
        ("prompt", "modelId", "numVariations", "seeds", "aspectRatio", "referenceBlobs", "modelSpecificPayload")
    ),
}
VERSIONS: Mapping[str, tuple[str, ...]] = {
    GENERATE: ("image3", "image3_custom", "image4_standard", "image4_ultra", "image4_custom"),
    SIMILAR: ("image3", "image4_standard", "image4_ultra"),
    FIVE: ("image5",),
}
_THREE = frozenset(
    ((2048, 2048), (1024, 1024), (2304, 1792), (1792, 2304), (2688, 1536), (2688, 1512), (1344, 768), (1344, 756),
     (1152, 896), (896, 1152))
)  # fmt: skip
_FOUR = frozenset(((2048, 2048), (2304, 1792), (1792, 2304), (2688, 1536), (1440, 2560)))
_RATIOS = {"1:1": (2048, 2048), "4:3": (2304, 1792), "3:4": (1792, 2304), "16:9": (2688, 1536), "9:16": (1440, 2560)}
"""What sizes Image 5 makes of them is not documented: those of Image 4."""
_MOST_SIDE, _MOST_PROMPT, _MOST_PROMPT_5 = 3999, 1024, 1500
_SIDES = ("left", "top", "right", "bottom")


class Refused(Exception):
    """An error in place of a job. Not a failure of ours."""

    def __init__(self, status: int, code: str, message: str, problems: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.problems = status, code, message, problems or []


def invalid(name: str, message: str, kind: str = "value_error") -> Refused:
    """The validation error of one field."""
    return Refused(422, "validation_error", message, [{"loc": ["body", name], "msg": message, "type": kind}])


@dataclass(frozen=True)
class Asked:
    """A body that is in order."""

    path: str
    prompt: str
    size: tuple[int, int]
    seeds: tuple[int, ...]
    content_class: str
    strength: int
    """Of the structure, 0 to 100."""
    sources: dict[str, picture.Source] = field(repr=False, default_factory=dict)
    where: NDArray[np.bool_] | None = field(repr=False, default=None)
    """True where the mask is white, which is what is filled."""
    inset: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Left, top, right, bottom."""

    @property
    def prompt_is_harmful(self) -> bool:
        """Whether the content policy stops the request."""
        return bool(judge.reasons(judge.text_scores(self.prompt)))

    @property
    def prompt_has_denied_words(self) -> bool:
        """Whether some words were left out of it."""
        return bool(judge.reasons(judge.text_scores(self.prompt), judge.FLAGGED_FROM))

    def output_is_harmful(self, index: int) -> bool:
        """Whether the content policy stops the result. In small: only what is drawn anew can be harmful."""
        if self.sources:
            return False
        return bool(judge.reasons(judge.image_scores(picture.draw(self.prompt, 128, 128, self.seeds[index]))))


def read_body(path: str, version: str, body: Any, load: Load, *, seed: int) -> Asked:
    """Check a body; raises :class:`Refused`. ``seed`` is the sandbox's own, for bodies without seeds."""
    if not isinstance(body, dict):
        raise Refused(400, "bad_request", "The body is no JSON object.")
    if not body:
        raise Refused(400, "empty_input_body", "The body is empty.")
    _check_version(path, version)
    for name in body:
        if name not in FIELDS[path]:
            # The sandbox's own strictness: what Firefly does with a field it does not know is not documented.
            raise invalid(name, "extra fields not permitted", "value_error.extra")
    prompt = _prompt(path, body)
    sources = _sources(path, body, load)
    mask = sources.pop("mask", None)
    where = None if mask is None else np.asarray(mask.pixels[..., :3].sum(axis=2, dtype=np.int64) >= 3 * 128)
    if where is not None and where.shape != sources["image"].pixels.shape[:2]:
        raise invalid("mask", "the mask must have the size of the image")
    return Asked(
        path=path,
        prompt=prompt,
        size=_size(path, version, body, sources),
        seeds=_seeds(path, body, Dice("seed", seed, prompt).below(2**31)),
        content_class=_content_class(body),
        strength=_strength(body),
        sources=sources,
        where=where,
        inset=_inset(body),
    )


def _check_version(path: str, version: str) -> None:
    known = VERSIONS.get(path)
    if known is None and version:
        raise invalid("x-model-version", "this operation has no versions")
    if known is not None and (version or "image3") not in known:
        raise invalid("x-model-version", f"value is not a valid enumeration member; permitted: {', '.join(known)}")


def _prompt(path: str, body: dict[str, Any]) -> str:
    prompt = body.get("prompt", "")
    if not prompt and path in (GENERATE, FIVE):
        raise invalid("prompt", "field required", "value_error.missing")
    for name, most in (("prompt", _MOST_PROMPT_5 if path == FIVE else _MOST_PROMPT), ("negativePrompt", _MOST_PROMPT)):
        text = body.get(name, "x")
        if not isinstance(text, str) or not 1 <= len(text) <= most:
            raise invalid(name, f"ensure this value has from 1 to {most} characters")
    return str(prompt)


def _content_class(body: dict[str, Any]) -> str:
    chosen = body.get("contentClass", "photo")
    if chosen not in ("photo", "art"):
        raise invalid("contentClass", "value is not a valid enumeration member; permitted: 'photo', 'art'")
    intensity = body.get("visualIntensity", 2)
    if isinstance(intensity, bool) or not isinstance(intensity, int) or not 2 <= intensity <= 10:
        raise invalid("visualIntensity", "ensure this value is from 2 to 10")
    return str(chosen)


def _strength(body: dict[str, Any]) -> int:
    style = body.get("style", {})
    strength = style.get("strength", 50) if isinstance(style, dict) else 0
    if not isinstance(strength, int) or not 0 < strength <= 100:
        raise invalid("style", "ensure that strength is from 1 to 100")
    structure = body.get("structure", {})
    strength = structure.get("strength", 50) if isinstance(structure, dict) else -1
    if isinstance(strength, bool) or not isinstance(strength, int) or not 0 <= strength <= 100:
        raise invalid("structure", "ensure that strength is from 0 to 100")
    return strength


def _seeds(path: str, body: dict[str, Any], own: int) -> tuple[int, ...]:
    seeds, most = body.get("seeds"), 1 if path == FIVE else 4
    count = body.get("numVariations", len(seeds) if isinstance(seeds, list) else 1)
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise invalid("numVariations", f"ensure this value is from 1 to {most}")
    if seeds is None:
        return tuple((own + index) % 2**31 for index in range(count))
    whole = isinstance(seeds, list) and all(isinstance(one, int) and not isinstance(one, bool) for one in seeds)
    if not whole or len(seeds) != count or len(set(seeds)) != count:
        raise invalid("seeds", "the seeds must be different integers, one for each variation")
    return tuple(seeds)


# -- sizes ----------------------------------------------------------------------------------------------------------


def _size(path: str, version: str, body: dict[str, Any], sources: Mapping[str, picture.Source]) -> tuple[int, int]:
    if path == FIVE:
        return _ratio_size(body, sources)
    if "size" not in body:
        return (2048, 2048)
    size: dict[str, Any] = body["size"] if isinstance(body["size"], dict) else {}
    width: Any = size.get("width")
    height: Any = size.get("height")
    if not all(isinstance(side, int) and not isinstance(side, bool) and side >= 1 for side in (width, height)):
        raise invalid("size", "width and height are required")
    if path == EXPAND:
        fine = max(width, height) <= _MOST_SIDE
    else:
        fine = (width, height) in (_FOUR if version.startswith("image4") else _THREE)
    if not fine:
        raise invalid("size", f"unsupported size {width}x{height}")
    return width, height


def _ratio_size(body: dict[str, Any], sources: Mapping[str, picture.Source]) -> tuple[int, int]:
    ratio = body.get("aspectRatio")
    if ratio is None:
        return sources["image"].size if "image" in sources else (2048, 2048)
    if ratio not in _RATIOS:
        permitted = ", ".join(repr(one) for one in _RATIOS)
        raise invalid("aspectRatio", f"value is not a valid enumeration member; permitted: {permitted}")
    return _RATIOS[ratio]


def _inset(body: dict[str, Any]) -> tuple[int, int, int, int]:
    placement = body.get("placement", {})
    inset = placement.get("inset", {}) if isinstance(placement, dict) else {}
    left, top, right, bottom = (inset.get(side, 0) if isinstance(inset, dict) else -1 for side in _SIDES)
    if not all(isinstance(one, int) and one >= 0 for one in (left, top, right, bottom)):
        raise invalid("placement", "insets are pixels")
    if "placement" in body and "mask" in body:
        raise invalid("placement", "placement cannot be used when a mask is applied")
    size = body.get("size", {"width": 2048, "height": 2048})
    if left + right >= size["width"] or top + bottom >= size["height"]:
        raise invalid("placement", "the insets leave no room for the image")
    return left, top, right, bottom


# -- images ---------------------------------------------------------------------------------------------------------


def _sources(path: str, body: dict[str, Any], load: Load) -> dict[str, picture.Source]:
    found: dict[str, picture.Source] = {}
    if path in (SIMILAR, EXPAND, FILL):
        image = body.get("image") if isinstance(body.get("image"), dict) else {}
        found["image"] = _source("image", image, load)
        mask = body.get("mask")
        if mask is None and isinstance(image, dict) and "mask" in image:
            # "This is a deprecated property. Use mask instead."
            mask = {"source": image["mask"]}
        if mask is not None or path == FILL:
            found["mask"] = _source("mask", mask, load)
    if isinstance(body.get("structure"), dict) and "imageReference" in body["structure"]:
        found["structure"] = _source("structure", body["structure"]["imageReference"], load)
    blobs = body.get("referenceBlobs", [])
    if not isinstance(blobs, list) or len(blobs) > 1:
        raise invalid("referenceBlobs", "ensure this value has at most 1 items")
    for blob in blobs:
        found["image"] = _reference(blob, load)
    return found


def _reference(blob: Any, load: Load) -> picture.Source:
    source = _source("referenceBlobs", blob, load)
    width, height = source.size
    if not 512 * 512 <= width * height <= 2048 * 2048 or max(width, height) > 5 * min(width, height):
        raise invalid("referenceBlobs", f"unsupported image of {width}x{height}")
    return source


def _source(name: str, holder: Any, load: Load) -> picture.Source:
    """An uploaded image. URLs are not fetched: nothing outside the sandbox ever is."""
    source = holder.get("source") if isinstance(holder, dict) else None
    if not isinstance(source, dict) or not isinstance(source.get("uploadId"), str):
        raise invalid(name, "field required: source.uploadId", "value_error.missing")
    data = load(source["uploadId"])
    if data is None:
        raise invalid(name, "the uploadId is not known")
    try:
        return picture.read(data)
    except (NotAnImage, ImageTooLarge):
        raise invalid(name, "the image cannot be read") from None
