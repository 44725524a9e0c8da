"""Where the parts of a pipeline are in a single file, and what of their configuration its header tells.

The prefixes are those of ComfyUI's checkpoints, which hold the original repositories' names below them. A file whose
tensors have none is the denoising network alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .families import FAMILIES
from .headers import Header

NET = "model.diffusion_model."
_VAE = ("first_stage_model.", "vae.")
_CLIP_L = "text_encoders.clip_l.transformer."
_T5 = "text_encoders.t5xxl.transformer."
_PREFIXES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "sd15": {"unet": (NET,), "vae": _VAE, "text_encoder": ("cond_stage_model.transformer.",)},
    "sdxl": {
        "unet": (NET,),
        "vae": _VAE,
        "text_encoder": ("conditioner.embedders.0.transformer.",),
        "text_encoder_2": ("conditioner.embedders.1.model.",),
    },
    "sd35": {
        "transformer": (NET,),
        "vae": _VAE,
        "text_encoder": (_CLIP_L,),
        "text_encoder_2": ("text_encoders.clip_g.transformer.",),
        "text_encoder_3": (_T5,),
    },
    "flux": {"transformer": (NET,), "vae": _VAE, "text_encoder": (_CLIP_L,), "text_encoder_2": (_T5,)},
    # Its VAE and its text encoder are files of their own everywhere, and diffusers converts neither.
    "flux2-klein": {"transformer": (NET,)},
}


def parts_of(family: str, header: Header) -> dict[str, str]:
    """The prefix of each part that the file has, by component of the pipeline."""
    found = {
        part: prefix for part, prefixes in _PREFIXES[family].items() for prefix in prefixes if header.begins(prefix)
    }
    return found or {FAMILIES[family].net: ""}


def config_told(family: str, header: Header) -> dict[str, Any]:
    """What the header says of the network's configuration: sizes by which models of one family differ.

    It goes before what a folder of the same family says, so that one folder serves for all of them.
    """
    prefix = parts_of(family, header).get(FAMILIES[family].net, "")

    def shape(name: str) -> tuple[int, ...]:
        return header.shape(prefix + name)

    def depth(blocks: str) -> int:
        begin = prefix + blocks
        return len({name[len(begin) :].split(".", 1)[0] for name in header if name.startswith(begin)})

    if family in ("sd15", "sdxl"):
        reads = shape("input_blocks.0.0.weight") or shape("conv_in.weight")
        return {"in_channels": reads[1]} if reads else {}
    if family == "sd35":
        return _mmdit(prefix, header, depth("joint_blocks.")) if depth("joint_blocks.") else {}
    if not depth("double_blocks."):
        return {}
    head = shape("double_blocks.0.img_attn.norm.key_norm.scale")[0]
    return {
        "num_layers": depth("double_blocks."),
        "num_single_layers": depth("single_blocks."),
        "attention_head_dim": head,
        "num_attention_heads": shape("img_in.weight")[0] // head,
        "joint_attention_dim": shape("txt_in.weight")[1],
        "guidance_embeds": f"{prefix}guidance_in.in_layer.weight" in header,
    }


def _mmdit(prefix: str, header: Header, depth: int) -> dict[str, Any]:
    def shape(name: str) -> tuple[int, ...]:
        return header.shape(prefix + name)

    normed = shape("joint_blocks.0.x_block.attn.ln_q.weight")
    inner, head = shape("context_embedder.weight")[0], normed[0] if normed else 64
    dual = (i for i in range(depth) if f"{prefix}joint_blocks.{i}.x_block.attn2.qkv.weight" in header)
    return {
        "num_layers": depth,
        "caption_projection_dim": inner,
        "attention_head_dim": head,
        "num_attention_heads": inner // head,
        "qk_norm": "rms_norm" if normed else None,
        "dual_attention_layers": tuple(dual),
        "pos_embed_max_size": math.isqrt(shape("pos_embed")[1]),
    }


def text_width(family: str, header: Header) -> int:
    """How many numbers of a token the network reads; 0 where the header does not tell."""
    prefix = parts_of(family, header).get(FAMILIES[family].net, "")
    for name in _TEXT[family]:
        shape = header.shape(prefix + name)
        if len(shape) > 1:
            return shape[1]
    return 0


TEXT_KEY: Mapping[str, str] = {
    "sd15": "cross_attention_dim",
    "sdxl": "cross_attention_dim",
    "sd35": "joint_attention_dim",
    "flux": "joint_attention_dim",
    "flux2-klein": "joint_attention_dim",
}
"""What diffusers' configurations call it."""
_TEXT: Mapping[str, tuple[str, ...]] = {
    "sd15": (
        "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight",
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    ),
    "sdxl": (
        "input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight",
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight",
    ),
    "sd35": ("context_embedder.weight",),
    "flux": ("txt_in.weight", "context_embedder.weight"),
    "flux2-klein": ("txt_in.weight", "context_embedder.weight"),
}
