"""Variations: other images like this one."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import generating
from .generating import HostedNode, each_of
from .models import model_input

TASK = "variation"


class Variations(HostedNode):
    """One call, or as many as the count needs, for each image of the batch."""

    fan_out = "each"

    @classmethod
    def define_schema(cls) -> Any:
        return generating.schema(
            "MintmarkVariations",
            "Variations",
            "Make other images like this one with a hosted model.",
            aliases=["variation", "remix", "redux", "more like this", "image to image", "similar"],
            inputs=[
                io.Image.Input("image", tooltip="What to vary. Each image of a batch is varied by itself."),
                model_input(TASK, "fal/flux-dev"),
                generating.strength_input("How far the results may move from the image, up to 1: free of it."),
                generating.seed_input(),
                generating.prompt_input("Where the variations shall lead. Some models need no words.", optional=True),
                generating.negative_input(),
                *generating.size_inputs(),
                generating.count_input(" of each"),
                *generating.origin_inputs(),
            ],
        )

    @classmethod
    async def execute(cls, image: Any, **shared: Any) -> Any:
        return await cls.ask(TASK, shared, each_of(image))
