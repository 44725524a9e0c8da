"""The pictures in a moving image, or one of several pages: a file is only as harmless as the worst of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from typing import TYPE_CHECKING

from ..errors import InvalidInput
from .base import Scores

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_FRAMES = 16
"""Frames of one file that are looked at; of a longer one so many evenly spread, its first and its last among them."""
MOST_PIXELS = 1_000_000_000
"""Of all frames together: each has to be unpacked to get at the one behind it."""
_MOST_IN_A_FRAME = 100_000_000
_QUALITY = 92


@dataclass(frozen=True)
class Frames:
    """The frames that are looked at, each as a file with its media type, and how many there are in all."""

    shown: tuple[tuple[bytes, str], ...]
    total: int = 1

    @property
    def told(self) -> str:
        """What has to be said of it: empty where all were looked at."""
        return (
            f" Of its {self.total:,} frames {len(self.shown)} were looked at." if self.total > len(self.shown) else ""
        )


def may_move(data: bytes) -> bool:
    """Whether a file may hold several pictures. Cheap, and says rather yes than no."""
    if data.startswith(b"\x89PNG"):
        return b"acTL" in data
    if data.startswith(b"\xff\xd8"):
        return b"MPF\0" in data
    if data[:4] == b"RIFF":
        return b"ANMF" in data
    if data[4:8] == b"ftyp":
        return b"avis" in data[:256] or b"moov" in data
    return data.startswith((b"GIF8", b"II*\0", b"MM\0*"))


def frames_of(data: bytes, media_type: str) -> Frames:
    """A still image as it is; of a moving one its frames as JPEG. Blocks where it moves.

    Raises InvalidInput for what cannot be unpacked, and for what is too large or too long to be looked at.
    """
    if not may_move(data):
        return Frames(((data, media_type),))
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data)) as picture:
            total = int(getattr(picture, "n_frames", 1))
            if total == 1:
                return Frames(((data, media_type),))
            _check_size(picture, total)
            return Frames(tuple((_frame(picture, place), "image/jpeg") for place in _places(total)), total)
    # What Pillow's plugins raise for a broken file in the middle of it is of many kinds.
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, RuntimeError) as exc:
        raise InvalidInput("Only images can be checked; this is none that can be read to its end.") from exc
    except Image.DecompressionBombError as exc:
        raise InvalidInput("An image of so many pixels is too large to be checked.") from exc


def worst_of(every: Sequence[Scores]) -> Scores:
    """One answer for several pictures: each category's highest score, with its rule."""
    found = every[0]
    for each in every[1:]:
        higher = [category for category, score in each.scores.items() if score > found.scores.get(category, -1.0)]
        found = replace(
            found,
            scores={**found.scores, **{category: each.scores[category] for category in higher}},
            rules={**found.rules, **{category: each.rules[category] for category in higher if category in each.rules}},
        )
    return found


def _check_size(picture: Image, total: int) -> None:
    pixels = picture.width * picture.height
    if pixels > _MOST_IN_A_FRAME or pixels * total > MOST_PIXELS:
        raise InvalidInput(
            f"An image of {total:,} frames of {picture.width}x{picture.height} pixels is too large to be checked."
        )


def _places(total: int) -> list[int]:
    if total <= MOST_FRAMES:
        return list(range(total))
    return [round(place * (total - 1) / (MOST_FRAMES - 1)) for place in range(MOST_FRAMES)]


def _frame(picture: Image, place: int) -> bytes:
    picture.seek(place)
    file = BytesIO()
    # Without its transparency: what an alpha channel hides is still in the file.
    picture.convert("RGB").save(file, "JPEG", quality=_QUALITY)
    return file.getvalue()
