"""Nodes that make known pixels and tell exactly which pixels arrive, in ComfyUI and in the runner alike."""

from __future__ import annotations

import base64
from typing import Any

from comfy_api.latest import ComfyExtension, io

CATEGORY = "mintmark/probe"


def _values(shape: tuple[int, ...], seed: int) -> Any:
    """Numbers in 0..1 that look random and are the same everywhere, in whatever array library the host uses."""
    import numpy as np

    count = int(np.prod(shape))
    mixed = (np.arange(1, count + 1, dtype=np.uint64) * np.uint64(2654435761) + np.uint64(seed * 40503)) % (1 << 32)
    array = ((mixed >> np.uint64(12)) & np.uint64(0xFFFF)).astype(np.float32).reshape(shape) / np.float32(65535)
    try:
        import torch
    except ImportError:
        return array
    return torch.from_numpy(array)


def _sides() -> list[io.Input]:
    return [
        io.Int.Input("width", default=7, min=1, max=4096),
        io.Int.Input("height", default=5, min=1, max=4096),
        io.Int.Input("batch", default=1, min=1, max=8),
        io.Int.Input("seed", default=0, min=0, max=1000),
    ]


class Pixels(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelImage",
            display_name="Pixels",
            category=CATEGORY,
            inputs=[*_sides(), io.Int.Input("channels", default=3, min=1, max=4)],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, width: int, height: int, batch: int, seed: int, channels: int) -> io.NodeOutput:
        return io.NodeOutput(_values((batch, height, width, channels), seed))


class MaskPixels(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelMask",
            display_name="Mask pixels",
            category=CATEGORY,
            inputs=[*_sides(), io.Boolean.Input("flat", default=False)],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, width: int, height: int, batch: int, seed: int, flat: bool) -> io.NodeOutput:
        made = _values((batch, height, width), seed)
        return io.NodeOutput(made[0] if flat else made)


class Dump(io.ComfyNode):
    """An output node: the array it was given appears in the history, to the last bit."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelDump",
            display_name="Dump",
            category=CATEGORY,
            is_output_node=True,
            inputs=[io.AnyType.Input("value")],
            outputs=[],
        )

    @classmethod
    def execute(cls, value: Any) -> io.NodeOutput:
        import numpy as np

        array = np.ascontiguousarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
        data = base64.b64encode(array.tobytes()).decode()
        return io.NodeOutput(ui={"array": [{"dtype": str(array.dtype), "shape": list(array.shape), "data": data}]})


class Typed(io.ComfyNode):
    """An output node: the value it was given and its type appear in the history."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelTyped",
            display_name="Typed",
            category=CATEGORY,
            is_output_node=True,
            inputs=[io.AnyType.Input("value")],
            outputs=[],
        )

    @classmethod
    def execute(cls, value: Any) -> io.NodeOutput:
        return io.NodeOutput(ui={"typed": [type(value).__name__, repr(value)]})


class Odd(io.ComfyNode):
    """Values of many kinds, for nodes that take anything."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="PixelOdd",
            display_name="Odd",
            category=CATEGORY,
            inputs=[io.String.Input("kind")],
            outputs=[io.AnyType.Output()],
        )

    @classmethod
    def execute(cls, kind: str) -> io.NodeOutput:
        return io.NodeOutput(ODD[kind])


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("no text")


ODD: dict[str, Any] = {
    "none": None,
    "dict": {"b": 1, "a": [1, 2.5, None, "é"]},
    "list": [1, 2],
    "tuple": (1, "two"),
    "bool": True,
    "set": {1},
    "unprintable": Unprintable(),
    "dict of a set": {"a": {1}},
}


class PixelExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return [Pixels, MaskPixels, Dump, Typed, Odd]


async def comfy_entrypoint() -> PixelExtension:
    return PixelExtension()
