"""The image models that the sandbox's Azure resource has deployed, each under its own name, and what they cost.

An account names its deployments as it likes. So any other name is a deployment too: of the model whose name is within
it, else of ``gpt-image-2``; but a name that begins with ``no-`` or ``gone-``, or is a retired model's, is nothing.

Prices: OpenAI's for its models; FLUX as LiteLLM's price map lists them (2026-11): four cents an image, FLUX.2 [flex]
five cents a megapixel of 1024 x 1024 pixels, of what goes in as of what comes out.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .openai_models import MODELS, ImageModel

MEGAPIXEL = 1024 * 1024
_FLUX_1_STEP, _FLUX_1_SIDES = 32, (256, 1440)


@dataclass(frozen=True)
class Flux1(ImageModel):
    """A FLUX.1 model behind the images API: billed by the image, and it tells of no tokens."""

    name: str
    text_in: int = 0
    image_in: int = 0
    image_out: int = 0
    takes_images: int = 0
    microusd: int = 40_000

    def sizes_problem(self, width: int, height: int) -> str | None:
        low, high = _FLUX_1_SIDES
        if not (low <= width <= high and low <= height <= high):
            return f"width and height must be between {low} and {high}"
        if width % _FLUX_1_STEP or height % _FLUX_1_STEP:
            return f"width and height must both be multiples of {_FLUX_1_STEP}"
        return None


_RETIRED = frozenset(("gpt-image-1", "dall-e-2", "dall-e-3"))
_GONE = ("no-", "gone-")
DEPLOYED: dict[str, ImageModel] = {
    **{name: model for name, model in MODELS.items() if name != "chatgpt-image-latest"},
    "FLUX-1.1-pro": Flux1("FLUX-1.1-pro"),
    "FLUX.1-Kontext-pro": Flux1("FLUX.1-Kontext-pro", takes_images=1),
}
FLUX_2: dict[str, str] = {"flux-2-pro": "FLUX.2-pro", "flux-2-flex": "FLUX.2-flex"}
"""Paths of Black Forest Labs' own API on Azure, and the models behind them."""


def deployment(name: str) -> ImageModel | None:
    """The model behind a deployment's name; None where there is no such deployment."""
    if name in DEPLOYED:
        return DEPLOYED[name]
    if name in _RETIRED or name.startswith(_GONE):
        return None
    within = [known for known in DEPLOYED if known.lower() in name.lower()]
    return DEPLOYED[max(within, key=len, default="gpt-image-2")]


def flux_2_microusd(path: str, output: tuple[int, int], inputs: list[tuple[int, int]]) -> int:
    """What a picture of this size costs, made from images of those sizes; rounded half up."""
    if path == "flux-2-pro":
        return 40_000
    pixels = sum(width * height for width, height in (output, *inputs))
    return int(Decimal(50_000) * pixels / MEGAPIXEL + Decimal("0.5"))
