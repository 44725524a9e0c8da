"""Outpaint: make an image larger by painting what lies beyond its edges."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import generating
from .feeding import Feed
from .generating import HostedNode
from .models import model_input

TASK = "outpaint"
SIDES = ("left", "top", "right", "bottom")


class Outpaint(HostedNode):
    """One call for each image of the batch."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkOutpaint",
            display_name="Outpaint",
            category=generating.CATEGORY,
            description="Extend an image beyond its edges with a hosted model.",
            search_aliases=["outpainting", "extend", "expand", "uncrop", "banner", "wider", "canvas"],
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
            outputs=generating.outputs(),
            hidden=generating.HIDDEN,
        )

    @classmethod
    async def execute(
        cls,
        image: Any,
        left: int,
        top: int,
        right: int,
        bottom: int,
        seed: int,
        model: Any = None,
        prompt: str = "",
        negative_prompt: str = "",
        count: int = 1,
        record: Any = None,
        source: Any = None,
    ) -> Any:
        asked = {"prompt": prompt, "negative_prompt": negative_prompt, "seed": seed, "count": count}
        margins = dict(zip(SIDES, (left, top, right, bottom), strict=True))

        def parts(feed: Feed) -> list[dict[str, Any]]:
            return [{"images": [one]} for one in feed.images(image)]

        return await cls.ask(TASK, model, {**asked, "margins": margins}, parts, Feed(record, source))


def _side(name: str) -> Any:
    tooltip = f"How many pixels to add at the {name}."
    return io.Int.Input(name, default=0, min=0, max=generating.MAX_SIDE, step=8, tooltip=tooltip)
