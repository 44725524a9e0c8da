"""The families of models that are sampled here, as data: which of diffusers' classes, and what people mean by default.

Defaults are those of whoever published the weights. Where each was read:

- SD 1.5: ``StableDiffusionPipeline.__call__`` of diffusers (50 steps, guidance 7.5); trained at 512 pixels (model card
  of stable-diffusion-v1-5).
- SDXL: ``StableDiffusionXLPipeline.__call__`` (50 steps, guidance 5.0); 1024 pixels (model card of
  stable-diffusion-xl-base-1.0).
- SD 3.5: model cards: large 28 steps, guidance 3.5; medium 40 steps, guidance 4.5; 1024 pixels.
- FLUX.1 dev: model card: 50 steps, guidance 3.5 (distilled into the model: no second pass, no negative prompt); 1024.
- FLUX.2 klein: model cards: 4 steps, guidance 1.0; base 50 steps, guidance 4.0; 1024 pixels.
- Few-step models: :mod:`.few_step`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .few_step import variant_of
from .recipe import Checkpoint

TASKS = ("text-to-image", "image-to-image", "inpaint")


@dataclass(frozen=True, kw_only=True)
class Family:
    """Models of one architecture."""

    key: str
    title: str
    pipelines: Mapping[str, str]
    """Class in diffusers by task; the first one's also has the components of the others."""
    control_pipelines: Mapping[str, str] = field(default_factory=dict)
    """The same where ControlNets are added; a task that is not in it cannot have any."""
    controlnet: str | None = None
    """Class of a ControlNet; None where diffusers has none for the family."""
    net: str
    """Name of the denoising network among the pipeline's components."""
    steps: int
    guidance: float
    width: int = 1024
    height: int = 1024
    multiple_of: int
    """Of width and height, in pixels."""
    negative_prompt: bool = True
    """Whether a second prompt, to keep away from, means anything."""
    strength: bool = True
    """Whether image-to-image knows how far to go from the image. FLUX.2 takes the image as something to look at."""
    latent_scale: int = 8
    """Pixels to a place of its LATENT, each way."""
    embeddings: bool = False
    """Whether textual inversions can be added."""


def _pipelines(text: str, image: str, inpaint: str) -> dict[str, str]:
    return dict(zip(TASKS, (text, image, inpaint), strict=True))


_ALL = (
    Family(
        key="sd15",
        title="Stable Diffusion 1.5",
        pipelines=_pipelines(
            "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline"
        ),
        control_pipelines=_pipelines(
            "StableDiffusionControlNetPipeline",
            "StableDiffusionControlNetImg2ImgPipeline",
            "StableDiffusionControlNetInpaintPipeline",
        ),
        controlnet="ControlNetModel",
        net="unet",
        steps=50,
        guidance=7.5,
        width=512,
        height=512,
        multiple_of=8,
        embeddings=True,
    ),
    Family(
        key="sdxl",
        title="Stable Diffusion XL",
        pipelines=_pipelines(
            "StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline", "StableDiffusionXLInpaintPipeline"
        ),
        control_pipelines=_pipelines(
            "StableDiffusionXLControlNetPipeline",
            "StableDiffusionXLControlNetImg2ImgPipeline",
            "StableDiffusionXLControlNetInpaintPipeline",
        ),
        controlnet="ControlNetModel",
        net="unet",
        steps=50,
        guidance=5.0,
        multiple_of=8,
        embeddings=True,
    ),
    Family(
        key="sd35",
        title="Stable Diffusion 3.5",
        pipelines=_pipelines(
            "StableDiffusion3Pipeline", "StableDiffusion3Img2ImgPipeline", "StableDiffusion3InpaintPipeline"
        ),
        # diffusers' other one, for inpaint, is made for one ControlNet that takes the mask as well.
        control_pipelines={"text-to-image": "StableDiffusion3ControlNetPipeline"},
        controlnet="SD3ControlNetModel",
        net="transformer",
        steps=28,
        guidance=3.5,
        multiple_of=16,
    ),
    Family(
        key="flux",
        title="FLUX.1",
        pipelines=_pipelines("FluxPipeline", "FluxImg2ImgPipeline", "FluxInpaintPipeline"),
        control_pipelines=_pipelines(
            "FluxControlNetPipeline", "FluxControlNetImg2ImgPipeline", "FluxControlNetInpaintPipeline"
        ),
        controlnet="FluxControlNetModel",
        net="transformer",
        steps=50,
        guidance=3.5,
        multiple_of=16,
        negative_prompt=False,
    ),
    Family(
        key="flux2-klein",
        title="FLUX.2 klein",
        pipelines=_pipelines("Flux2KleinPipeline", "Flux2KleinPipeline", "Flux2KleinInpaintPipeline"),
        net="transformer",
        steps=50,
        guidance=4.0,
        multiple_of=16,
        negative_prompt=False,
        strength=False,
        latent_scale=16,
    ),
)
FAMILIES: Mapping[str, Family] = {each.key: each for each in _ALL}
"""By key, as :class:`~.recipe.Checkpoint` names them."""


@dataclass(frozen=True)
class Defaults:
    """What a checkpoint is sampled with where nobody says otherwise. The scheduler ``auto`` is the checkpoint's own."""

    steps: int
    guidance: float
    scheduler: str
    width: int
    height: int


def defaults_of(checkpoint: Checkpoint) -> Defaults:
    """Those of its family, or of the few-step model that it is. Reads its header or its configuration, once."""
    family = FAMILIES[checkpoint.family]
    variant = variant_of(checkpoint)
    if variant is None:
        return Defaults(family.steps, family.guidance, "auto", family.width, family.height)
    width, height = (variant.size, variant.size) if variant.size else (family.width, family.height)
    return Defaults(variant.steps, variant.guidance, "auto", width, height)
