"""Local Upscale: the same image with more pixels, by a network of one's own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..errors import ImageTooLarge
from .base import Node
from .checking import number, whole
from .host import current as current_host
from .local.checkpoints import find_file, upscalers
from .local.pictures import as_array
from .local_files import file_input, stamp
from .progressing import progress

if TYPE_CHECKING:
    from .local.upscaling import OnTile, Upscaling

KIND = "upscale_models"
MAX_SCALE = 16.0
TILES = (64, 4096)


class LocalUpscale(Node):
    """Tile by tile on this machine's device; nothing is asked of anybody, and nothing is charged."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkLocalUpscale",
            display_name="Local Upscale",
            category="Mintmark/local",
            description="Enlarge images on this machine with an upscaling model of your own, tile by tile.",
            search_aliases=["upscaler", "enlarge", "super resolution", "esrgan", "spandrel", "tiled", "4x", "hires"],
            inputs=[
                io.Image.Input("image", tooltip="The images. All of a batch are enlarged."),
                file_input(
                    "model", upscalers, "A safetensors file in the folder upscale_models: ESRGAN, SwinIR, HAT, DAT …"
                ),
                io.Float.Input(
                    "scale",
                    default=0.0,
                    min=0.0,
                    max=MAX_SCALE,
                    step=0.25,
                    tooltip="By how much width and height grow, by a last resize. 0: the model's own factor.",
                ),
                io.Int.Input(
                    "tile",
                    default=512,
                    min=TILES[0],
                    max=TILES[1],
                    step=64,
                    optional=True,
                    tooltip="Side of a tile in pixels. Smaller tiles take less memory; it halves them once by itself.",
                ),
                io.Int.Input(
                    "overlap",
                    default=32,
                    min=0,
                    max=1024,
                    step=8,
                    optional=True,
                    tooltip="By how much tiles overlap, up to half a tile. More hides seams of models that look far.",
                ),
            ],
            outputs=[io.Image.Output("images", tooltip="The larger images, in the same order.")],
        )

    @classmethod
    def validate_inputs(cls, model: Any) -> bool:
        """Files may have come since the list was made; one that is missing is told when the node runs."""
        return True

    @classmethod
    def fingerprint_inputs(cls, model: Any = None, **_: Any) -> str:
        """By the model's file."""
        return stamp(lambda: find_file(current_host(), KIND, str(model)))

    @classmethod
    async def execute(cls, image: Any, model: str, scale: float = 0.0, tile: int = 512, overlap: int = 32) -> Any:
        from .local.tiles import Tiling
        from .local.upscaling import Upscaling

        side = whole("tile", tile, *TILES, "512 is a good start.")
        what = Upscaling(
            scale=number("scale", scale, 0.0, MAX_SCALE, "0 is the model's own factor."),
            tiling=Tiling(side=side, overlap=whole("overlap", overlap, 0, side // 2, "At most half a tile.")),
        )
        return io.NodeOutput(await current_host().compute(partial(_upscaled, image, str(model), what, progress())))


def _upscaled(image: Any, name: str, what: Upscaling, on_tile: OnTile) -> Any:
    from .local.image_models import open_model
    from .local.memory import device_here
    from .local.upscaling import upscale

    host = current_host()
    model = open_model(find_file(host, KIND, name))
    pixels = as_array(image, "image")
    _check(what.size(pixels.shape[1], pixels.shape[2], model.scale))
    made = upscale(model, pixels, what, device_here(), on_tile)
    return host.image(made.shape, made.nbytes, lambda: made)


def _check(size: tuple[int, int]) -> None:
    from .worker import current

    pixels, most = size[0] * size[1], current().settings.max_pixels
    if pixels > most:
        raise ImageTooLarge(
            f"scale: an image of {pixels:,} pixels would come of it; {most:,} are the most.",
            hint="Choose a smaller scale, or raise MINTMARK_MAX_PIXELS.",
        )
