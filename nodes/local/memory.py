"""What a pipeline takes of a device's memory, and in which way it fits there.

All of this is estimated, from the headers of the files and before anything is loaded. What was estimated too low ends
as torch's own error, which :mod:`.slot` answers with everything freed and, where it may, the next lower mode.
"""

from __future__ import annotations

import gc
import math
import sys
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from ...errors import OutOfMemory
from .headers import Header, glance
from .recipe import Checkpoint, Dtype, Recipe

Mode = Literal["full", "offload", "sequential"]
MODES: tuple[Mode, ...] = get_args(Mode)
"""From the fastest to what takes the least."""
DEVICE_SHARE, RAM_SHARE = 0.8, 0.5
"""Of the memory of a GPU and of the machine, in which pipelines are kept between jobs, unless a setting says."""
WORKING = 0.25
"""What sampling takes beside the weights, as a share of the largest part. A guess: it depends on the image, whose
size is not known when a pipeline is loaded."""
_NETS = ("unet", "transformer")
_ROOTS = ("model", "first_stage_model", "cond_stage_model", "conditioner", "text_encoders", "vae")
"""With which the names in a file begin that holds several parts."""
_WORDS = ("can't allocate memory", "out of memory", "CUDNN_STATUS_ALLOC_FAILED", "not enough memory")
"""How torch says so where its error has no class of its own: main memory, MPS, cuDNN."""


@dataclass(frozen=True)
class Room:
    """A device's memory in bytes. ``now`` is free as it stands, ``free`` if this process let go of all its models."""

    device: str
    total: int
    now: int
    free: int

    @property
    def is_cpu(self) -> bool:
        return self.device == "cpu"


@dataclass(frozen=True)
class Need:
    """Bytes of a pipeline's weights as they are computed with: all, of the largest part, of the largest layer."""

    weights: int
    part: int
    layer: int

    def least(self, mode: Mode) -> int:
        """What is surely taken on the device in this mode."""
        return {"full": self.weights, "offload": self.part, "sequential": 2 * self.layer}[mode]

    def usual(self, mode: Mode) -> int:
        """What is taken with what an image of the usual size needs beside."""
        return self.least(mode) + math.ceil(WORKING * self.part)


# -- what there is ----------------------------------------------------------------------------------------------------


def device_here() -> Any:
    """The ``torch.device`` that local nodes compute on: ComfyUI's own there, else the first GPU, else the CPU."""
    import torch

    from .comfy_memory import comfy

    if (management := comfy()) is not None:
        return management.get_torch_device()
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def room(device: Any, held: int = 0) -> Room:
    """Of this ``torch.device``. ``held``: bytes that pipelines of ours have there."""
    import torch

    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        kept = torch.cuda.memory_reserved(device)
        return Room(str(device), total, free + kept - torch.cuda.memory_allocated(device), free + kept)
    if device.type == "mps":
        total = torch.mps.recommended_max_memory()
        free = total - torch.mps.driver_allocated_memory()
        return Room(str(device), total, free, min(total, free + held))
    import psutil  # type: ignore[import-untyped]  # accelerate needs it, and so does ComfyUI

    there = psutil.virtual_memory()
    return Room("cpu", there.total, there.available, min(there.total, there.available + held))


def ram() -> int:
    """Of the machine, in bytes."""
    import psutil

    return int(psutil.virtual_memory().total)


# -- what is needed ---------------------------------------------------------------------------------------------------


def need_of(recipe: Recipe, *, cpu: bool) -> Need:
    """Of the recipe's checkpoint in the type that it computes with. Raises what reading its files raises."""
    size = itemsize(recipe.dtype, cpu=cpu)
    parts: Counter[str] = Counter()
    layer = 0
    for part, numbers in _tensors(recipe.checkpoint):
        parts[part] += numbers * size
        layer = max(layer, numbers * size)
    return Need(parts.total(), max(parts.values(), default=0), layer)


def itemsize(dtype: Dtype, *, cpu: bool) -> int:
    """Bytes of one number. ``auto`` is float32 on a CPU, which is slow with less, and half of that on a GPU."""
    return 4 if dtype == "float32" or (dtype == "auto" and cpu) else 2


