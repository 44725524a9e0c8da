"""Which family weights are of: told from a folder's index, or from the names and shapes of a file's tensors.

Layouts of single files: LDM's for Stable Diffusion (CompVis and Stability's repositories), Stability's MMDiT for 3 and
3.5, Black Forest Labs' for FLUX; each may have ComfyUI's prefix ``model.diffusion_model.`` and hold text encoders and a
VAE beside the network, or be the network alone; that may also be in diffusers' own names.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...errors import DamagedFile, UnknownFamily
from .families import FAMILIES
from .few_step import told
from .headers import Header
from .layouts import NET

HINT = "Use a checkpoint of SD 1.5, SDXL, SD 3.5, FLUX.1 or FLUX.2 klein, or ComfyUI's own nodes."
_CLASSES = {cls: key for key, family in FAMILIES.items() for cls in family.pipelines.values()} | {
    "LatentConsistencyModelPipeline": "sd15",
    "FluxKontextPipeline": "flux",
}
_WIDTH_OF_SD2 = 1024
"""What the cross-attention of Stable Diffusion 2 reads; 768 in 1.5."""
_REFINER = 1280
_FLUX_CHANNELS = 64
"""What FLUX.1 reads: 16 latent channels in patches of 2 by 2. Fill, Depth and Canny read an image beside them."""


def family_of_folder(path: Path) -> str:
    """The key of the family of this diffusers folder. Raises DamagedFile and UnknownFamily, naming what was seen."""
    index = told(path / "model_index.json")
    cls = index.get("_class_name")
    if not isinstance(cls, str):
        raise DamagedFile(f"{path.name}/model_index.json names no pipeline.", hint="Fetch the folder again.")
    if cls not in _CLASSES:
        raise UnknownFamily(f"{path.name} is for {cls[:80]}, which is not sampled here.", hint=HINT)
    family = _CLASSES[cls]
    if family == "sd15":
        width = told(path / "unet" / "config.json").get("cross_attention_dim")
        _not(width == _WIDTH_OF_SD2, path.name, "Stable Diffusion 2")
    if family == "flux2-klein" and told(path / "transformer" / "config.json").get("guidance_embeds"):
        _not(True, path.name, "FLUX.2 dev")
    return family


def family_of_file(name: str, header: Header) -> str:
    """The key of the family of a file with this header. Raises UnknownFamily, naming what was seen."""
    prefix = NET if header.begins(NET) else ""
    for other, has in _OTHERS:
        _not(has(header, prefix), name, other)
    for family, mark in _MARKS:
        if prefix + mark in header or mark in header:
            _check(family, name, header, prefix)
            return family
    seen = ", ".join(sorted(header)[:3])
    raise UnknownFamily(f"{name} is of no family that is sampled here: its tensors begin with {seen[:200]}.", hint=HINT)


def _not(is_it: bool, name: str, other: str) -> None:
    if is_it:
        raise UnknownFamily(f"{name} is {other}, which is not sampled here.", hint=HINT)


_MARKS = (
    ("flux2-klein", "single_stream_modulation.lin.weight"),
    ("flux2-klein", "single_stream_modulation.linear.weight"),
    ("flux", "double_blocks.0.img_attn.norm.key_norm.scale"),
    ("flux", "single_transformer_blocks.0.proj_mlp.weight"),
    ("sd35", "joint_blocks.0.x_block.attn.qkv.weight"),
    ("sd35", "transformer_blocks.0.norm1_context.linear.weight"),
    ("sdxl", "label_emb.0.0.weight"),
    ("sdxl", "add_embedding.linear_1.weight"),
    ("sd15", "input_blocks.0.0.weight"),
    ("sd15", "down_blocks.0.resnets.0.conv1.weight"),
)
"""A tensor that only this family has, or those before it: the original's name of it, then diffusers' own."""

Rule = Callable[[Header, str], bool]


def _any(*ends: str) -> Rule:
    return lambda header, _: header.ends(*ends)


def _begins(*starts: str) -> Rule:
    return lambda header, _: header.begins(*starts)


def _named(*names: str) -> Rule:
    return lambda header, prefix: any(prefix + name in header or name in header for name in names)


_OTHERS: tuple[tuple[str, Rule], ...] = (
    ("a LoRA", _any("lora_down.weight", "lora_A.weight", "lora.down.weight", "lora_linear_layer.down.weight")),
    ("a ControlNet", _begins("control_model.", "controlnet_", "input_hint_block.")),
    (
        "quantized, with its scales apart",
        _any(".scale_weight", "scaled_fp8", ".weight_scale", ".comfy_quant", ".absmax", ".qweight"),
    ),
    ("FLUX.3", _named("early_stream_modulations.image.lin.weight")),
    ("Chroma", _named("distilled_guidance_layer.in_proj.bias", "distilled_guidance_layer.in_proj.weight")),
    ("Stable Diffusion 2", _begins("cond_stage_model.model.")),
    ("the refiner of SDXL", _begins("conditioner.embedders.0.model.")),
    ("Playground 2.5", _named("edm_mean")),
    ("Stable Cascade", _named("clip_txt_mapper.weight", "down_blocks.1.0.channelwise.0.weight")),
    ("AuraFlow", _named("double_layers.0.attn.w1q.weight")),
    ("Lumina 2 or Z-Image", _named("cap_embedder.0.weight")),
    ("Wan", _named("head.modulation")),
    ("LTX-Video", _named("patchify_proj.weight")),
    ("HunyuanVideo", _named("txt_in.individual_token_refiner.blocks.0.adaLN_modulation.1.bias")),
    ("HiDream", _named("double_stream_blocks.0.block.adaLN_modulation.1.bias")),
    ("Qwen-Image", _named("transformer_blocks.0.img_mod.1.weight")),
)
"""What else is found in these folders, by what only it has."""


def _check(family: str, name: str, header: Header, prefix: str) -> None:
    """That it is one of the family's that are sampled here, and not a relative of it."""

    def width(tensor: str) -> int:
        shape = header.shape(prefix + tensor) or header.shape(tensor)
        return shape[1] if len(shape) > 1 else 0

    if family == "flux2-klein":
        guided = ("guidance_in.in_layer.weight", "time_guidance_embed.guidance_embedder.linear_1.weight")
        _not(any(prefix + each in header for each in guided), name, "FLUX.2 dev")
    elif family == "flux":
        reads = width("img_in.weight") or width("x_embedder.weight")
        _not(
            reads != _FLUX_CHANNELS, name, f"FLUX.1 for another task (it reads {reads} channels: Fill, Depth or Canny)"
        )
    elif family == "sd15":
        _not(
            width("input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight") == _WIDTH_OF_SD2,
            name,
            "Stable Diffusion 2",
        )
        reads = width("input_blocks.0.0.weight") or width("conv_in.weight")
        _not(reads not in (4, 9), name, f"Stable Diffusion for another task (it reads {reads} channels)")
    elif family == "sdxl":
        _not(width("input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight") == _REFINER, name, "the refiner of SDXL")
