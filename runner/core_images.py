"""Core nodes that make and change images ``[B, H, W, C]``."""

from __future__ import annotations

import sys
from typing import Any

from . import images as pixels
from .comfy_api.latest import io
from .core import MODULE, CoreNode, LegacyNode, size
from .resampling import METHODS, scale

CROPS = ("disabled", "center")
SMALL = 2**14
"""So many pixels of one colour are there at once."""


class EmptyImage(LegacyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="EmptyImage",
            display_name="Empty Image",
            category="image",
            inputs=[
                size("width"),
                size("height"),
                io.Int.Input("batch_size", default=1, min=1, max=4096),
                io.Int.Input("color", default=0, min=0, max=0xFFFFFF, step=1, extra_dict={"display": "color"}),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def is_quick(cls, arguments: dict[str, Any]) -> bool:
        # NumPy is imported with the first image, which takes long.
        pixels = arguments["width"] * arguments["height"] * arguments["batch_size"]
        return "numpy" in sys.modules and isinstance(pixels, int) and pixels <= SMALL

    @classmethod
    def execute(cls, width: int, height: int, batch_size: int, color: int) -> io.NodeOutput:  # type: ignore[override]
        import numpy as np

        one = np.array(list(color.to_bytes(3, "big")), dtype=np.float32) / 255
        return io.NodeOutput(np.broadcast_to(one, (batch_size, height, width, 3)).copy())


class ImageScale(LegacyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageScale",
            display_name="Upscale Image",
            category="image/upscaling",
            essentials_category="Image Tools",
            search_aliases=[
                "resize",
                "resize image",
                "scale image",
                "image resize",
                "zoom",
                "zoom in",
                "change size",
            ],
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=METHODS),
                size("width", least=0),
                size("height", least=0),
                io.Combo.Input("crop", options=CROPS),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(  # type: ignore[override]
        cls, image: Any, upscale_method: str, width: int, height: int, crop: str
    ) -> io.NodeOutput:
        if width == 0 and height == 0:
            return io.NodeOutput(image)
        array = pixels.as_array(image)
        old_height, old_width = array.shape[1:3]
        wide = width or max(1, round(old_width * height / old_height))
        high = height or max(1, round(old_height * width / old_width))
        return io.NodeOutput(scale(array, wide, high, upscale_method, center=crop == "center"))


class ImageScaleBy(LegacyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageScaleBy",
            display_name="Upscale Image By",
            category="image/upscaling",
            essentials_category="Image Tools",
            inputs=[
                io.Image.Input("image"),
                io.Combo.Input("upscale_method", options=METHODS),
                io.Float.Input("scale_by", default=1.0, min=0.01, max=8.0, step=0.01),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Any, upscale_method: str, scale_by: float) -> io.NodeOutput:  # type: ignore[override]
        array = pixels.as_array(image)
        height, width = (round(side * scale_by) for side in array.shape[1:3])
        return io.NodeOutput(scale(array, width, height, upscale_method))


class ImageBatch(LegacyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageBatch",
            display_name="Batch Images (DEPRECATED)",
            category="image/batch",
            is_deprecated=True,
            search_aliases=["combine images", "merge images", "stack images"],
            inputs=[io.Image.Input("image1"), io.Image.Input("image2")],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image1: Any, image2: Any) -> io.NodeOutput:  # type: ignore[override]
        """The second is brought to the size of the first; where one has alpha, the other becomes opaque."""
        import numpy as np

        first, second = pixels.as_array(image1), pixels.as_array(image2)
        channels = max(first.shape[-1], second.shape[-1])
        first, second = _opaque(first, channels), _opaque(second, channels)
        if first.shape[1:3] != second.shape[1:3]:
            second = scale(second, first.shape[2], first.shape[1], "bilinear", center=True)
        return io.NodeOutput(np.concatenate([first, second]))


def _opaque(array: Any, channels: int) -> Any:
    import numpy as np

    missing = channels - array.shape[-1]
    return np.pad(array, ((0, 0), (0, 0), (0, 0), (0, missing)), constant_values=1.0) if missing else array


class ImageInvert(LegacyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageInvert",
            display_name="Invert Image Colors",
            category="image/color",
            essentials_category="Image Tools",
            search_aliases=["reverse colors"],
            inputs=[io.Image.Input("image")],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Any) -> io.NodeOutput:  # type: ignore[override]
        return io.NodeOutput(1 - pixels.as_array(image))


class ImageCrop(CoreNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImageCrop",
            display_name="Crop Image (DEPRECATED)",
            category="image/transform",
            essentials_category="Image Tools",
            is_deprecated=True,
            search_aliases=["trim"],
            inputs=[
                io.Image.Input("image"),
                size("width"),
                size("height"),
                size("x", default=0, least=0),
                size("y", default=0, least=0),
            ],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, image: Any, width: int, height: int, x: int, y: int) -> io.NodeOutput:  # type: ignore[override]
        """What lies past the edge is left out; a corner outside of the image is moved to its last pixel."""
        array = pixels.as_array(image)
        left, top = min(x, array.shape[2] - 1), min(y, array.shape[1] - 1)
        return io.NodeOutput(array[:, top : top + height, left : left + width])


class ImagePadForOutpaint(LegacyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="ImagePadForOutpaint",
            display_name="Pad Image for Outpainting",
            category="image/transform",
            search_aliases=["extend canvas", "expand image"],
            inputs=[
                io.Image.Input("image"),
                *(size(side, default=0, least=0, step=8) for side in ("left", "top", "right", "bottom")),
                size("feathering", default=40, least=0, advanced=True),
            ],
            outputs=[io.Image.Output(), io.Mask.Output()],
        )

    @classmethod
    def execute(  # type: ignore[override]
        cls, image: Any, left: int, top: int, right: int, bottom: int, feathering: int
    ) -> io.NodeOutput:
        """Grey around the image, and a mask of what is to be painted."""
        import numpy as np

        array = pixels.as_array(image)
        frame = ((top, bottom), (left, right))
        padded = np.pad(array, ((0, 0), *frame, (0, 0)), constant_values=0.5)
        height, width = array.shape[1:3]
        inner = feathered(height, width, (left, top, right, bottom), feathering)
        return io.NodeOutput(padded, np.pad(inner, frame, constant_values=1.0)[None])


def feathered(height: int, width: int, sides: tuple[int, int, int, int], feathering: int) -> Any:
    """The mask over the old image: it fades in towards each side that is padded, by the square of the way. An image
    less than twice as long or wide as the feathering gets none."""
    import numpy as np

    if feathering == 0 or 2 * feathering >= min(height, width):
        return np.zeros((height, width), dtype=np.float32)
    left, top, right, bottom = sides
    columns, rows = np.arange(width), np.arange(height)
    far = max(width, height)
    across = np.minimum(columns if left else far, width - columns if right else far)
    down = np.minimum(rows if top else far, height - rows if bottom else far)
    distance = np.minimum(np.broadcast_to(down, height)[:, None], np.broadcast_to(across, width)[None, :])
    return (np.maximum((feathering - distance) / feathering, 0) ** 2).astype(np.float32)


NODES: list[tuple[type[CoreNode], str]] = [
    *((each, MODULE) for each in (EmptyImage, ImageScale, ImageScaleBy, ImageBatch, ImageInvert, ImagePadForOutpaint)),
    (ImageCrop, "comfy_extras.nodes_images"),
]
