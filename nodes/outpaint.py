"""Outpaint: make an image larger by painting what lies beyond its edges."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import generating
from .generating import HostedNode, each_of
from .models import model_input

TASK = "outpaint"
SIDES = ("left", "top", "right", "bottom")


class Outpaint(HostedNode):
    """One call for each image of the batch."""

    fan_out = "each"

    @classmethod
    def define_schema(cls) -> Any:
        return generating.schema(
            "MintmarkOutpaint",
            "Outpaint",
            "Extend an image beyond its edges with a hosted model.",
            aliases=["outpainting", "extend", "expand", "uncrop", "banner", "wider", "canvas"],
            inputs=[
                io.Image.Input("image", tooltip="The image. Each one of a batch is a call of its own."),
                *(_side(name) for name in SIDES),
                model_input(TASK, "fal/flux-pro-fill"),
                generating.seed_input(),
                generating.prompt_input("What lies beyond the edges. Some models need no words.", optional=True),
                generating.negative_input(),
                generating.count_input(" of each"),
                *generating.origin_inputs(),
            ],
        )

    @classmethod
    async def execute(cls, image: Any, **shared: Any) -> Any:
        margins = {side: shared[side] for side in SIDES}
        return await cls.ask(TASK, shared, each_of(image), margins=margins)


def _side(name: str) -> Any:
    tooltip = f"How many pixels to add at the {name}."
    return io.Int.Input(name, default=0, min=0, max=generating.MAX_SIDE, step=8, tooltip=tooltip)