def _tensors(checkpoint: Checkpoint) -> Iterator[tuple[str, int]]:
    """(part, how many numbers) of each tensor of a pipeline."""
    path = Path(checkpoint.path)
    if checkpoint.kind == "folder":
        yield from _of_folder(path)
        return
    header = glance(path)
    several = any(name.partition(".")[0] in _ROOTS for name in header)
    yield from ((name.partition(".")[0] if several else "net", numbers) for name, numbers in _numbers(header))
    if not several and checkpoint.config:
        yield from ((part, numbers) for part, numbers in _of_folder(Path(checkpoint.config)) if part not in _NETS)


def _of_folder(folder: Path) -> Iterator[tuple[str, int]]:
    for part in sorted(each for each in folder.iterdir() if each.is_dir()):
        files = sorted(part.glob("*.safetensors"))
        # Beside the weights themselves there may be the same in another type: x.fp16.safetensors.
        own = [each for each in files if "." not in each.stem] or files
        for file in own:
            yield from ((part.name, numbers) for _, numbers in _numbers(glance(file)))


def _numbers(header: Header) -> Iterator[tuple[str, int]]:
    return ((name, math.prod(header.shape(name))) for name in header)


# -- what fits --------------------------------------------------------------------------------------------------------


def mode_for(recipe: Recipe, need: Need, room: Room) -> Mode:
    """As the recipe says; for ``auto`` the first that fits with all that an image takes, else the last that surely may.

    On a CPU there is nowhere else for weights to be. Raises OutOfMemory, before anything is loaded, where the recipe's
    mode, or any, cannot fit.
    """
    possible: tuple[Mode, ...] = ("full",) if room.is_cpu else MODES
    if recipe.memory != "auto":
        possible = (recipe.memory if recipe.memory in possible else "full",)
    fitting = [mode for mode in possible if need.usual(mode) <= room.free]
    if fitting:
        return fitting[0]
    if need.least(possible[-1]) <= room.free:
        return possible[-1]
    raise too_small(recipe, need, room, possible[-1])


def below(mode: Mode, room: Room) -> Mode | None:
    """The mode that takes less than this one; None where there is none."""
    lower = MODES[MODES.index(mode) + 1 :]
    return lower[0] if lower and not room.is_cpu else None


def too_small(recipe: Recipe, need: Need, room: Room, mode: Mode, *, tried: bool = False) -> OutOfMemory:
    """The error for a pipeline that does not fit, or that was ``tried`` and did not."""
    wanted = need.usual(mode)
    there = f"about {gib(wanted)}, and {gib(room.free)} are free"
    said = f"ran out of memory on {room.device} (memory: {mode})" if tried else f"does not fit on {room.device}"
    why = f"it was thought to need {there}" if tried else f"with memory {mode} it needs {there}"
    return OutOfMemory(
        f"{recipe.checkpoint.name} {said}: {why}.",
        hint=f"Would fit: {', '.join(_fitting(recipe, need, room, mode)) or _elsewhere(need, room)}.",
        need=wanted,
        free=room.free,
    )


def _fitting(recipe: Recipe, need: Need, room: Room, mode: Mode) -> Iterator[str]:
    """Other settings of the same checkpoint that fit here."""
    lower = [] if room.is_cpu else MODES[MODES.index(mode) + 1 :]
    yield from (f"memory {each} ({gib(need.usual(each))})" for each in lower if need.usual(each) <= room.free)
    if itemsize(recipe.dtype, cpu=room.is_cpu) == 4 and need.usual(mode) // 2 <= room.free:
        yield f"dtype bfloat16 ({gib(need.usual(mode) // 2)})"


def _elsewhere(need: Need, room: Room) -> str:
    least = need.usual("full" if room.is_cpu else "sequential")
    return f"a smaller checkpoint, a smaller image, or a device with {gib(least)} free"


def gib(size: int) -> str:
    """Bytes for people."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.1f} MiB"


# -- when it did not --------------------------------------------------------------------------------------------------


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, or Python, could not have the memory it asked for, of whatever device."""
    torch = sys.modules.get("torch")
    if isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def forget(error: BaseException) -> None:
    """Have the error hold nothing: its traceback knows the calls, and they what they had made so far."""
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__  # type: ignore[assignment]


def give_back() -> None:
    """What nobody holds any more goes back to the device, and not only to torch's own store."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is None:
        return
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
