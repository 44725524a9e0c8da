"""fal's image apps as the sandbox serves them: what each takes, gives and costs.

Prices are those of fal's model pages and of the LiteLLM price map, 2026-11. A megapixel is 1024 x 1024 pixels, and
parts of one round up: fal's own examples charge one for 1024x1024 and for 512x512, and two for 1920x1080.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from . import picture

MEGAPIXEL = 1024 * 1024
SPEEDS = ("TURBO", "BALANCED", "QUALITY")


@dataclass(frozen=True)
class App:
    """One endpoint. ``microusd`` is for an image, or for a megapixel of output with ``by_area``."""

    endpoint: str
    microusd: int
    by_area: bool = False
    first_microusd: int | None = None
    """The first megapixel's own price. (fal charges further megapixels of *input* too; that is not billed here.)"""
    sized_by: Literal["image_size", "aspect_ratio", "source", "factor"] = "image_size"
    default_size: str = "landscape_4_3"
    megapixels: int = 1
    """What an aspect ratio is made of."""
    source: Literal["", "image_url", "image_urls", "controlnet_unions"] = ""
    mask: bool = False
    worded: Literal["required", "optional", "no"] = "required"
    """Whether it takes a prompt."""
    single: bool = False
    """The result is one ``image``, not a list of ``images``."""
    smallest_edge: int = 16
    most_images: int = 4
    most_steps: int = 50
    speeds: tuple[int, ...] = ()
    """An image's price by ``rendering_speed``, in the order TURBO, BALANCED, QUALITY."""
    formats: tuple[picture.Format, ...] = ("jpeg", "png")
    checker: bool = True
    """True: a harmful prompt gives a black image; False: it is refused as ``content_policy_violation``."""
    own: Mapping[str, Any] = field(default_factory=dict)
    """Schemas of inputs that it publishes beside the usual ones; what is in them changes no picture here."""

    @property
    def root(self) -> str:
        """``owner/alias``: fal drops the rest of the path from a request's URLs."""
        return "/".join(self.endpoint.split("/")[:2])

    @property
    def unit(self) -> str:
        """The unit as fal's pricing API words it."""
        return "megapixels" if self.by_area else "images"

    def price(self, width: int, height: int, images: int, speed: str = "BALANCED") -> int:
        """Micro-dollars for ``images`` pictures of this size."""
        if self.speeds:
            return self.speeds[SPEEDS.index(speed)] * images
        if not self.by_area:
            return self.microusd * images
        area = -(-width * height // MEGAPIXEL)
        first = self.microusd if self.first_microusd is None else self.first_microusd
        return (first + self.microusd * (area - 1)) * images


_LORAS: dict[str, Any] = {
    "type": "array",
    "description": "The LoRAs to use for the image generation.",
    "maxItems": 3,
    "items": {
        "type": "object",
        "properties": {"path": {"type": "string"}, "scale": {"type": "number", "minimum": 0, "maximum": 4}},
        "required": ["path"],
    },
}
APPS: dict[str, App] = {
    app.endpoint: app
    for app in (
        App("fal-ai/flux/schnell", 3_000, by_area=True, most_steps=12),
        App("fal-ai/flux/dev", 25_000, by_area=True),
        App("fal-ai/flux/dev/image-to-image", 25_000, by_area=True, sized_by="source", source="image_url"),
        App("fal-ai/flux/dev/redux", 25_000, by_area=True, source="image_url", worded="no"),
        App("fal-ai/flux-general", 75_000, by_area=True, source="controlnet_unions"),
        App(
            "fal-ai/clarity-upscaler", 30_000, by_area=True, sized_by="factor", source="image_url", worded="optional",
            single=True, most_images=1, formats=("png",),
        ),
        App("fal-ai/flux-pro/v1.1", 40_000, by_area=True),
        App("fal-ai/flux-pro/v1.1-ultra", 60_000, sized_by="aspect_ratio", default_size="16:9", megapixels=4),
        App("fal-ai/flux-pro/v1/fill", 50_000, by_area=True, sized_by="source", source="image_url", mask=True),
        App("fal-ai/flux-pro/kontext", 40_000, sized_by="aspect_ratio", default_size="auto", source="image_url"),
        App("fal-ai/flux-pro/kontext/text-to-image", 40_000, sized_by="aspect_ratio", default_size="1:1"),
        App("fal-ai/flux-pro/kontext/max", 80_000, sized_by="aspect_ratio", default_size="auto", source="image_url"),
        App("fal-ai/flux-pro/kontext/max/text-to-image", 80_000, sized_by="aspect_ratio", default_size="1:1"),
        App(
            "fal-ai/bytedance/seedream/v4/text-to-image", 30_000, default_size="square_hd", smallest_edge=1024,
            formats=("png",), checker=False,
        ),
        App(
            "fal-ai/bytedance/seedream/v4/edit", 30_000, default_size="auto", source="image_urls", smallest_edge=1024,
            formats=("png",), checker=False,
        ),
        App("fal-ai/flux-2-pro", 15_000, by_area=True, first_microusd=30_000, most_images=1),
        App(
            "fal-ai/flux-2-pro/edit", 15_000, by_area=True, first_microusd=30_000, default_size="auto",
            source="image_urls", most_images=1,
        ),
        App(
            "fal-ai/nano-banana", 39_000, sized_by="aspect_ratio", default_size="1:1", checker=False,
            formats=("jpeg", "png", "webp"),
        ),
        App(
            "fal-ai/nano-banana/edit", 39_000, sized_by="aspect_ratio", default_size="auto", source="image_urls",
            checker=False, formats=("jpeg", "png", "webp"),
        ),
        *(
            App(
                f"fal-ai/{name}{more}", price, sized_by="aspect_ratio", default_size="auto" if more else "1:1",
                source="image_urls" if more else "", checker=False, formats=("jpeg", "png", "webp"),
            )
            for name, price in (("nano-banana-2", 80_000), ("nano-banana-pro", 150_000))
            for more in ("", "/edit")
        ),
        App(
            "fal-ai/ideogram/v3", 60_000, speeds=(30_000, 60_000, 90_000), default_size="square_hd", formats=("png",),
            most_images=8, checker=False,
        ),
        App("fal-ai/flux/krea", 25_000, by_area=True),
        App("fal-ai/flux-lora", 35_000, by_area=True, own={"loras": _LORAS}),
        App("fal-ai/qwen-image-edit", 30_000, by_area=True, sized_by="source", source="image_url"),
        App(
            "fal-ai/birefnet/v2", 1_000, sized_by="source", source="image_url", worded="no", single=True, most_images=1,
            formats=("png",), checker=False,
        ),
    )
}  # fmt: skip
