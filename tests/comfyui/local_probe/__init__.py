"""A pack for tests: what a real ComfyUI has in memory, which steps it begins, and a native node that wants all of it.

Linked into the custom nodes of the ComfyUI that the tests start; none of it is part of the node pack itself.
"""

from __future__ import annotations

import gc
import warnings
from typing import Any

import psutil
import torch
from aiohttp import web
from comfy import model_management
from comfy.model_patcher import ModelPatcher
from server import PromptServer
from torch.nn.modules.module import register_module_forward_pre_hook

STEPS = {"begun": 0, "late": 0}
"""Calls of a UNet, and those of them that begin though somebody has interrupted the prompt."""


def _count(module: Any, _: Any) -> None:
    if type(module).__name__ == "UNet2DConditionModel":
        STEPS["begun"] += 1
        STEPS["late"] += bool(model_management.processing_interrupted())


register_module_forward_pre_hook(_count)


def tensor_bytes() -> int:
    """Of all tensors of this process, each storage once."""
    gc.collect()
    found: dict[int, int] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in gc.get_objects():
            if issubclass(type(each), torch.Tensor) and each.layout is torch.strided:
                found[each.untyped_storage().data_ptr()] = each.untyped_storage().nbytes()
    return sum(found.values())


def resident_bytes() -> int:
    """Of this process, in main memory."""
    return int(psutil.Process().memory_info().rss)


@PromptServer.instance.routes.get("/local_probe")
async def probe(request: web.Request) -> web.Response:
    told = [type(each.model).__name__ for each in model_management.current_loaded_models]
    ours = [each.model for each in model_management.current_loaded_models if getattr(each.model, "mintmark", False)]
    return web.json_response(
        {
            "tensor_bytes": tensor_bytes(),
            "resident_bytes": resident_bytes(),
            "loaded": told,
            "ours": [each.model_size() for each in ours],
            **STEPS,
        }
    )


class WantsMemory:
    """A native model that needs more memory than there is, as a KSampler does at full VRAM; then a matrix times it."""

    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "load"
    CATEGORY = "tests"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:  # noqa: N802
        return {"required": {"image": ("IMAGE",)}}

    def load(self, image: Any) -> tuple[Any]:
        device = model_management.get_torch_device()
        native = ModelPatcher(torch.nn.Linear(3, 3), load_device=device, offload_device=torch.device("cpu"))
        with torch.no_grad():
            native.model.weight.copy_(torch.eye(3))
            native.model.bias.zero_()
        # What loading does at full VRAM; on a CPU ComfyUI's own loading never frees anything.
        model_management.free_memory(model_management.get_total_memory(device) * 2, device)
        model_management.load_models_gpu([native])
        return (native.model(image),)


NODE_CLASS_MAPPINGS = {"LocalProbeWantsMemory": WantsMemory}
