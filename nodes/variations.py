"""Variations: other images like this one."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import generating
from .feeding import Feed
from .generating import HostedNode, own
from .models import model_input

TASK = "variation"


class Variations(HostedNode):
    """One call, or as many as the count needs, for each image of the batch."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkVariations",
            display_name="Variations",
            category=generating.CATEGORY,
            description="Make other images like this one with a hosted model.",
            search_aliases=["variation", "remix", "redux", "more like this", "image to image", "similar"],
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
            outputs=generating.outputs(),
            hidden=generating.HIDDEN,
        )

    @classmethod
    async def execute(
        cls,
        image: Any,
        seed: int,
        model: Any = None,
        strength: float = 0.0,
        prompt: str = "",
        negative_prompt: str = "",
        width: int = 0,
        height: int = 0,
        count: int = 1,
        record: Any = None,
        source: Any = None,
    ) -> Any:
        asked = {"prompt": prompt, "negative_prompt": negative_prompt, "seed": seed, "count": count}
        shape = {"width": own(width), "height": own(height), "strength": own(strength)}

        def parts(feed: Feed) -> list[dict[str, Any]]:
            return [{"images": [one]} for one in feed.images(image)]

        return await cls.ask(TASK, model, {**asked, **shape}, parts, Feed(record, source))
