"""Graphs that sample on the machine itself, for whichever host runs them, with tiny models where it looks for them."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

Graph = dict[str, Any]
CHECKPOINT = "tiny-sd15"
LORA = "tiny-sd15-peft-lora-0.safetensors"
SIDE = 64
TASKS = ("text-to-image", "image-to-image", "inpaint")


def put_models(models: Path) -> None:
    """A checkpoint and a LoRA of it, in ComfyUI's folders below ``models``."""
    from mintmark.tests import local_models

    for kind in ("diffusers", "loras"):
        (models / kind).mkdir(parents=True, exist_ok=True)
    local_models.make(models / "diffusers", "sd15")
    local_models.lora(models / "loras", "sd15")


def picture() -> bytes:
    """A PNG with a hole in a corner, which is Load Image's mask."""
    image = Image.new("RGBA", (SIDE, SIDE))
    for x in range(SIDE):
        for y in range(SIDE):
            image.putpixel((x, y), (4 * x, 4 * y, 128, 0 if x < SIDE // 2 and y < SIDE // 2 else 255))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def graph(task: str = "text-to-image", file: str = "", **inputs: Any) -> Graph:
    """Load Pipeline, Load LoRA, Local Sample (3), Sign and Save (2). ``file`` is an upload of :func:`picture`."""
    asked = {"prompt": "a paper boat", "width": SIDE, "height": SIDE, "steps": 6, "guidance": 5.0, "seed": 11, **inputs}
    made: Graph = {
        "p": {"class_type": "MintmarkLoadPipeline", "inputs": {"checkpoint": CHECKPOINT}},
        "l": {"class_type": "MintmarkLoadLora", "inputs": {"pipeline": ["p", 0], "lora": LORA, "weight": 0.7}},
        "3": {"class_type": "MintmarkLocalSample", "inputs": {"pipeline": ["l", 0], **asked}},
        "2": {
            "class_type": "MintmarkSignAndSave",
            "inputs": {"images": ["3", 0], "record": ["3", 2], "filename_prefix": "it/local"},
        },
    }
    if task != "text-to-image":
        made["i"] = {"class_type": "LoadImage", "inputs": {"image": file}}
        made["3"]["inputs"] |= {"image": ["i", 0], "strength": 0.6}
    if task == "inpaint":
        made["3"]["inputs"] |= {"mask": ["i", 1], "strength": 1.0}
    return made


def saved(history: dict[str, Any], output: Path) -> list[Path]:
    """The files of node 2 of a prompt that succeeded."""
    assert history["status"]["status_str"] == "success", history["status"]
    return [output / each["subfolder"] / each["filename"] for each in history["outputs"]["2"]["images"]]


def pixels(path: Path) -> tuple[tuple[int, int], bytes]:
    """Size and RGB of a file."""
    with Image.open(path) as image:
        return image.size, image.convert("RGB").tobytes()


class Steps:
    """Counts the steps that a UNet begins in this process, and those that it begins though nobody wants them."""

    def __init__(self, unwanted: Callable[[], bool] = lambda: False) -> None:
        from torch.nn.modules.module import register_module_forward_pre_hook

        self.begun = self.late = 0
        self.third = threading.Event()
        """Set when the third step begins."""
        self._unwanted = unwanted
        self._hook = register_module_forward_pre_hook(self._count)

    def _count(self, module: Any, _: Any) -> None:
        if type(module).__name__ == "UNet2DConditionModel":
            self.begun += 1
            self.late += self._unwanted()
            if self.begun == 3:
                self.third.set()

    def __enter__(self) -> Steps:
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()


def alive_bytes() -> int:
    """Of all tensors of this process, each storage once."""
    import gc
    import warnings

    import torch

    gc.collect()
    found: dict[int, int] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for each in gc.get_objects():
            if issubclass(type(each), torch.Tensor) and each.layout is torch.strided:
                found[each.untyped_storage().data_ptr()] = each.untyped_storage().nbytes()
    return sum(found.values())
