"""Forms for Ideogram, read and checked as its OpenAPI has them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImageTooLarge, NotAnImage
from . import judge, picture
from .exchange import Part
from .ideogram_services import CHOICES, LARGEST_FILE, LARGEST_REQUEST, MOST_SEED, PALETTES, RANGES, Service
from .palette import Dice

_CODE = re.compile(r"[0-9A-Fa-f]{8}")
_NAME = re.compile(r"[A-Z0-9_]+")
_DEFAULT_WEIGHT = 50
_DEFAULT_PIXELS = 1024 * 1024
UNSAFE = "Prompt provided failed safety check due to the inclusion of prohibited content."


class Refused(Exception):
    """Ideogram's answer to a request it does not accept. Not a failure of ours."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


@dataclass(frozen=True)
class Asked:
    """A form that is in order."""

    service: Service
    texts: dict[str, str]
    files: dict[str, list[picture.Source]] = field(repr=False)
    sandbox_seed: int

    @property
    def prompt(self) -> str:
        """The words, or none."""
        return self.texts.get(self.service.prompt) or self.texts.get("json_prompt", "")

    @property
    def count(self) -> int:
        """Images asked for."""
        return int(self.texts.get("num_images", 1))

    @property
    def speed(self) -> str:
        """``rendering_speed``, with its default."""
        return self.texts.get("rendering_speed", "DEFAULT")

    @property
    def microusd(self) -> int:
        """What one image costs."""
        return self.service.prices(character="character_reference_images" in self.files)[self.speed]

    @property
    def weight(self) -> int:
        """How much of the image a remix keeps, 1 to 100."""
        return int(self.texts.get("image_weight", _DEFAULT_WEIGHT))

    @property
    def image(self) -> picture.Source | None:
        """What is worked on."""
        return self.files["image"][0] if "image" in self.files else None

    @property
    def where(self) -> NDArray[np.bool_] | None:
        """True where the mask is black, which is what is repainted."""
        if "mask" not in self.files:
            return None
        dark: NDArray[np.bool_] = self.files["mask"][0].pixels[..., :3].sum(axis=2, dtype=np.int64) < 3 * 128
        return dark

    @property
    def resolution(self) -> str:
        """The size of the result: the one asked for, the ratio's, or that of the image where it keeps its own."""
        if "resolution" in self.texts:
            return self.texts["resolution"]
        if "resolution" not in self.service.texts and self.image is not None:
            return "x".join(map(str, self.image.size))
        across, down = map(int, self.texts.get("aspect_ratio", "1x1").split("x"))
        return min(self.service.resolutions, key=lambda size: _off(size, across, down))

    def seed(self, index: int) -> int:
        """Of the image with this index."""
        own = (
            int(self.texts["seed"])
            if "seed" in self.texts
            else Dice("seed", self.sandbox_seed, self.prompt).below(2**31)
        )
        return (own + index) % (MOST_SEED + 1)

    def check_policy(self) -> None:
        """Raises :class:`Refused` where prompt or images are harmful: 422, and nothing is charged."""
        scores = judge.text_scores(self.prompt)
        for source in (source for sources in self.files.values() for source in sources):
            scores = judge.worst(scores, judge.image_scores(source.pixels))
        if judge.reasons(scores):
            raise Refused(422, UNSAFE)


def read_form(service: Service, parts: Iterable[Part], seed: int) -> Asked:
    """Check a form. Raises :class:`Refused`. ``seed`` is the sandbox's own."""
    parts = list(parts)
    if sum(len(part.data) for part in parts) > LARGEST_REQUEST:
        raise Refused(400, "The request is larger than 50 MB.")
    texts = {part.name: part.data.decode("utf-8", "replace") for part in parts if part.filename is None}
    for part in parts:
        if part.filename is None:
            _check_text(service, part.name, part.data.decode("utf-8", "replace"))
    files: dict[str, list[picture.Source]] = {}
    for part in parts:
        if part.filename is not None:
            files.setdefault(part.name, []).append(_source(service, part))
    for name in service.needs:
        if not texts.get(name) and name not in files:
            raise Refused(400, f"{name} is required")
    _check_together(service, texts, files)
    return Asked(service, texts, files, seed)


def _check_text(service: Service, name: str, text: str) -> None:
    if name not in service.texts:
        # The sandbox's own strictness: what Ideogram does with a field it does not know is not documented.
        raise Refused(400, f"{name} is not a field of this endpoint")
    choices = service.resolutions if name == "resolution" else CHOICES.get(name)
    if choices is not None and text not in choices:
        raise Refused(400, f"{name} must be one of {', '.join(choices)}")
    if name in RANGES:
        low, high = RANGES[name]
        if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
            raise Refused(400, f"{name} must be an integer from {low} to {high}")
    if name == "style_codes" and not _CODE.fullmatch(text):
        raise Refused(400, "style_codes: a code has 8 hexadecimal characters")
    if name == "style_preset" and not _NAME.fullmatch(text):
        raise Refused(400, "style_preset is not a preset")
    if name == "color_palette":
        _check_palette(text)


def _check_palette(text: str) -> None:
    try:
        palette: Any = json.loads(text)
    except ValueError:
        palette = None
    if not isinstance(palette, dict) or not (palette.get("name") in PALETTES or palette.get("members")):
        raise Refused(400, "color_palette must have a name or members")


def _source(service: Service, part: Part) -> picture.Source:
    if part.name not in service.files:
        raise Refused(400, f"{part.name} is not a file of this endpoint")
    if len(part.data) > LARGEST_FILE:
        raise Refused(400, f"{part.name} is larger than 25 MB")
    try:
        return picture.read(part.data)
    except (NotAnImage, ImageTooLarge):
        raise Refused(400, f"{part.name} must be a JPEG, PNG or WebP image") from None


def _check_together(service: Service, texts: dict[str, str], files: dict[str, list[picture.Source]]) -> None:
    if "resolution" in texts and "aspect_ratio" in texts:
        raise Refused(400, "aspect_ratio cannot be used in conjunction with resolution")
    if "style_codes" in texts and ("style_type" in texts or "style_reference_images" in files):
        raise Refused(400, "style_codes cannot be used in conjunction with style_reference_images or style_type")
    if "text_prompt" in service.texts and ("text_prompt" in texts) == ("json_prompt" in texts):
        raise Refused(400, "Supply exactly one of text_prompt or json_prompt")
    if len(files.get("character_reference_images", ())) > 1:
        raise Refused(400, "currently only 1 character reference image is supported")
    speeds = service.prices(character="character_reference_images" in files)
    if texts.get("rendering_speed", "DEFAULT") not in speeds:
        raise Refused(400, f"rendering_speed must be one of {', '.join(speeds)}")
    if "mask" in files and files["mask"][0].size != files["image"][0].size:
        raise Refused(400, "The mask must have the same size as the image")


def _off(size: str, across: int, down: int) -> tuple[float, int]:
    width, height = map(int, size.split("x"))
    return round(abs(width * down / (height * across) - 1), 3), abs(width * height - _DEFAULT_PIXELS)
