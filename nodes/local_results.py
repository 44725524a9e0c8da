"""From the pictures that the service lets go on to IMAGE and LATENT: the floats they were made of, where at hand.

A picture that policy blurred is another one, and so is its latent: what was withheld is in neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .host import current
from .local.handing import Handed
from .pixels import Batch, to_image

if TYPE_CHECKING:
    import numpy as np

    from ..generation.service import Picture


@dataclass(frozen=True)
class _Floats(Batch):
    """A batch whose pixels are at hand as they were made."""

    frames: tuple[Any, ...] = ()

    def __call__(self) -> np.ndarray[Any, Any]:
        import numpy as np

        return np.stack([np.asarray(each, dtype=np.float32) for each in self.frames])


def image_of(pictures: Sequence[Picture], own: Handed, *, max_pixels: int) -> Any:
    """The pictures as one IMAGE: float32 from the VAE where each is as it was made, else from their files."""
    frames = [own.made.get(each.output.sha256) for each in pictures]
    if not all(frames):
        return to_image(pictures, max_pixels=max_pixels)
    kept = tuple(each[0] for each in frames if each)
    height, width, channels = (int(side) for side in kept[0].shape)
    shape = (len(kept), height, width, channels)
    size = sum(4 * each.numel() for each in kept)
    return current().image(shape, size, _Floats(tuple(pictures), shape, max_pixels, kept))


async def latents_of(pictures: Sequence[Picture], own: Handed, *, max_pixels: int) -> Any:
    """The pictures' LATENT samples; of what is not at hand as it was made, those that the VAE makes of its pixels."""
    import torch

    found = [own.made.get(each.output.sha256) for each in pictures]
    lacking = [picture for picture, each in zip(pictures, found, strict=True) if each is None]
    encoded = iter(await _encoded(lacking, own, max_pixels)) if lacking else iter(())
    return torch.stack([each[1] if each else next(encoded) for each in found])


async def _encoded(pictures: Sequence[Picture], own: Handed, max_pixels: int) -> Any:
    import torch

    from .local.latents import encode
    from .local.slot import slot

    frames = [Batch((each,), (1, each.output.height, each.output.width, 3), max_pixels)() for each in pictures]

    def work() -> list[Any]:
        return slot().run(
            own.recipe.bare, lambda loaded: [encode(loaded, torch.from_numpy(each))[0] for each in frames]
        )

    return await current().compute(work)
