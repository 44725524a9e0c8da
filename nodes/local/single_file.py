"""The parts of a single-file checkpoint: its own weights, with classes, sizes and tokenizers of a diffusers folder."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import DamagedFile, PartsMissing
from .checkpoints import check_part
from .configs import INDEX, half_of_file, missing_parts
from .families import Family
from .few_step import told, variant_of
from .headers import Header, glance
from .indexes import LEFT_OUT, class_of, index_of
from .layouts import config_told, parts_of
from .loading import typed
from .original import below, fitted, from_flux, from_open_clip
from .recipe import Checkpoint

_DOUBTED = "Put the diffusers folder of this very model beside it, or into models/configs."


def parts_of_file(checkpoint: Checkpoint, family: Family, dtype: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """diffusers' components by name, on the CPU, and what the pipeline's class is told beside.

    Raises PartsMissing that says which folder to put where, and DamagedFile where weights and configuration differ.
    """
    import diffusers
    from safetensors.torch import load_file

    header = glance(checkpoint.path)
    folder = _folder(checkpoint, family, header)
    weights = load_file(checkpoint.path)
    own = parts_of(family.key, header)
    parts: dict[str, Any] = {}
    index = index_of(folder)
    for name, kind in index.items():
        if not isinstance(kind, list) or name.startswith("_"):
            continue
        if name in LEFT_OUT or kind[0] is None:
            parts[name] = None
            continue
        cls = class_of(folder, *kind)
        if name not in own:
            parts[name] = _from_folder(cls, folder, name, dtype)
        elif kind[0] == "transformers":
            parts[name] = _text_encoder(cls, folder / name, below(weights, own[name]), dtype)
        else:
            parts[name] = _model(
                cls, folder / name, _network(family, name, weights, own[name]), _sizes(family, name, header), dtype
            )
    parts["scheduler"] = _scheduler(diffusers, checkpoint, parts["scheduler"])
    return parts, _settings(checkpoint, family, index)


def _folder(checkpoint: Checkpoint, family: Family, header: Header) -> Path:
    """The diffusers folder with what the file lacks. Raises PartsMissing."""
    example = EXAMPLES[family.key]
    where = f"models/configs/{example.rpartition('/')[2]}"
    if checkpoint.config is None or not Path(checkpoint.config, INDEX).is_file():
        raise PartsMissing(
            f"{checkpoint.name} has weights alone: no diffusers folder of {family.title} that fits it is here.",
            hint=f"Put one, such as {example}, at {where}: its .json and .txt, and weights of what is lacking.",
        )
    folder = Path(checkpoint.config)
    lacking = missing_parts(half_of_file(family.key, header), folder)
    if lacking:
        raise PartsMissing(
            f"{checkpoint.name} lacks {', '.join(lacking)}, and so does the folder {folder.name}.",
            hint=f"Put {', '.join(f'{each}/*.safetensors' for each in lacking)} of {example} into {folder}.",
        )
    return folder


EXAMPLES: Mapping[str, str] = {
    "sd15": "stable-diffusion-v1-5/stable-diffusion-v1-5",
    "sdxl": "stabilityai/stable-diffusion-xl-base-1.0",
    "sd35": "stabilityai/stable-diffusion-3.5-medium",
    "flux": "black-forest-labs/FLUX.1-schnell",
    "flux2-klein": "black-forest-labs/FLUX.2-klein-4B",
}
"""Where a folder of the family is published, on Hugging Face."""


def _from_folder(cls: Any, folder: Path, name: str, dtype: Any) -> Any:
    import torch

    options: dict[str, Any] = {}
    if issubclass(cls, torch.nn.Module):
        check_part(folder / name)
        options = {"use_safetensors": True, **typed(cls, dtype)}
    return cls.from_pretrained(str(folder / name), local_files_only=True, **options)


def _network(family: Family, name: str, weights: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The weights of one network, in names that diffusers' class takes: the original's, or its own."""
    its = below(weights, prefix)
    if name == family.net and family.key == "flux" and "img_in.weight" in its:
        return from_flux(its)
    # The UNet's converter looks for the prefix; that of FLUX.2 does not know it.
    return {f"model.diffusion_model.{key}": each for key, each in its.items()} if _is_ldm(name, its) else its


def _is_ldm(name: str, weights: Mapping[str, Any]) -> bool:
    return name == "unet" and "input_blocks.0.0.weight" in weights


def _sizes(family: Family, name: str, header: Header) -> dict[str, Any]:
    return config_told(family.key, header) if name == family.net else {}


def _model(cls: Any, config: Path, weights: dict[str, Any], sizes: Mapping[str, Any], dtype: Any) -> Any:
    """One of diffusers' networks with these weights, of the folder's configuration and the header's sizes."""
    with tempfile.TemporaryDirectory() as place:
        Path(place, "config.json").write_text(json.dumps({**told(config / "config.json"), **sizes}), encoding="utf-8")
        model = cls.from_single_file(weights, config=place, local_files_only=True, **typed(cls, dtype))
    _whole(config.name, model)
    return model


def _text_encoder(cls: Any, config: Path, weights: dict[str, Any], dtype: Any) -> Any:
    """One of transformers' text encoders with these weights."""
    import torch
    from accelerate import init_empty_weights

    settings = cls.config_class.from_pretrained(str(config), local_files_only=True)
    with init_empty_weights(include_buffers=False):
        model = cls(settings)
    named = from_open_clip(weights) if any("resblocks" in name for name in weights) else weights
    found = fitted(named, model.state_dict())
    if "text_projection.weight" in model.state_dict() and "text_projection.weight" not in found:
        # Stable Diffusion 3's reference has none for CLIP-L, and takes the identity.
        found["text_projection.weight"] = torch.eye(settings.projection_dim, settings.hidden_size)
    model.load_state_dict(found, strict=False, assign=True)
    model.tie_weights()
    _whole(config.name, model)
    # As from_pretrained does in float16: what overflows there, T5's last layers, stays as it was.
    kept = set(getattr(model, "_keep_in_fp32_modules", None) or ()) if dtype == torch.float16 else set()
    for key, each in model.named_parameters():
        each.data = each.data.to(torch.float32 if kept & set(key.split(".")) else dtype)
    return model.eval()


def _whole(name: str, model: Any) -> None:
    """That each weight was there. Raises DamagedFile naming one that was not."""
    lacking = [key for key, each in model.named_parameters() if each.is_meta]
    if lacking:
        raise DamagedFile(f"its {name} lacks {len(lacking)} weights, {lacking[0]} among them.", hint=_DOUBTED)


def _scheduler(diffusers: Any, checkpoint: Checkpoint, scheduler: Any) -> Any:
    """The folder's, or what this few-step model wants: the folder is that of the model it was distilled from."""
    variant = variant_of(checkpoint)
    if variant is None or variant.scheduler is None:
        return scheduler
    return getattr(diffusers, variant.scheduler).from_config(scheduler.config, **variant.changes)


def _settings(checkpoint: Checkpoint, family: Family, index: Mapping[str, Any]) -> dict[str, Any]:
    if family.key == "flux2-klein":
        variant = variant_of(checkpoint)
        return {"is_distilled": variant is not None}
    kept = {name: value for name, value in index.items() if isinstance(value, bool)}
    return {**kept, "requires_safety_checker": False}
