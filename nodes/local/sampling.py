"""One run of a local pipeline: what is asked, what comes back, and the run itself, step by step.

What comes back is what diffusers' own call gives with the same components, bit for bit. Image ``i`` of a run draws from
a generator of its own, on the CPU so that a seed means the same on each machine, with the seed ``seed + i``::

    pipe(..., generator=[torch.Generator("cpu").manual_seed(seed + i) for i in range(count)],
         num_images_per_prompt=count, output_type="pt")

and an image to start from is given as often as it is asked for, so that image ``i`` alone can be made again with the
seed ``seed + i``. The little that diffusers draws without a generator (SD 3.5's ControlNet maps, FLUX's LCM) comes
after ``torch.manual_seed(seed)``, and the process's own random state is as before when the run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .adapters import applied
from .asking import Asked, ask
from .calls import apart, call_of
from .latents import to_comfy, to_image, unpacked
from .previews import preview
from .prompts import notes_on
from .schedulers import AUTO, scheduler

if TYPE_CHECKING:
    from PIL.Image import Image

    from .loading import Loaded
    from .recipe import Recipe

OnStep = Callable[[int, int, "Callable[[], Image | None]"], None]
"""Called after each step with its number from 1, how many there are, and what makes a small picture of it, if asked.

What it raises ends the run there; the pipeline is as before and can be used again.
"""


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """What is asked of a pipeline. None leaves a value to the checkpoint, see :func:`.families.defaults_of`."""

    task: str
    """``text-to-image``, ``image-to-image`` or ``inpaint``."""
    prompt: str
    negative_prompt: str = ""
    width: int | None = None
    """In pixels; None: the image's own, or the checkpoint's. An image of another size is scaled."""
    height: int | None = None
    steps: int | None = None
    guidance: float | None = None
    scheduler: str = AUTO
    seed: int = 0
    count: int = 1
    """Of each image that is connected."""
    strength: float | None = None
    """How far to go from the image, above 0 to 1: that share of the steps is run. None: 0.75, and 1 where a mask is."""
    image: Any = None
    """IMAGE float32 [B,H,W,C] in 0..1, tensor or array."""
    mask: Any = None
    """MASK float32 [B,H,W] or [H,W] in 0..1: 1 is repainted."""
    latent: Any = None
    """LATENT samples [B,C,h,w] in place of an image."""


@dataclass(frozen=True)
class Sampled:
    """What a run made. ``images``: float32 [B,H,W,3] in 0..1 on the CPU, as the VAE gave them, not in 256 levels.

    ``latents``: the same before the VAE, in ComfyUI's LATENT convention. ``steps``: how many were run; some schedulers
    take more than one for a step. ``notes``: what the artist must know, such as a part of the prompt that was not read.
    """

    images: Any
    latents: Any
    steps: int
    notes: tuple[str, ...] = ()


def sample(loaded: Loaded, recipe: Recipe, what: Sampling, on_step: OnStep) -> Sampled:
    """Make the images. Runs in the calling thread, for as long as it takes.

    Raises InvalidInput naming the field; what ``on_step`` raises; torch's own where memory ends.
    """
    from .loading import pipeline

    asked = ask(recipe, what, loaded.parts["vae"])
    # A ControlNet of strength 0 adds nothing, and would be computed all the same.
    recipe = replace(recipe, controls=tuple(each for each in recipe.controls if each.strength))
    pipe = pipeline(loaded, what.task, controls=recipe.controls)
    pipe.scheduler = scheduler(loaded, what.scheduler)
    try:
        with applied(pipe, recipe, lambda: _held(pipe, loaded)):
            notes = notes_on(pipe, loaded.family.key, prompt=what.prompt, negative_prompt=asked.negative_prompt)
            several = apart(asked, loaded.family)
            calls = [(each, call_of(pipe, loaded, recipe, each)) for each in several]
            sampled = _run(pipe, loaded, calls, on_step)
    finally:
        # An interrupted call leaves what it had on the device there.
        pipe.maybe_free_model_hooks()
    return replace(sampled, notes=(*asked.notes, *notes))


def _run(pipe: Any, loaded: Loaded, calls: list[tuple[Asked, dict[str, Any]]], on_step: OnStep) -> Sampled:
    """One call after the other, which is one nearly always, told of as one."""
    import torch

    made = [
        _called(pipe, loaded, asked, call, _among(on_step, place, len(calls)))
        for place, (asked, call) in enumerate(calls)
    ]
    images, latents = (torch.cat(each) for each in zip(*((one.images, one.latents) for one in made), strict=True))
    return Sampled(images, latents, made[0].steps)


def _called(pipe: Any, loaded: Loaded, asked: Asked, call: dict[str, Any], on_step: OnStep) -> Sampled:
    last: dict[str, Any] = {}

    def after(pipe: Any, index: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        last["latents"], last["steps"] = tensors["latents"], index + 1
        on_step(index + 1, pipe.num_timesteps, lambda: preview(in_places(), loaded.family.key, pipe.vae))
        return tensors

    def in_places() -> Any:
        return unpacked(last["latents"], pipe, asked.height, asked.width)

    with _seeded(asked.seed, loaded.device):
        images = pipe(**call, callback_on_step_end=after, callback_on_step_end_tensor_inputs=["latents"]).images
    return Sampled(to_image(images), to_comfy(in_places(), pipe.vae), last["steps"])


def _among(on_step: OnStep, place: int, several: int) -> OnStep:
    """Counts the steps of this call after those of the ones before it."""
    return lambda number, of, preview: on_step(place * of + number, several * of, preview)


def _held(pipe: Any, loaded: Loaded) -> None:
    """On its device in the recipe's memory mode, as :func:`.loading.pipeline` gives it."""
    from .loading import settle

    if loaded.device.type != "cpu":
        settle(pipe, loaded.recipe.memory, loaded.device)


@contextmanager
def _seeded(seed: int, device: Any) -> Iterator[None]:
    """While this lasts the process's own random numbers follow from the seed."""
    import torch

    device = torch.device(device)
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.manual_seed(seed)
        yield
