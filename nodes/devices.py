"""What a worker computes on and what it holds in memory: cheap to ask, and nothing here ever fails."""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, TypeVar

from .. import log

if TYPE_CHECKING:
    from ..generation.context import Device
    from .host import Host

T = TypeVar("T")
logger = log.get("nodes.devices")

FRESH_S = 2.0
"""For so long a reading is handed out again, in seconds: every job's context is answered with one."""
SMI = ("nvidia-smi", "--query-gpu=uuid,utilization.gpu", "--format=csv,noheader,nounits")
SMI_S = 2.0
"""How long nvidia-smi may take, in seconds."""

Models = tuple[tuple[str, ...], bool]
"""File names of models in memory, and whether these are all."""
_NO_MODELS: Models = ((), False)


class Readings:
    """The last reading of a host, made again when it is old. Callable from any thread; may block for a moment."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._until = 0.0
        self._last: tuple[Models, tuple[Device, ...]] = (_NO_MODELS, ())

    def of(self, host: Host) -> tuple[Models, tuple[Device, ...]]:
        """Models and devices of the host; what cannot be told is empty or None."""
        with self._lock:
            if self._now() >= self._until:
                self._last = (_models(host), _never_failing(lambda: _devices(host), ()))
                self._until = self._now() + FRESH_S
            return self._last


def _models(host: Host) -> Models:
    """The host's own models, and our pipelines."""
    from .local.slot import files_in_memory

    names, all_of_them = _never_failing(host.models, _NO_MODELS)
    return tuple(sorted({*names, *files_in_memory()})), all_of_them


def _devices(host: Host) -> tuple[Device, ...]:
    from ..generation.context import Device

    return tuple(Device.model_validate(each) for each in host.devices())


def _never_failing(read: Callable[[], T], otherwise: T) -> T:
    try:
        return read()
    # Other people's code, of other versions: whatever it raises, a job is worth more than a reading.
    except Exception as exc:  # noqa: BLE001
        logger.debug("A reading failed: %s", exc, extra=log.action("reading_failed"))
        return otherwise


# -- ComfyUI ----------------------------------------------------------------------------------------------------------


def comfy_devices() -> list[dict[str, Any]]:
    """The devices of the ComfyUI this runs in, as its ``/system_stats`` tells them, and how busy they are."""
    from comfy import model_management as comfy

    # Older ones know of one device only.
    every = getattr(comfy, "get_all_torch_devices", list)() or [comfy.get_torch_device()]
    loads = gpu_loads() if any(each.type == "cuda" for each in every) else {}
    return [_comfy_device(comfy, each, loads) for each in every]


def _comfy_device(comfy: Any, device: Any, loads: dict[str, float]) -> dict[str, Any]:
    def whole(ask: Callable[[Any], Any]) -> int | None:
        return _never_failing(lambda: int(ask(device)), None)

    return {
        "name": _never_failing(lambda: str(comfy.get_torch_device_name(device)), str(device)),
        "type": str(device.type),
        "vram_total": whole(comfy.get_total_memory),
        "vram_free": whole(comfy.get_free_memory),
        "load": _never_failing(lambda: _load_of(device, loads), None),
    }


def comfy_models() -> Models:
    """The files of the models that ComfyUI has loaded, so far as it remembers where a model came from."""
    from comfy import model_management as comfy

    from .local.comfy_memory import is_ours

    patchers = [each.model for each in list(comfy.current_loaded_models)]
    files = [tuple(_files_of(patcher)) for patcher in patchers if patcher is not None and not is_ours(patcher)]
    return tuple(sorted({name for each in files for name in each})), all(files)


def _files_of(patcher: Any) -> Iterator[str]:
    """A model that can be made anew remembers how: a function, and its arguments with the file or files first."""
    _, arguments = getattr(patcher, "cached_patcher_init", None) or (None, ())
    first = arguments[0] if arguments else None
    for path in first if isinstance(first, list | tuple) else (first,):
        if isinstance(path, str):
            yield PurePath(path).name


# -- NVIDIA -----------------------------------------------------------------------------------------------------------


def gpu_loads() -> dict[str, float]:
    """How busy each NVIDIA GPU of the machine is, in percent, by its UUID; empty where nvidia-smi cannot say."""
    return _never_failing(lambda: dict(_parsed(_asked(SMI))), {})


def _asked(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=SMI_S, check=True).stdout  # noqa: S603


def _parsed(text: str) -> Iterator[tuple[str, float]]:
    for line in text.splitlines():
        uuid, _, load = (part.strip() for part in line.partition(","))
        if load.isdecimal():  # "[N/A]" on some
            yield _bare(uuid), float(load)


def _load_of(device: Any, loads: dict[str, float]) -> float | None:
    """The load of torch's device: its index counts what is visible to this process only, so the UUID decides."""
    import torch

    if device.type != "cuda" or not loads:
        return None
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    if uuid is None:  # an older torch
        return next(iter(loads.values())) if len(loads) == 1 else None
    return loads.get(_bare(str(uuid)))


def _bare(uuid: str) -> str:
    return uuid.removeprefix("GPU-").lower()
