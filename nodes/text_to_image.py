"""Text to Image: one node for every hosted model."""

from __future__ import annotations

from typing import Any

from ..errors import InvalidInput
from . import generating
from .generating import HostedNode
from .models import model_input

TASK = "text-to-image"
DEFAULT_MODEL = "fal/flux-schnell"


class TextToImage(HostedNode):
    """Asks a hosted model for images."""

    fan_out = "once"

    @classmethod
    def define_schema(cls) -> Any:
        return generating.schema(
            "MintmarkTextToImage",
            "Text to Image",
            "Make images from words with a hosted model. Checked, priced and recorded.",
            aliases=["hosted", "api", "flux", "gpt image", "openai", "fal", "generate image", "txt2img", "t2i"],
            inputs=[
                generating.prompt_input("What you want to see, in plain words."),
                generating.negative_input(),
                model_input(TASK, DEFAULT_MODEL),
                *generating.size_inputs(1024),
                generating.seed_input(),
                generating.count_input(),
            ],
        )

    @classmethod
    async def execute(cls, prompt: str, width: int, height: int, **shared: Any) -> Any:
        if not prompt.strip():
            raise InvalidInput("prompt: is empty.", hint="Say what you want to see.")
        return await cls.ask(TASK, shared, lambda _: [{}], prompt=prompt, width=width, height=height)
