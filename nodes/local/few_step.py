"""Variants of a family that want other steps, guidance or noise: those that were distilled to a few steps, mostly.

What each wants is its publisher's word:

- schnell: model card of FLUX.1-schnell: 4 steps, guidance 0; its scheduler_config.json: shift 1, not dynamic.
- klein: model cards of FLUX.2-klein-4B and -9B: 4 steps, guidance 1. The base models are those of the family.
- medium: model card of stable-diffusion-3.5-medium: 40 steps, guidance 4.5.
- turbo, SD 3.5: model card of stable-diffusion-3.5-large-turbo: 4 steps, guidance 0.
- turbo, SDXL: model card of sdxl-turbo: 1 step, guidance 0, 512 pixels; its scheduler_config.json is ancestral Euler
  with trailing timesteps. Tuned ones (name has turbo, and is not its own): model card of
  Lykon/dreamshaper-xl-v2-turbo: 6 steps, guidance 2.
- lightning: model card of ByteDance/SDXL-Lightning: the number of steps that its name says (4 by default), guidance 0,
  Euler with trailing timesteps.
- hyper: model card of ByteDance/Hyper-SD: the number of steps that its name says (8 by default), guidance 0, DDIM with
  trailing timesteps; from one step TCD.
- LCM: model cards of LCM_Dreamshaper_v7 and latent-consistency/lcm-sdxl: 4 steps, guidance 8 where the network has it
  as an input (``time_cond_proj_dim``), else as latent-consistency/lcm-lora-sdxl has it: 1.

Which one a checkpoint is, its network says where it can: an input for guidance that is there or not, layers that only
one has, ``is_distilled``, an LCM scheduler. Otherwise its name does, or the title in its metadata.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from .headers import Header, glance
from .recipe import Checkpoint


@dataclass(frozen=True)
class Variant:
    """What differs from the family. ``steps`` of a checkpoint whose name has a number of them is that number."""

    key: str
    steps: int
    guidance: float
    size: int | None = None
    """Of a side in pixels, where it is not the family's."""
    scheduler: str | None = None
    """Class of diffusers that a single file gets; None where the family's own stays. A folder has its own."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What is changed of that scheduler's configuration."""


_TRAILING = {"timestep_spacing": "trailing"}
_FLOW = "FlowMatchEulerDiscreteScheduler"
SCHNELL = Variant("schnell", 4, 0.0, scheduler=_FLOW, changes={"shift": 1.0, "use_dynamic_shifting": False})
KLEIN = Variant("klein", 4, 1.0)
MEDIUM = Variant("medium", 40, 4.5)
TURBO_35 = Variant("turbo", 4, 0.0)
TURBO_XL = Variant("turbo", 1, 0.0, 512, "EulerAncestralDiscreteScheduler", _TRAILING)
TURBO_TUNED = Variant("turbo", 6, 2.0)
LIGHTNING = Variant("lightning", 4, 0.0, None, "EulerDiscreteScheduler", _TRAILING)
HYPER = Variant("hyper", 8, 0.0, None, "DDIMScheduler", _TRAILING)
HYPER_1 = Variant("hyper", 1, 0.0, None, "TCDScheduler", _TRAILING)
LCM = Variant("lcm", 4, 1.0, None, "LCMScheduler")
LCM_GUIDED = Variant("lcm", 4, 8.0, None, "LCMScheduler")

_WORD = {word: re.compile(rf"(?<![a-z]){word}(?![a-z])") for word in ("turbo", "lightning", "lcm", "base", "medium")}
_HYPER = re.compile(r"(?<![a-z])hyper(?:[-_ ]?sd(?:xl|15)?(?![a-z])|[-_ ].*\d[-_ ]?steps?)")
_TURBO_XL = re.compile(r"sd[-_]?xl[-_]turbo")
_STEPS = re.compile(r"(?<!\d)(\d{1,2})[-_ ]?steps?(?![a-z])")


@dataclass(frozen=True)
class Seen:
    """What a checkpoint tells of itself: words in lower case, and facts of its network."""

    words: str
    guidance_input: bool = False
    """Whether the network takes a guidance scale."""
    dual_attention: bool = False
    """Whether layers of SD 3.5 have a second attention: medium's do."""
    is_distilled: bool | None = None
    lcm_scheduler: bool = False


def variant_of(checkpoint: Checkpoint) -> Variant | None:
    """The variant that it is; None for the family's own model."""
    found = chosen(checkpoint.family, _seen(checkpoint))
    steps = _STEPS.search(checkpoint.name.lower())
    return (
        replace(found, steps=max(1, int(steps[1])))
        if found and steps and found.key in ("lightning", "hyper")
        else found
    )


def chosen(family: str, seen: Seen) -> Variant | None:
    """The variant of this family that was seen."""
    if family in ("sd15", "sdxl"):
        return _of_unet(family, seen)
    if family == "sd35":
        if _has(seen, "turbo"):
            return TURBO_35
        return MEDIUM if seen.dual_attention or _has(seen, "medium") else None
    if family == "flux":
        return None if seen.guidance_input else SCHNELL
    is_base = _has(seen, "base") if seen.is_distilled is None else not seen.is_distilled
    return None if is_base else KLEIN


def _of_unet(family: str, seen: Seen) -> Variant | None:
    if seen.guidance_input or seen.lcm_scheduler or _has(seen, "lcm"):
        return LCM_GUIDED if seen.guidance_input else LCM
    if _HYPER.search(seen.words):
        steps = _STEPS.search(seen.words)
        return HYPER_1 if steps and steps[1] == "1" else HYPER
    if _has(seen, "lightning"):
        return LIGHTNING
    if family == "sdxl" and _has(seen, "turbo"):
        return TURBO_XL if _TURBO_XL.search(seen.words) else TURBO_TUNED
    return None


def _has(seen: Seen, word: str) -> bool:
    return bool(_WORD[word].search(seen.words))


def _seen(checkpoint: Checkpoint) -> Seen:
    read = _of_folder if checkpoint.kind == "folder" else _of_file
    return read(checkpoint.path, checkpoint.name.lower(), checkpoint.stamp)


@lru_cache(maxsize=512)
def _of_file(path: str, words: str, stamp: int) -> Seen:
    return of_header(words, glance(path))


def of_header(words: str, header: Header) -> Seen:
    """What a single file tells; ``words`` is its name."""
    title = str(header.metadata.get("modelspec.title", "")).lower()
    inputs = ("guidance_in.in_layer.weight", "time_embed.cond_proj.weight")
    theirs = ("time_text_embed.guidance_embedder.linear_1.weight", "time_embedding.cond_proj.weight")
    names = [*inputs, *(f"model.diffusion_model.{name}" for name in inputs), *theirs]
    return Seen(
        f"{words} {title}",
        guidance_input=any(name in header for name in names),
        dual_attention=any(
            ".attn2." in name for name in header if "joint_blocks" in name or "transformer_blocks" in name
        ),
    )


@lru_cache(maxsize=512)
def _of_folder(path: str, words: str, stamp: int) -> Seen:
    place = Path(path)
    index, unet, transformer = (
        told(place / each) for each in ("model_index.json", "unet/config.json", "transformer/config.json")
    )
    return Seen(
        words,
        guidance_input=bool(unet.get("time_cond_proj_dim") or transformer.get("guidance_embeds")),
        dual_attention=bool(transformer.get("dual_attention_layers")),
        is_distilled=index.get("is_distilled"),
        lcm_scheduler="LCMScheduler" in (index.get("scheduler") or ()),
    )


def told(path: Path) -> dict[str, Any]:
    """The JSON object in this file; empty where there is none."""
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}
