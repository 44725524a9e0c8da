"""What an image takes on this machine, as ``mintmark bench local`` measured it: one file in the data folder.

It is the same for real and for play money. A new measurement takes the place of an older one of the same checkpoint on
the same device in the same way; who asks for a checkpoint's is given the newest.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from .. import log
from ..storage.files import write_atomic

FILE = "measured.json"
_FORMAT = 1
_HOUR_S = 3600
_MEGAPIXEL = 1_000_000

logger = log.get("measured")


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One checkpoint on one device, warm: loaded, and one image made before."""

    model: str
    """``local/<checkpoint>``."""
    device: str
    """As the device calls itself: ``NVIDIA H200``, or the CPU's name."""
    dtype: str
    memory: str
    """Where weights were: full, offload, sequential."""
    width: int
    height: int
    steps: int
    seconds: float
    """For one image, from words to pixels; the median of several."""
    peak_bytes: int
    """Most memory that was in use: the device's, or of a CPU the process's."""
    at: datetime

    @property
    def images_per_hour(self) -> Decimal:
        """The rate r of break-even."""
        return (_HOUR_S / Decimal(str(self.seconds))).quantize(Decimal("0.01"))

    @property
    def step_s(self) -> float:
        """Seconds of a step for a million pixels, with its part of what comes before and after the steps."""
        return self.seconds / self.steps / (self.width * self.height / _MEGAPIXEL)

    def seconds_at(self, width: int, height: int, steps: int) -> float:
        """What an image of another size and other steps takes, by proportion."""
        return self.step_s * steps * (width * height / _MEGAPIXEL)

    @property
    def source(self) -> str:
        """Where the number comes from, in words."""
        return f"measured by bench local on {self.device}, {self.at:%Y-%m-%d}"

    @property
    def _way(self) -> tuple[object, ...]:
        return (self.model, self.device, self.dtype, self.memory, self.width, self.height, self.steps)


def measured(folder: Path) -> tuple[Measured, ...]:
    """All that is kept in this data folder, newest first; nothing where nothing was measured, or it cannot be read."""
    path = folder / FILE
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["measured"]
        found = [_read(row) for row in rows]
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as exc:
        logger.warning("%s cannot be read, and counts as empty: %s", path, exc, extra=log.action("measured_unreadable"))
        return ()
    return tuple(sorted(found, key=lambda each: each.at, reverse=True))


def latest(found: Iterable[Measured], model: str | None = None) -> Measured | None:
    """The newest one of this ``local/<checkpoint>``, or of any; None where there is none."""
    return max((each for each in found if model in (None, each.model)), key=lambda each: each.at, default=None)


def keep(folder: Path, new: Iterable[Measured]) -> None:
    """Add these. Raises DiskFull and CannotWrite."""
    every = {each._way: each for each in sorted((*measured(folder), *new), key=lambda each: each.at)}
    rows = [{**asdict(each), "at": each.at.isoformat()} for each in every.values()]
    text = json.dumps({"format": _FORMAT, "measured": rows}, ensure_ascii=False, indent=1)
    write_atomic(folder / FILE, text.encode())


def _read(row: dict[str, Any]) -> Measured:
    """Raises ValueError, KeyError and TypeError for what no version of this wrote."""
    found = Measured(**{**row, "at": datetime.fromisoformat(row["at"])})
    if not (found.seconds > 0 and found.steps > 0 and found.width > 0 and found.height > 0):
        raise ValueError(f"{found.model} has no seconds")
    if found.at.tzinfo is None:
        raise ValueError(f"{found.model} was measured at a time of no zone")
    return found
