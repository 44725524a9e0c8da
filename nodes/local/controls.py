"""For which models a ControlNet is, told from its headers alone, and its map as a value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput
from .asking import check_range
from .families import FAMILIES
from .headers import read_header
from .lora_files import Shape, network_shapes, title
from .pictures import as_array, digest
from .recipe import Control

if TYPE_CHECKING:
    from .recipe import Checkpoint

_READS = ("attn2.to_k.weight", "context_embedder.weight")
"""Layers that read the prompt's numbers, whose width tells families and sizes apart."""
_CLASSES = {"SD3ControlNetModel": "sd35", "FluxControlNetModel": "flux"}
_WIDTHS = {768: "sd15", 1024: "sd2", 2048: "sdxl"}


def control(checkpoint: Checkpoint, name: str, path: str | Path, image: Any, **guiding: float) -> Control:
    """A ControlNet with its map, IMAGE float32 [1,H,W,C]; ``guiding``: strength, start and end.

    Raises InvalidInput naming the field, FileMissing, NotSafetensors, DamagedFile.
    """
    check_controlnet(checkpoint, path)
    check_range(guiding["start"], guiding["end"])
    pixels = _one_map(image)
    return Control(name=name, path=str(path), image=pixels, sha256=digest(pixels, "image"), **guiding)


def check_controlnet(checkpoint: Checkpoint, path: str | Path) -> None:
    """That this ControlNet fits this checkpoint, by their headers. What the headers leave open is let through.

    Raises InvalidInput naming both families or both widths; FileMissing, NotSafetensors, DamagedFile as read_header.
    """
    place, mine = Path(path), title(checkpoint.family)
    if FAMILIES[checkpoint.family].controlnet is None:
        raise InvalidInput(
            f"control_net: there are none for {mine}, which {checkpoint.name} is.",
            hint="Disconnect it, or use another family.",
        )
    shapes = _shapes(place)
    family = _family(place, shapes)
    if family is not None and family != checkpoint.family:
        raise InvalidInput(
            f"control_net: {place.name} is for {title(family)}, and {checkpoint.name} is {mine}.",
            hint=f"Choose a ControlNet that was trained for {mine}.",
        )
    its, own = _width(shapes), _width(network_shapes(checkpoint.path, checkpoint.kind, checkpoint.stamp))
    if its and own and its != own:
        raise InvalidInput(
            f"control_net: {place.name} reads {its} numbers a word, and the prompts of {checkpoint.name} have {own}.",
            hint=f"Choose a ControlNet that was trained for {mine} of this size.",
        )


def _shapes(place: Path) -> Mapping[str, Shape]:
    files = sorted(place.glob("*.safetensors")) if place.is_dir() else [place]
    found = {name: each.shape for file in files for name, each in read_header(file).tensors.items()}
    if not any("control" in name or name.startswith("input_hint_block") for name in found):
        raise InvalidInput(f"control_net: {place.name} is none.", hint="Choose a ControlNet of the controlnet folder.")
    return found


def _family(place: Path, shapes: Mapping[str, Shape]) -> str | None:
    """By the class that its configuration names, else by its layers; None where neither shows it."""
    if (config := place / "config.json").is_file():
        try:
            told = json.loads(config.read_text("utf-8"))
        except (OSError, ValueError):
            told = {}
        if isinstance(told, dict) and told.get("_class_name") in _CLASSES:
            return _CLASSES[told["_class_name"]]
    if any("attn2.to_k" in name for name in shapes):
        large = any(name.startswith(("add_embedding.", "control_model.label_emb.", "label_emb.")) for name in shapes)
        return _WIDTHS.get(_width(shapes)) or ("sdxl" if large else "sd15")
    if any(name.startswith("controlnet_x_embedder") for name in shapes):
        return "flux"
    return "sd35" if any(name.startswith("pos_embed_input") for name in shapes) else None


def _width(shapes: Mapping[str, Shape]) -> int:
    """How many numbers of a prompt's word it reads; 0 where that does not show."""
    found = (shape[1] for name, shape in sorted(shapes.items()) if name.endswith(_READS) and len(shape) == 2)
    return next(found, 0)


def _one_map(image: Any) -> Any:
    import numpy as np

    pixels = as_array(image, "image")
    if len(pixels) != 1:
        raise InvalidInput(
            f"image: there are {len(pixels)} maps, and one ControlNet follows one.",
            hint="Pick one of the batch, or add a ControlNet for each.",
        )
    return np.ascontiguousarray(pixels)
