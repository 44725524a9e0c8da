"""What fal's image apps take in, as the sandbox checks it, and the pictures they give."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .brush import Canvas
from .fal_models import MEGAPIXEL, SPEEDS, App
from .palette import Dice

_PRESETS = {
    "square_hd": (1024, 1024), "square": (512, 512), "portrait_4_3": (768, 1024), "portrait_16_9": (576, 1024),
    "landscape_4_3": (1024, 768), "landscape_16_9": (1024, 576),
}  # fmt: skip
_RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16", "9:21")
_LARGEST_EDGE, _LONGEST_PROMPT, _MOST_INPUTS = 4096, 32_000, 14
_CHOICES: dict[str, tuple[str, ...]] = {
    "safety_tolerance": ("1", "2", "3", "4", "5", "6"), "acceleration": ("none", "regular", "high"),
    "rendering_speed": SPEEDS,
}  # fmt: skip
_RANGES: dict[str, tuple[float, float]] = {
    "num_inference_steps": (1, 50), "guidance_scale": (1, 20), "strength": (0.01, 1), "upscale_factor": (1, 4),
    "creativity": (0, 1), "resemblance": (0, 1),
}  # fmt: skip
_MODES = ("canny", "tile", "depth", "blur", "pose", "gray", "low-quality")

Fetch = Callable[[str], "bytes | None"]
"""The bytes behind a URL of the sandbox's own; None for every other one."""


class Unprocessable(Exception):
    """fal's answer to an input it does not accept: status 422 and this ``detail``. Not a failure of ours."""

    def __init__(self, name: str, message: str, kind: str, given: Any = None, **context: Any) -> None:
        super().__init__(message)
        entry = {"loc": ["body", name], "msg": message, "type": kind, "input": given}
        if context:
            entry["ctx"] = context
        self.detail = [{**entry, "url": f"https://docs.fal.ai/errors#{kind}"}]


@dataclass(frozen=True)
class Asked:
    """An input that is in order."""

    app: App
    prompt: str
    size: tuple[int, int]
    images: int
    seed: int
    output_format: picture.Format
    as_data: bool
    speed: str
    harmful: bool
    """The safety checker stops the result: a black image takes its place."""
    sources: list[picture.Source] = field(default_factory=list)
    where: NDArray[np.bool_] | None = None

    @property
    def microusd(self) -> int:
        """What the result costs."""
        return self.app.price(*self.size, self.images, self.speed)

    def draw(self, index: int) -> bytes:
        """The file of one result; always the same one."""
        return picture.pack(self._canvas(index), self.output_format)

    def _canvas(self, index: int) -> Canvas:
        width, height = self.size
        if self.harmful:
            return picture.black(width, height)
        if self.sources:
            return picture.edit(self.sources, self.prompt, width, height, self.seed, index, self.where)
        return picture.draw(self.prompt, width, height, self.seed, index)


def read_input(app: App, body: Any, fetch: Fetch, *, seed: int, stopped: bool = False) -> Asked:
    """Check an app's input; raises :class:`Unprocessable`.

    ``seed`` is the sandbox's own, for inputs without one; ``stopped`` makes the safety checker stop the result.
    """
    if not isinstance(body, dict):
        raise Unprocessable("body", "Input should be a valid dictionary", "dict_type", body)
    prompt = _prompt(app, body)
    _check_settings(app, body)
    sources, where = _sources(app, body, fetch)
    harmful = bool(judge.reasons(judge.text_scores(prompt)))
    if harmful and not app.checker:
        raise blocked(prompt)
    own = body.get("seed")
    size = _size(app, body, sources)
    return Asked(
        app=app,
        prompt=prompt,
        size=size,
        images=_whole(body, "num_images", 1, app.most_images, 1),
        seed=Dice("seed", seed, prompt).below(2**31) if own is None else _whole(body, "seed", 0, 2**64 - 1, 0),
        output_format=_format(app, body),
        speed=body.get("rendering_speed", "BALANCED"),
        as_data=_flag(body, "sync_mode", False),
        harmful=stopped or (harmful and _flag(body, "enable_safety_checker", True)),
        sources=sources,
        where=None if where is None else picture.fitted_mask(where, *size),
    )


