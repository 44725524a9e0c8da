"""Google's image models as the sandbox serves them: ratios, sizes, tokens and list prices.

Ratios, sizes and tokens of images are those of Google's pages on image generation and on each model (2026); prices are
micro-dollars for a million tokens as LiteLLM lists them (2026-11). What words and thoughts come to is a formula of the
sandbox's own, stated at :func:`usage_of`: the real counts are Google's secret, and adapters must take them from
``usageMetadata``. Imagen is over; the sandbox serves it still, for the sake of its wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_STANDARD: dict[str, tuple[int, int]] = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896),
    "4:5": (928, 1152), "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
}  # fmt: skip
"""Width and height at 1K."""
_EXTREME = {"1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384)}
_OF_25: dict[str, tuple[int, int]] = {
    "1:1": (1024, 1024), "2:3": (832, 1248), "3:2": (1248, 832), "3:4": (864, 1184), "4:3": (1184, 864),
    "4:5": (896, 1152), "5:4": (1152, 896), "9:16": (768, 1344), "16:9": (1344, 768), "21:9": (1536, 672),
}  # fmt: skip
_SCALE = {"512": 0.5, "1K": 1.0, "2K": 2.0, "4K": 4.0}
_WORDS, _THOUGHTS = 6, 90
"""Tokens of the words that the sandbox says with an image, and of the thoughts it makes believe."""


@dataclass(frozen=True)
class Gemini:
    """One model that answers ``generateContent`` with images. Prices in micro-dollars for a million tokens."""

    name: str
    title: str
    tokens: Mapping[str, int]
    """Of an image that comes out, by size."""
    image_in: int
    """Tokens of an image that goes in."""
    price_in: int
    price_words: int
    price_image: int
    ratios: Mapping[str, tuple[int, int]]
    most_images: int = 14
    thinks: bool = True
    everywhere: bool = False
    """Served by other locations of Vertex than ``global``, too."""

    def size(self, ratio: str, image_size: str) -> tuple[int, int]:
        """Width and height of the result."""
        scale = _SCALE[image_size]
        width, height = self.ratios[ratio]
        return int(width * scale), int(height * scale)

    def price_of(self, usage: Mapping[str, Any], image: int) -> int:
        """What a call costs, in micro-dollars, rounded half up once; ``image`` are the tokens of images that came."""
        words = usage.get("candidatesTokenCount", 0) - image + usage.get("thoughtsTokenCount", 0)
        millionths = usage["promptTokenCount"] * self.price_in + words * self.price_words + image * self.price_image
        return int(millionths + 500_000) // 1_000_000


def usage_of(model: Gemini, prompt: str, images: int, image_size: str | None) -> dict[str, Any]:
    """``usageMetadata`` of a call; ``image_size`` None: words came and no image.

    Text: a quarter of its UTF-8 bytes, rounded up. A model that thinks takes 90 tokens for it. With an image 6 more
    tokens of words come.
    """
    text = -(-len(prompt.encode()) // 4)
    came = model.tokens[image_size] if image_size else 0
    thoughts = _THOUGHTS if model.thinks else 0
    into = [{"modality": "TEXT", "tokenCount": text}]
    if images:
        into.append({"modality": "IMAGE", "tokenCount": images * model.image_in})
    told: dict[str, Any] = {
        "promptTokenCount": text + images * model.image_in,
        "candidatesTokenCount": came + _WORDS,
        "promptTokensDetails": into,
    }
    if came:
        told["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": came}]
    if thoughts:
        told["thoughtsTokenCount"] = thoughts
    return {**told, "totalTokenCount": told["promptTokenCount"] + told["candidatesTokenCount"] + thoughts}


GEMINI: dict[str, Gemini] = {
    model.name: model
    for model in (
        Gemini(
            "gemini-3.1-flash-image", "Nano Banana 2", {"512": 747, "1K": 1120, "2K": 1680, "4K": 2520}, 1120,
            500_000, 3_000_000, 60_000_000, {**_STANDARD, **_EXTREME},
        ),
        Gemini(
            "gemini-3-pro-image", "Nano Banana Pro", {"1K": 1120, "2K": 1120, "4K": 2000}, 560,
            2_000_000, 12_000_000, 120_000_000, _STANDARD, everywhere=True,
        ),
        Gemini(
            "gemini-3.1-flash-lite-image", "Nano Banana Lite", {"1K": 1120}, 1120,
            250_000, 1_500_000, 30_000_000, {**_STANDARD, **_EXTREME},
        ),
        Gemini(
            "gemini-2.5-flash-image", "Nano Banana", {"1K": 1290}, 1290,
            300_000, 2_500_000, 30_000_000, _OF_25, most_images=3, thinks=False, everywhere=True,
        ),
    )
}  # fmt: skip
"""The previews are gone: they answer as unknown ones do."""


@dataclass(frozen=True)
class Imagen:
    """One model that answers ``predict``; ``microusd`` is for an image (third parties, 2026)."""

    name: str
    microusd: int
    sizes: tuple[str, ...] = ("1K",)

    def size(self, ratio: str, image_size: str) -> tuple[int, int]:
        """Width and height of the result."""
        scale = _SCALE[image_size]
        width, height = IMAGEN_RATIOS[ratio]
        return int(width * scale), int(height * scale)


IMAGEN_RATIOS = {"1:1": (1024, 1024), "3:4": (896, 1280), "4:3": (1280, 896), "9:16": (768, 1408), "16:9": (1408, 768)}
IMAGEN: dict[str, Imagen] = {
    model.name: model
    for model in (
        Imagen("imagen-4.0-generate-001", 40_000, ("1K", "2K")),
        Imagen("imagen-4.0-fast-generate-001", 20_000),
        Imagen("imagen-4.0-ultra-generate-001", 60_000, ("1K", "2K")),
    )
}
