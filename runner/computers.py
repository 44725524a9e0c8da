"""What the runner's machine computes on, in the words of ``/system_stats``; asked without importing torch.

torch takes seconds and hundreds of megabytes to import, and most runners never compute. So before a node has used it,
GPUs are what ``nvidia-smi`` says, where torch is installed to use them.
"""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from . import system

SMI = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
SMI_S = 2.0
"""How long nvidia-smi may take, in seconds."""
FRESH_S = 2.0
"""For so long its reading is handed out again, in seconds."""
MIB = 1024 * 1024
_read: tuple[float, list[dict[str, Any]]] = (float("-inf"), [])


@cache
def torch_version() -> str | None:
    """The installed torch's; None where there is none."""
    try:
        return importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        return None


def devices() -> list[dict[str, Any]]:
    """GPUs that torch could use, else the CPU. May block for a moment."""
    return (_gpus() if torch_version() is not None else []) or [_cpu()]


def _gpus() -> list[dict[str, Any]]:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "cuda"):  # not imported, or just being
        return _told_by_smi()
    if torch.cuda.is_initialized():
        return [_cuda(torch, index) for index in range(torch.cuda.device_count())]
    if getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available():
        total, free = system.memory()
        return [_device("mps", "mps", 0, total, free)]
    # Asking torch for the memory of a GPU would take some of it: nobody computes yet.
    return _told_by_smi() if torch.cuda.is_available() else []


def _cuda(torch: Any, index: int) -> dict[str, Any]:
    free, total = torch.cuda.mem_get_info(index)
    kept = torch.cuda.memory_reserved(index)
    # What torch keeps for itself and does not use is as good as free.
    spare = kept - torch.cuda.memory_allocated(index)
    made = _device(f"cuda:{index} {torch.cuda.get_device_name(index)}", "cuda", index, total, free + spare)
    return {**made, "torch_vram_total": kept, "torch_vram_free": spare}


def _cpu() -> dict[str, Any]:
    return _device("cpu", "cpu", None, *system.memory())


def _device(name: str, kind: str, index: int | None, total: int, free: int) -> dict[str, Any]:
    told = {"name": name, "type": kind, "index": index, "vram_total": total, "vram_free": free}
    return {**told, "torch_vram_total": 0, "torch_vram_free": 0}


def _told_by_smi() -> list[dict[str, Any]]:
    global _read
    if time.monotonic() - _read[0] >= FRESH_S:
        _read = time.monotonic(), _asked()
    return _read[1]


def _asked() -> list[dict[str, Any]]:
    try:
        told = subprocess.run(SMI, capture_output=True, text=True, timeout=SMI_S, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return []
    return list(parsed(told))


def parsed(text: str) -> Iterator[dict[str, Any]]:
    """The devices in what nvidia-smi printed; a line that is none is left out."""
    for index, line in enumerate(text.splitlines()):
        parts = [part.strip() for part in line.rsplit(",", 2)]
        if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
            yield _device(f"cuda:{index} {parts[0]}", "cuda", index, int(parts[1]) * MIB, int(parts[2]) * MIB)
