"""Control: an image that follows a map of edges, depth, a pose or a sketch."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import generating
from .feeding import Feed
from .generating import HostedNode
from .models import model_input

TASK = "control"
KINDS = ("edges", "depth", "pose", "sketch")


class Control(HostedNode):
    """One call, or as many as the count needs, for each map of the batch."""

    fan_out = "each"

    @classmethod
    def define_schema(cls) -> Any:
        return generating.schema(
            "MintmarkControl",
            "Control",
            "Make an image that follows a map (edges, depth, a pose or a sketch) with a hosted model.",
            aliases=["controlnet", "canny", "depth", "openpose", "sketch to image", "structure", "scribble"],
            inputs=[
                io.Image.Input("map", tooltip="The map itself, as a preprocessor or a drawing gives it."),
                io.Combo.Input("kind", options=list(KINDS), default=KINDS[0], tooltip="What the map shows."),
                generating.prompt_input("What you want to see, in plain words."),
                model_input(TASK, "fal/flux-dev-controlnet"),
                generating.strength_input("How closely the result keeps to the map, up to 1: exactly."),
                generating.seed_input(),
                generating.negative_input(),
                *generating.size_inputs(),
                generating.count_input(" of each"),
                *generating.origin_inputs(),
            ],
        )

    @classmethod
    async def execute(cls, kind: str, **shared: Any) -> Any:
        def parts(feed: Feed) -> list[dict[str, Any]]:
            return [{"images": [one]} for one in feed.images(shared["map"], "map")]

        return await cls.ask(TASK, shared, parts, control=kind)
