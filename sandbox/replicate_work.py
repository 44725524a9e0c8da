"""What a model on Replicate does with an input that fits its schema: reads its files, judges, draws."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageTooLarge, NotAnImage
from . import judge, mark, picture
from .brush import Canvas
from .palette import Dice
from .replicate_models import MATCH, MEGAPIXEL, Served

Fetch = Callable[[str], "bytes | None"]
"""The bytes behind a URL of the sandbox's own; None for every other one."""
_FORMATS: dict[str, picture.Format] = {"jpg": "jpeg", "png": "png", "webp": "webp"}
_BLOCKED = {
    "nsfw": "NSFW content detected. Try running it again, or try a different prompt.",
    "E005": "The input or output was flagged as sensitive. Please try again with different inputs. (E005)",
}


class Failed(Exception):
    """The run fails with these words. Not a failure of ours."""


@dataclass(frozen=True)
class Work:
    """A run that can be drawn."""

    model: Served
    prompt: str
    size: tuple[int, int]
    images: int
    seed: int
    kind: picture.Format
    sources: list[picture.Source]
    where: NDArray[np.bool_] | None = None

    @property
    def suffix(self) -> str:
        """Of the files' names."""
        return "jpg" if self.kind == "jpeg" else self.kind

    def microusd(self, seconds: float) -> int:
        """What it costs when it has run so long."""
        model = self.model
        if model.seconds is not None:
            return round(model.microusd * seconds)
        if not model.by_area:
            return model.microusd * self.images
        inside = sum(width * height for width, height in (source.size for source in self.sources))
        area = -(-self.size[0] * self.size[1] // MEGAPIXEL) + -(-inside // MEGAPIXEL)
        return model.run_microusd + model.microusd * area

    def draw(self, index: int) -> bytes:
        """The file of one result; always the same one."""
        return picture.pack(self._canvas(index), self.kind)

    def _canvas(self, index: int) -> Canvas:
        (width, height), does = self.size, self.model.does
        if does == "upscale":
            return _marked(_resized(self.sources[0], width, height))
        if does == "control":
            return _controlled(self.sources[0], self.prompt, (width, height), self.seed, index)
        if self.sources:
            return picture.edit(self.sources, self.prompt, width, height, self.seed, index, self.where)
        return picture.draw(self.prompt, width, height, self.seed, index)


def read(model: Served, given: dict[str, Any], fetch: Fetch, *, seed: int) -> Work:
    """The work an input asks for. Raises :class:`Failed`. ``seed`` is the sandbox's own, for inputs without one."""
    prompt = str(given.get("prompt", ""))
    if model.checker and judge.reasons(judge.text_scores(prompt)) and not given.get("disable_safety_checker"):
        raise Failed(_BLOCKED[model.checker])
    files = given.get(model.image, [])
    sources = [_picture(url, fetch) for url in (files if isinstance(files, list) else [files])]
    size = _size(model, given, sources)
    own = given.get("seed")
    kind = _FORMATS.get(str(given.get("output_format")), model.output)
    return Work(
        model=model,
        prompt=prompt,
        size=size,
        images=int(given.get("num_outputs", 1)),
        seed=Dice("seed", seed, prompt).below(2**31) if own is None else int(own) % 2**64,
        kind=kind,
        sources=sources,
        where=_where(model, given, sources, fetch),
    )


def blocked(model: Served) -> Failed:
    """The model's own filter stops it."""
    return Failed(_BLOCKED[model.checker or "E005"])


def _where(
    model: Served, given: dict[str, Any], sources: list[picture.Source], fetch: Fetch
) -> NDArray[np.bool_] | None:
    """True where the mask has the colour that this model repaints."""
    if "mask" not in given:
        return None
    if not sources:
        raise Failed("mask requires an image")
    found = _picture(given["mask"], fetch)
    if found.size != sources[0].size:
        raise Failed("image and mask must have the same size")
    white: NDArray[np.bool_] = found.pixels[..., :3].sum(axis=2, dtype=np.int64) >= 3 * 128
    return white if model.mask_paints == "white" else ~white


def _picture(url: Any, fetch: Fetch) -> picture.Source:
    text = str(url)
    try:
        data = base64.b64decode(text.partition(",")[2], validate=True) if text.startswith("data:") else fetch(text)
    except ValueError:
        data = None
    if data is None:
        raise Failed("Failed to download the input file.")
    try:
        return picture.read(data)
    except (NotAnImage, ImageTooLarge) as error:
        raise Failed("cannot identify image file") from error


def _size(model: Served, given: dict[str, Any], sources: list[picture.Source]) -> tuple[int, int]:
    if model.does == "upscale":
        factor = float(given.get(model.factor, model.fixed_factor))
        return round(sources[0].size[0] * factor), round(sources[0].size[1] * factor)
    if sources and (model.sized_by_source or "mask" in given):
        return sources[0].size
    if given.get(model.custom) == "custom" if model.custom else "width" in model.fields:
        return int(given.get("width", 1024)), int(given.get("height", 1024))
    text = str(given.get(model.size_text, "")) if model.size_text else ""
    if "x" in text:
        width, _, height = text.partition("x")
        return int(width), int(height)
    ratio = given.get("aspect_ratio", model.ratio)
    area = MEGAPIXEL // 4 if given.get("megapixels") == "0.25" else model.area
    if ratio == MATCH or ":" not in str(ratio):
        across, down = sources[0].size if sources else (1, 1)
    else:
        across, down = (int(part) for part in str(ratio).split(":"))
    return _of_area(across, down, area)


def _of_area(across: int, down: int, area: int) -> tuple[int, int]:
    """The largest sides in this ratio, multiples of 16, of no more than this area: so much is billed. Whole numbers
    only."""
    size, longer = (16, 16), 16
    while True:
        shorter = max(16, longer * min(across, down) // max(across, down) // 16 * 16)
        if longer * shorter > area:
            return size
        size = (longer, shorter) if across >= down else (shorter, longer)
        longer += 16


def _resized(source: picture.Source, width: int, height: int) -> Canvas:
    """The nearest pixels, without any rounding of floats."""
    have_width, have_height = source.size
    rows = (np.arange(height, dtype=np.int64) * 2 + 1) * have_height // (2 * height)
    columns = (np.arange(width, dtype=np.int64) * 2 + 1) * have_width // (2 * width)
    return np.ascontiguousarray(source.pixels[rows[:, None], columns[None, :], :3])


def _controlled(source: picture.Source, prompt: str, size: tuple[int, int], seed: int, index: int) -> Canvas:
    """A new scene that is bright where the map is, and dark where it is dark."""
    scene = picture.draw(prompt, *size, seed, index).astype(np.uint16)
    light = _resized(source, *size).astype(np.uint16).sum(axis=2) // 3
    canvas: Canvas = ((scene * 96 + light[..., None] * 160) >> 8).astype(np.uint8)
    return canvas


def _marked(canvas: Canvas) -> Canvas:
    mark.apply(canvas)
    return canvas
