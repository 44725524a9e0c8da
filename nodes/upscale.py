"""Upscale: the same image with more pixels."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import generating
from .feeding import Feed
from .generating import HostedNode, own
from .models import model_input

TASK = "upscale"


class Upscale(HostedNode):
    """One call for each image of the batch."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkUpscale",
            display_name="Upscale",
            category=generating.CATEGORY,
            description="Enlarge an image with a hosted model.",
            search_aliases=["upscaler", "enlarge", "super resolution", "esrgan", "enhance", "4x", "hires"],
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
            outputs=generating.outputs(),
            hidden=generating.HIDDEN,
        )

    @classmethod
    async def execute(
        cls,
        image: Any,
        scale: float,
        seed: int,
        model: Any = None,
        prompt: str = "",
        negative_prompt: str = "",
        record: Any = None,
        source: Any = None,
    ) -> Any:
        asked = {"prompt": prompt, "negative_prompt": negative_prompt, "seed": seed, "count": 1, "scale": own(scale)}

        def parts(feed: Feed) -> list[dict[str, Any]]:
            return [{"images": [one]} for one in feed.images(image)]

        return await cls.ask(TASK, model, asked, parts, Feed(record, source))
