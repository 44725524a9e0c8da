"""Upscale: the same image with more pixels."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import generating
from .generating import HostedNode, each_of
from .models import model_input

TASK = "upscale"


class Upscale(HostedNode):
    """One call for each image of the batch."""

    fan_out = "each"

    @classmethod
    def define_schema(cls) -> Any:
        return generating.schema(
            "MintmarkUpscale",
            "Upscale",
            "Enlarge an image with a hosted model.",
            aliases=["upscaler", "enlarge", "super resolution", "esrgan", "enhance", "4x", "hires"],
            inputs=[
                io.Image.Input("image", tooltip="The image. Each one of a batch is a call of its own."),
                model_input(TASK, "fal/clarity-upscaler"),
                io.Float.Input(
                    "scale",
                    default=2.0,
                    min=0.0,
                    max=16.0,
                    step=0.5,
                    tooltip="By how much width and height grow. 0: the model's own factor.",
                ),
                generating.seed_input(),
                generating.prompt_input("What the image shows, for models that look at it.", optional=True),
                generating.negative_input(),
                *generating.origin_inputs(),
            ],
        )

    @classmethod
    async def execute(cls, image: Any, **shared: Any) -> Any:
        return await cls.ask(TASK, shared, each_of(image))
