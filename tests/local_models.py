"""Tiny random models of each family that is sampled here: layouts and shapes of the real ones, in a megabyte each.

Weights are drawn from a fixed seed, so that the same call writes the same bytes. What makes a family (latent channels,
patches, eightfold VAE, which text encoders) is as in the real models; only widths and depths are small. Tokenizers
have a vocabulary of bytes and are made here: nothing is downloaded. 64 by 64 pixels are 8 by 8 latents.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .local_nets import CLIP_G, CLIP_L, clip, control, net, net_name, pipeline
from .local_nets import SIZE as SIZE

FAMILIES = ("sd15", "sdxl", "sd35", "flux", "flux2-klein")


def needs_diffusers() -> None:
    """Skip the calling test module where the extra ``local`` is not installed."""
    for name in ("torch", "diffusers", "transformers", "peft", "accelerate"):
        pytest.importorskip(name, reason=f"not run: needs the extra local ({name} is not installed)")


def make(folder: Path, family: str) -> Path:
    """A diffusers folder ``tiny-<family>`` below ``folder``: any of FAMILIES, or ``flux-schnell``."""
    path = folder / f"tiny-{family}"
    _pipeline(family).save_pretrained(path, safe_serialization=True)
    return path


def single_file(folder: Path, family: str, *, bare: bool = False) -> Path:
    """The weights of :func:`make` in one file, in the original authors' layout with ComfyUI's prefixes.

    ``bare`` holds the denoising net alone, as ComfyUI's ``diffusion_models`` do; FLUX.2's always does.
    """
    from .local_originals import original

    name = f"tiny-{family}{'-bare' if bare else ''}.safetensors"
    return _save(folder / name, original(_pipeline(family).components, family, bare=bare))


def _pipeline(family: str) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(FAMILIES.index(family) if family in FAMILIES else 99)
        return pipeline(family)


def lora(folder: Path, family: str, seed: int = 0, *, layout: str = "peft", text: bool = False) -> Path:
    """A LoRA of rank 4 over each attention: layout ``peft`` (diffusers) or ``kohya`` (sd15, sdxl).

    ``text`` adds the first text encoder's attentions (sd15, sdxl).
    """
    import torch

    draw = torch.Generator().manual_seed(1000 + seed)
    with torch.random.fork_rng(devices=[]):  # making a network draws
        targets = {f"{net_name(family)}.{name}": shape for name, shape in _attention(net(family)).items()}
        if text:
            targets |= {f"text_encoder.{name}": shape for name, shape in _attention(clip(CLIP_L)).items()}
    tensors: dict[str, Any] = {}
    for name, (out, inside) in sorted(targets.items()):
        down, up = torch.randn(4, inside, generator=draw) * 0.3, torch.randn(out, 4, generator=draw) * 0.3
        tensors |= _peft(name, down, up) if layout == "peft" else _kohya(name, family, down, up)
    return _save(folder / f"tiny-{family}-{layout}-lora-{seed}.safetensors", tensors)


def embedding(folder: Path, family: str, seed: int = 0, vectors: int = 2) -> Path:
    """A textual inversion of so many vectors, for sd15 or sdxl."""
    import torch

    draw = torch.Generator().manual_seed(2000 + seed)
    widths = {"sd15": {"emb_params": CLIP_L}, "sdxl": {"clip_l": CLIP_L, "clip_g": CLIP_G}}[family]
    tensors = {name: torch.randn(vectors, width, generator=draw) for name, width in widths.items()}
    return _save(folder / f"tiny-{family}-embedding-{seed}.safetensors", tensors)


def controlnet(folder: Path, family: str, seed: int = 0) -> Path:
    """A diffusers folder with a ControlNet for sd15, sdxl, sd35 or flux; its output layers are not zero."""
    import torch

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(3000 + seed)
        made = control(family)
        for name, weight in sorted(made.named_parameters()):
            if name.endswith("weight") and not weight.any():
                weight.copy_(torch.randn(weight.shape) * 0.1)
    path = folder / f"tiny-{family}-controlnet-{seed}"
    made.save_pretrained(path, safe_serialization=True)
    return path


def _save(path: Path, tensors: Mapping[str, Any], metadata: dict[str, str] | None = None) -> Path:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata or {"format": "pt"})
    return path


# --- LoRA layouts


def _attention(module: Any) -> dict[str, tuple[int, int]]:
    """The projections of a net's attentions with their shapes (out, in)."""
    import torch

    ends = ("to_q", "to_k", "to_v", "to_out.0", "q_proj", "k_proj", "v_proj", "out_proj")
    return {
        name: tuple(each.weight.shape)
        for name, each in module.named_modules()
        if name.endswith(ends) and isinstance(each, torch.nn.Linear) and "add_" not in name
    }


def _peft(name: str, down: Any, up: Any) -> dict[str, Any]:
    part, _, rest = name.partition(".")
    rest = f"text_model.{rest}" if part == "text_encoder" and not rest.startswith("text_model.") else rest
    return {f"{part}.{rest}.lora_A.weight": down, f"{part}.{rest}.lora_B.weight": up}


def _kohya(name: str, family: str, down: Any, up: Any) -> dict[str, Any]:
    """kohya-ss's names: dots are underscores, SDXL's nets have the original's block names; alpha is half the rank."""
    import torch

    part, _, rest = name.partition(".")
    prefix = {"unet": "lora_unet", "text_encoder": "lora_te1" if family == "sdxl" else "lora_te"}[part]
    if part == "text_encoder" and not rest.startswith("text_model."):
        rest = f"text_model.{rest}"
    if family == "sdxl" and part == "unet":
        rest = _original_block(rest)
    key = f"{prefix}_{rest.replace('.', '_')}"
    return {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": torch.tensor(2.0)}


def _original_block(name: str) -> str:
    """``down_blocks.1.attentions.0.x`` as ``input_blocks.4.1.x``: three entries a block, attentions at 1."""
    kind, rest = name.split(".", 1)
    if kind == "mid_block":
        which, number, inner = rest.split(".", 2)
        return f"middle_block.{1 if which == 'attentions' else 2 * int(number)}.{inner}"
    block, which, number, inner = rest.split(".", 3)
    at = 3 * int(block) + int(number) + (1 if kind == "down_blocks" else 0)
    return f"{'input' if kind == 'down_blocks' else 'output'}_blocks.{at}.{1 if which == 'attentions' else 0}.{inner}"
