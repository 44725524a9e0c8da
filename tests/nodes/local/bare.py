"""Bare diffusers, written out as its own documentation does, and what the tests of local sampling compare with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mintmark.nodes.local.recipe import Checkpoint, Control, Embedding, Lora, Recipe
from mintmark.nodes.local.sampling import Sampled, Sampling, sample

from ...local_models import SIZE

OTHERS_WARNINGS = [
    pytest.mark.filterwarnings(f"ignore:{text}")
    for text in (
        "__array__ implementation doesn't accept a copy keyword",  # diffusers' schedulers, of torch's tensors
        "__array_wrap__ must accept context",  # the same
        "Already found a `peft_config` attribute",  # peft, of the second of two LoRAs
        "`FluxPosEmbed` is deprecated",  # diffusers, of its own ControlNet
    )
]
"""Of diffusers and what it uses, about themselves."""
PROMPT = "a brass key on blue velvet"
CLASSES = {
    "sd15": ("StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"),
    "sdxl": ("StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"),
    "sd35": ("StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline"),
    "flux": ("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline"),
    "flux2-klein": ("Flux2KleinPipeline", "Flux2KleinPipeline", "Flux2KleinInpaintPipeline"),
}
TASKS = ("text-to-image", "image-to-image", "inpaint")
NAMED = {
    "sd15": "Stable Diffusion 1.5",
    "sdxl": "Stable Diffusion XL",
    "sd35": "Stable Diffusion 3.5",
    "flux": "FLUX.1",
}


def diffusers_pipeline(folder: Path, family: str, task: str = "text-to-image", **parts: Any) -> Any:
    """A pipeline of its own, loaded as anybody would."""
    return _class_of(CLASSES[family][TASKS.index(task)], folder, **parts)


def _class_of(name: str, folder: Path, **parts: Any) -> Any:
    import diffusers

    pipe = getattr(diffusers, name).from_pretrained(folder, local_files_only=True, **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def pixels(images: Any) -> Any:
    """diffusers' ``output_type="pt"`` [B,C,H,W] as IMAGE [B,H,W,C]."""
    return images.permute(0, 2, 3, 1)


def seeded(*seeds: int) -> Any:
    """One generator, or a list of several."""
    import torch

    made = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
    return made[0] if len(made) == 1 else made


def checkpoint(path: Path, family: str, **more: Any) -> Checkpoint:
    """As the list of checkpoints has it."""
    kind = "folder" if path.is_dir() else "file"
    known: dict[str, Any] = {"kind": kind, "size": 1, "stamp": path.stat().st_mtime_ns, **more}
    return Checkpoint(name=path.name, path=str(path), family=family, **known)


def recipe(path: Path, family: str, *, config: str | None = None, **more: Any) -> Recipe:
    """In float32, on this machine's CPU."""
    return Recipe(checkpoint=checkpoint(path, family, config=config), dtype="float32", memory="full", **more)


def lora(path: Path, weight: float = 1.0) -> Lora:
    return Lora(name=path.name, path=str(path), weight=weight)


def embedding(path: Path, token: str) -> Embedding:
    return Embedding(name=path.name, path=str(path), token=token)


def control(path: Path, image: Any, **more: Any) -> Control:
    return Control(name=path.name, path=str(path), image=image, sha256="0" * 64, **more)


def load(made: Recipe) -> Any:
    """Into memory; what is added to the recipe is not part of that."""
    from mintmark.nodes.local import loading

    return loading.load(made.bare)


def run(made: Recipe, *, loaded: Any = None, on_step: Any = None, **asked: Any) -> Sampled:
    """Our run. What nobody says is a small text-to-image."""
    what = Sampling(**{"task": "text-to-image", "prompt": PROMPT, "width": SIZE, "height": SIZE, "steps": 3, **asked})
    return sample(loaded or load(made), made, what, on_step or (lambda number, of, preview: None))


def picture(seed: int = 5, batch: int = 1, side: int = SIZE) -> Any:
    """IMAGE of noise."""
    import torch

    return torch.rand(batch, side, side, 3, generator=torch.Generator().manual_seed(seed))


def channels_first(image: Any) -> Any:
    """IMAGE as diffusers takes tensors."""
    return image.permute(0, 3, 1, 2)


def half_mask(side: int = SIZE) -> Any:
    """MASK: the left half is repainted."""
    import torch

    mask = torch.zeros(1, side, side)
    mask[:, :, : side // 2] = 1.0
    return mask


def state(loaded: Any) -> dict[str, Any]:
    """A copy of all weights of a pipeline, and the kinds of its modules."""
    found: dict[str, Any] = {}
    for part, module in loaded.parts.items():
        if hasattr(module, "state_dict"):
            found |= {f"{part}.{name}": each.detach().clone() for name, each in module.state_dict().items()}
            found |= {f"{part}.{name}:": type(each).__name__ for name, each in module.named_modules()}
    return found


def same_state(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether all weights are equal bit for bit, and no module is another."""
    import torch

    if one.keys() != other.keys():
        return False
    return all(
        torch.equal(one[name], other[name]) if hasattr(one[name], "shape") else one[name] == other[name] for name in one
    )
