"""What is asked of a local pipeline, checked before anything is computed, and with its defaults filled in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput, UnsupportedTask
from .families import FAMILIES, TASKS, Family, defaults_of
from .schedulers import FLOWS
from .schedulers import check as check_scheduler

if TYPE_CHECKING:
    from .recipe import Recipe
    from .sampling import Sampling

MAX_STEPS = 1000
"""Noise levels that these models were trained with."""
MAX_COUNT = 64
MEGAPIXEL = 1024 * 1024
STRENGTHS = {"image-to-image": 0.75, "inpaint": 1.0}
"""Where nobody says: clearly another picture of the same layout; a hole filled anew."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request of which each value is known and possible. ``notes``: what of it means nothing here."""

    task: str
    prompt: str
    negative_prompt: str
    width: int
    height: int
    steps: int
    guidance: float
    strength: float
    seed: int
    count: int
    """Of all images of the run."""
    image: Any
    """[B,3,H,W] in 0..1, of the size that is made; None where a latent is, or neither."""
    mask: Any
    """[B,1,H,W] of 0 and 1."""
    latent: Any
    notes: tuple[str, ...] = ()


def check(recipe: Recipe, what: Sampling) -> None:
    """That this can be made of this recipe, as far as it can be told before anything is loaded or decoded.

    Raises InvalidInput naming the field, UnsupportedTask.
    """
    family = FAMILIES[recipe.checkpoint.family]
    _check_task(family, recipe, what)
    defaults = defaults_of(recipe.checkpoint)
    steps = _within("steps", defaults.steps if what.steps is None else what.steps, 1, MAX_STEPS)
    _within("count", what.count, 1, MAX_COUNT)
    if what.guidance is not None and not 0 <= what.guidance <= 100:
        raise InvalidInput(
            f"guidance: {what.guidance:g} is not 0 to 100.", hint=f"{defaults.guidance:g} is usual here."
        )
    check_scheduler(what.scheduler, family.key, family.title, steps)
    if what.task != "text-to-image" and family.strength:
        _check_strength(family, steps, _strength(what))
    if what.width and what.height:
        check_size(family, what.width, what.height)
    for control in recipe.controls:
        check_range(control.start, control.end)


def ask(recipe: Recipe, what: Sampling, vae: Any) -> Asked:
    """The request with all its values.

    Raises as :func:`check`, and InvalidInput where an image, mask or latent is none.
    """
    from .latents import check_samples, pixels_of
    from .pictures import channels_first, fitted, mask_first

    check(recipe, what)
    family, defaults = FAMILIES[recipe.checkpoint.family], defaults_of(recipe.checkpoint)
    pixels, own = None, (defaults.width, defaults.height)
    starts = what.task != "text-to-image"
    if starts and what.latent is not None:
        check_samples(what.latent, vae)
        own = (what.latent.shape[-1] * pixels_of(vae), what.latent.shape[-2] * pixels_of(vae))
    elif starts:
        pixels = channels_first(what.image, "image")
        own = (pixels.shape[-1], pixels.shape[-2])
    width, height = sides = (what.width or own[0], what.height or own[1])
    if pixels is None and starts:
        _same_size(own, sides)
    check_size(family, width, height)
    width, height = _limited(family, what, sides)
    batch = 1 if not starts else len(what.latent if pixels is None else pixels)
    mask = mask_first(what.mask, own, (width, height), batch) if what.task == "inpaint" else None
    guidance = defaults.guidance if what.guidance is None else what.guidance
    told = list(_meaningless(family, what, guidance))
    if (width, height) != sides:
        told.append(f"The images are {width}x{height}: {family.title} repaints no larger ones than one megapixel.")
    return Asked(
        task=what.task,
        prompt=what.prompt,
        negative_prompt=what.negative_prompt if family.negative_prompt else "",
        width=width,
        height=height,
        steps=defaults.steps if what.steps is None else what.steps,
        guidance=guidance,
        strength=_strength(what),
        seed=what.seed,
        count=what.count * batch,
        image=None if pixels is None else fitted(pixels, (width, height)),
        mask=mask,
        latent=what.latent if starts and pixels is None else None,
        notes=tuple(told),
    )


