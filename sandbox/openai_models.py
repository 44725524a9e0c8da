"""The OpenAI image models that the sandbox serves: sizes, qualities, tokens and list prices.

Prices are USD for a million tokens as listed in 2026-11, so a token's price in micro-dollars is the same number; they
are kept in tenths of a micro-dollar because one of them is 2.5. Tokens follow a formula of the sandbox's own, stated at
:func:`tokens_of`: the real counts are the provider's secret, and adapters must take them from ``usage``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STANDARD_SIZES = ("1024x1024", "1536x1024", "1024x1536")
_QUALITIES = ("low", "medium", "high")
# Of one 1024x1024 image. The first three are OpenAI's published counts; the other two are made up here.
_TOKENS_1024 = {"low": 272, "medium": 1056, "high": 4160, "xhigh": 6240, "max": 8320}
_PARTIAL_IMAGE_TOKENS = 100
_LONGEST_EDGE, _MOST_PIXELS = 3840, 3840 * 2160


@dataclass(frozen=True)
class ImageModel:
    """One live model; prices in tenths of a micro-dollar for one token."""

    name: str
    text_in: int
    image_in: int
    image_out: int
    any_size: bool = True
    qualities: tuple[str, ...] = _QUALITIES
    fidelity: tuple[str, ...] = ()
    markup: bool = False
    shutdown: str | None = None

    def sizes_problem(self, width: int, height: int) -> str | None:
        """Why a size is refused, in words; None where it is fine."""
        if not self.any_size:
            return None if f"{width}x{height}" in STANDARD_SIZES else "is not one of the supported sizes"
        if width % 16 or height % 16:
            return "width and height must both be divisible by 16"
        if max(width, height) > 3 * min(width, height):
            return "the aspect ratio must be between 1:3 and 3:1"
        if max(width, height) > _LONGEST_EDGE or width * height > _MOST_PIXELS:
            return "the maximum supported resolution is 3840x2160"
        return None


def _flexible(name: str, **more: Any) -> ImageModel:
    return ImageModel(name, text_in=50, image_in=80, image_out=300, **more)


_FINER: dict[str, Any] = {"qualities": (*_QUALITIES, "xhigh", "max"), "markup": True}
_ENDS = "2026-12-01"
MODELS: dict[str, ImageModel] = {
    model.name: model
    for model in (
        _flexible("gpt-image-2"),
        _flexible("gpt-image-2-2026-04-21"),
        _flexible("gpt-image-2.5-sunburst", **_FINER),
        _flexible("gpt-image-2.5-sunburst-2026-09-08", **_FINER),
        _flexible("gpt-image-2.5-flare", **_FINER),
        _flexible("gpt-image-2.5-flare-2026-09-08", **_FINER),
        _flexible("gpt-image-2.6-sunburst"),
        _flexible("gpt-image-2.6-flare"),
        ImageModel("gpt-image-1.5", 50, 80, 320, any_size=False, fidelity=("high", "low"), shutdown=_ENDS),
        ImageModel("chatgpt-image-latest", 50, 80, 320, any_size=False, fidelity=("high", "low"), shutdown=_ENDS),
        ImageModel("gpt-image-1-mini", 20, 25, 80, any_size=False, fidelity=("low",), shutdown=_ENDS),
    )
}
"""Retired models (gpt-image-1, dall-e-2, dall-e-3) are simply absent: they answer as unknown ones do."""
MODERATION_MODELS = ("omni-moderation-latest", "omni-moderation-2024-09-26")


def tokens_of(
    *, prompt: str, inputs: list[tuple[int, int]], size: tuple[int, int], quality: str, images: int, partials: int = 0
) -> dict[str, Any]:
    """The ``usage`` of a call.

    Text: a quarter of its UTF-8 bytes. Each input image: 65 and 129 for every started 512-pixel tile. Output: the
    count of a 1024x1024 image of this quality scaled by area, for each image; 100 for each partial image.
    All of it rounded up.
    """
    text = -(-len(prompt.encode()) // 4)
    image = sum(65 + 129 * -(-width // 512) * -(-height // 512) for width, height in inputs)
    one = -(-_TOKENS_1024[quality] * size[0] * size[1] // (1024 * 1024))
    out = one * images + _PARTIAL_IMAGE_TOKENS * partials
    return {
        "input_tokens": text + image,
        "input_tokens_details": {"text_tokens": text, "image_tokens": image},
        "output_tokens": out,
        "output_tokens_details": {"image_tokens": out, "text_tokens": 0},
        "total_tokens": text + image + out,
    }


def price_of(model: ImageModel, usage: dict[str, Any], divided_by: int = 1) -> int:
    """What a call costs, in micro-dollars, rounded half up once; a batch's line costs half."""
    details = usage["input_tokens_details"]
    tenths: int = (
        details["text_tokens"] * model.text_in
        + details["image_tokens"] * model.image_in
        + usage["output_tokens"] * model.image_out
    )
    return (2 * tenths + 10 * divided_by) // (20 * divided_by)
