"""A file beside what was made again: whether the pixels are the same, and what has changed between their records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...generation.pictures import decode


@dataclass(frozen=True)
class Change:
    """Something that is not as it was."""

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what} was {self.then}, and is {self.now}"


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Change]:
    """What differs between two records of the same graph, that which matters most first."""
    for name in ("model", "model_version", "pack_version", "mode", "models", "task"):
        before, after = then.get(name), now.get(name)
        if before != after and not (before is None and name != "model_version"):
            yield Change(name, _shown(before), _shown(after))


def unpinned(record: Mapping[str, Any]) -> str | None:
    """Why the same request may give another picture though nothing changed; None where it should not."""
    seed = record.get("seed")
    if isinstance(seed, Mapping) and seed.get("sent") is None:
        return f"{record.get('model')} takes no seed, so it makes another picture each time"
    return None


@dataclass(frozen=True)
class Compared:
    """``equal``: every pixel is the same. Else ``difference`` names the first thing that is not. ``place``: which of
    the outputs is the nearest."""

    equal: bool
    difference: str = ""
    place: int = 0


def compared(then: bytes, outputs: Iterable[bytes], *, max_pixels: int) -> Compared:
    """The file beside what was made now: the output that is nearest to it counts."""
    before = _rgba(decode(then, max_pixels=max_pixels))
    found = [_compared(before, _rgba(decode(each, max_pixels=max_pixels))) for each in outputs]
    if not found:
        return Compared(False, "no picture was made")
    place = min(range(len(found)), key=lambda each: found[each][0])
    return replace(found[place][1], place=place)


def _rgba(pixels: Any) -> Any:
    """A picture without an alpha channel is opaque."""
    import numpy as np

    missing = 4 - pixels.shape[-1]
    return np.pad(pixels, ((0, 0), (0, 0), (0, missing)), constant_values=255) if missing else pixels


def _compared(before: Any, after: Any) -> tuple[float, Compared]:
    import numpy as np

    if before.shape != after.shape:
        size = f"{after.shape[1]}x{after.shape[0]} instead of {before.shape[1]}x{before.shape[0]}"
        return 256.0, Compared(False, f"the size: {size}")
    unlike = np.abs(before.astype(np.int16) - after).max(axis=-1)
    if not unlike.any():
        return 0.0, Compared(True)
    top, left = np.argwhere(unlike)[0]
    share = float((unlike > 0).mean())
    first = f"the pixel at {left},{top}: {_rgb(after[top, left])} instead of {_rgb(before[top, left])}"
    return float(unlike.mean()), Compared(False, f"{first}; {share:.1%} of all pixels differ")


def _rgb(pixel: Any) -> str:
    """As CSS writes it; without its opacity where it is opaque."""
    return "#" + "".join(f"{value:02x}" for value in (pixel[:3] if pixel[3] == 255 else pixel))


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value if value is not None else "not told")
