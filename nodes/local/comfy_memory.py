"""Our pipelines in ComfyUI's model management, so that both share one device: each makes room for the other.

ComfyUI keeps a list of the models that it has loaded, each as a *patcher*, which it asks for its size and tells to go.
For each of our pipelines a patcher of ours stands in that list. So a native node that needs the memory gets it, ``POST
/free`` frees ours with the rest, and before we load, ComfyUI is asked to make room. Found out by asking ComfyUI 0.33
what it asks of a patcher; one that asks otherwise keeps its memory to itself, which is logged, and nothing breaks.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ... import log

if TYPE_CHECKING:
    from .slot import Held, Neighbours

logger = log.get("nodes.local.comfy_memory")


def comfy() -> Any:
    """ComfyUI's model management; None in a process that is not ComfyUI."""
    return sys.modules.get("comfy.model_management")


def neighbours() -> Neighbours | None:
    """ComfyUI's native models as neighbours of ours; None where there are none."""
    management = comfy()
    return None if management is None else ComfyNeighbours(management)


def is_ours(patcher: Any) -> bool:
    """Whether a patcher in ComfyUI's list stands for one of our pipelines."""
    return getattr(patcher, "mintmark", False) is True


class ComfyNeighbours:
    """See :class:`.slot.Neighbours`. ``management`` is ComfyUI's module. Nothing here ever raises."""

    def __init__(self, management: Any) -> None:
        self._comfy = management
        self._patchers: dict[int, Any] = {}
        """By the pipeline that they stand for. ComfyUI itself does not keep a patcher alive."""
        self._going: list[Any] = []
        """Those that ComfyUI told to go. It looks at them until it has struck them off its list."""

    def make_room(self, need: int, device: Any) -> None:
        try:
            self._comfy.free_memory(need, device)
            self._comfy.soft_empty_cache()
        except Exception as exc:  # noqa: BLE001 - other people's code, of other versions
            self._failed("free its models", exc)

    def came(self, held: Held, free: Callable[[], int]) -> None:
        self._going = [each for each in self._going if each in self._listed()]
        try:
            # What is on the device only while it works takes nothing there that could be had.
            patcher = _patcher(self._comfy, lambda: 0 if held.in_ram else held.weights, free)
            self._patchers[id(held)] = patcher
            self._comfy.load_models_gpu([patcher])
        except Exception as exc:  # noqa: BLE001 - as above
            self._patchers.pop(id(held), None)
            self._failed("count our pipeline among its models", exc)

    def left(self, held: Held) -> None:
        patcher = self._patchers.pop(id(held), None)
        if patcher is None:
            return
        if patcher.going:
            self._going.append(patcher)
            return
        patcher.gone()
        try:
            for each in [entry for entry in self._comfy.current_loaded_models if entry.model is patcher]:
                each.model_unload()
                self._comfy.current_loaded_models.remove(each)
        except Exception as exc:  # noqa: BLE001 - as above
            self._failed("forget our pipeline", exc)

    def _listed(self) -> list[Any]:
        return [each.model for each in getattr(self._comfy, "current_loaded_models", ())]

    def _failed(self, what: str, exc: Exception) -> None:
        told = f"{type(exc).__name__}: {exc}"
        logger.warning("This ComfyUI would not %s (%s)", what, told, extra=log.action("comfy_memory_unshared"))


def _patcher(management: Any, size: Callable[[], int], free: Callable[[], int]) -> Any:
    """A patcher of ComfyUI's own kind over an empty model, which takes so many bytes and frees them by ``free``.

    Derived from ComfyUI's, which answers all that is asked beyond memory; so it cannot be written down before.
    """
    import torch
    from comfy.model_patcher import ModelPatcher

    class Patcher(ModelPatcher):
        """Stands in ComfyUI's list for a pipeline of ours, which is loaded already."""

        mintmark = True
        going = False
        is_there = True

        def model_size(self) -> int:
            return size()

        def loaded_size(self) -> int:
            return size() if self.is_there else 0

        def current_loaded_device(self) -> Any:
            return self.load_device if self.is_there else self.offload_device

        def model_patches_to(self, device: Any) -> None: ...

        def partially_load(self, *_: Any, **__: Any) -> int:
            return 0

        def partially_unload(self, *_: Any, **__: Any) -> int:
            """Nothing: it goes as a whole, for which :meth:`detach` is called next."""
            return 0

        def patch_model(self, *_: Any, **__: Any) -> Any:
            return self.model

        def unpatch_model(self, *_: Any, **__: Any) -> None: ...

        def detach(self, *_: Any, **__: Any) -> Any:
            self.going = True
            free()
            self.gone()
            return self.model

        def is_clone(self, other: Any) -> bool:
            return other is self

        def clone_has_same_weights(self, clone: Any, *_: Any, **__: Any) -> bool:
            return clone is self

        def gone(self) -> None:
            self.is_there = False

        def __del__(self) -> None: ...

    device = management.get_torch_device()
    return Patcher(torch.nn.Module(), load_device=device, offload_device=management.unet_offload_device())
