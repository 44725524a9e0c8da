"""A body as Black Forest Labs' endpoints check it before a task is started, and the picture that it asks for."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageTooLarge, NotAnImage
from . import judge, mark, picture
from .bfl_models import MEGAPIXEL, MOST_PIXELS, RATIOS, Endpoint, area
from .brush import Canvas
from .palette import Dice
from .scene import paint

_DEFAULT_SIZE = (1024, 768)
_SIDES = ("top", "bottom", "left", "right")
_MOST_MARGIN = 2048
_STEP = 32
"""Sides of FLUX.1's pictures are multiples of it."""
_FORMATS = ("jpeg", "png", "webp")
_DEFAULT_STRENGTH = 0.1


class Refused(Exception):
    """An HTTP error in place of a task: FastAPI's 422 with its list, or another status with a text."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(str(detail))
        self.status, self.detail = status, detail


def invalid(name: str, message: str, kind: str, given: Any = None, **context: Any) -> Refused:
    """FastAPI's validation error of one field."""
    entry: dict[str, Any] = {"type": kind, "loc": ["body", name], "msg": message, "input": given}
    return Refused(422, [{**entry, "ctx": context} if context else entry])


@dataclass(frozen=True)
class Asked:
    """A body that is in order."""

    endpoint: Endpoint
    prompt: str
    size: tuple[int, int]
    seed: int
    output_format: picture.Format
    sources: dict[str, picture.Source] = field(default_factory=dict)
    where: NDArray[np.bool_] | None = None
    """Where the picture may change, of fill and expand."""
    strength: float = _DEFAULT_STRENGTH

    @property
    def cost(self) -> Decimal:
        """In credits."""
        return self.endpoint.price(self.size, [source.size for source in self.sources.values()])

    @property
    def areas(self) -> tuple[Decimal, Decimal]:
        """Megapixels that go in and come out, as answers tell them."""
        return sum((area(source.size) for source in self.sources.values()), Decimal(0)), area(self.size)

    def input_reasons(self) -> list[str]:
        """Why the content policy stops the request, if it does."""
        found = judge.reasons(judge.text_scores(self.prompt))
        for source in self.sources.values():
            found += judge.reasons(judge.image_scores(source.pixels))
        return list(dict.fromkeys(found))

    def output_reasons(self) -> list[str]:
        """Why the content policy stops the result. Looked at in small: only what is drawn anew can be harmful."""
        if self.sources:
            return []
        return judge.reasons(judge.image_scores(picture.draw(self.prompt, 128, 128, self.seed)))

    def draw(self) -> bytes:
        """The file of the result; always the same one."""
        return picture.pack(self._canvas(), self.output_format)

    def _canvas(self) -> Canvas:
        width, height = self.size
        if not self.sources:
            return picture.draw(self.prompt, width, height, self.seed)
        sources = [source for name, source in self.sources.items() if name != "mask"]
        if "image_prompt" in self.sources:
            return _blended(sources[0], self)
        return picture.edit(sources, self.prompt, width, height, self.seed, 0, self.where)


def read_input(endpoint: Endpoint, body: Any, *, seed: int) -> Asked:
    """Check a body; raises :class:`Refused`. ``seed`` is the sandbox's own, for bodies without one."""
    if not isinstance(body, dict):
        raise invalid("body", "Input should be a valid dictionary", "dict_type", body)
    prompt = _prompt(endpoint, body)
    _check_settings(endpoint, body)
    sources = _sources(endpoint, body)
    own = _whole(body, "seed", None)
    where = None
    if endpoint.sized_by == "source":
        where = _mask(sources)
    elif endpoint.sized_by == "margins":
        sources["image"], where = _expanded(sources["image"], body)
    elif endpoint.sized_by == "canvas":
        sources["input_image"], where = _placed(sources["input_image"], body)
    return Asked(
        endpoint=endpoint,
        prompt=prompt,
        size=_size(endpoint, body, sources),
        seed=Dice("seed", seed, prompt).below(2**31) if own is None else own,
        output_format=_format(body),
        sources=sources,
        where=where,
        strength=float(body.get("image_prompt_strength", _DEFAULT_STRENGTH)),
    )


