"""Between pixels and ComfyUI's LATENT by a local pipeline's own VAE, so that native nodes join on at either end."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io

from .base import Node
from .host import current
from .local_adapters import CATEGORY, pipeline_input, recipe_of


class LocalEncode(Node):
    """Pixels to LATENT."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkLocalEncode",
            display_name="Encode (local)",
            category=CATEGORY,
            description="Turn images into latents with a local pipeline's VAE, as VAE Encode does.",
            search_aliases=["vae encode", "latent", "image to latent", "encode", "local"],
            inputs=[pipeline_input(), io.Image.Input("image", tooltip="The image, or a batch.")],
            outputs=[io.Latent.Output("latent", tooltip="For Local Sample, or a native KSampler of the same family.")],
        )

    @classmethod
    async def execute(cls, pipeline: Any, image: Any) -> Any:
        from .local.latents import encode

        return io.NodeOutput({"samples": await _with(pipeline, lambda loaded: encode(loaded, image))})


class LocalDecode(Node):
    """LATENT to pixels."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkLocalDecode",
            display_name="Decode (local)",
            category=CATEGORY,
            description="Turn latents into images with a local pipeline's VAE, as VAE Decode does.",
            search_aliases=["vae decode", "latent", "latent to image", "decode", "local"],
            inputs=[
                pipeline_input(),
                io.Latent.Input("latent", tooltip="From Local Sample, or a native KSampler of the same family."),
            ],
            outputs=[io.Image.Output("images", tooltip="The images, as one batch.")],
        )

    @classmethod
    async def execute(cls, pipeline: Any, latent: Any) -> Any:
        from .local.latents import decode, parts_of

        samples, _ = parts_of(latent)
        return io.NodeOutput(await _with(pipeline, lambda loaded: decode(loaded, samples)))


async def _with(pipeline: Any, work: Any) -> Any:
    """What ``work`` makes with the pipeline in memory, when it is its turn to compute here."""
    recipe = recipe_of(pipeline)

    def run() -> Any:
        from .local.slot import slot

        return slot().run(recipe.bare, work)

    return await current().compute(run)
