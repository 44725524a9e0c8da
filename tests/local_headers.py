"""Safetensors files of which only the header matters: names and shapes of the published models, and zeros."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

Shapes = Mapping[str, tuple[int, ...]]

NET = "model.diffusion_model."
UNET_15: Shapes = {
    "input_blocks.0.0.weight": (320, 4, 3, 3),
    "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
}
UNET_XL: Shapes = {
    "input_blocks.0.0.weight": (320, 4, 3, 3),
    "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, 2048),
    "label_emb.0.0.weight": (1280, 2816),
}
MMDIT: Shapes = {
    "joint_blocks.0.x_block.attn.qkv.weight": (4608, 1536),
    "joint_blocks.0.x_block.attn.ln_q.weight": (64,),
    "context_embedder.weight": (1536, 4096),
    "pos_embed": (1, 147456, 1536),
}
FLUX: Shapes = {
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "img_in.weight": (3072, 64),
    "txt_in.weight": (3072, 4096),
}
FLUX_DEV: Shapes = {**FLUX, "guidance_in.in_layer.weight": (3072, 256)}
KLEIN: Shapes = {
    "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
    "single_stream_modulation.lin.weight": (9216, 3072),
    "img_in.weight": (3072, 128),
    "txt_in.weight": (3072, 7680),
}


def below(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    """The same with this before each name."""
    return {prefix + name: shape for name, shape in shapes.items()}


def header_bytes(shapes: Shapes, metadata: Mapping[str, str] | None = None, dtype: str = "F8_E4M3") -> bytes:
    """Length and JSON as a file begins; a number is one byte."""
    told: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, shape in shapes.items():
        size = math.prod(shape)
        told[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(told).encode()
    return len(text).to_bytes(8, "little") + text


def write(path: Path, shapes: Shapes, metadata: Mapping[str, str] | None = None) -> Path:
    """A whole file with these tensors; its zeros take no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    begin = header_bytes(shapes, metadata)
    with path.open("wb") as file:
        file.write(begin)
        file.truncate(len(begin) + sum(math.prod(shape) for shape in shapes.values()))
    return path


def folder(path: Path, cls: str, **configs: Mapping[str, object]) -> Path:
    """A diffusers folder of this pipeline class; of each component its configuration and a tensor."""
    path.mkdir(parents=True, exist_ok=True)
    index = {"_class_name": cls, "scheduler": ["diffusers", "DDIMScheduler"]}
    index |= {part: ["diffusers", "Model"] for part in configs}  # type: ignore[dict-item]
    (path / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    for part, config in configs.items():
        write(path / part / "diffusion_pytorch_model.safetensors", {"weight": (2, 2)})
        (path / part / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


class Here:
    """A host whose model folders lie below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def model_folders(self, name: str) -> tuple[Path, ...]:
        """One of each kind."""
        return (self.root / name,)
