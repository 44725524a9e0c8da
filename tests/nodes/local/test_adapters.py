"""LoRAs, embeddings and ControlNets of another family are refused by their headers, before anything is loaded."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import DamagedFile, InvalidInput, NotSafetensors
from mintmark.nodes.local.controls import check_controlnet
from mintmark.nodes.local.embedding_files import check_embedding, check_token
from mintmark.nodes.local.headers import read_header
from mintmark.nodes.local.lora_files import check_lora, lora_family
from mintmark.nodes.local.recipe import Checkpoint

ATTENTION = "transformer_blocks.0.attn2.to_k"
LORAS: Mapping[str, tuple[str, dict[str, tuple[int, ...]]]] = {
    "diffusers": ("sd15", {f"unet.down_blocks.0.attentions.0.{ATTENTION}.lora_A.weight": (4, 768)}),
    "kohya, SD 1.5": ("sd15", {f"lora_unet_down_blocks_0_attentions_0_{ATTENTION}.lora_down.weight": (4, 768)}),
    "old diffusers": ("sd15", {"unet.down_blocks.0.attn2.processor.to_k_lora.down.weight": (4, 768)}),
    "SD 2": ("sd2", {f"lora_unet_down_blocks_0_attentions_0_{ATTENTION}.lora_down.weight": (4, 1024)}),
    "kohya, SDXL": ("sdxl", {f"lora_unet_input_blocks_4_1_{ATTENTION}.lora_down.weight": (4, 2048)}),
    "SDXL by its second encoder": (
        "sdxl",
        {"lora_te2_text_model_x.lora_down.weight": (4, 1280), "lora_unet_mid_block_x.lora_down.weight": (4, 640)},
    ),
    "SD 3.5": ("sd35", {"transformer.transformer_blocks.0.attn2.to_q.lora_A.weight": (4, 1536)}),
    "FLUX.1, diffusers": ("flux", {"transformer.single_transformer_blocks.3.attn.to_q.lora_A.weight": (4, 3072)}),
    "FLUX.1, kohya": (
        "flux",
        {
            "lora_unet_single_blocks_0_linear1.lora_down.weight": (4, 3072),
            "lora_unet_single_blocks_0_linear1.lora_up.weight": (21504, 4),
        },
    ),
    "FLUX.2, diffusers": (
        "flux2-klein",
        {"transformer.single_transformer_blocks.3.attn.to_qkv_mlp_proj.lora_A.weight": (4, 3072)},
    ),
    "FLUX.2, their own": (
        "flux2-klein",
        {
            "diffusion_model.single_blocks.0.linear1.lora_A.weight": (4, 3072),
            "diffusion_model.single_blocks.0.linear1.lora_B.weight": (27648, 4),
        },
    ),
}


def file(path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: dict[str, str] | None = None) -> Path:
    """A safetensors file of zeros."""
    at, header = 0, dict[str, Any]({"__metadata__": metadata} if metadata else {})
    for name, shape in shapes.items():
        size = 2
        for side in shape:
            size *= side
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(at))
    return path


def checkpoint(folder: Path, family: str, shapes: Mapping[str, tuple[int, ...]], encoder: int = 768) -> Checkpoint:
    """A diffusers folder with these layers of the network, and a text encoder of this width."""
    part = "unet" if family in ("sd15", "sdxl") else "transformer"
    place = folder / f"own-{family}"
    file(place / part / "diffusion_pytorch_model.safetensors", shapes)
    file(place / "text_encoder" / "model.safetensors", {"text_model.embeddings.token_embedding.weight": (9, encoder)})
    return Checkpoint(name=place.name, path=str(place), kind="folder", family=family, size=1, stamp=id(shapes))


SD15 = {"down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768)}
FLUX = {"single_transformer_blocks.3.attn.to_q.weight": (3072, 3072)}


@pytest.mark.parametrize("layout", LORAS)
def test_a_loras_family_shows_in_its_header(tmp_path: Path, layout: str) -> None:
    family, shapes = LORAS[layout]
    assert lora_family(read_header(file(tmp_path / "x.safetensors", shapes))) == family


@pytest.mark.parametrize(
    ("metadata", "family"),
    [
        ({"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"}, "sdxl"),
        ({"modelspec.architecture": "flux-1-dev/lora"}, "flux"),
        ({"modelspec.architecture": "Flux.2-klein-4b/lora"}, "flux2-klein"),
        ({"ss_base_model_version": "sd_v1"}, "sd15"),
        ({"ss_base_model_version": "sd3.5-large"}, "sd35"),
        ({"ss_base_model_version": "else"}, None),
        ({}, None),
    ],
)
def test_where_its_layers_leave_it_open_its_metadata_tells(
    tmp_path: Path, metadata: dict[str, str], family: str | None
) -> None:
    made = file(tmp_path / "x.safetensors", {"lora_unet_mid_block_x.lora_down.weight": (4, 640)}, metadata)
    assert lora_family(read_header(made)) == family


def test_a_lora_of_another_family_is_refused_naming_both(tmp_path: Path) -> None:
    own, (_, shapes) = checkpoint(tmp_path, "sd15", SD15), LORAS["FLUX.1, diffusers"]
    with pytest.raises(InvalidInput) as caught:
        check_lora(own, file(tmp_path / "flux.safetensors", shapes))
    assert caught.value.message == "lora: flux.safetensors is for FLUX.1, and own-sd15 is Stable Diffusion 1.5."
    assert "trained for Stable Diffusion 1.5" in caught.value.hint
    with pytest.raises(InvalidInput, match=r"is for Stable Diffusion 2, and own-sd15 is Stable Diffusion 1.5"):
        check_lora(own, file(tmp_path / "two.safetensors", LORAS["SD 2"][1]))


def test_a_lora_of_its_own_family_is_taken(tmp_path: Path) -> None:
    own = checkpoint(tmp_path, "sd15", SD15)
    for layout in ("diffusers", "kohya, SD 1.5", "old diffusers"):
        check_lora(own, file(tmp_path / "x.safetensors", LORAS[layout][1]))


def test_a_lora_of_another_width_or_with_other_layers_is_refused(tmp_path: Path) -> None:
    own = checkpoint(tmp_path, "flux", FLUX)
    wide = {"transformer.single_transformer_blocks.3.attn.to_q.lora_A.weight": (4, 4096)}
    with pytest.raises(InvalidInput, match="it changes layers that read 4096 numbers"):
        check_lora(own, file(tmp_path / "wide.safetensors", wide))
    deep = {"transformer.single_transformer_blocks.44.attn.to_q.lora_A.weight": (4, 3072)}
    with pytest.raises(InvalidInput, match=r"it changes a layer single_transformer_blocks\.44\.attn\.to_q"):
        check_lora(own, file(tmp_path / "deep.safetensors", deep))


def test_what_is_no_lora_is_refused_by_name(tmp_path: Path) -> None:
    own = checkpoint(tmp_path, "sd15", SD15)
    with pytest.raises(InvalidInput, match=r"lora: x.safetensors is no LoRA"):
        check_lora(own, file(tmp_path / "x.safetensors", {"weight": (4, 4)}))
    with pytest.raises(InvalidInput, match=r"is a LoHa file, which diffusers does not read"):
        check_lora(own, file(tmp_path / "y.safetensors", {"lora_unet_x.hada_w1_a": (4, 4)}))
    with pytest.raises(NotSafetensors, match="is a pickle"):
        check_lora(own, tmp_path / "x.pt")
    cut = file(tmp_path / "z.safetensors", LORAS["diffusers"][1])
    cut.write_bytes(cut.read_bytes()[:-9])
    with pytest.raises(DamagedFile, match="cut off"):
        check_lora(own, cut)


def test_an_embedding_of_another_family_or_width_is_refused(tmp_path: Path) -> None:
    own = checkpoint(tmp_path, "sd15", SD15)
    check_embedding(own, file(tmp_path / "a.safetensors", {"emb_params": (2, 768)}))
    check_embedding(own, file(tmp_path / "a.safetensors", {"<one>": (768,)}))
    large = file(tmp_path / "xl.safetensors", {"clip_l": (2, 768), "clip_g": (2, 1280)})
    with pytest.raises(InvalidInput, match=r"embedding: xl.safetensors is for Stable Diffusion XL, and own-sd15 is"):
        check_embedding(own, large)
    with pytest.raises(InvalidInput, match=r"is 1024 numbers wide, and words of own-sd15 are 768"):
        check_embedding(own, file(tmp_path / "b.safetensors", {"emb_params": (2, 1024)}))
    with pytest.raises(InvalidInput, match=r"FLUX.1 has no use for textual inversions"):
        check_embedding(checkpoint(tmp_path, "flux", FLUX), large)
    with pytest.raises(InvalidInput, match="is none: it is another kind of file"):
        check_embedding(own, file(tmp_path / "c.safetensors", {"a": (2, 768), "b": (2, 768)}))


def test_a_word_stands_for_one_embedding() -> None:
    assert check_token(" <key> ", ("<lock>",)) == "<key>"
    with pytest.raises(InvalidInput, match=r"token: <key> stands for another embedding already"):
        check_token("<key>", ("<key>",))
    for wrong in ("", "two words", "x" * 65, None):
        with pytest.raises(InvalidInput, match="is no single word"):
            check_token(wrong)  # type: ignore[arg-type]


def test_a_controlnet_of_another_family_or_width_is_refused(tmp_path: Path) -> None:
    own = checkpoint(tmp_path, "sd15", SD15)
    hint = {"controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3)}
    small = {**hint, "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768)}
    check_controlnet(own, file(tmp_path / "a.safetensors", small))
    large = {**hint, "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, 2048)}
    with pytest.raises(InvalidInput, match=r"control_net: b.safetensors is for Stable Diffusion XL, and own-sd15 is"):
        check_controlnet(own, file(tmp_path / "b.safetensors", large))
    odd = {**hint, "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 64)}
    with pytest.raises(InvalidInput, match=r"reads 64 numbers a word, and the prompts of own-sd15 have 768"):
        check_controlnet(own, file(tmp_path / "c.safetensors", odd))
    with pytest.raises(InvalidInput, match=r"control_net: d.safetensors is none"):
        check_controlnet(own, file(tmp_path / "d.safetensors", {"weight": (1,)}))
    with pytest.raises(InvalidInput, match=r"there are none for FLUX.2 klein"):
        check_controlnet(checkpoint(tmp_path, "flux2-klein", {"x.weight": (1, 1)}), tmp_path / "a.safetensors")


def test_a_controlnets_folder_tells_its_class(tmp_path: Path) -> None:
    place = tmp_path / "net"
    file(place / "diffusion_pytorch_model.safetensors", {"controlnet_blocks.0.weight": (4, 4)})
    (place / "config.json").write_text('{"_class_name": "FluxControlNetModel"}', "utf-8")
    check_controlnet(checkpoint(tmp_path, "flux", FLUX), place)
    with pytest.raises(InvalidInput, match=r"net is for FLUX.1, and own-sd15"):
        check_controlnet(checkpoint(tmp_path, "sd15", SD15), place)
