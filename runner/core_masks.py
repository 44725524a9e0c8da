"""Core nodes that make and change masks ``[B, H, W]``."""

from __future__ import annotations

from typing import Any

from . import images as pixels
from .comfy_api.latest import io
from .core import CoreNode, size

MODULE = "comfy_extras.nodes_mask"
CATEGORY = "image/mask"
CHANNELS = ("red", "green", "blue", "alpha")


class MaskToImage(CoreNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="MaskToImage",
            display_name="Convert Mask to Image",
            category=CATEGORY,
            search_aliases=["convert mask"],
            inputs=[io.Mask.Input("mask")],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, mask: Any) -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(pixels.as_mask(mask)[..., None].repeat(3, axis=-1))


class ImageToMask(CoreNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageToMask",
            display_name="Convert Image to Mask",
            category=CATEGORY,
            search_aliases=["extract channel", "channel to mask"],
            inputs=[io.Image.Input("image"), io.Combo.Input("channel", options=CHANNELS)],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, image: Any, channel: str) -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(pixels.as_array(image)[..., CHANNELS.index(channel)])


class InvertMask(CoreNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="InvertMask",
            display_name="Invert Mask",
            category=CATEGORY,
            search_aliases=["reverse mask", "flip mask"],
            inputs=[io.Mask.Input("mask")],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, mask: Any) -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(1 - pixels.as_plain(mask))


class GrowMask(CoreNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="GrowMask",
            display_name="Grow Mask",
            category=CATEGORY,
            search_aliases=["expand mask", "shrink mask"],
            inputs=[
                io.Mask.Input("mask"),
                io.Int.Input("expand", default=0, min=-16384, max=16384, step=1),
                io.Boolean.Input("tapered_corners", default=True, advanced=True),
            ],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, mask: Any, expand: int, tapered_corners: bool) -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(grown(pixels.as_mask(mask), expand, tapered=tapered_corners))


def grown(mask: Any, by: int, *, tapered: bool) -> Any:
    """The mask grown by so many pixels, or shrunk by a negative number. ``tapered`` leaves the corners out of each
    step, so that a square grows into a diamond."""
    import numpy as np

    # Past the largest side nothing changes any more.
    steps = min(abs(by), sum(mask.shape[1:]))
    most, outside = (np.maximum, -np.inf) if by > 0 else (np.minimum, np.inf)
    height, width = mask.shape[1:]
    around = [(y, x) for y in range(3) for x in range(3) if not tapered or 1 in (y, x)]
    for _ in range(steps):
        framed = np.pad(mask, ((0, 0), (1, 1), (1, 1)), constant_values=outside)
        mask = most.reduce([framed[:, y : y + height, x : x + width] for y, x in around])
    return mask


class SolidMask(CoreNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="SolidMask",
            display_name="Create Solid Mask",
            category=CATEGORY,
            inputs=[
                io.Float.Input("value", default=1.0, min=0.0, max=1.0, step=0.01),
                size("width"),
                size("height"),
            ],
            outputs=[io.Mask.Output()],
        )

    @classmethod
    def execute(cls, value: float, width: int, height: int) -> io.NodeOutput:  # type: ignore[override]
        import numpy as np

        return io.NodeOutput(np.full((1, height, width), value, dtype=np.float32))


NODES: list[tuple[type[CoreNode], str]] = [
    (each, MODULE) for each in (MaskToImage, ImageToMask, InvertMask, GrowMask, SolidMask)
]
