"""Enlarging with a network of one's own, tile by tile, so that memory on the device depends on the tile alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from . import memory
from .image_models import at_work, make_room
from .tiles import Tiling, tiles, weights

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, Any]

OnTile = Callable[[int, int], None]
"""Called after each tile with its number from 1, and of how many; what it raises ends the work."""
SMALLEST = 64
"""Tiles are not halved below this side, in pixels: what is lacking then, they do not take."""


@dataclass(frozen=True, kw_only=True)
class Upscaling:
    """How it is enlarged. ``scale`` is by how much width and height grow, in all; 0 is the model's own factor."""

    scale: float = 0.0
    tiling: Tiling = field(default_factory=Tiling)

    def size(self, height: int, width: int, own: int) -> tuple[int, int]:
        """Height and width of the result, by a model whose own factor is ``own``."""
        factor = self.scale or own
        return max(1, round(height * factor)), max(1, round(width * factor))


def upscale(model: Any, images: Pixels, what: Upscaling, device: Any, on_tile: OnTile) -> Pixels:
    """The images, float32 [B,H,W,3] in 0..1, larger. Blocks.

    Where the device's memory does not suffice, everybody lets go of what they hold there, and the picture is begun once
    again with tiles half as large, which those after it keep to. Raises what ``on_tile`` raises, and OutOfMemory where
    memory does not suffice then either.
    """
    import numpy as np

    height, width = images.shape[1:3]
    size = what.size(height, width, model.scale)
    out = np.empty((len(images), *size, 3), dtype=np.float32)
    with at_work(model, device):
        work = _Work(model, what.tiling.within(max(height, width)), len(images), on_tile)
        for number, image in enumerate(images):
            out[number] = resized(work.enlarged(number, image), size)
    return out


def resized(image: Pixels, size: tuple[int, int]) -> Pixels:
    """The picture, float32 [H,W,C], at (height, width): by Lanczos, in 0..1 again where that went beyond."""
    import numpy as np
    from PIL import Image

    if image.shape[:2] == size:
        return image
    channels = [Image.fromarray(np.ascontiguousarray(image[..., place])) for place in range(image.shape[-1])]
    found = [np.asarray(each.resize((size[1], size[0]), Image.Resampling.LANCZOS)) for each in channels]
    made: Pixels = np.clip(np.stack(found, axis=-1), 0.0, 1.0)
    return made


class _Work:
    """One execution: a model that is on its device, and tiles that are halved once where memory does not suffice."""

    def __init__(self, model: Any, tiling: Tiling, count: int, on_tile: OnTile) -> None:
        self._model = model
        self._tiling = tiling
        self._count = count
        self._on_tile = on_tile
        self._may_shrink = tiling.side // 2 >= SMALLEST

    def enlarged(self, number: int, image: Pixels) -> Pixels:
        """A picture of the batch by the model's own factor, float32 [H,W,3]."""
        try:
            return self._tiled(number, image)
        except (RuntimeError, MemoryError) as exc:
            if not (self._may_shrink and memory.is_out_of_memory(exc)):
                raise
            memory.forget(exc)
        self._may_shrink = False
        self._tiling = self._tiling.smaller()
        make_room(self._model.device)
        return self._tiled(number, image)

    def _tiled(self, number: int, image: Pixels) -> Pixels:
        import numpy as np

        height, width, _ = image.shape
        tiling, scale = self._tiling_of(height, width), self._model.scale
        every = list(tiles(height, width, tiling))
        out = np.zeros((height * scale, width * scale, 3), dtype=np.float32)
        for done, tile in enumerate(every, 1):
            large = through(self._model, image[tile.rows, tile.columns])
            out[tile.scaled(scale)] += large * weights(tile, height, width, tiling, scale)
            self._on_tile(number * len(every) + done, self._count * len(every))
        return out

    def _tiling_of(self, height: int, width: int) -> Tiling:
        """One tile for all of it where the network cuts the picture by itself."""
        import spandrel

        alone = self._model.tiling is spandrel.ModelTiling.INTERNAL
        return Tiling(side=max(height, width), overlap=0) if alone else self._tiling


def through(model: Any, image: Pixels) -> Pixels:
    """What the network makes of a picture, both float32 [H,W,3] in 0..1; it pads what is too small for it by itself."""
    import numpy as np
    import torch

    with torch.inference_mode():
        given = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
        made: Pixels = model(given.to(model.device))[0].permute(1, 2, 0).float().cpu().numpy()
    return made
