"""The model files that the shipped templates name, tiny and random, where a worker looks for them."""

from __future__ import annotations

from pathlib import Path

from . import local_models
from .local_models import SIZE

DIFFUSERS = {
    "FLUX.1-schnell": "flux-schnell",
    "FLUX.2-klein-4B": "flux2-klein",
    "stable-diffusion-xl-base-1.0": "sdxl",
}
"""Checkpoint by its folder's name, and the family whose shape it has."""
LORAS = ("brand-product.safetensors", "brand-style.safetensors")
SMALL = {"width": SIZE, "height": SIZE}


def put(models: Path) -> None:
    """Make them below this folder of models, as ComfyUI lays it out. Takes seconds."""
    made = models / ".made"
    for kind in ("diffusers", "loras"):
        (models / kind).mkdir(parents=True, exist_ok=True)
    for name, family in DIFFUSERS.items():
        local_models.make(made, family).rename(models / "diffusers" / name)
    for seed, name in enumerate(LORAS):
        local_models.lora(made, "sdxl", seed).rename(models / "loras" / name)
