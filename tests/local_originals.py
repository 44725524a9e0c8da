"""The weights of a diffusers pipeline in the layout they were published in: one file, the original authors' names.

The inverse of what a loader does, written for tests alone: LDM's names for SD 1.5 and SDXL, Stability's for SD 3.5,
Black Forest Labs' for FLUX.1 and FLUX.2, each with ComfyUI's prefixes (``model.diffusion_model.``, ``text_encoders.``,
``vae.``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

Weights = dict[str, Any]


def original(parts: Mapping[str, Any], family: str, *, bare: bool = False) -> Weights:
    """All weights of a pipeline's parts; ``bare`` has the denoising net alone, without a prefix, as ComfyUI's
    ``diffusion_models`` and FLUX.2 have it."""
    net = {**_NETS[family](_state(parts["unet" if "unet" in parts else "transformer"]))}
    if bare or family == "flux2-klein":
        return net
    return _under("model.diffusion_model.", net) | _ENCODERS[family](parts)


def _state(module: Any) -> Weights:
    return dict(module.state_dict())


def _under(prefix: str, weights: Mapping[str, Any]) -> Weights:
    return {prefix + name: tensor for name, tensor in weights.items()}


def _renamed(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    for theirs, ours in pairs:
        name = name.replace(theirs, ours)
    return name


# --- LDM: SD 1.5 and SDXL

_RESNET = (
    ("norm1", "in_layers.0"),
    ("conv1", "in_layers.2"),
    ("norm2", "out_layers.0"),
    ("conv2", "out_layers.3"),
    ("time_emb_proj", "emb_layers.1"),
    ("conv_shortcut", "skip_connection"),
)
_LDM_TOP = (
    ("time_embedding.linear_1", "time_embed.0"),
    ("time_embedding.linear_2", "time_embed.2"),
    ("add_embedding.linear_1", "label_emb.0.0"),
    ("add_embedding.linear_2", "label_emb.0.2"),
    ("conv_in", "input_blocks.0.0"),
    ("conv_norm_out", "out.0"),
    ("conv_out", "out.2"),
)


def _unet(weights: Weights) -> Weights:
    """Blocks of two resnets going down and three coming up; a downsampler is an entry of its own."""
    crossed = {name.split(".")[1] for name in weights if name.startswith("up_blocks.") and ".attentions." in name}
    return {_ldm_name(name, crossed): tensor for name, tensor in weights.items()}


def _ldm_name(name: str, crossed: set[str]) -> str:
    if match := re.fullmatch(r"(down|up)_blocks\.(\d+)\.(resnets|attentions)\.(\d+)\.(.+)", name):
        way, block, kind, number, rest = match.groups()
        at = 3 * int(block) + int(number) + (way == "down")
        inner = _renamed(rest, _RESNET) if kind == "resnets" else rest
        return f"{'input' if way == 'down' else 'output'}_blocks.{at}.{int(kind == 'attentions')}.{inner}"
    if match := re.fullmatch(r"down_blocks\.(\d+)\.downsamplers\.0\.conv\.(.+)", name):
        return f"input_blocks.{3 * int(match[1]) + 3}.0.op.{match[2]}"
    if match := re.fullmatch(r"up_blocks\.(\d+)\.upsamplers\.0\.conv\.(.+)", name):
        return f"output_blocks.{3 * int(match[1]) + 2}.{2 if match[1] in crossed else 1}.conv.{match[2]}"
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d+)\.(.+)", name):
        kind, number, rest = match.groups()
        return f"middle_block.{_renamed(f'{2 * int(number)}.{rest}', _RESNET) if kind == 'resnets' else f'1.{rest}'}"
    return _renamed(name, _LDM_TOP)


def _vae(weights: Weights) -> Weights:
    """The decoder's blocks are counted from the output; projections of the attention are 1 by 1 convolutions."""
    out: Weights = {}
    for name, tensor in weights.items():
        new = re.sub(r"encoder\.down_blocks\.(\d+)\.resnets\.", r"encoder.down.\1.block.", name)
        new = re.sub(r"encoder\.down_blocks\.(\d+)\.downsamplers\.0", r"encoder.down.\1.downsample", new)
        new = re.sub(r"up_blocks\.(\d+)\.resnets\.", lambda m: f"up.{3 - int(m[1])}.block.", new)
        new = re.sub(r"up_blocks\.(\d+)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", new)
        new = re.sub(r"mid_block\.resnets\.(\d)\.", lambda m: f"mid.block_{int(m[1]) + 1}.", new)
        new = _renamed(new, (("mid_block.attentions.0.", "mid.attn_1."), ("conv_norm_out", "norm_out")))
        if "attn_1" in new:
            new = _renamed(new, (("to_out.0", "proj_out"), ("to_", ""), ("group_norm", "norm")))
            tensor = tensor[:, :, None, None] if tensor.ndim == 2 else tensor
        out[new.replace("conv_shortcut", "nin_shortcut")] = tensor
    return out


# --- text encoders


