"""What diffusers' pipelines are called with: the same meaning, under each class's own names of arguments."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .latents import decode, from_comfy
from .pictures import channels_first, fitted

if TYPE_CHECKING:
    from .asking import Asked
    from .families import Family
    from .loading import Loaded
    from .recipe import Control, Recipe

SEEDS = 2**64
"""Seeds begin anew at 0 from here on: torch's generators take 64 bits."""


def call_of(pipe: Any, loaded: Loaded, recipe: Recipe, asked: Asked) -> dict[str, Any]:
    """The arguments for this pipeline, one of those that :func:`.loading.pipeline` gives."""
    import torch

    known = inspect.signature(type(pipe).__call__).parameters
    seeds = [(asked.seed + place) % SEEDS for place in range(asked.count)]
    call: dict[str, Any] = {
        "prompt": asked.prompt,
        "num_inference_steps": asked.steps,
        "guidance_scale": asked.guidance,
        "num_images_per_prompt": asked.count,
        "generator": [torch.Generator("cpu").manual_seed(seed) for seed in seeds],
        "output_type": "pt",
        **_start(loaded, asked),
    }
    # None is not the same as "": SDXL then takes zeros, as it was trained with, and not the encoding of nothing.
    if asked.negative_prompt:
        call["negative_prompt"] = asked.negative_prompt
    call |= {name: side for name, side in (("width", asked.width), ("height", asked.height)) if name in known}
    return call | (_guided(recipe.controls, asked, "control_image" in known) if recipe.controls else {})


def apart(asked: Asked, family: Family) -> list[Asked]:
    """One request for each call: a pipeline that looks at images would look at all of a batch for each picture."""
    given = asked.latent if asked.image is None else asked.image
    if asked.task != "image-to-image" or family.strength or len(given) == 1:
        return [asked]
    each = asked.count // len(given)
    return [
        replace(asked, count=each, seed=(asked.seed + place * each) % SEEDS, **_only(asked, place))
        for place in range(len(given))
    ]


def _only(asked: Asked, place: int) -> dict[str, Any]:
    name = "latent" if asked.image is None else "image"
    return {name: getattr(asked, name)[place : place + 1]}


def _start(loaded: Loaded, asked: Asked) -> dict[str, Any]:
    """What to start from: nothing, an image, or one and its mask."""
    if asked.task == "text-to-image":
        return {}
    if asked.task == "image-to-image" and not loaded.family.strength:
        return {"image": _looked_at(loaded, asked)}
    start = {"image": _each(_given(loaded, asked), asked.count), "strength": asked.strength}
    if asked.mask is None:
        return start
    if start["image"].shape[-2:] != asked.mask.shape[-2:] and not loaded.family.key.startswith("flux2"):
        # What is not repainted, as latents: diffusers would cut it out of pixels, and there are none.
        start["masked_image_latents"] = start["image"]
    return start | {"mask_image": _each(asked.mask, asked.count)}


def _given(loaded: Loaded, asked: Asked) -> Any:
    """The pixels, or latents as the pipelines take them in their place."""
    if asked.latent is None:
        return asked.image
    if asked.mask is not None and _sees_the_rest(loaded):
        return channels_first(decode(loaded, asked.latent), "latent")
    return from_comfy(asked.latent.float(), loaded.parts["vae"])


def _sees_the_rest(loaded: Loaded) -> bool:
    """Whether its network was made for inpaint: it reads the mask and the picture without what is repainted, too."""
    return loaded.family.net == "unet" and loaded.parts["unet"].config.in_channels == 9


def _looked_at(loaded: Loaded, asked: Asked) -> list[Any]:
    """As PIL images, all that is taken here."""
    from PIL import Image

    pixels = asked.image if asked.latent is None else channels_first(decode(loaded, asked.latent), "latent")
    levels = (pixels.permute(0, 2, 3, 1) * 255.0 + 0.5).byte().numpy()
    return [Image.fromarray(each) for each in levels]


def _each(tensor: Any, count: int) -> Any:
    """One for each image of the run: each of the batch as often as it is asked for."""
    import torch

    if len(tensor) == count:
        return tensor
    layout = torch.channels_last if tensor.is_contiguous(memory_format=torch.channels_last) else torch.contiguous_format
    return tensor.repeat_interleave(count // len(tensor), dim=0).contiguous(memory_format=layout)


def _guided(controls: tuple[Control, ...], asked: Asked, by_own_name: bool) -> dict[str, Any]:
    """One ControlNet is given its values as such, several as lists."""
    sides = (asked.width, asked.height)
    maps = [fitted(channels_first(each.image, "image"), sides)[:1] for each in controls]
    values = {
        "control_image" if by_own_name else "image": maps,
        "controlnet_conditioning_scale": [each.strength for each in controls],
        "control_guidance_start": [each.start for each in controls],
        "control_guidance_end": [each.end for each in controls],
    }
    return values if len(controls) > 1 else {name: value[0] for name, value in values.items()}
