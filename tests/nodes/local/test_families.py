"""The family of weights is told from what they are; a few-step model has its own steps and guidance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import DamagedFile, UnknownFamily
from mintmark.nodes.local.families import FAMILIES, TASKS, defaults_of
from mintmark.nodes.local.headers import read_header
from mintmark.nodes.local.layouts import config_told, parts_of
from mintmark.nodes.local.recipe import Checkpoint
from mintmark.nodes.local.recognizing import family_of_file, family_of_folder

from ...local_headers import FLUX, FLUX_DEV, KLEIN, MMDIT, NET, UNET_15, UNET_XL, Shapes, below, folder, write

FILES: dict[str, tuple[str, Shapes]] = {
    "SD 1.5 as it was published": (
        "sd15",
        {**below(NET, UNET_15), "cond_stage_model.transformer.text_model.x": (768,)},
    ),
    "SD 1.5 for inpaint": ("sd15", below(NET, {**UNET_15, "input_blocks.0.0.weight": (320, 9, 3, 3)})),
    "the UNet of SD 1.5 alone": ("sd15", UNET_15),
    "the UNet of SD 1.5 in diffusers' names": (
        "sd15",
        {"conv_in.weight": (320, 4, 3, 3), "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3)},
    ),
    "SDXL as it was published": (
        "sdxl",
        {**below(NET, UNET_XL), "conditioner.embedders.1.model.ln_final.bias": (1280,)},
    ),
    "the UNet of SDXL alone": ("sdxl", UNET_XL),
    "the UNet of SDXL in diffusers' names": (
        "sdxl",
        {"add_embedding.linear_1.weight": (1280, 2816), "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3)},
    ),
    "SD 3.5 with text encoders": ("sd35", {**below(NET, MMDIT), "text_encoders.clip_g.transformer.x": (1280,)}),
    "SD 3.5 alone": ("sd35", MMDIT),
    "FLUX.1 dev": ("flux", FLUX_DEV),
    "FLUX.1 schnell": ("flux", FLUX),
    "FLUX.1 with text encoders": (
        "flux",
        {**below(NET, FLUX_DEV), "text_encoders.t5xxl.transformer.shared.weight": (9, 9)},
    ),
    "FLUX.1 in diffusers' names": (
        "flux",
        {"single_transformer_blocks.0.proj_mlp.weight": (12288, 3072), "x_embedder.weight": (3072, 64)},
    ),
    "FLUX.2 klein": ("flux2-klein", KLEIN),
    "FLUX.2 klein with ComfyUI's prefix": ("flux2-klein", below(NET, KLEIN)),
}
OTHERS: dict[str, tuple[str, Shapes]] = {
    "Stable Diffusion 2": (
        "Stable Diffusion 2",
        {**below(NET, UNET_15), "cond_stage_model.model.ln_final.weight": (1024,)},
    ),
    "its UNet alone": (
        "Stable Diffusion 2",
        {**UNET_15, "input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024)},
    ),
    "the refiner": ("refiner", {**below(NET, UNET_XL), "conditioner.embedders.0.model.ln_final.weight": (1280,)}),
    "pix2pix": ("8 channels", {**UNET_15, "input_blocks.0.0.weight": (320, 8, 3, 3)}),
    "FLUX.1 Fill": ("384 channels", {**FLUX_DEV, "img_in.weight": (3072, 384)}),
    "FLUX.2 dev": ("FLUX.2 dev", {**KLEIN, "guidance_in.in_layer.weight": (6144, 256)}),
    "FLUX.3": ("FLUX.3", below(NET, {"early_stream_modulations.image.lin.weight": (3, 3)})),
    "Chroma": ("Chroma", {**FLUX, "distilled_guidance_layer.in_proj.bias": (5,)}),
    "scaled fp8": ("quantized", {**FLUX_DEV, "double_blocks.0.img_attn.qkv.scale_weight": (1,)}),
    "a LoRA": ("a LoRA", {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (4, 320)}),
    "a ControlNet": ("a ControlNet", {"control_model.input_blocks.0.0.weight": (320, 4, 3, 3)}),
    "a VAE": ("decoder.conv_in.weight", {"decoder.conv_in.weight": (512, 4, 3, 3)}),
    "nothing": ("no family", {}),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_s_family_is_told_from_its_tensors(tmp_path: Path, name: str) -> None:
    family, shapes = FILES[name]
    assert family_of_file("a.safetensors", read_header(write(tmp_path / "a.safetensors", shapes))) == family


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_of_no_family_is_named(tmp_path: Path, name: str) -> None:
    seen, shapes = OTHERS[name]
    with pytest.raises(UnknownFamily, match=seen) as caught:
        family_of_file("brand.safetensors", read_header(write(tmp_path / "a.safetensors", shapes)))
    assert "brand.safetensors" in caught.value.message
    assert "SDXL" in caught.value.hint


@pytest.mark.parametrize(("family", "task"), [(each, task) for each in FAMILIES for task in TASKS])
def test_a_folder_s_family_is_told_from_its_index(tmp_path: Path, family: str, task: str) -> None:
    assert family_of_folder(folder(tmp_path / "a", FAMILIES[family].pipelines[task])) == family


@pytest.mark.parametrize(
    ("cls", "configs"),
    [
        ("WanPipeline", {}),
        ("Flux2Pipeline", {}),
        ("StableDiffusionPipeline", {"unet": {"cross_attention_dim": 1024}}),
        ("Flux2KleinPipeline", {"transformer": {"guidance_embeds": True}}),
    ],
)
def test_a_folder_of_no_family_is_named(tmp_path: Path, cls: str, configs: dict[str, Any]) -> None:
    with pytest.raises(UnknownFamily, match="brand"):
        family_of_folder(folder(tmp_path / "brand", cls, **configs))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"_class_name": 5}'])
def test_an_index_that_is_none_is_damage(tmp_path: Path, text: str) -> None:
    (tmp_path / "model_index.json").write_text(text, encoding="utf-8")
    with pytest.raises(DamagedFile, match=r"model_index\.json"):
        family_of_folder(tmp_path)


def a_file(tmp_path: Path, family: str, name: str, shapes: Shapes | None = None, title: str = "") -> Checkpoint:
    path = write(tmp_path / name, shapes or {"x": (1,)}, {"modelspec.title": title} if title else None)
    return Checkpoint(name=name, path=str(path), kind="file", family=family, size=1, stamp=path.stat().st_mtime_ns)


LCM: Shapes = {**UNET_XL, "time_embed.cond_proj.weight": (320, 256)}
MEDIUM: Shapes = {**MMDIT, "joint_blocks.0.x_block.attn2.qkv.weight": (3, 3)}


@pytest.mark.parametrize(
    ("family", "name", "shapes", "steps", "guidance", "side"),
    [
        ("sd15", "v1-5-pruned-emaonly.safetensors", UNET_15, 50, 7.5, 512),
        ("sd15", "hyper_realistic_vision.safetensors", UNET_15, 50, 7.5, 512),
        ("sd15", "turbocharged.safetensors", UNET_15, 50, 7.5, 512),
        ("sdxl", "sd_xl_base_1.0.safetensors", UNET_XL, 50, 5.0, 1024),
        ("sdxl", "sd_xl_turbo_1.0_fp16.safetensors", UNET_XL, 1, 0.0, 512),
        ("sdxl", "DreamShaperXL_Turbo_v2.safetensors", UNET_XL, 6, 2.0, 1024),
        ("sdxl", "sdxl_lightning_4step.safetensors", UNET_XL, 4, 0.0, 1024),
        ("sdxl", "fast/sdxl_lightning_8step_unet.safetensors", UNET_XL, 8, 0.0, 1024),
        ("sdxl", "Hyper-SDXL-1step-Unet.safetensors", UNET_XL, 1, 0.0, 1024),
        ("sdxl", "hyper-sdxl-8steps.safetensors", UNET_XL, 8, 0.0, 1024),
        ("sdxl", "lcm-sdxl.safetensors", LCM, 4, 8.0, 1024),
        ("sdxl", "anything.safetensors", LCM, 4, 8.0, 1024),
        ("sd15", "dreamshaper_8LCM.safetensors", UNET_15, 4, 1.0, 512),
        ("sd35", "sd3.5_large.safetensors", MMDIT, 28, 3.5, 1024),
        ("sd35", "sd3.5_large_turbo.safetensors", MMDIT, 4, 0.0, 1024),
        ("sd35", "anything.safetensors", MEDIUM, 40, 4.5, 1024),
        ("flux", "flux1-dev.safetensors", FLUX_DEV, 50, 3.5, 1024),
        ("flux", "anything.safetensors", FLUX, 4, 0.0, 1024),
        ("flux2-klein", "flux-2-klein-4b.safetensors", KLEIN, 4, 1.0, 1024),
        ("flux2-klein", "flux-2-klein-base-9b.safetensors", KLEIN, 50, 4.0, 1024),
    ],
)
def test_a_file_s_defaults_are_its_publisher_s(
    tmp_path: Path, family: str, name: str, shapes: Shapes, steps: int, guidance: float, side: int
) -> None:
    told = defaults_of(a_file(tmp_path, family, name, shapes))
    assert (told.steps, told.guidance, told.width, told.height) == (steps, guidance, side, side)
    assert told.scheduler == "auto"


def test_a_title_in_the_metadata_tells_as_a_name_does(tmp_path: Path) -> None:
    assert defaults_of(a_file(tmp_path, "sdxl", "brand.safetensors", UNET_XL, "SDXL Lightning 4-step")).steps == 4
    assert defaults_of(a_file(tmp_path, "sdxl", "other.safetensors", UNET_XL)).steps == 50


@pytest.mark.parametrize(
    ("family", "steps", "index", "configs"),
    [
        ("flux", 50, {}, {"transformer": {"guidance_embeds": True}}),
        ("flux", 4, {}, {"transformer": {"guidance_embeds": False}}),
        ("flux2-klein", 4, {"is_distilled": True}, {"transformer": {}}),
        ("flux2-klein", 50, {"is_distilled": False}, {"transformer": {}}),
        ("sd15", 4, {"scheduler": ["diffusers", "LCMScheduler"]}, {"unet": {}}),
        ("sd15", 4, {}, {"unet": {"time_cond_proj_dim": 256}}),
        ("sd35", 40, {}, {"transformer": {"dual_attention_layers": [0, 1]}}),
    ],
)
def test_a_folder_s_defaults_are_told_from_its_configuration(
    tmp_path: Path, family: str, steps: int, index: dict[str, Any], configs: dict[str, Any]
) -> None:
    import json

    path = folder(tmp_path / "brand", FAMILIES[family].pipelines["text-to-image"], **configs)
    told = json.loads((path / "model_index.json").read_text(encoding="utf-8"))
    (path / "model_index.json").write_text(json.dumps({**told, **index}), encoding="utf-8")
    checkpoint = Checkpoint(name="brand", path=str(path), kind="folder", family=family, size=1, stamp=1)
    assert defaults_of(checkpoint).steps == steps


@pytest.mark.parametrize(
    ("family", "shapes", "parts"),
    [
        ("sd15", UNET_15, {"unet": ""}),
        ("flux", below(NET, FLUX), {"transformer": NET}),
        (
            "flux",
            {**below(NET, FLUX), "vae.encoder.x": (1,), "text_encoders.t5xxl.transformer.shared.weight": (2, 2)},
            {"transformer": NET, "vae": "vae.", "text_encoder_2": "text_encoders.t5xxl.transformer."},
        ),
        ("flux2-klein", KLEIN, {"transformer": ""}),
    ],
)
def test_which_parts_a_file_has_is_told_from_its_names(
    tmp_path: Path, family: str, shapes: Shapes, parts: dict[str, str]
) -> None:
    assert parts_of(family, read_header(write(tmp_path / "a.safetensors", shapes))) == parts


def test_sizes_of_the_network_are_told_from_its_header(tmp_path: Path) -> None:
    four_b = {**KLEIN, "double_blocks.4.x": (1,), "single_blocks.0.x": (1,), "single_blocks.1.x": (1,)}
    told = config_told("flux2-klein", read_header(write(tmp_path / "a.safetensors", four_b)))
    assert told == {
        "num_layers": 2,
        "num_single_layers": 2,
        "attention_head_dim": 128,
        "num_attention_heads": 24,
        "joint_attention_dim": 7680,
        "guidance_embeds": False,
    }
    told = config_told("sd35", read_header(write(tmp_path / "b.safetensors", below(NET, MEDIUM))))
    assert told == {
        "num_layers": 1,
        "caption_projection_dim": 1536,
        "attention_head_dim": 64,
        "num_attention_heads": 24,
        "qk_norm": "rms_norm",
        "dual_attention_layers": (0,),
        "pos_embed_max_size": 384,
    }
