"""Text to Image: one node for every hosted model."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from .models import chosen, model_input
from .sockets import RecordSocket
from .worker import current

DEFAULT_MODEL = "fal/flux-schnell"
MAX_SIDE = 4096
MAX_COUNT = 10


class TextToImage(io.ComfyNode):
    """Asks a hosted model for images."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkTextToImage",
            display_name="Text to Image",
            category="Mintmark/generate",
            description="Make images from words with a hosted model. Checked, priced and recorded.",
            search_aliases=["hosted", "api", "flux", "gpt image", "openai", "fal", "generate image", "txt2img", "t2i"],
            inputs=_inputs(),
            outputs=[
                io.Image.Output("images", tooltip="The images, in the order they were asked for."),
                RecordSocket.Output("record", tooltip="How they were made. Connect it to Sign and Save and Receipt."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """A cached result may be reused within the same project under the same policy, and nowhere else."""
        return current().scope()

    @classmethod
    async def execute(
        cls, prompt: str, model: Any, width: int, height: int, seed: int, count: int = 1, negative_prompt: str = ""
    ) -> Any:
        from ..generation.service import Generated
        from ..providers.request import GenerationRequest
        from .pixels import to_image

        name, options = chosen(model)
        request = GenerationRequest(
            task="text-to-image",
            model=name,
            prompt=prompt,
            negative_prompt=negative_prompt,
            width=width,
            height=height,
            count=count,
            seed=seed,
            options=options,
        )
        worker = current()
        made: Generated = await worker.job(lambda engine, job, node: engine.service.generate(request, job, node))
        return io.NodeOutput(to_image(made.pictures, max_pixels=worker.settings.max_pixels), made)


def _inputs() -> list[Any]:
    return [
        io.String.Input("prompt", multiline=True, default="", tooltip="What you want to see, in plain words."),
        io.String.Input(
            "negative_prompt",
            multiline=True,
            default="",
            optional=True,
            tooltip="What you do not want to see. Models that cannot use it ignore it, and the record says so.",
        ),
        model_input("text-to-image", DEFAULT_MODEL),
        io.Int.Input("width", default=1024, min=64, max=MAX_SIDE, step=8, tooltip="Width in pixels."),
        io.Int.Input("height", default=1024, min=64, max=MAX_SIDE, step=8, tooltip="Height in pixels."),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=2**64 - 1,
            control_after_generate=True,
            tooltip="The same seed gives the same image where the model supports seeds.",
        ),
        io.Int.Input(
            "count",
            default=1,
            min=1,
            max=MAX_COUNT,
            optional=True,
            tooltip="How many images to make. Each one is charged.",
        ),
    ]
