"""Models on the Hub as the sandbox knows them: who runs each, under which id, and what that costs.

The mapping has the shape of the Hub's ``inferenceProviderMapping``. Hugging Face passes the runner's price through:
prices of WaveSpeed's model pages, LiteLLM's pages (fal, nscale) and comparisons of 2026 (Replicate, Together);
hf-inference costs its time, in the billing page's example $0.00012 a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Pipeline = Literal["text-to-image", "image-to-image"]
COMPUTE_S = 1.8
"""How long hf-inference and Endpoints say that they computed."""


@dataclass(frozen=True)
class Runner:
    """One provider that runs a model. Of the prices, each in micro-dollars, one counts."""

    provider_id: str
    microusd: float = 0
    """An image's."""
    megapixel: float = 0
    """A million pixels'."""
    second: float = 0

    def price(self, width: int, height: int) -> int:
        """Micro-dollars for one image of this size."""
        return round(self.microusd + self.megapixel * width * height / 1_000_000 + self.second * COMPUTE_S)


@dataclass(frozen=True)
class Repo:
    """One model repository."""

    name: str
    pipeline: Pipeline
    runners: dict[str, Runner] = field(default_factory=dict)


_SCHNELL = "black-forest-labs/FLUX.1-schnell"
_DEV = "black-forest-labs/FLUX.1-dev"
_KONTEXT = "black-forest-labs/FLUX.1-Kontext-dev"
_VERSION = "85723d503c17da3f9fd9cecfb9987a8bf60ef747e0ba4f3d0b3f9aa6e0f5a6f1"
_SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
_SD3 = "stabilityai/stable-diffusion-3-medium-diffusers"

REPOS: dict[str, Repo] = {
    repo.name: repo
    for repo in (
        Repo(
            _SCHNELL,
            "text-to-image",
            {
                "fal-ai": Runner("fal-ai/flux/schnell", 3_000),
                "replicate": Runner("black-forest-labs/flux-schnell", 3_000),
                "together": Runner("black-forest-labs/FLUX.1-schnell", 2_700),
                "wavespeed": Runner("wavespeed-ai/flux-schnell", 3_000),
            },
        ),
        Repo(
            _DEV,
            "text-to-image",
            {
                "fal-ai": Runner("fal-ai/flux/dev", 25_000),
                "replicate": Runner("black-forest-labs/flux-dev", 25_000),
                "wavespeed": Runner("wavespeed-ai/flux-dev", 12_000),
                "together": Runner("black-forest-labs/FLUX.1-dev", 15_400),
            },
        ),
        Repo(
            _KONTEXT,
            "image-to-image",
            {
                "fal-ai": Runner("fal-ai/flux-kontext/dev", 25_000),
                "replicate": Runner(
                    "black-forest-labs/flux-kontext-dev:85723d503c17da3f9fd9cecfb9987a8bf60ef747", 25_000
                ),
                "wavespeed": Runner("wavespeed-ai/flux-kontext-dev", 25_000),
                "together": Runner("black-forest-labs/FLUX.1-kontext-dev", 25_000),
                "hf-inference": Runner(_KONTEXT, second=120),
            },
        ),
        Repo(_SDXL, "text-to-image", {"nscale": Runner(_SDXL, megapixel=3_000)}),
        Repo(_SD3, "text-to-image", {"hf-inference": Runner(_SD3, second=120)}),
    )
}


def found(route: str, provider_id: str) -> Repo | None:
    """The model that a runner knows by this id."""
    for repo in REPOS.values():
        runner = repo.runners.get(route)
        if runner is not None and provider_id in (runner.provider_id, runner.provider_id.partition(":")[2]):
            return repo
    return None
