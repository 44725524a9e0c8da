"""Faces straightened to where restoring networks expect them, and put back: similarity transforms and sampling.

Points are complex numbers, x + yj, in pixels from the picture's top left corner; so turning, scaling and moving is
``a * point + b``. A straightened face is 512x512; its template of five points is that of FFHQ's aligned faces, which
GFPGAN, RestoreFormer and CodeFormer were trained on (facexlib's ``face_template`` for 512).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Pixels = np.ndarray[Any, Any]

SIDE = 512
TEMPLATE = (192.98138 + 239.94708j, 318.90277 + 240.1936j, 256.63416 + 314.01935j, 201.26117 + 371.41043j,
            313.08905 + 371.15118j)  # fmt: skip
"""The person's right eye (on the left in the picture), left eye, tip of the nose, right and left end of the mouth."""
HEAD, MIDDLE = 360.0, 256.0 + 290.0j
"""How high a face is from hair to chin in that template, and where its middle is."""
FEATHER = 0.1
"""Part of a straightened face, from its edges inward, over which it fades into the picture."""


@dataclass(frozen=True)
class Similarity:
    """``turn * point + shift``: how points go from one picture to another."""

    turn: complex
    shift: complex

    @property
    def scale(self) -> float:
        """Pixels there for each pixel here."""
        return abs(self.turn)

    def inverse(self) -> Similarity:
        """The way back."""
        return Similarity(1 / self.turn, -self.shift / self.turn)

    def after(self, moved: complex) -> Similarity:
        """The same for a picture that is the part of this one from ``moved`` on."""
        return Similarity(self.turn, self.shift + self.turn * moved)

    def __call__(self, point: complex) -> complex:
        return self.turn * point + self.shift


def by_points(points: Sequence[complex]) -> Similarity:
    """From the picture to the template, by five points of a face: the least squares fit that does not mirror."""
    import numpy as np

    here, there = np.asarray(points), np.asarray(TEMPLATE)
    apart = here - here.mean()
    turn = complex((apart.conj() * (there - there.mean())).sum() / max(float((abs(apart) ** 2).sum()), 1e-9))
    return Similarity(turn, complex(there.mean() - turn * here.mean()))


def by_box(left: float, top: float, width: float, height: float) -> Similarity:
    """The same by a box around an upright face, where no points are known."""
    turn = complex(HEAD / max(width, height))
    return Similarity(turn, MIDDLE - turn * complex(left + width / 2, top + height / 2))


def straightened(image: Pixels, fit: Similarity) -> Pixels:
    """The face, float32 [512,512,C]; beyond the picture its edge goes on."""
    return sampled(image, fit.inverse(), (SIDE, SIDE), image.shape[:2])


def put_back(image: Pixels, face: Pixels, fit: Similarity, much: float, within: Pixels | None = None) -> None:
    """Fade a straightened face of any resolution into the picture, in place.

    ``much`` of it (0..1) is taken, where ``within``, float32 [H,W], lets it.
    """
    rows, columns = _covered(fit, *image.shape[:2])
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return
    here = fit.after(complex(columns.start, rows.start))
    size = (rows.stop - rows.start, columns.stop - columns.start)
    share = _fading(_points(here, size)) * much
    if within is not None:
        share = share * within[rows, columns, None]
    part = image[rows, columns]
    part += (sampled(face, here, size, (SIDE, SIDE)) - part) * share


def sampled(image: Pixels, where: Similarity, size: tuple[int, int], extent: tuple[int, int]) -> Pixels:
    """A picture of this (height, width), each pixel taken from ``where`` it goes to in ``image``, float32 [H,W,C].

    ``extent`` is the (height, width) that ``where`` speaks of: ``image`` may show the same in another resolution. It is
    made smaller by Lanczos first where pixels would be left out, as sampling alone looks at four by four of them.
    """
    import numpy as np
    import torch
    from torch.nn.functional import grid_sample

    image = _no_finer(image, where.scale * image.shape[0] / extent[0])
    points = _points(where, size)
    grid = np.stack([points.real / extent[1], points.imag / extent[0]], axis=-1) * 2 - 1
    source = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)[None]))
    aim = torch.from_numpy(grid.astype(np.float32)[None])
    found = grid_sample(source, aim, mode="bicubic", padding_mode="border", align_corners=False)
    made: Pixels = np.clip(found[0].permute(1, 2, 0).numpy(), 0.0, 1.0)
    return made


def _no_finer(image: Pixels, step: float) -> Pixels:
    """The picture with so many times fewer pixels each way, where that is more than one."""
    from .upscaling import resized

    if step <= 1:
        return image
    height, width = (max(1, round(each / step)) for each in image.shape[:2])
    return resized(image, (height, width))


def _covered(fit: Similarity, height: int, width: int) -> tuple[slice, slice]:
    """The rows and columns of the picture that a straightened face covers any of."""
    back = fit.inverse()
    corners = [back(complex(x, y)) for x in (0, SIDE) for y in (0, SIDE)]
    lefts, tops = [each.real for each in corners], [each.imag for each in corners]
    rows = slice(max(0, int(min(tops))), min(height, int(max(tops)) + 1))
    return rows, slice(max(0, int(min(lefts))), min(width, int(max(lefts)) + 1))


def _points(where: Similarity, size: tuple[int, int]) -> Pixels:
    """Where the middle of each pixel of a picture of this (height, width) goes to, complex [H,W]."""
    import numpy as np

    down, across = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5, indexing="ij")
    found: Pixels = where.turn * (across + 1j * down) + where.shift
    return found


def _fading(points: Pixels) -> Pixels:
    """What a straightened face counts for at these points of it, float32 [H,W,1]: at its edges and beyond nothing."""
    import numpy as np

    inward = [points.real, SIDE - points.real, points.imag, SIDE - points.imag]
    part = np.clip(np.min(inward, axis=0) / (SIDE * FEATHER), 0.0, 1.0)
    found: Pixels = (part * part * (3 - 2 * part)).astype(np.float32)[..., None]
    return found
