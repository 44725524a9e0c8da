"""Local Sample: images by a checkpoint of this machine, checked, recorded and paid for as hosted ones."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from comfy_api.latest import io, ui

from . import generating
from .base import Node
from .generating import MAX_COUNT, MAX_SIDE
from .local import schedulers
from .previewing import on_node
from .sockets import PipelineSocket, RecordSocket
from .worker import current

if TYPE_CHECKING:
    from ..generation.context import JobContext
    from ..generation.engine import Engine
    from ..generation.service import Generated

OWN_GUIDANCE = -1.0


class LocalSample(Node):
    """Samples a pipeline. What is connected says how: nothing, an image or a latent, and a mask on it."""

    fan_out = "within"

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkLocalSample",
            display_name="Local Sample",
            category="Mintmark/local",
            description="Make images on this machine with a pipeline. Checked, priced and recorded as hosted ones are.",
            search_aliases=["ksampler", "sampler", "diffusers", "local", "generate", "txt2img", "img2img", "inpaint"],
            inputs=[
                PipelineSocket.Input(
                    "pipeline", tooltip="From Load Pipeline, and what is added to it: LoRAs, ControlNets."
                ),
                generating.prompt_input("What you want to see, in plain words."),
                generating.negative_input(),
                *_size_inputs(),
                generating.seed_input(),
                io.Int.Input(
                    "count",
                    default=1,
                    min=1,
                    max=MAX_COUNT,
                    optional=True,
                    tooltip="How many images to make of each that is connected. Image i has the seed + i.",
                ),
                *_own_inputs(),
                *_start_inputs(),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The images as the VAE gave them, in floats, not in 256 levels."),
                io.Latent.Output("latent", tooltip="The same before the VAE, for native nodes and Local Decode."),
                RecordSocket.Output("record", tooltip="How they were made. Connect it to Sign and Save and Receipt."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        """A cached result may be reused within the same project under the same policy, and nowhere else."""
        return current().looked_up()

    @classmethod
    async def execute(cls, pipeline: Any, prompt: str, **given: Any) -> Any:
        from ..providers.previews import shown_by
        from .local.handing import handing
        from .local_results import image_of, latents_of
        from .local_wishes import handed_over, request_of

        worker = current()
        place = worker.place()

        async def make(engine: Engine, job: JobContext, node: str) -> tuple[Generated, Any, Any]:
            own = await asyncio.to_thread(handed_over, pipeline, given)
            request = await asyncio.to_thread(request_of, own, prompt, given)
            with shown_by(on_node(engine, job, node)), handing(own):
                made = worker.made(place, job, await engine.service.generate(request, job, node))
                most = engine.settings.max_pixels
                image = await asyncio.to_thread(image_of, made.pictures, own, max_pixels=most)
                return made, image, await latents_of(made.pictures, own, max_pixels=most)

        made, image, latent = await worker.job(make)
        return io.NodeOutput(image, {"samples": latent}, made, ui=ui.PreviewText(generating.told(made)))


def _size_inputs() -> list[Any]:
    bounds = {"default": 0, "min": 0, "max": MAX_SIDE, "step": 8}
    own = "0: that of the image or latent, else the checkpoint's own."
    return [
        io.Int.Input("width", **bounds, optional=True, tooltip=f"Width in pixels. {own}"),
        io.Int.Input("height", **bounds, optional=True, tooltip=f"Height in pixels. {own}"),
    ]


def _own_inputs() -> list[Any]:
    return [
        io.Int.Input(
            "steps",
            default=0,
            min=0,
            max=1000,
            optional=True,
            tooltip="Denoising steps. 0: the checkpoint's own number.",
        ),
        io.Float.Input(
            "guidance",
            default=OWN_GUIDANCE,
            min=OWN_GUIDANCE,
            max=100.0,
            step=0.1,
            optional=True,
            tooltip="How closely the image keeps to the prompt. -1: the checkpoint's own.",
        ),
        io.Combo.Input(
            "scheduler",
            options=schedulers.names(),
            default=schedulers.AUTO,
            optional=True,
            tooltip="How noise is taken away. auto: the checkpoint's own, which few-step models should keep.",
        ),
    ]


def _start_inputs() -> list[Any]:
    return [
        io.Image.Input("image", optional=True, tooltip="What to begin from: image-to-image, or inpaint with a mask."),
        io.Mask.Input("mask", optional=True, tooltip="White (1) is repainted. As large as the image or the latent."),
        io.Latent.Input(
            "latent", optional=True, tooltip="What to begin from in place of an image. Its own mask counts."
        ),
        io.Float.Input(
            "strength",
            default=0.0,
            min=0.0,
            max=1.0,
            step=0.05,
            optional=True,
            tooltip="How far the result may move from the image, up to 1: free of it. 0: 0.75, and 1 under a mask.",
        ),
    ]