def check_size(family: Family, width: int, height: int) -> None:
    """Raises InvalidInput naming the nearest sizes that the family can make."""
    unit = family.multiple_of
    if width < unit or height < unit or width % unit or height % unit:
        near = dict.fromkeys(f"{_near(width, unit, up)}x{_near(height, unit, up)}" for up in (False, True))
        field = "width" if width < unit or width % unit else "height"
        raise InvalidInput(
            f"{field}: {width}x{height} is no size that {family.title} makes: both must be multiples of {unit}.",
            hint=f"The nearest are {' and '.join(near)}.",
        )


def check_range(start: float, end: float) -> None:
    """Raises InvalidInput where a ControlNet would guide from no time to no time."""
    if not 0 <= start <= 1:
        raise InvalidInput(f"start: {start:g} is not 0 to 1.", hint="0 is the first step.")
    if not 0 <= end <= 1:
        raise InvalidInput(f"end: {end:g} is not 0 to 1.", hint="1 is the last step.")
    if end <= start:
        raise InvalidInput(f"end: {end:g} is not after start, {start:g}.", hint="From 0 to 1 it guides all the time.")


def _check_task(family: Family, recipe: Recipe, what: Sampling) -> None:
    if what.task not in TASKS:
        raise UnsupportedTask(f"{what.task} is not done by local pipelines.", hint=f"They do {', '.join(TASKS)}.")
    if any(each.strength for each in recipe.controls) and what.task not in family.control_pipelines:
        can = ", ".join(family.control_pipelines)
        raise UnsupportedTask(
            f"{family.title} takes no ControlNet for {what.task}.",
            hint=f"It does for {can}." if can else "Disconnect the ControlNet, or use another family.",
        )
    if what.task != "text-to-image" and what.image is None and what.latent is None:
        raise InvalidInput(f"image: {what.task} needs one.", hint="Connect an IMAGE, or a LATENT.")
    if what.task == "inpaint" and what.mask is None:
        raise InvalidInput("mask: inpaint needs one.", hint="Connect a MASK: white is repainted.")


def _check_strength(family: Family, steps: int, strength: float) -> None:
    if not 0 < strength <= 1:
        raise InvalidInput(f"strength: {strength:g} is not above 0 and at most 1.", hint="0.75 is usual.")
    # As the pipelines count them: those of flow models round up, the others down.
    left = steps - int(steps - steps * strength) if family.key in FLOWS else int(steps * strength)
    if left < 1:
        raise InvalidInput(
            f"strength: {strength:g} of {steps} steps leaves none to run.",
            hint=f"From {1 / steps:.2g} on there is one, or take more steps.",
        )


def _strength(what: Sampling) -> float:
    return STRENGTHS.get(what.task, 1.0) if what.strength is None else float(what.strength)


def _same_size(own: tuple[int, int], wanted: tuple[int, int]) -> None:
    if own != wanted:
        raise InvalidInput(
            f"width: the latent is of {own[0]}x{own[1]} pixels, not {wanted[0]}x{wanted[1]}.",
            hint="Leave width and height at 0, or scale it with Upscale Latent first.",
        )


def _limited(family: Family, what: Sampling, sides: tuple[int, int]) -> tuple[int, int]:
    """The size that is made: FLUX.2's pipeline for inpaint scales pictures of more than a megapixel down to it."""
    width, height = sides
    if family.strength or what.task != "inpaint" or what.latent is not None or width * height <= MEGAPIXEL:
        return sides
    scale, unit = (MEGAPIXEL / (width * height)) ** 0.5, family.multiple_of
    return int(width * scale) // unit * unit, int(height * scale) // unit * unit


def _meaningless(family: Family, what: Sampling, guidance: float) -> Iterator[str]:
    if what.negative_prompt and not family.negative_prompt:
        yield f"{family.title} does not use: negative_prompt."
    elif what.negative_prompt and guidance <= 1:
        yield f"negative_prompt: means nothing at guidance {guidance:g}; above 1 it does."
    if what.strength is not None and what.task == "image-to-image" and not family.strength:
        yield f"{family.title} does not use: strength. It looks at the image and makes a new one."


def _within(field: str, value: Any, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidInput(f"{field}: {str(value)[:40]} is not {low} to {high}.")
    return value


def _near(side: int, unit: int, up: bool) -> int:
    return max(unit, (side // unit + (1 if up and side % unit else 0)) * unit)