def _blended(source: picture.Source, asked: Asked) -> Canvas:
    """A new scene in which the source shows through as strongly as was asked for."""
    width, height = asked.size
    at_x = np.arange(width) * source.size[0] // width
    at_y = np.arange(height) * source.size[1] // height
    base = source.pixels[at_y[:, None], at_x[None, :], :3].astype(np.uint16)
    share = round(asked.strength * 256)
    scene = paint(asked.prompt, width, height, asked.seed).astype(np.uint16)
    canvas: Canvas = ((base * share + scene * (256 - share)) >> 8).astype(np.uint8)
    mark.apply(canvas)
    return canvas


def _prompt(endpoint: Endpoint, body: dict[str, Any]) -> str:
    prompt = body.get("prompt")
    if prompt is None and not endpoint.prompt:
        return ""
    if prompt is None:
        raise invalid("prompt", "Field required", "missing")
    if not isinstance(prompt, str):
        raise invalid("prompt", "Input should be a valid string", "string_type", prompt)
    return prompt


def _check_settings(endpoint: Endpoint, body: dict[str, Any]) -> None:
    for name in endpoint.flags:
        if not isinstance(body.get(name, False), bool):
            raise invalid(name, "Input should be a valid boolean", "bool_type", body[name])
    limits = {"safety_tolerance": (0, endpoint.tolerance), **endpoint.ranges}
    for name, (low, high) in limits.items():
        value = body.get(name, low)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise invalid(name, "Input should be a valid number", "float_type", value)
        _check_range(name, value, low, high)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if value < low:
        raise invalid(name, f"Input should be greater than or equal to {low}", "greater_than_equal", value, ge=low)
    if value > high:
        raise invalid(name, f"Input should be less than or equal to {high}", "less_than_equal", value, le=high)


def _sources(endpoint: Endpoint, body: dict[str, Any]) -> dict[str, picture.Source]:
    found = {name: _picture(name, body[name]) for name in endpoint.images if body.get(name) is not None}
    for name in sorted(endpoint.required - found.keys()):
        raise invalid(name, "Field required", "missing")
    return found


def _picture(name: str, text: Any) -> picture.Source:
    """An image as bare base64 or a data URI. URLs are not fetched: nothing outside the sandbox ever is."""
    if not isinstance(text, str):
        raise invalid(name, "Input should be a valid string", "string_type", text)
    plain = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return picture.read(base64.b64decode(plain, validate=True))
    except (ValueError, NotAnImage, ImageTooLarge) as error:
        raise Refused(400, f"{name}: the image could not be loaded.") from error


def _mask(sources: dict[str, picture.Source]) -> NDArray[np.bool_]:
    """True where white, which is what BFL's fill repaints; without a mask, where the image is transparent."""
    image, mask = sources["image"], sources.get("mask")
    if mask is None:
        if not image.has_alpha:
            raise Refused(400, "A mask is required, separately or as the image's alpha channel.")
        clear: NDArray[np.bool_] = image.pixels[..., 3] < 128
        return clear
    if mask.size != image.size:
        raise Refused(400, f"The mask is {mask.size} and the image {image.size}: they must have the same dimensions.")
    white: NDArray[np.bool_] = mask.pixels[..., :3].sum(axis=2, dtype=np.int64) >= 3 * 128
    return white


def _expanded(image: picture.Source, body: dict[str, Any]) -> tuple[picture.Source, NDArray[np.bool_]]:
    """The image with its margins, and True in these."""
    top, bottom, left, right = (_whole(body, side, 0) or 0 for side in _SIDES)
    for side, value in zip(_SIDES, (top, bottom, left, right), strict=True):
        _check_range(side, value, 0, _MOST_MARGIN)
    pixels = np.pad(image.pixels, ((top, bottom), (left, right), (0, 0)), mode="edge")
    where = np.ones(pixels.shape[:2], bool)
    where[top : top + image.size[1], left : left + image.size[0]] = False
    return picture.Source(pixels, image.has_alpha), where


