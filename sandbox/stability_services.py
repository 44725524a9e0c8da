"""Stability's v2beta services as the sandbox serves them: fields and their ranges, what an image may be, credits.

From Stability's own OpenAPI of v2beta, read 2026-11-21 in the copy that tryAGI/StabilityAI keeps. A credit is one cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

MICROUSD_A_CREDIT = 10_000
LARGEST_REQUEST = 10 * 1024 * 1024
LONGEST_TEXT = 10_000
RATIOS = ("21:9", "16:9", "3:2", "5:4", "1:1", "4:5", "2:3", "9:16", "9:21")
FORMATS = ("png", "jpeg", "webp")
SD_MODELS: dict[str, float] = {"sd3.5-large": 6.5, "sd3.5-large-turbo": 4, "sd3.5-medium": 3.5}
STYLES = (
    "enhance", "anime", "photographic", "digital-art", "comic-book", "fantasy-art", "line-art", "analog-film",
    "neon-punk", "isometric", "low-poly", "origami", "modeling-compound", "cinematic", "3d-model", "pixel-art",
    "tile-texture",
)  # fmt: skip
MOST_SEED = 4_294_967_294
MEGAPIXEL = 1024 * 1024

Range = tuple[float, float]


@dataclass(frozen=True)
class Picture:
    """What a service takes for an image; None = no limit."""

    needed: bool = True
    least_side: int = 64
    most_side: int | None = None
    most_pixels: int | None = 9_437_184
    wide: bool = True
    """Whether it may be longer than 2.5 times its shorter side."""


@dataclass(frozen=True)
class Service:
    """One POST below ``/v2beta/stable-image``."""

    path: str
    credits: float
    takes: frozenset[str]
    needs: tuple[str, ...] = ("prompt",)
    ranges: Mapping[str, Range] = field(default_factory=dict)
    image: Picture | None = None
    pixels: int = MEGAPIXEL
    """What a ratio is made of."""
    later: bool = False
    """Answered with an id; the result is fetched."""
    image_name: str = "image"
    other: str = ""
    """A second file that it takes."""
    other_needed: bool = False
    words: str = "prompt"
    """The field that says what shall be seen."""


_TEXTS = frozenset(("prompt", "negative_prompt", "seed", "output_format", "style_preset"))
_CONTROL: dict[str, Range] = {"control_strength": (0, 1)}
_SIDES: dict[str, Range] = dict.fromkeys(("left", "right", "up", "down"), (0, 2000))
_NARROW = Picture(wide=False)
_RELIT = frozenset(("preserve_original_subject", "original_background_depth", "light_source_strength"))
_RESTYLED: dict[str, Range] = {"style_strength": (0, 1), "composition_fidelity": (0, 1), "change_strength": (0.1, 1)}

SERVICES: dict[str, Service] = {
    service.path: service
    for service in (
        Service(
            "generate/ultra", 8, _TEXTS | {"aspect_ratio", "strength"}, ranges={"strength": (0, 1)},
            image=Picture(needed=False, most_side=16_384, most_pixels=None),
        ),
        Service("generate/core", 3, _TEXTS | {"aspect_ratio"}, pixels=MEGAPIXEL * 3 // 2),
        Service(
            "generate/sd3", 0, _TEXTS | {"aspect_ratio", "strength", "mode", "model", "cfg_scale"},
            ranges={"strength": (0, 1), "cfg_scale": (1, 10)}, image=Picture(needed=False, most_pixels=None),
        ),
        Service("edit/inpaint", 5, _TEXTS | {"grow_mask"}, ranges={"grow_mask": (0, 100)}, image=Picture()),
        Service(
            "edit/erase", 5, frozenset(("seed", "output_format", "grow_mask")), needs=(),
            ranges={"grow_mask": (0, 20)}, image=Picture(),
        ),
        Service(
            "edit/outpaint", 4, (_TEXTS - {"negative_prompt"}) | set(_SIDES) | {"creativity"}, needs=(),
            ranges={**_SIDES, "creativity": (0, 1)}, image=_NARROW,
        ),
        Service(
            "edit/search-and-replace", 5, _TEXTS | {"search_prompt", "grow_mask"}, needs=("prompt", "search_prompt"),
            ranges={"grow_mask": (0, 20)}, image=_NARROW,
        ),
        Service(
            "edit/search-and-recolor", 5, _TEXTS | {"select_prompt", "grow_mask"}, needs=("prompt", "select_prompt"),
            ranges={"grow_mask": (0, 20)}, image=_NARROW,
        ),
        Service(
            "upscale/fast", 2, frozenset(("output_format",)), needs=(),
            image=Picture(least_side=32, most_side=1536, most_pixels=1_048_576),
        ),
        Service(
            "upscale/conservative", 40, (_TEXTS - {"style_preset"}) | {"creativity"},
            ranges={"creativity": (0.2, 0.5)}, image=_NARROW,
        ),
        Service(
            "upscale/creative", 60, _TEXTS | {"creativity"}, ranges={"creativity": (0.1, 0.5)},
            image=Picture(most_pixels=1_048_576), later=True,
        ),
        Service("control/sketch", 5, _TEXTS | {"control_strength"}, ranges=_CONTROL, image=_NARROW),
        Service("control/structure", 5, _TEXTS | {"control_strength"}, ranges=_CONTROL, image=_NARROW),
        Service("edit/remove-background", 5, frozenset(("output_format",)), needs=(), image=_NARROW),
        Service(
            "edit/replace-background-and-relight", 8,
            _RELIT | {"negative_prompt", "seed", "output_format", "background_prompt", "foreground_prompt"}
            | {"keep_original_background", "light_source_direction"},
            needs=("background_prompt",), ranges=dict.fromkeys(_RELIT, (0, 1)), image=_NARROW, later=True,
            image_name="subject_image", other="background_reference", words="background_prompt",
        ),
        Service(
            "control/style-transfer", 8,
            frozenset(_RESTYLED) | {"prompt", "negative_prompt", "seed", "output_format"}, needs=(), ranges=_RESTYLED,
            image=_NARROW, image_name="init_image", other="style_image", other_needed=True,
        ),
        Service(
            "control/style", 5, _TEXTS | {"aspect_ratio", "fidelity"}, ranges={"fidelity": (0, 1)}, image=_NARROW
        ),
    )
}  # fmt: skip

CHOICES: dict[str, tuple[str, ...]] = {
    "aspect_ratio": RATIOS,
    "output_format": FORMATS,
    "style_preset": STYLES,
    "model": tuple(SD_MODELS),
    "mode": ("text-to-image", "image-to-image"),
    "light_source_direction": ("none", "above", "below", "left", "right"),
    "keep_original_background": ("true", "false"),
}
WHOLE = frozenset(("seed", *_SIDES))
FILES: Mapping[Literal["image", "mask"], frozenset[str]] = {
    "image": frozenset(path for path, service in SERVICES.items() if service.image),
    "mask": frozenset(("edit/inpaint", "edit/erase")),
}
