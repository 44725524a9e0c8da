"""A checkpoint on this machine as a model of the catalog's kind: named after its file, priced by the second."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import Field

from ..metering.local import worked
from ..metering.prices import PerSecond, usd
from .model import Model

SETTING = "MINTMARK_GPU_HOUR_USD"
NOT_PRICED = f"not priced: set {SETTING}"
"""What a receipt and a node say where an hour of the GPU has no price."""
STEP_S = 4.0
"""Seconds that a step of a megapixel takes at most on a GPU, where this machine's own was not measured. Of a CPU it is
too little, and then more is charged than was set aside."""
ENDS_S = 10.0
"""Seconds at most for what comes before the first step and after the last: words into vectors, latents into pixels."""
MARGIN = 3.0
"""How many times what was measured is set aside: the device may be busy with something else."""
_SMALLEST = 0.25
"""Megapixels as which a smaller image counts: a step has its own cost."""
_SECONDS = Decimal(3600)


class LocalModel(Model):
    """A checkpoint. Its name is that of its file below the model folder, whatever letters that has."""

    name: str = Field(pattern=r"(?s)^local/.+$")
    default_size: tuple[int, int] = (1024, 1024)
    """Width and height where none is asked for."""
    step_s: float | None = None
    """Seconds that a step of a megapixel took here, where that was measured."""

    def at_most_s(self, steps: int, megapixels: float, images: int) -> float:
        """For how long the device works for so many images, at most."""
        step = STEP_S if self.step_s is None else self.step_s * MARGIN
        return ENDS_S + images * steps * max(megapixels, _SMALLEST) * step

    @property
    def is_priced(self) -> bool:
        """Whether an hour of the device has a price."""
        return isinstance(self.price, PerSecond) and self.price.microusd > 0

    def bounded(self, steps: int, megapixels: float, images: int) -> LocalModel:
        """The model at a price that knows how much a call like this can take."""
        if not isinstance(self.price, PerSecond):
            return self
        seconds = self.at_most_s(steps, megapixels, images)
        return self.model_copy(update={"price": self.price.model_copy(update={"at_most_seconds": seconds})})

    def basis(self, seconds: float) -> str:
        """In words, for people, what so many seconds are charged by: ``3.214 GPU seconds at $1.20 an hour``."""
        if not isinstance(self.price, PerSecond) or not self.price.microusd:
            return f"{worked(seconds)}, {NOT_PRICED}"
        return f"{worked(seconds)} at {usd(round(self.price.microusd * _SECONDS))} an hour ({SETTING})"


def local_model(row: Mapping[str, Any], hour_microusd: Decimal | None, today: date) -> LocalModel:
    """The model of a checkpoint's row (:mod:`.catalog` says what rows are), at this price of an hour; None: at none."""
    price = PerSecond(
        unit="second",
        microusd=(hour_microusd or Decimal(0)) / _SECONDS,
        at_most_seconds=ENDS_S,
        as_of=today,
        source=NOT_PRICED if hour_microusd is None else SETTING,
    )
    return LocalModel.model_validate({**row, "price": price})