def _placed(image: picture.Source, body: dict[str, Any]) -> tuple[picture.Source, NDArray[np.bool_]]:
    """The image on the canvas that is asked for, in its middle unless told where; True where it is not."""
    across, down = ((_whole(body, name, None) or 0) for name in ("width", "height"))
    if across * down > MOST_PIXELS or across < image.size[0] or down < image.size[1]:
        raise Refused(400, f"The canvas of {across}x{down} is too small for the image, or more than 4 megapixels.")
    left = _whole(body, "reference_offset_x", (across - image.size[0]) // 2) or 0
    top = _whole(body, "reference_offset_y", (down - image.size[1]) // 2) or 0
    sides = ((top, down - top - image.size[1]), (left, across - left - image.size[0]))
    if min(side for pair in sides for side in pair) < 0:
        raise Refused(400, "The image does not lie within the canvas.")
    where = np.ones((down, across), bool)
    where[top : top + image.size[1], left : left + image.size[0]] = False
    return picture.Source(np.pad(image.pixels, (*sides, (0, 0)), mode="edge"), image.has_alpha), where


def _size(endpoint: Endpoint, body: dict[str, Any], sources: dict[str, picture.Source]) -> tuple[int, int]:
    first = next(iter(sources.values())).size if sources else None
    if endpoint.sized_by in ("source", "margins", "canvas", "same") and first:
        return first
    if endpoint.sized_by == "ratio":
        return _from_ratio(endpoint, body.get("aspect_ratio") or endpoint.default_ratio, first)
    low, high = (64, 65_536) if endpoint.sized_by == "flux-2" else (256, 1440)
    sides = [_side(body, name, low, high) for name in ("width", "height")]
    auto = _within(first) if first and endpoint.sized_by == "flux-2" else _DEFAULT_SIZE
    width, height = (given or instead for given, instead in zip(sides, auto, strict=True))
    if endpoint.sized_by == "flux-1" and (width % _STEP or height % _STEP):
        raise invalid("width", f"Input should be a multiple of {_STEP}", "multiple_of", [width, height])
    if width * height > MOST_PIXELS:
        raise Refused(400, f"{width}x{height} is more than 4 megapixels.")
    return width, height


def _side(body: dict[str, Any], name: str, low: int, high: int) -> int:
    """0 and nothing mean that BFL decides."""
    value = _whole(body, name, 0) or 0
    if value:
        _check_range(name, value, low, high)
    return value


def _within(size: tuple[int, int]) -> tuple[int, int]:
    """The size, halved until it is one that can be made."""
    width, height = size
    while width * height > MOST_PIXELS:
        width, height = width // 2, height // 2
    return max(64, width // 16 * 16), max(64, height // 16 * 16)


def _from_ratio(endpoint: Endpoint, ratio: Any, first: tuple[int, int] | None) -> tuple[int, int]:
    if not ratio:
        return first or (1024, 1024)
    if ratio not in RATIOS:
        raise Refused(400, f"Aspect ratio {ratio!r} is not between 21:9 and 9:21.")
    across, down = map(int, ratio.split(":"))
    unit = 32
    while (across * (unit + 1) // 32 * 32) * (down * (unit + 1) // 32 * 32) <= endpoint.megapixels * MEGAPIXEL:
        unit += 1
    return across * unit // 32 * 32, down * unit // 32 * 32


def _format(body: dict[str, Any]) -> picture.Format:
    asked = body.get("output_format") or _FORMATS[0]
    if asked not in _FORMATS:
        expected = "'jpeg', 'png' or 'webp'"
        raise invalid("output_format", f"Input should be {expected}", "enum", asked, expected=expected)
    return cast(picture.Format, asked)


def _whole(body: dict[str, Any], name: str, default: int | None) -> int | None:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(name, "Input should be a valid integer", "int_type", value)
    return value