def blocked(prompt: str) -> Unprocessable:
    """The vendor's own content policy stops the prompt."""
    text = "The content could not be processed because it contained material flagged by a content checker."
    return Unprocessable("prompt", text, "content_policy_violation", prompt)


def _prompt(app: App, body: dict[str, Any]) -> str:
    if app.worded == "no":
        return ""
    if "prompt" not in body:
        if app.worded == "optional":
            return "masterpiece, best quality, highres"
        raise Unprocessable("prompt", "Field required", "missing", body)
    prompt = body["prompt"]
    if not isinstance(prompt, str):
        raise Unprocessable("prompt", "Input should be a valid string", "string_type", prompt)
    if len(prompt) > _LONGEST_PROMPT:
        message = f"String should have at most {_LONGEST_PROMPT} characters"
        raise Unprocessable("prompt", message, "string_too_long", prompt[:64], max_length=_LONGEST_PROMPT)
    return prompt


def _check_settings(app: App, body: dict[str, Any]) -> None:
    """The settings that change no picture here, but that the vendor would refuse out of their limits."""
    for name, choices in _CHOICES.items():
        if body.get(name, choices[0]) not in choices:
            expected = " or ".join(f"'{choice}'" for choice in choices)
            raise Unprocessable(name, f"Input should be {expected}", "literal_error", body[name], expected=expected)
    for name, (low, high) in _RANGES.items():
        value, most = body.get(name, low), app.most_steps if name == "num_inference_steps" else high
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise Unprocessable(name, "Input should be a valid number", "float_type", value)
        if value < low:
            raise _too_low(name, value, low)
        if value > most:
            raise _too_high(name, value, most)


def _too_low(name: str, value: float, low: float) -> Unprocessable:
    return Unprocessable(name, f"Input should be greater than or equal to {low}", "greater_than_equal", value, ge=low)


def _too_high(name: str, value: float, high: float) -> Unprocessable:
    return Unprocessable(name, f"Input should be less than or equal to {high}", "less_than_equal", value, le=high)


def _sources(app: App, body: dict[str, Any], fetch: Fetch) -> tuple[list[picture.Source], NDArray[np.bool_] | None]:
    if not app.source:
        return [], None
    if app.source not in body:
        raise Unprocessable(app.source, "Field required", "missing")
    given = body[app.source]
    urls = given if app.source == "image_urls" else _maps(given) if app.source == "controlnet_unions" else [given]
    if not isinstance(urls, list) or not urls:
        raise Unprocessable(app.source, "List should have at least 1 item after validation", "too_short", urls)
    if len(urls) > _MOST_INPUTS:
        message = f"List should have at most {_MOST_INPUTS} items after validation, not {len(urls)}"
        raise Unprocessable(app.source, message, "too_long", max_length=_MOST_INPUTS)
    sources = [_picture(app.source, url, fetch) for url in urls]
    return sources, _mask(body, sources[0], fetch) if app.mask else None


def _maps(unions: Any) -> list[Any]:
    """The maps of every control of every union."""
    if not isinstance(unions, list) or not all(isinstance(each, dict) and each.get("path") for each in unions):
        raise Unprocessable("controlnet_unions", "Field required", "missing", unions)
    controls = [control for union in unions for control in union.get("controls", ())]
    for control in controls:
        if control.get("control_mode") not in _MODES:
            expected = " or ".join(f"'{mode}'" for mode in _MODES)
            raise Unprocessable("control_mode", f"Input should be {expected}", "literal_error", expected=expected)
        if not 0 <= control.get("conditioning_scale", 1) <= 2:
            raise _too_high("conditioning_scale", control["conditioning_scale"], 2)
    return [control.get("control_image_url") for control in controls]


