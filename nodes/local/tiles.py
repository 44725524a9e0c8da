"""How a picture is cut into tiles that overlap, and how they become one picture again without a seam. Pure.

Tiles of one axis are of one size and evenly spread. Where two of them meet, the outer quarter of ``overlap`` is thrown
away on each side (there a network saw the tile's edge, and not what is beyond it) and the middle half is faded from the
one into the other. So wherever a network looks no further than a quarter of the overlap, the result is that of the
whole picture; weights sum to one everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """Side of a tile and by how much two of them overlap, in pixels of what is cut."""

    side: int = 512
    overlap: int = 32

    def __post_init__(self) -> None:
        if not 0 <= self.overlap <= self.side // 2:
            raise InvalidInput(
                f"overlap: {self.overlap} is not 0 to half of a tile's side, {self.side // 2}.",
                hint="Make the overlap smaller, or the tiles larger.",
            )

    def within(self, side: int) -> Tiling:
        """No larger than this; the overlap stays where it fits."""
        side = min(self.side, side)
        return Tiling(side=side, overlap=min(self.overlap, side // 2))

    def smaller(self) -> Tiling:
        """Half as large, which takes about a quarter of the memory."""
        return self.within(self.side // 2)

    def starts(self, length: int) -> list[int]:
        """Where tiles begin that cover ``length`` pixels, evenly spread."""
        if length <= self.side:
            return [0]
        count = ceil((length - self.overlap) / max(1, self.side - self.overlap))
        return [round(number * (length - self.side) / (count - 1)) for number in range(count)]


@dataclass(frozen=True)
class Tile:
    """A part of the picture, as slices of its rows and columns."""

    rows: slice
    columns: slice

    def scaled(self, scale: int) -> tuple[slice, slice]:
        """The same part of the picture that is ``scale`` times as large."""
        every = (self.rows, self.columns)
        rows, columns = (slice(each.start * scale, each.stop * scale) for each in every)
        return rows, columns


def tiles(height: int, width: int, tiling: Tiling) -> Iterator[Tile]:
    """The tiles of a picture, row by row."""
    for top in tiling.starts(height):
        for left in tiling.starts(width):
            rows = slice(top, min(top + tiling.side, height))
            yield Tile(rows, slice(left, min(left + tiling.side, width)))


def weights(tile: Tile, height: int, width: int, tiling: Tiling, scale: int) -> np.ndarray[Any, Any]:
    """What the enlarged tile counts for, float32 [h, w, 1]; those of all tiles sum to one at each pixel."""
    down = _along(tile.rows, height, tiling, scale)
    across = _along(tile.columns, width, tiling, scale)
    found: np.ndarray[Any, Any] = (down[:, None] * across[None, :])[..., None]
    return found


def _along(part: slice, length: int, tiling: Tiling, scale: int) -> np.ndarray[Any, Any]:
    """One axis of it: rises over the seam where the tile begins, falls over that where it ends."""
    import numpy as np

    starts = tiling.starts(length)
    seams = [(before + tiling.side + after) / 2 * scale for before, after in pairwise(starts)]
    number = starts.index(part.start)
    places = np.arange(part.start * scale, part.stop * scale) + 0.5
    found = np.ones(len(places))
    if number > 0:
        found *= _risen(places, seams[number - 1], tiling.overlap * scale / 2)
    if number < len(seams):
        found *= 1.0 - _risen(places, seams[number], tiling.overlap * scale / 2)
    return found.astype(np.float32)


def _risen(places: np.ndarray[Any, Any], middle: float, width: float) -> np.ndarray[Any, Any]:
    """0 before the seam, 1 after it, and straight in between; a seam without width is a step."""
    import numpy as np

    found: np.ndarray[Any, Any] = np.clip((places - middle) / max(width, 1e-6) + 0.5, 0.0, 1.0)
    return found
