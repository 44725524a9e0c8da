"""Text to Image: one node for every hosted model."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io

from ..errors import InvalidInput
from .models import chosen, model_in_graph, model_input
from .sockets import RecordSocket
from .worker import current

if TYPE_CHECKING:
    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..generation.service import Generated
    from ..providers.request import GenerationRequest

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
            hidden=[io.Hidden.prompt, io.Hidden.unique_id],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """A cached result may be reused within the same project under the same policy, and nowhere else."""
        return current().scope()

    @classmethod
    async def execute(
        cls,
        prompt: str,
        width: int,
        height: int,
        seed: int,
        model: Any = None,
        count: int = 1,
        negative_prompt: str = "",
    ) -> Any:
        from .pixels import to_image

        if model is None:
            model = model_in_graph(cls.hidden)
        asked = {"width": width, "height": height, "seed": seed, "count": count}

        async def make(engine: Engine, job: JobContext, node: str) -> Generated:
            return await engine.service.generate(_request(prompt, negative_prompt, model, asked), job, node)

        worker = current()
        made: Generated = await worker.job(make)
        image = await asyncio.to_thread(to_image, made.pictures, max_pixels=worker.settings.max_pixels)
        return io.NodeOutput(image, made)


def _request(prompt: str, negative_prompt: str, model: Any, asked: dict[str, int]) -> GenerationRequest:
    """The request of one execution. A value can come over a link, which no widget's limits hold: so it is checked."""
    from pydantic import ValidationError

    from ..providers.request import GenerationRequest

    if not prompt.strip():
        raise InvalidInput("prompt: is empty.", hint="Say what you want to see.")
    if asked["count"] > MAX_COUNT:
        raise InvalidInput(f"count: {asked['count']} is more than {MAX_COUNT}.", hint="Queue several prompts instead.")
    name, options = chosen(model)
    words = {"prompt": prompt, "negative_prompt": negative_prompt}
    try:
        return GenerationRequest.model_validate(
            {"task": "text-to-image", "model": name, "options": options, **words, **asked}
        )
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        raise InvalidInput(f"{first['loc'][0]}: {first['msg']}.") from exc


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