def _clip(module: Any) -> Weights:
    """CLIP's names as transformers had them before 5.6, which is how files have them."""
    wrapped = ("text_model.", "text_projection")
    return {n if n.startswith(wrapped) else f"text_model.{n}": tensor for n, tensor in _state(module).items()}


def _open_clip(module: Any) -> Weights:
    """OpenCLIP's: one matrix for query, key and value, and the projection the other way round."""
    import torch

    weights, out = _clip(module), {}
    for name, tensor in weights.items():
        if name == "text_projection.weight":
            out["text_projection"] = tensor.T
        elif match := re.fullmatch(r"(text_model\.encoder\.layers\.(\d+)\.self_attn)\.q_proj\.(weight|bias)", name):
            of, layer, kind = match.groups()
            joined = torch.cat([weights[f"{of}.{each}_proj.{kind}"] for each in "qkv"])
            out[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = joined
        elif not re.search(r"\.[kv]_proj\.", name):
            out[_renamed(name, _OPEN_CLIP)] = tensor
    return out


_OPEN_CLIP = (
    ("text_model.encoder.layers.", "transformer.resblocks."),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding"),
    ("text_model.embeddings.token_embedding", "token_embedding"),
    ("text_model.final_layer_norm", "ln_final"),
    ("layer_norm1", "ln_1"),
    ("layer_norm2", "ln_2"),
    ("mlp.fc1", "mlp.c_fc"),
    ("mlp.fc2", "mlp.c_proj"),
    ("self_attn", "attn"),
)


def _encoders15(parts: Mapping[str, Any]) -> Weights:
    clip = _under("cond_stage_model.transformer.", _clip(parts["text_encoder"]))
    return clip | _under("first_stage_model.", _vae(_state(parts["vae"])))


def _encodersxl(parts: Mapping[str, Any]) -> Weights:
    clip = _under("conditioner.embedders.0.transformer.", _clip(parts["text_encoder"]))
    clip |= _under("conditioner.embedders.1.model.", _open_clip(parts["text_encoder_2"]))
    return clip | _under("first_stage_model.", _vae(_state(parts["vae"])))


def _encoders35(parts: Mapping[str, Any]) -> Weights:
    out = _under("text_encoders.clip_l.transformer.", _clip(parts["text_encoder"]))
    out |= _under("text_encoders.clip_g.transformer.", _clip(parts["text_encoder_2"]))
    out |= _under("text_encoders.t5xxl.transformer.", _t5(parts["text_encoder_3"]))
    return out | _under("first_stage_model.", _vae(_state(parts["vae"])))


def _encoders_flux(parts: Mapping[str, Any]) -> Weights:
    out = _under("text_encoders.clip_l.transformer.", _clip(parts["text_encoder"]))
    out |= _under("text_encoders.t5xxl.transformer.", _t5(parts["text_encoder_2"]))
    return out | _under("vae.", _vae(_state(parts["vae"])))


def _t5(module: Any) -> Weights:
    return {name: tensor for name, tensor in _state(module).items() if name != "encoder.embed_tokens.weight"}


_ENCODERS = {"sd15": _encoders15, "sdxl": _encodersxl, "sd35": _encoders35, "flux": _encoders_flux}
_ENCODERS["flux-schnell"] = _encoders_flux

# --- transformers


def _fused(weights: Weights, names: Iterable[str]) -> Any:
    import torch

    return torch.cat([weights[name] for name in names])


def _shift_first(tensor: Any) -> Any:
    """(scale, shift) as (shift, scale)."""
    import torch

    return torch.cat([*reversed(tensor.chunk(2))])


def _mmdit(weights: Weights) -> Weights:
    last = max(int(name.split(".")[1]) for name in weights if name.startswith("transformer_blocks."))
    out: Weights = {}
    for name, tensor in weights.items():
        if match := re.fullmatch(r"transformer_blocks\.(\d+)\.(.+)\.(weight|bias)", name):
            number, inner, kind = match.groups()
            of, start = f"transformer_blocks.{number}", f"joint_blocks.{number}"
            if fuse := _MMDIT_FUSED.get(inner):
                out[f"{start}.{fuse[0]}.{kind}"] = _fused(weights, (f"{of}.{each}.{kind}" for each in fuse[1]))
            elif inner in _MMDIT:
                swap = inner == "norm1_context.linear" and int(number) == last
                out[f"{start}.{_MMDIT[inner]}.{kind}"] = _shift_first(tensor) if swap else tensor
        else:
            out[_renamed(name, _MMDIT_TOP)] = _shift_first(tensor) if name.startswith("norm_out") else tensor
    return out


_MMDIT_FUSED = {
    "attn.to_q": ("x_block.attn.qkv", ("attn.to_q", "attn.to_k", "attn.to_v")),
    "attn.add_q_proj": ("context_block.attn.qkv", ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")),
    "attn2.to_q": ("x_block.attn2.qkv", ("attn2.to_q", "attn2.to_k", "attn2.to_v")),
}
_MMDIT = {
    "attn.norm_q": "x_block.attn.ln_q",
    "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q",
    "attn.norm_added_k": "context_block.attn.ln_k",
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "attn2.norm_q": "x_block.attn2.ln_q",
    "attn2.norm_k": "x_block.attn2.ln_k",
    "attn2.to_out.0": "x_block.attn2.proj",
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
_MMDIT_TOP = (
    ("pos_embed.pos_embed", "pos_embed"),
    ("pos_embed.proj", "x_embedder.proj"),
    ("time_text_embed.timestep_embedder.linear_1", "t_embedder.mlp.0"),
    ("time_text_embed.timestep_embedder.linear_2", "t_embedder.mlp.2"),
    ("time_text_embed.text_embedder.linear_1", "y_embedder.mlp.0"),
    ("time_text_embed.text_embedder.linear_2", "y_embedder.mlp.2"),
    ("norm_out.linear", "final_layer.adaLN_modulation.1"),
    ("proj_out", "final_layer.linear"),
)


def _flux(weights: Weights) -> Weights:
    out: Weights = {}
    for name, tensor in weights.items():
        if match := re.fullmatch(r"(single_)?transformer_blocks\.(\d+)\.(.+)\.(weight|bias)", name):
            single, number, inner, kind = match.groups()
            of = f"{single or ''}transformer_blocks.{number}"
            start = f"{'single' if single else 'double'}_blocks.{number}"
            fused, plain = (_SINGLE_FUSED, _SINGLE) if single else (_DOUBLE_FUSED, _DOUBLE)
            if fuse := fused.get(inner):
                out[f"{start}.{fuse[0]}.{kind}"] = _fused(weights, (f"{of}.{each}.{kind}" for each in fuse[1]))
            elif inner in plain:
                new = f"{start}.{plain[inner]}"
                out[f"{new}.scale" if new.endswith("_norm") else f"{new}.{kind}"] = tensor
        else:
            out[_renamed(name, _FLUX_TOP)] = _shift_first(tensor) if name.startswith("norm_out") else tensor
    return out


_DOUBLE_FUSED = {
    "attn.to_q": ("img_attn.qkv", ("attn.to_q", "attn.to_k", "attn.to_v")),
    "attn.add_q_proj": ("txt_attn.qkv", ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")),
}
_DOUBLE = {
    "norm1.linear": "img_mod.lin",
    "norm1_context.linear": "txt_mod.lin",
    "attn.norm_q": "img_attn.norm.query_norm",
    "attn.norm_k": "img_attn.norm.key_norm",
    "attn.norm_added_q": "txt_attn.norm.query_norm",
    "attn.norm_added_k": "txt_attn.norm.key_norm",
    "attn.to_out.0": "img_attn.proj",
    "attn.to_add_out": "txt_attn.proj",
    "ff.net.0.proj": "img_mlp.0",
    "ff.net.2": "img_mlp.2",
    "ff_context.net.0.proj": "txt_mlp.0",
    "ff_context.net.2": "txt_mlp.2",
    "ff.linear_in": "img_mlp.0",
    "ff.linear_out": "img_mlp.2",
    "ff_context.linear_in": "txt_mlp.0",
    "ff_context.linear_out": "txt_mlp.2",
}
_SINGLE_FUSED = {"attn.to_q": ("linear1", ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp"))}
_SINGLE = {
    "norm.linear": "modulation.lin",
    "proj_out": "linear2",
    "attn.norm_q": "norm.query_norm",
    "attn.norm_k": "norm.key_norm",
    "attn.to_qkv_mlp_proj": "linear1",
    "attn.to_out": "linear2",
}
_FLUX_TOP = (
    ("time_text_embed.timestep_embedder.linear_1", "time_in.in_layer"),
    ("time_text_embed.timestep_embedder.linear_2", "time_in.out_layer"),
    ("time_text_embed.guidance_embedder.linear_1", "guidance_in.in_layer"),
    ("time_text_embed.guidance_embedder.linear_2", "guidance_in.out_layer"),
    ("time_text_embed.text_embedder.linear_1", "vector_in.in_layer"),
    ("time_text_embed.text_embedder.linear_2", "vector_in.out_layer"),
    ("time_guidance_embed.timestep_embedder.linear_1", "time_in.in_layer"),
    ("time_guidance_embed.timestep_embedder.linear_2", "time_in.out_layer"),
    ("modulation_img.linear", "modulation_img.lin"),
    ("modulation_txt.linear", "modulation_txt.lin"),
    ("single_stream_modulation.linear", "single_stream_modulation.lin"),
    ("context_embedder", "txt_in"),
    ("x_embedder", "img_in"),
    ("norm_out.linear", "final_layer.adaLN_modulation.1"),
    ("proj_out", "final_layer.linear"),
)
_NETS = {"sd15": _unet, "sdxl": _unet, "sd35": _mmdit, "flux": _flux, "flux-schnell": _flux, "flux2-klein": _flux}
