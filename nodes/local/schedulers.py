"""The schedulers a local pipeline is offered, under the names the field has for them.

A scheduler decides which noise levels a run visits and how it goes from one to the next; in ComfyUI's words it is the
sampler and the scheduler in one. ``auto`` is the checkpoint's own, which few-step models should keep. All others are
made of the checkpoint's own configuration (its betas, prediction type, spacing) and what is changed here, as
``SchedulerClass.from_config(pipe.scheduler.config, **changes)`` does.

Each one offered works for text-to-image, image-to-image and inpaint of its families; diffusers' multistep solvers have
no ``scale_noise`` that flow models need for the latter two, so those are not offered there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput

if TYPE_CHECKING:
    from .loading import Loaded

AUTO = "auto"
UNETS = frozenset({"sd15", "sdxl"})
FLOWS = frozenset({"sd35", "flux", "flux2-klein"})


@dataclass(frozen=True)
class Choice:
    """A scheduler class of diffusers, what is changed of the checkpoint's configuration, and for which families."""

    class_name: str
    families: frozenset[str] = UNETS
    changes: Mapping[str, Any] = field(default_factory=dict)
    most_steps: int | None = None
    """Steps beyond which it has no noise levels any more: those of the distillation."""


_KARRAS = {"use_karras_sigmas": True}
_SDE = {"algorithm_type": "sde-dpmsolver++"}
# Stable Diffusion was trained without clipping, and configurations of other schedulers do not say so; the two classes
# would clip where nothing is said.
_UNCLIPPED = {"clip_sample": False}

SCHEDULERS: Mapping[str, Choice] = {
    "euler": Choice("EulerDiscreteScheduler"),
    "euler karras": Choice("EulerDiscreteScheduler", changes=_KARRAS),
    "euler a": Choice("EulerAncestralDiscreteScheduler"),
    "heun": Choice("HeunDiscreteScheduler"),
    "dpm2": Choice("KDPM2DiscreteScheduler"),
    "dpm2 a": Choice("KDPM2AncestralDiscreteScheduler"),
    "dpm++ 2s": Choice("DPMSolverSinglestepScheduler"),
    "dpm++ 2m": Choice("DPMSolverMultistepScheduler"),
    "dpm++ 2m karras": Choice("DPMSolverMultistepScheduler", changes=_KARRAS),
    "dpm++ 2m sde": Choice("DPMSolverMultistepScheduler", changes=_SDE),
    "dpm++ 2m sde karras": Choice("DPMSolverMultistepScheduler", changes={**_SDE, **_KARRAS}),
    "ddim": Choice("DDIMScheduler", changes=_UNCLIPPED),
    "ddpm": Choice("DDPMScheduler", changes=_UNCLIPPED),
    "pndm": Choice("PNDMScheduler", changes={"skip_prk_steps": True}),
    "deis": Choice("DEISMultistepScheduler"),
    "unipc": Choice("UniPCMultistepScheduler"),
    "lcm": Choice("LCMScheduler", most_steps=50),
    "tcd": Choice("TCDScheduler", most_steps=50),
    "flow euler": Choice("FlowMatchEulerDiscreteScheduler", FLOWS),
    "flow euler karras": Choice("FlowMatchEulerDiscreteScheduler", FLOWS, _KARRAS),
    "flow lcm": Choice("FlowMatchLCMScheduler", FLOWS),
    "flow heun": Choice("FlowMatchHeunDiscreteScheduler", frozenset({"sd35"})),
}
"""In the order they are offered."""


def names(family: str | None = None) -> list[str]:
    """What is offered: ``auto`` first, then all, or those that the family's models can use."""
    return [AUTO, *(name for name, choice in SCHEDULERS.items() if family is None or family in choice.families)]


def check(name: Any, family: str, title: str, steps: int) -> None:
    """That this family's models can use it for so many steps. ``title``: how people call the family.

    Raises InvalidInput naming the field, with the nearest names.
    """
    if name == AUTO:
        return
    choice = SCHEDULERS.get(name) if isinstance(name, str) else None
    if choice is None:
        raise InvalidInput(f"scheduler: {str(name)[:60]!r} is none.", hint=_near(str(name), family))
    if family not in choice.families:
        raise InvalidInput(f"scheduler: {name!r} does not work with {title}.", hint=_near(name, family))
    if choice.most_steps is not None and steps > choice.most_steps:
        raise InvalidInput(
            f"steps: {steps} is more than the {choice.most_steps} that {name!r} has.",
            hint="It is for few steps, 4 to 8 mostly.",
        )


def scheduler(loaded: Loaded, name: str) -> Any:
    """A new one for this pipeline, whose state no other run has touched. Raises InvalidInput naming near ones."""
    import diffusers

    own = loaded.parts["scheduler"]
    if name == AUTO:
        return type(own).from_config(own.config)
    check(name, loaded.family.key, loaded.family.title, steps=1)
    choice = SCHEDULERS[name]
    return getattr(diffusers, choice.class_name).from_config(own.config, **choice.changes)


def _near(name: str, family: str) -> str:
    offered = names(family)
    near = get_close_matches(name.lower(), offered, n=4, cutoff=0.4)
    # "euler" of a flow model is "flow euler": what contains the word is near, however long the rest is.
    near += [each for each in offered if name.lower() in each and each not in near]
    return f"One of: {', '.join(near or offered)}."
