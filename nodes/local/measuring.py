"""How long an image takes here and how much memory: for ``mintmark bench local``, through the slot that nodes use."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .families import defaults_of
from .memory import give_back

if TYPE_CHECKING:
    from .loading import Loaded
    from .recipe import Recipe
    from .sampling import Sampling

PROMPT = "a lighthouse made of amber glass on a cliff at dusk, waves below"
OnImage = Callable[[int, int], None]
"""Called after each image with its number, 0 for the one that warms up, and of how many."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What was measured. ``seconds``: of each image after the first, which is not counted."""

    device: str
    dtype: str
    memory: str
    width: int
    height: int
    steps: int
    seconds: tuple[float, ...]
    peak_bytes: int

    @property
    def median(self) -> float:
        """Seconds of an image."""
        return statistics.median(self.seconds)


def measure(recipe: Recipe, what: Sampling, images: int, on_image: OnImage) -> Timing:
    """Make one image to warm up and then so many, each from its words to its pixels. Blocks.

    Raises what finding, loading and sampling raise, OutOfMemory among it.
    """
    from .slot import slot

    what = _filled(recipe, what)
    return slot().run(recipe, lambda loaded: _measured(loaded, recipe, what, images, on_image))


def device_name(device: Any) -> str:
    """As the device calls itself."""
    import torch

    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return "Apple GPU" if device.type == "mps" else _cpu()


def _filled(recipe: Recipe, what: Sampling) -> Sampling:
    """With the checkpoint's own size and steps where none are asked for, so that they can be told."""
    own = defaults_of(recipe.checkpoint)
    return replace(what, width=what.width or own.width, height=what.height or own.height, steps=what.steps or own.steps)


def _measured(loaded: Loaded, recipe: Recipe, what: Sampling, images: int, on_image: OnImage) -> Timing:
    from .sampling import sample

    seconds: list[float] = []
    peak = Peak(loaded.device)
    for number in range(images + 1):
        began = time.perf_counter()
        # What was made is on the CPU: so the device is done with it.
        sample(loaded, recipe, replace(what, seed=what.seed + number), lambda *_: peak.look())
        if number:
            seconds.append(time.perf_counter() - began)
        on_image(number, images)
    return Timing(
        device=device_name(loaded.device),
        dtype=str(loaded.dtype).removeprefix("torch."),
        memory=loaded.recipe.memory,
        width=what.width or 0,
        height=what.height or 0,
        steps=what.steps or 0,
        seconds=tuple(seconds),
        peak_bytes=peak.bytes(),
    )


class Peak:
    """The most memory in use from now on: of a GPU as torch counts it; else of the process, as it is at each look."""

    def __init__(self, device: Any) -> None:
        import torch

        self._device, self._most = device, 0
        give_back()
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
        self.look()

    def look(self) -> None:
        """Look now. It costs a GPU nothing."""
        if self._device.type != "cuda":
            self._most = max(self._most, self._now())

    def bytes(self) -> int:
        """The most that was seen."""
        import torch

        self.look()
        return int(torch.cuda.max_memory_allocated(self._device)) if self._device.type == "cuda" else self._most

    def _now(self) -> int:
        import torch

        if self._device.type == "mps":
            return int(torch.mps.driver_allocated_memory())
        import psutil  # type: ignore[import-untyped]  # accelerate needs it

        return int(psutil.Process().memory_info().rss)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine() or "CPU")