def _mask(body: dict[str, Any], source: picture.Source, fetch: Fetch) -> NDArray[np.bool_]:
    """True where the mask is white, which is where fal's fill repaints."""
    if "mask_url" not in body:
        raise Unprocessable("mask_url", "Field required", "missing")
    mask = _picture("mask_url", body["mask_url"], fetch)
    if mask.size != source.size:
        message = f"Mask dimensions {mask.size} do not match image dimensions {source.size}"
        raise Unprocessable("mask_url", message, "value_error")
    white: NDArray[np.bool_] = mask.pixels[..., :3].sum(axis=2, dtype=np.int64) >= 3 * 128
    return white


def _picture(name: str, url: Any, fetch: Fetch) -> picture.Source:
    if not isinstance(url, str):
        raise Unprocessable(name, "Input should be a valid string", "string_type", url)
    data = _data_uri(url) if url.startswith("data:") else fetch(url)
    if data is None:
        message = "Failed to download the file. Please check if the URL is accessible and try again."
        raise Unprocessable(name, message, "file_download_error", url[:200])
    try:
        return picture.read(data)
    except (NotAnImage, ImageTooLarge) as error:
        message = (
            "Failed to load the image. Please ensure the image file is not corrupted and is in a supported format."
        )
        raise Unprocessable(name, message, "image_load_error", url[:200]) from error


def _data_uri(url: str) -> bytes | None:
    try:
        return base64.b64decode(url.partition(",")[2], validate=True)
    except ValueError:
        return None


def _size(app: App, body: dict[str, Any], sources: list[picture.Source]) -> tuple[int, int]:
    if app.sized_by == "source":
        return sources[0].size
    if app.sized_by == "factor":
        factor = body.get("upscale_factor", 2)
        return round(sources[0].size[0] * factor), round(sources[0].size[1] * factor)
    asked = body.get(app.sized_by, app.default_size)
    if asked == "auto" and sources:
        return sources[0].size
    if app.sized_by == "aspect_ratio":
        return _from_ratio(asked, app.megapixels)
    if isinstance(asked, dict):
        return _edge(app, asked, "width"), _edge(app, asked, "height")
    if asked not in _PRESETS:
        expected = ", ".join(f"'{name}'" for name in _PRESETS)
        raise Unprocessable("image_size", f"Input should be {expected}", "literal_error", asked, expected=expected)
    return _PRESETS[asked]


def _from_ratio(asked: Any, megapixels: int) -> tuple[int, int]:
    if asked not in _RATIOS:
        expected = ", ".join(f"'{ratio}'" for ratio in _RATIOS)
        raise Unprocessable("aspect_ratio", f"Input should be {expected}", "literal_error", asked, expected=expected)
    across, down = map(int, asked.split(":"))
    # The largest multiples of 32 whose area stays within the megapixels.
    unit = 32
    while (across * (unit + 1) // 32 * 32) * (down * (unit + 1) // 32 * 32) <= megapixels * MEGAPIXEL:
        unit += 1
    return across * unit // 32 * 32, down * unit // 32 * 32


def _edge(app: App, size: dict[str, Any], name: str) -> int:
    value, low = size.get(name, 512), app.smallest_edge
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unprocessable("image_size", "Input should be a valid integer", "int_type", value)
    if not low <= value <= _LARGEST_EDGE:
        raise _too_low("image_size", value, low) if value < low else _too_high("image_size", value, _LARGEST_EDGE)
    return value


def _format(app: App, body: dict[str, Any]) -> picture.Format:
    asked = body.get("output_format", app.formats[0])
    if asked not in app.formats:
        expected = " or ".join(f"'{name}'" for name in app.formats)
        raise Unprocessable("output_format", f"Input should be {expected}", "literal_error", asked, expected=expected)
    return cast(picture.Format, asked)


def _whole(body: dict[str, Any], name: str, low: int, high: int, default: int) -> int:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Unprocessable(name, "Input should be a valid integer", "int_type", value)
    if value < low:
        raise _too_low(name, value, low)
    if value > high:
        raise _too_high(name, value, high)
    return value


def _flag(body: dict[str, Any], name: str, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise Unprocessable(name, "Input should be a valid boolean", "bool_type", value)
    return value
