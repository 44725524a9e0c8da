"""Weights in the layouts they were published in, as transformers and diffusers name them.

diffusers converts the networks and VAEs itself (``from_single_file`` of a model). What it does not, or only for the
published sizes, is here: text encoders, and FLUX.1's fused layers, whose widths it has as constants. Sources of the
names: OpenCLIP's ``transformer.py``, black-forest-labs/flux ``modules/layers.py``, and the inverse in diffusers' own
``scripts/convert_*_to_original``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Weights = dict[str, Any]


def below(weights: Mapping[str, Any], prefix: str) -> Weights:
    """The tensors whose names begin so, by the rest of their names."""
    return {name[len(prefix) :]: tensor for name, tensor in weights.items() if name.startswith(prefix)}


def fitted(weights: Mapping[str, Any], wanted: Mapping[str, Any]) -> Weights:
    """A text encoder's weights under the names that this module has.

    transformers has had CLIP's names with ``text_model.`` before them and, since 5.6, without; files have either.
    """
    found: Weights = {}
    for name in wanted:
        other = name.removeprefix("text_model.") if name.startswith("text_model.") else f"text_model.{name}"
        tensor = weights.get(name, weights.get(other))
        if tensor is None and name == "encoder.embed_tokens.weight":
            tensor = weights.get("shared.weight")  # T5 has them once
        if tensor is not None:
            found[name] = tensor
    return found


def from_open_clip(weights: Mapping[str, Any]) -> Weights:
    """OpenCLIP's text encoder as transformers' CLIP: query, key and value apart, the projection the other way round."""
    found: Weights = {}
    for name, tensor in weights.items():
        new = _renamed(name, _OPEN_CLIP)
        if name == "text_projection":
            found["text_projection.weight"] = tensor.T.contiguous()
        elif match := re.fullmatch(r"(.+)\.in_proj_(weight|bias)", new):
            for each, part in zip("qkv", tensor.chunk(3), strict=True):
                found[f"{match[1]}.{each}_proj.{match[2]}"] = part.contiguous()
        else:
            found[new] = tensor
    return found


def from_flux(weights: Mapping[str, Any]) -> Weights:
    """FLUX.1's network as diffusers has it: query, key, value and the single blocks' MLP apart, scale before shift."""
    found: Weights = {}
    for name, tensor in weights.items():
        if match := re.fullmatch(r"double_blocks\.(\d+)\.(.+)\.(weight|bias|scale)", name):
            found |= _double(f"transformer_blocks.{match[1]}", match[2], match[3], tensor)
        elif match := re.fullmatch(r"single_blocks\.(\d+)\.(.+)\.(weight|bias|scale)", name):
            found |= _single(f"single_transformer_blocks.{match[1]}", match[2], match[3], tensor, weights)
        else:
            new = _renamed(name, _FLUX)
            found[new] = _scale_first(tensor) if new.startswith("norm_out") else tensor
    return found


def _double(block: str, inner: str, kind: str, tensor: Any) -> Weights:
    if inner in _DOUBLE_FUSED:
        names = _DOUBLE_FUSED[inner]
        return {f"{block}.attn.{n}.{kind}": part for n, part in zip(names, tensor.chunk(3), strict=True)}
    return {f"{block}.{_DOUBLE[inner]}.{'weight' if kind == 'scale' else kind}": tensor}


def _single(block: str, inner: str, kind: str, tensor: Any, weights: Mapping[str, Any]) -> Weights:
    if inner == "linear1":
        # Three projections as wide as the network, and what is left is the MLP.
        width = weights["img_in.weight"].shape[0]
        parts = tensor.split([width, width, width, tensor.shape[0] - 3 * width])
        return {f"{block}.{n}.{kind}": part for n, part in zip(_SINGLE_FUSED, parts, strict=True)}
    return {f"{block}.{_SINGLE[inner]}.{'weight' if kind == 'scale' else kind}": tensor}


def _scale_first(tensor: Any) -> Any:
    import torch

    shift, scale = tensor.chunk(2)
    return torch.cat([scale, shift])


def _renamed(name: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for theirs, ours in pairs:
        name = name.replace(theirs, ours)
    return name


_OPEN_CLIP = (
    ("transformer.resblocks.", "text_model.encoder.layers."),
    ("positional_embedding", "text_model.embeddings.position_embedding.weight"),
    ("token_embedding.", "text_model.embeddings.token_embedding."),
    ("ln_final.", "text_model.final_layer_norm."),
    (".ln_1.", ".layer_norm1."),
    (".ln_2.", ".layer_norm2."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
    (".attn.", ".self_attn."),
)
_DOUBLE_FUSED = {"img_attn.qkv": ("to_q", "to_k", "to_v"), "txt_attn.qkv": ("add_q_proj", "add_k_proj", "add_v_proj")}
_DOUBLE = {
    "img_mod.lin": "norm1.linear",
    "txt_mod.lin": "norm1_context.linear",
    "img_attn.norm.query_norm": "attn.norm_q",
    "img_attn.norm.key_norm": "attn.norm_k",
    "txt_attn.norm.query_norm": "attn.norm_added_q",
    "txt_attn.norm.key_norm": "attn.norm_added_k",
    "img_attn.proj": "attn.to_out.0",
    "txt_attn.proj": "attn.to_add_out",
    "img_mlp.0": "ff.net.0.proj",
    "img_mlp.2": "ff.net.2",
    "txt_mlp.0": "ff_context.net.0.proj",
    "txt_mlp.2": "ff_context.net.2",
}
_SINGLE_FUSED = ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")
_SINGLE = {
    "modulation.lin": "norm.linear",
    "linear2": "proj_out",
    "norm.query_norm": "attn.norm_q",
    "norm.key_norm": "attn.norm_k",
}
_FLUX = (
    ("time_in.in_layer", "time_text_embed.timestep_embedder.linear_1"),
    ("time_in.out_layer", "time_text_embed.timestep_embedder.linear_2"),
    ("guidance_in.in_layer", "time_text_embed.guidance_embedder.linear_1"),
    ("guidance_in.out_layer", "time_text_embed.guidance_embedder.linear_2"),
    ("vector_in.in_layer", "time_text_embed.text_embedder.linear_1"),
    ("vector_in.out_layer", "time_text_embed.text_embedder.linear_2"),
    ("txt_in.", "context_embedder."),
    ("img_in.", "x_embedder."),
    ("final_layer.adaLN_modulation.1", "norm_out.linear"),
    ("final_layer.linear", "proj_out"),
)
