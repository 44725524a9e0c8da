"""Inpaint: repaint what a mask covers."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import generating
from .feeding import Feed
from .generating import HostedNode
from .models import model_input

TASK = "inpaint"


class Inpaint(HostedNode):
    """One call for each image of the batch."""

    fan_out = "each"

    @classmethod
    def define_schema(cls) -> Any:
        return generating.schema(
            "MintmarkInpaint",
            "Inpaint",
            "Repaint the masked part of an image with a hosted model.",
            aliases=["inpainting", "mask", "fill", "generative fill", "erase", "replace part", "retouch"],
            inputs=[
                io.Image.Input("image", tooltip="The image. Each one of a batch is a call of its own."),
                io.Mask.Input("mask", tooltip="White (1) is repainted, black stays. As large as the image."),
                generating.prompt_input("What shall be seen where the mask is."),
                model_input(TASK, "fal/flux-pro-fill"),
                generating.seed_input(),
                generating.negative_input(),
                generating.count_input(" of each"),
                *generating.origin_inputs(),
            ],
        )

    @classmethod
    async def execute(cls, image: Any, mask: Any, **shared: Any) -> Any:
        def parts(feed: Feed) -> list[dict[str, Any]]:
            return [{"images": [one], "mask": its} for one, its in feed.masked(image, mask)]

        return await cls.ask(TASK, shared, parts)
