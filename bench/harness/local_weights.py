"""Pipelines of random weights: one that a CPU samples in seconds, and two of the size of SDXL and of FLUX.2 klein.

Tokenizers, and what is not measured, are those of the tests' tiny pipelines; nothing is downloaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

SD15_WIDTHS = (128, 256, 384, 512)
"""Of a UNet in Stable Diffusion 1.5's layout with 107 million parameters."""
SDXL_UNET = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
"""``unet/config.json`` of stable-diffusion-xl-base-1.0: 2.6 billion parameters."""
SDXL_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.13025,
    "sample_size": 1024,
}
CLIP_L = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "num_hidden_layers": 12}
CLIP_G = {"hidden_size": 1280, "intermediate_size": 5120, "num_attention_heads": 20, "num_hidden_layers": 32}
KLEIN_NET = {
    "patch_size": 1,
    "in_channels": 128,
    "num_layers": 5,
    "num_single_layers": 20,
    "attention_head_dim": 128,
    "num_attention_heads": 24,
    "joint_attention_dim": 7680,
    "axes_dims_rope": (32, 32, 32, 32),
    "guidance_embeds": False,
}
"""``Klein4BParams`` of black-forest-labs/flux2, in diffusers' names: 3.9 billion parameters."""
QWEN3_4B = {
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 36,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "tie_word_embeddings": True,
}


def cpu_sized(models: Path) -> str:
    """A checkpoint in this models folder, as a diffusers folder; its name."""
    import torch
    from diffusers import UNet2DConditionModel

    folder = models / "diffusers" / tiny(models, "sd15")
    small = UNet2DConditionModel.from_pretrained(folder / "unet")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        unet = UNet2DConditionModel(
            sample_size=32,
            block_out_channels=SD15_WIDTHS,
            attention_head_dim=8,
            cross_attention_dim=small.config["cross_attention_dim"],
        )
    (folder / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    unet.save_pretrained(folder / "unet")
    return folder.name


def loaded(folder: Path, family: str, memory: str) -> Any:
    """A ``Loaded`` of this family's real size in bfloat16 on the first GPU, or beside it where it is offloaded."""
    import torch

    from mintmark.nodes.local.checkpoints import find
    from mintmark.nodes.local.loading import load
    from mintmark.nodes.local.recipe import Recipe

    checkpoint = find(Folders(folder), tiny(folder, family))
    made = load(Recipe(checkpoint=checkpoint, dtype="bfloat16", memory="offload"))
    made.parts |= sized(family, made.parts, torch.device("cuda"))
    made.recipe = Recipe(checkpoint=checkpoint, dtype="bfloat16", memory=memory)  # type: ignore[arg-type]
    for part in made.modules():
        part.eval().requires_grad_(False).to("cuda" if memory == "full" else "cpu")
    return made


def sized(family: str, parts: dict[str, Any], device: Any) -> dict[str, Any]:
    """The parts of this family that differ in size, with random weights made on the device."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            return _SIZED[family](parts)
    finally:
        torch.set_default_dtype(before)


def _sdxl(parts: dict[str, Any]) -> dict[str, Any]:
    from diffusers import AutoencoderKL, UNet2DConditionModel

    return {
        "unet": UNet2DConditionModel(**SDXL_UNET),
        "vae": AutoencoderKL(**SDXL_VAE),
        "text_encoder": _clip(parts["text_encoder"], CLIP_L),
        "text_encoder_2": _clip(parts["text_encoder_2"], {**CLIP_G, "projection_dim": 1280}),
    }


def _klein(parts: dict[str, Any]) -> dict[str, Any]:
    from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel

    its = parts["text_encoder"]
    config = type(its.config)(**{**its.config.to_dict(), **QWEN3_4B, "layer_types": None})
    return {
        "transformer": Flux2Transformer2DModel(**KLEIN_NET),
        "vae": AutoencoderKLFlux2(),
        "text_encoder": type(its)(config),
    }


_SIZED = {"sdxl": _sdxl, "flux2-klein": _klein}


def _clip(its: Any, size: dict[str, int]) -> Any:
    return type(its)(type(its.config)(**{**its.config.to_dict(), **size}))


class Folders:
    """Model folders below one."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def model_folders(self, name: str) -> tuple[Path, ...]:
        return (self._root / name,)


def tiny(models: Path, family: str) -> str:
    """The tests' own pipeline of this family in this models folder; its name."""
    from mintmark.tests import local_models

    (models / "diffusers").mkdir(parents=True, exist_ok=True)
    return local_models.make(models / "diffusers", family).name
