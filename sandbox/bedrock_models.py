"""The image models of Amazon Bedrock as the sandbox serves them: ids, fields and their ranges, prices.

From Amazon's Bedrock user guide ("Stability AI models", "Stability AI Image Services"), read in excerpts 2026-11-21.
The services are Stability's own, so what the guide leaves open is as in Stability's API; Core and Ultra take neither an
image nor WebP (found by kalleeh/bedrock-image-mcp-server, third party). Prices by LiteLLM's table of 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .stability_services import MICROUSD_A_CREDIT, SERVICES, Picture, Range, Service

_STYLE: dict[str, Range] = {"composition_fidelity": (0, 1), "style_strength": (0, 1), "change_strength": (0.1, 1)}
_PROFILE = "us.stability.stable-"
_PLAIN = frozenset(("prompt", "negative_prompt", "seed", "output_format"))


def _like(
    path: str, usd: float, *, without: tuple[str, ...] = (), ranges: Mapping[str, Range] | None = None
) -> Service:
    """A service of Stability's own API as Bedrock sells it: at once, at its own price."""
    known = SERVICES[path]
    return replace(
        known,
        credits=usd * 1_000_000 / MICROUSD_A_CREDIT,
        takes=known.takes - set(without),
        ranges=known.ranges if ranges is None else ranges,
        image=known.image if path != "generate/ultra" else None,
        later=False,
    )


_GROW: dict[str, Range] = {"grow_mask": (0, 20)}

MODELS: dict[str, Service] = {
    "stability.stable-image-ultra-v1:1": _like("generate/ultra", 0.14, without=("style_preset", "strength")),
    "stability.stable-image-core-v1:1": _like("generate/core", 0.04, without=("style_preset",)),
    "stability.sd3-5-large-v1:0": _like("generate/sd3", 0.08, without=("style_preset", "model", "cfg_scale")),
    f"{_PROFILE}image-inpaint-v1:0": _like("edit/inpaint", 0.07, ranges=_GROW),
    f"{_PROFILE}image-erase-object-v1:0": _like("edit/erase", 0.07, ranges=_GROW),
    f"{_PROFILE}image-search-replace-v1:0": _like("edit/search-and-replace", 0.07),
    f"{_PROFILE}image-search-recolor-v1:0": _like("edit/search-and-recolor", 0.07),
    f"{_PROFILE}image-control-sketch-v1:0": _like("control/sketch", 0.07),
    f"{_PROFILE}image-control-structure-v1:0": _like("control/structure", 0.07),
    f"{_PROFILE}image-style-guide-v1:0": _like("control/style", 0.07),
    f"{_PROFILE}outpaint-v1:0": _like("edit/outpaint", 0.06),
    f"{_PROFILE}fast-upscale-v1:0": _like("upscale/fast", 0.03),
    f"{_PROFILE}conservative-upscale-v1:0": _like("upscale/conservative", 0.40),
    f"{_PROFILE}creative-upscale-v1:0": _like("upscale/creative", 0.60),
    f"{_PROFILE}image-remove-background-v1:0": Service(
        "edit/remove-background", 7, frozenset(("output_format",)), needs=(), image=Picture(wide=False)
    ),
    f"{_PROFILE}style-transfer-v1:0": Service(
        "control/style-transfer", 8, _PLAIN | set(_STYLE), needs=(), ranges=_STYLE, image=Picture(wide=False)
    ),
}
STYLE_TRANSFER = f"{_PROFILE}style-transfer-v1:0"
NOVA = "amazon.nova-canvas-v1:0"
NOVA_MICROUSD = 60_000
FORMATS: dict[str, tuple[str, ...]] = {
    "generate/ultra": ("png", "jpeg"),
    "generate/core": ("png", "jpeg"),
    "edit/remove-background": ("png", "webp"),
}
"""Where not all three are made."""
