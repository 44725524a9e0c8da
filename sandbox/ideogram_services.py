"""Ideogram's services as the sandbox serves them: which fields and files they take, sizes, prices.

From Ideogram's own OpenAPI of v1 (stored copies of developer.ideogram.ai and of tryAGI/Ideogram), v4's sizes from
Comfy's page of it, and prices from ideogram.ai/features/api-pricing; all read 2026-11-21.
"""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_FILE, LARGEST_REQUEST = 25 * 1024 * 1024, 50 * 1024 * 1024
MOST_SEED = 2**31 - 1


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _turned(sizes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple("x".join(reversed(size.split("x"))) for size in sizes)


_TALL = _words(
    "512x1536 576x1408 576x1472 576x1536 640x1344 640x1408 640x1472 640x1536 704x1152 704x1216 704x1280 704x1344 "
    "704x1408 704x1472 736x1312 768x1088 768x1216 768x1280 768x1344 800x1280 832x960 832x1024 832x1088 832x1152 "
    "832x1216 832x1248 864x1152 896x960 896x1024 896x1088 896x1120 896x1152 960x1024 960x1088"
)
_TALL_4 = _words("1440x2880 1664x2496 1792x2240 1440x2560 1600x2560 1728x2304 1296x3168 1152x2944 1248x3328 1280x3072")
RESOLUTIONS = (*_TALL, "1024x1024", *_turned(_TALL))
RESOLUTIONS_4 = (*_TALL_4, "2048x2048", *_turned(_TALL_4))
RATIOS = _words("1x3 3x1 1x2 2x1 9x16 16x9 10x16 16x10 2x3 3x2 3x4 4x3 4x5 5x4 1x1")

_PLAIN = {"FLASH": 30_000, "TURBO": 30_000, "DEFAULT": 60_000, "QUALITY": 90_000}
_CHARACTER = {"TURBO": 100_000, "DEFAULT": 150_000, "QUALITY": 200_000}
_FOUR = {"TURBO": 30_000, "DEFAULT": 60_000, "QUALITY": 100_000}


@dataclass(frozen=True)
class Service:
    """One POST below ``/v1``."""

    path: str
    texts: frozenset[str]
    files: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ("prompt",)
    """Fields and files that must be there."""

    @property
    def prompt(self) -> str:
        """What the field with the words is called."""
        return "text_prompt" if "text_prompt" in self.texts else "prompt"

    @property
    def resolutions(self) -> tuple[str, ...]:
        """The sizes it makes."""
        return RESOLUTIONS_4 if self.path.startswith("ideogram-v4") else RESOLUTIONS

    def prices(self, *, character: bool) -> dict[str, int]:
        """Micro-dollars for an image by rendering speed; those that are missing cannot be had."""
        return _FOUR if self.path.startswith("ideogram-v4") else _CHARACTER if character else _PLAIN


_STYLE = frozenset(("num_images", "seed", "rendering_speed", "style_preset", "color_palette", "style_codes"))
_WORDS = frozenset(("prompt", "magic_prompt"))
_TYPED = _STYLE | _WORDS | {"style_type", "custom_model_uri"}
_SIZED = frozenset(("resolution", "aspect_ratio", "negative_prompt"))
_REFERENCES = frozenset(("style_reference_images",))
_PEOPLE = _REFERENCES | {"character_reference_images", "character_reference_images_mask"}
_IMAGE, _MASK = frozenset(("image",)), frozenset(("image", "mask"))

SERVICES: dict[str, Service] = {
    service.path: service
    for service in (
        Service("ideogram-v3/generate", _TYPED | _SIZED, _PEOPLE),
        Service("ideogram-v3/remix", _TYPED | _SIZED | {"image_weight"}, _PEOPLE | _IMAGE, ("image", "prompt")),
        Service("ideogram-v3/inpaint", _TYPED, _PEOPLE | _MASK, ("image", "mask", "prompt")),
        Service("ideogram-v3/edit", _TYPED, _PEOPLE | _MASK, ("image", "mask", "prompt")),
        Service("ideogram-v3/reframe", _STYLE | {"resolution"}, _REFERENCES | _IMAGE, ("image", "resolution")),
        Service("ideogram-v3/replace-background", _STYLE | _WORDS, _REFERENCES | _IMAGE, ("image", "prompt")),
        Service(
            "ideogram-v4/generate",
            frozenset(("text_prompt", "json_prompt", "resolution", "rendering_speed", "enable_copyright_detection")),
            needs=(),
        ),
    )
}
RANGES = {"num_images": (1, 8), "seed": (0, MOST_SEED), "image_weight": (1, 100)}
CHOICES: dict[str, tuple[str, ...]] = {
    "aspect_ratio": RATIOS,
    "magic_prompt": ("AUTO", "ON", "OFF"),
    "style_type": ("AUTO", "GENERAL", "REALISTIC", "DESIGN", "FICTION"),
    "enable_copyright_detection": ("true", "false"),
}
PALETTES = ("EMBER", "FRESH", "JUNGLE", "MAGIC", "MELON", "MOSAIC", "PASTEL", "ULTRAMARINE")
