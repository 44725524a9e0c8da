"""Load Pipeline: a checkpoint of this machine, and how it is held in memory. Nothing is loaded until it is sampled."""

from __future__ import annotations

import asyncio
from typing import Any, get_args

from comfy_api.latest import io

from ..errors import InvalidInput, MintmarkError
from .base import Node
from .host import Host
from .host import current as current_host
from .local import checkpoints
from .local.recipe import Attention, Dtype, Memory, Recipe
from .local_files import file_input
from .sockets import PipelineSocket

DTYPES, MEMORIES, ATTENTIONS = get_args(Dtype), get_args(Memory), get_args(Attention)


class LoadPipeline(Node):
    """Names a checkpoint; LoRAs, embeddings and ControlNets are added to what it gives."""

    @classmethod
    def define_schema(cls) -> Any:
        return io.Schema(
            node_id="MintmarkLoadPipeline",
            display_name="Load Pipeline",
            category="Mintmark/local",
            description="A diffusers folder or a safetensors checkpoint of this machine, to sample with Local Sample.",
            search_aliases=["checkpoint", "load model", "diffusers", "sdxl", "flux", "sd3", "sd15", "local", "offline"],
            inputs=[
                file_input(
                    "checkpoint",
                    _names,
                    "A file of checkpoints or diffusion_models, or a folder of diffusers.",
                    late=True,
                ),
                _choice(
                    "dtype", DTYPES, "Type of the numbers. auto: float32 on a CPU, else the family's own of 16 bits."
                ),
                _choice(
                    "memory",
                    MEMORIES,
                    "full: all on the GPU; offload: each model while it works; sequential: each layer.",
                ),
                _choice(
                    "attention", ATTENTIONS, "sliced takes less memory and more time; SD 1.5 and SDXL alone have it."
                ),
                _switch(
                    "vae_tiling", "Decode in tiles: large images take less memory. Tiles may show in smooth areas."
                ),
                _switch("compile", "Compile the network: the first image takes minutes longer, those after it less."),
            ],
            outputs=[PipelineSocket.Output("pipeline", tooltip="For Local Sample, and for what is added before it.")],
        )

    @classmethod
    def validate_inputs(cls, checkpoint: Any) -> bool:
        """Files may have come since the list was made; what is wrong with one is told when the node runs."""
        return True

    @classmethod
    def fingerprint_inputs(cls, checkpoint: Any = None, **_: Any) -> str:
        """By the checkpoint's files: others of the same name are another pipeline."""
        try:
            found = checkpoints.named(current_host(), str(checkpoint))
        except MintmarkError as exc:
            return exc.code
        return f"{found.path} {found.stamp} {found.size} {found.config}"

    @classmethod
    async def execute(
        cls,
        checkpoint: str,
        dtype: Any = "auto",
        memory: Any = "auto",
        attention: Any = "auto",
        vae_tiling: bool = False,
        compile: bool = False,  # noqa: A002  # an input's name
    ) -> Any:
        _one_of("dtype", dtype, DTYPES)
        _one_of("memory", memory, MEMORIES)
        _one_of("attention", attention, ATTENTIONS)
        found = await asyncio.to_thread(checkpoints.find, current_host(), str(checkpoint))
        recipe = Recipe(
            checkpoint=found,
            dtype=dtype,
            memory=memory,
            attention=attention,
            vae_tiling=bool(vae_tiling),
            compile=bool(compile),
        )
        return io.NodeOutput(recipe)


def _names(host: Host) -> list[str]:
    return [each.name for each in checkpoints.checkpoints(host)]


def _choice(name: str, options: tuple[str, ...], tooltip: str) -> Any:
    return io.Combo.Input(name, options=list(options), default=options[0], optional=True, tooltip=tooltip)


def _switch(name: str, tooltip: str) -> Any:
    return io.Boolean.Input(name, default=False, optional=True, tooltip=tooltip)


def _one_of(name: str, value: Any, options: tuple[str, ...]) -> None:
    if value not in options:
        raise InvalidInput(f"{name}: {str(value)[:40]!r} is none.", hint=f"One of {', '.join(options)}.")
