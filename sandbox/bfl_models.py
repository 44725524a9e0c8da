"""Black Forest Labs' endpoints as the sandbox serves them: which fields they take, within which limits, at what price.

Fields and limits are those of api.bfl.ai/openapi.json (2026-09). Prices are in credits of one cent: BFL's pricing page
and skill, 2026-11. A megapixel is 1024 x 1024 pixels; parts of one round up, of the result and of each image that goes
in: their own example of 1920 x 1080 costs 4.5 credits on FLUX.2 [pro].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

MEGAPIXEL = 1024 * 1024
MOST_PIXELS = 4 * MEGAPIXEL
RATIOS = ("21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16", "9:21")

SizedBy = Literal["flux-2", "flux-1", "ratio", "source", "margins", "canvas", "same"]
"""``source`` has a mask, ``canvas`` is told where the image lies on it, ``same`` is as large as its first image."""


@dataclass(frozen=True)
class Endpoint:
    """One path under ``/v1``. ``cost`` is for an image, or for the first megapixel where ``more`` is the next ones'."""

    name: str
    cost: Decimal
    more: Decimal | None = None
    sized_by: SizedBy = "flux-2"
    megapixels: int = 1
    """What an aspect ratio is made of."""
    default_ratio: str = ""
    """Without one: this, or (empty) the size of the image that goes in."""
    images: tuple[str, ...] = ()
    """The fields that hold images; those of ``required`` must be there."""
    required: frozenset[str] = frozenset()
    prompt: bool = True
    """Whether there must be one."""
    tolerance: int = 6
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    flags: tuple[str, ...] = ("prompt_upsampling",)
    reasons: bool = False
    """Whether it reasons before it generates."""

    def price(self, size: tuple[int, int], inputs: list[tuple[int, int]]) -> Decimal:
        """Credits for a picture of this size, made from images of those sizes."""
        if self.more is None:
            return self.cost
        further = _whole(size) - 1 + sum(map(_whole, inputs))
        return self.cost + self.more * further


def area(size: tuple[int, int]) -> Decimal:
    """BFL's megapixels, as its answers tell them: with two decimals."""
    return round(Decimal(size[0] * size[1]) / MEGAPIXEL, 2)


def _whole(size: tuple[int, int]) -> int:
    return -(-size[0] * size[1] // MEGAPIXEL)


def _inputs(count: int) -> tuple[str, ...]:
    return tuple("input_image" if number == 1 else f"input_image_{number}" for number in range(1, count + 1))


def _flux_2(name: str, cost: str, more: str, **own: object) -> Endpoint:
    given: dict[str, object] = {"images": _inputs(8), "tolerance": 5, "flags": ("disable_pup",), **own}
    return Endpoint(name, Decimal(cost), Decimal(more), **given)  # type: ignore[arg-type]


def _tool(name: str, sized_by: SizedBy, images: tuple[str, ...], **own: object) -> Endpoint:
    """Five credits, as for fill: BFL's pricing page names no price of these."""
    given: dict[str, object] = {"prompt": False, "tolerance": 5, "flags": (), "required": frozenset(images), **own}
    return Endpoint(f"flux-tools/{name}", Decimal(5), sized_by=sized_by, images=images, **given)  # type: ignore[arg-type]


_TOOLS: dict[str, tuple[float, float]] = {"steps": (15, 50), "guidance": (1.5, 100)}

ENDPOINTS: dict[str, Endpoint] = {
    one.name: one
    for one in (
        _flux_2("flux-2-pro", "3", "1.5"),
        _flux_2(
            "flux-2-flex", "5", "5", flags=("prompt_upsampling",), ranges={"steps": (1, 50), "guidance": (1.5, 10)}
        ),
        _flux_2("flux-2-max", "7", "3", reasons=True),
        _flux_2("flux-2-klein-9b", "1.5", "0.2", images=_inputs(4), flags=()),
        _flux_2("flux-2-klein-4b", "1.4", "0.1", images=_inputs(4), flags=()),
        Endpoint("flux-kontext-pro", Decimal(4), sized_by="ratio", images=_inputs(1)),
        Endpoint("flux-kontext-max", Decimal(8), sized_by="ratio", images=_inputs(1)),
        Endpoint("flux-pro-1.1", Decimal(4), sized_by="flux-1", images=("image_prompt",), prompt=False),
        Endpoint(
            "flux-pro-1.1-ultra", Decimal(6), sized_by="ratio", megapixels=4, default_ratio="16:9",
            images=("image_prompt",), prompt=False, ranges={"image_prompt_strength": (0, 1)},
            flags=("prompt_upsampling", "raw"),
        ),
        Endpoint(
            "flux-dev", Decimal("2.5"), sized_by="flux-1", prompt=False,
            ranges={"steps": (1, 50), "guidance": (1.5, 5)},
        ),
        Endpoint(
            "flux-pro-1.0-fill", Decimal(5), sized_by="source", images=("image", "mask"), required=frozenset({"image"}),
            prompt=False, ranges=_TOOLS,
        ),
        Endpoint(
            "flux-pro-1.0-expand", Decimal(5), sized_by="margins", images=("image",), required=frozenset({"image"}),
            prompt=False, ranges=_TOOLS,
        ),
        _tool("erase-v1", "source", ("image", "mask"), ranges={"dilate_pixels": (0, 25)}),
        _tool("outpainting-v1", "canvas", ("input_image",)),
        _tool("deblur-v1", "same", ("image",)),
    )
}  # fmt: skip
