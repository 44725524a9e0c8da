"""Edit Image: change an image by words, with further images to take things from."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from . import generating
from .feeding import Feed
from .generating import HostedNode
from .models import model_input

TASK = "edit"
FURTHER = ("image_2", "image_3", "image_4")


class EditImage(HostedNode):
    """One call with all images: the first is what is edited, the others are references."""

    fan_out = "once"

    @classmethod
    def define_schema(cls) -> Any:
        return generating.schema(
            "MintmarkEditImage",
            "Edit Image",
            "Change an image by telling a hosted model what to do, with references to take things from.",
            aliases=["edit", "img2img", "image to image", "kontext", "reference", "restyle", "nano banana"],
            inputs=[
                io.Image.Input("image", tooltip="What to edit. Further images of the batch are references."),
                generating.prompt_input("What to change, in plain words; or what you want to see instead."),
                model_input(TASK, "fal/flux-2-pro"),
                generating.seed_input(),
                *(io.Image.Input(name, optional=True, tooltip="A reference, or a batch of them.") for name in FURTHER),
                generating.negative_input(),
                *generating.size_inputs(),
                generating.strength_input("How far the result may move from the image, up to 1: free of it."),
                generating.count_input(),
                *generating.origin_inputs(),
            ],
        )

    @classmethod
    async def execute(cls, image: Any, **shared: Any) -> Any:
        def parts(feed: Feed) -> list[dict[str, Any]]:
            images = feed.images(image)
            for name in FURTHER:
                if shared.get(name) is not None:
                    images += feed.images(shared[name], name)
            return [{"images": images}]

        return await cls.ask(TASK, shared, parts)
