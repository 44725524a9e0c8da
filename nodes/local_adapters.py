"""What is added to a local pipeline before it is sampled: LoRAs, embeddings, ControlNets. Wiring them loads nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from ..errors import InvalidInput
from .base import Node
from .checking import number
from .host import current
from .local import checkpoints
from .local.recipe import Embedding, Lora, Recipe
from .local_files import file_input, stamp
from .sockets import PipelineSocket

CATEGORY = "Mintmark/local"


class LoadLora(Node):
    """One more LoRA; several stand in a row."""

    @classmethod
    def define_schema(cls) -> Any:
        return _schema(
            "MintmarkLoadLora",
            "Load LoRA (local)",
            "Add a LoRA to a local pipeline. Several in a row are stacked; none of them changes the checkpoint itself.",
            aliases=["lora", "style", "adapter", "finetune", "peft", "kohya", "local"],
            inputs=[
                file_input("lora", checkpoints.loras, "A LoRA of the same family as the checkpoint.", late=True),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    tooltip="How much of it: 0 is none, 1 all of it; below 0 it pushes away.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, lora: Any) -> bool:
        return True  # what is wrong with the file is told when the node runs, if it does

    @classmethod
    def fingerprint_inputs(cls, lora: Any = None, **_: Any) -> str:
        return stamp(lambda: checkpoints.find_file(current(), "loras", str(lora)))

    @classmethod
    async def execute(cls, pipeline: Any, lora: str, weight: float) -> Any:
        from .local.lora_files import check_lora

        recipe, weight = recipe_of(pipeline), number("weight", weight, -10.0, 10.0)
        path = await _found("loras", lora)
        await asyncio.to_thread(check_lora, recipe.checkpoint, path)
        return io.NodeOutput(recipe.with_lora(Lora(name=lora, path=str(path), weight=weight)))


class LoadEmbedding(Node):
    """A textual inversion: one word of the prompt that means more than words do."""

    @classmethod
    def define_schema(cls) -> Any:
        return _schema(
            "MintmarkLoadEmbedding",
            "Load Embedding (local)",
            "Teach a local pipeline of SD 1.5 or SDXL a new word: a textual inversion.",
            aliases=["embedding", "textual inversion", "token", "style", "negative embedding", "local"],
            inputs=[
                file_input(
                    "embedding", checkpoints.embeddings, "A textual inversion of the checkpoint's family.", late=True
                ),
                io.String.Input(
                    "token",
                    default="",
                    optional=True,
                    tooltip="The word that stands for it in prompts. Empty: the file's name without its ending.",
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, embedding: Any) -> bool:
        return True  # what is wrong with the file is told when the node runs, if it does

    @classmethod
    def fingerprint_inputs(cls, embedding: Any = None, **_: Any) -> str:
        return stamp(lambda: checkpoints.find_file(current(), "embeddings", str(embedding)))

    @classmethod
    async def execute(cls, pipeline: Any, embedding: str, token: str = "") -> Any:
        from .local.embedding_files import check_embedding, check_token

        recipe, path = recipe_of(pipeline), await _found("embeddings", embedding)
        word = check_token(token or path.stem, tuple(each.token for each in recipe.embeddings))
        await asyncio.to_thread(check_embedding, recipe.checkpoint, path)
        return io.NodeOutput(recipe.with_embedding(Embedding(name=embedding, path=str(path), token=word)))


class LocalControlNet(Node):
    """One more ControlNet with its map; several stand in a row."""

    @classmethod
    def define_schema(cls) -> Any:
        share = {"min": 0.0, "max": 1.0, "step": 0.01, "optional": True}
        return _schema(
            "MintmarkLocalControlNet",
            "ControlNet (local)",
            "Have a local pipeline follow a map: edges, depth, a pose. Several in a row guide together.",
            aliases=["controlnet", "canny", "depth", "openpose", "structure", "guide", "local"],
            inputs=[
                file_input(
                    "control_net", checkpoints.controlnets, "A ControlNet of the checkpoint's family.", late=True
                ),
                io.Image.Input("image", tooltip="The map itself, as a preprocessor or a drawing gives it: one."),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=10.0,
                    step=0.05,
                    tooltip="How closely the result keeps to the map; 0: not at all.",
                ),
                io.Float.Input("start", default=0.0, **share, tooltip="From which share of the steps on it guides."),
                io.Float.Input("end", default=1.0, **share, tooltip="Until which share of the steps it guides."),
            ],
        )

    @classmethod
    def validate_inputs(cls, control_net: Any) -> bool:
        return True  # what is wrong with the file is told when the node runs, if it does

    @classmethod
    def fingerprint_inputs(cls, control_net: Any = None, **_: Any) -> str:
        return stamp(lambda: checkpoints.find_file(current(), "controlnet", str(control_net)))

    @classmethod
    async def execute(
        cls, pipeline: Any, control_net: str, image: Any, strength: float, start: float = 0.0, end: float = 1.0
    ) -> Any:
        from .local.controls import control

        recipe, strength = recipe_of(pipeline), number("strength", strength, 0.0, 10.0)
        start, end = number("start", start, 0.0, 1.0), number("end", end, 0.0, 1.0)
        path = await _found("controlnet", control_net)
        guiding = {"strength": strength, "start": start, "end": end}
        made = await asyncio.to_thread(control, recipe.checkpoint, control_net, path, image, **guiding)
        return io.NodeOutput(recipe.with_control(made))


async def _found(kind: str, name: Any) -> Path:
    return await asyncio.to_thread(checkpoints.find_file, current(), kind, str(name))


def recipe_of(pipeline: Any) -> Recipe:
    """What comes over the socket. Raises InvalidInput where it is something else."""
    if not isinstance(pipeline, Recipe):
        raise InvalidInput(f"pipeline: a {type(pipeline).__name__} is none.", hint="Connect Load Pipeline.")
    return pipeline


def pipeline_input(tooltip: str = "From Load Pipeline, or from another node that adds to it.") -> Any:
    """The input that all nodes on a local pipeline begin with."""
    return PipelineSocket.Input("pipeline", tooltip=tooltip)


def _schema(node_id: str, name: str, description: str, *, aliases: list[str], inputs: list[Any]) -> Any:
    return io.Schema(
        node_id=node_id,
        display_name=name,
        category=CATEGORY,
        description=description,
        search_aliases=aliases,
        inputs=[pipeline_input(), *inputs],
        outputs=[PipelineSocket.Output("pipeline", tooltip="The pipeline with this added. Nothing is loaded yet.")],
    )
