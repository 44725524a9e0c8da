"""Tiny random models of each family that is sampled here: layouts and shapes of the real ones, in a megabyte each.

Weights are drawn from a fixed seed, so that the same call writes the same bytes. What makes a family (latent channels,
patches, eightfold VAE, which text encoders) is as in the real models; only widths and depths are small. Tokenizers have a
vocabulary of bytes and are made here: nothing is downloaded. 64 by 64 pixels are 8 by 8 latents.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

FAMILIES = ("sd15", "sdxl", "sd35", "flux", "flux2-klein")
SIZE = 64
CLIP_L, CLIP_G, T5, QWEN = 32, 40, 96, 16
"""Widths of the text encoders; FLUX.1's and SD 3.5's T5 is wider than both CLIPs together, as in the real ones."""


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
    from mintmark.tests.local_originals import original

    name = f"tiny-{family}{'-bare' if bare else ''}.safetensors"
    return _save(folder / name, original(_pipeline(family).components, family, bare=bare))


def _pipeline(family: str) -> Any:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(FAMILIES.index(family) if family in FAMILIES else 99)
        return _PIPELINES[family]()


def lora(folder: Path, family: str, seed: int = 0, *, layout: str = "peft", text: bool = False) -> Path:
    """A LoRA of rank 4 over each attention: layout ``peft`` (diffusers) or ``kohya`` (sd15, sdxl).

    ``text`` adds the first text encoder's attentions (sd15, sdxl).
    """
    import torch

    draw = torch.Generator().manual_seed(1000 + seed)
    targets = {f"{_net_name(family)}.{name}": shape for name, shape in _attention(_net(family)).items()}
    if text:
        targets |= {f"text_encoder.{name}": shape for name, shape in _attention(_clip(CLIP_L)).items()}
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
        net = _CONTROLNETS[family](_net(family))
        for name, weight in sorted(net.named_parameters()):
            if not weight.any():
                weight.copy_(torch.randn(weight.shape) * 0.1) if name.endswith("weight") else None
    path = folder / f"tiny-{family}-controlnet-{seed}"
    net.save_pretrained(path, safe_serialization=True)
    return path


def _save(path: Path, tensors: Mapping[str, Any], metadata: dict[str, str] | None = None) -> Path:
    from safetensors.torch import save_file

    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path, metadata or {"format": "pt"})
    return path


# --- networks


def _net_name(family: str) -> str:
    return "unet" if family in ("sd15", "sdxl") else "transformer"


def _net(family: str) -> Any:
    return _NETS[family]()


def _unet15() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=2,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        attention_head_dim=4,
        cross_attention_dim=CLIP_L,
        norm_num_groups=8,
    )


def _unetxl() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32),
        layers_per_block=2,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4),
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 2),
        projection_class_embeddings_input_dim=6 * 8 + CLIP_G,
        cross_attention_dim=CLIP_L + CLIP_G,
        norm_num_groups=8,
    )


def _mmdit() -> Any:
    from diffusers import SD3Transformer2DModel

    return SD3Transformer2DModel(
        sample_size=8,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_projection_dim=32,
        joint_attention_dim=T5,
        pooled_projection_dim=CLIP_L + CLIP_G,
        pos_embed_max_size=32,
        dual_attention_layers=(0,),
        qk_norm="rms_norm",
    )


def _flux(guidance: bool = True) -> Any:
    from diffusers import FluxTransformer2DModel

    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=2,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=T5,
        pooled_projection_dim=CLIP_L,
        guidance_embeds=guidance,
        axes_dims_rope=(4, 4, 8),
    )


def _flux2() -> Any:
    from diffusers import Flux2Transformer2DModel

    return Flux2Transformer2DModel(
        patch_size=1,
        in_channels=128,
        num_layers=1,
        num_single_layers=2,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=3 * QWEN,
        axes_dims_rope=(4, 4, 4, 4),
        guidance_embeds=False,
    )


_NETS: Mapping[str, Any] = {
    "sd15": _unet15,
    "sdxl": _unetxl,
    "sd35": _mmdit,
    "flux": _flux,
    "flux-schnell": lambda: _flux(guidance=False),
    "flux2-klein": _flux2,
}


def _vae(channels: int, **changes: Any) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=channels,
        norm_num_groups=4,
        sample_size=SIZE,
        **changes,
    )


def _vae2() -> Any:
    from diffusers import AutoencoderKLFlux2

    return AutoencoderKLFlux2(
        block_out_channels=(8, 8, 8, 8), layers_per_block=1, latent_channels=32, norm_num_groups=4, sample_size=SIZE
    )


def _control_unet(unet: Any) -> Any:
    from diffusers import ControlNetModel

    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8))


def _control_sd35(transformer: Any) -> Any:
    from diffusers import SD3ControlNetModel

    return SD3ControlNetModel.from_transformer(transformer, num_layers=1, num_extra_conditioning_channels=0)


def _control_flux(transformer: Any) -> Any:
    from diffusers import FluxControlNetModel

    return FluxControlNetModel.from_transformer(
        transformer, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2
    )


_CONTROLNETS: Mapping[str, Any] = {
    "sd15": _control_unet,
    "sdxl": _control_unet,
    "sd35": _control_sd35,
    "flux": _control_flux,
}

# --- text encoders and their tokenizers


def _clip(width: int, *, projection: bool = False, act: str = "quick_gelu") -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        hidden_size=width,
        intermediate_size=2 * width,
        num_attention_heads=4,
        num_hidden_layers=3,
        vocab_size=_BYTES * 2 + 2,
        projection_dim=width,
        hidden_act=act,
        bos_token_id=_BYTES * 2,
        eos_token_id=_BYTES * 2 + 1,
        pad_token_id=_BYTES * 2 + 1,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def _t5() -> Any:
    from transformers import T5Config, T5EncoderModel

    config = T5Config(
        vocab_size=_BYTES + 3, d_model=T5, d_kv=16, d_ff=64, num_layers=2, num_heads=4, feed_forward_proj="gated-gelu"
    )
    return T5EncoderModel(config).eval()


def _qwen() -> Any:
    """Of 28 layers: the pipeline takes the states after the 9th, 18th and 27th."""
    from transformers import Qwen3Config, Qwen3ForCausalLM

    config = Qwen3Config(
        vocab_size=_BYTES + 3,
        hidden_size=QWEN,
        intermediate_size=16,
        num_hidden_layers=28,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=1024,
        tie_word_embeddings=True,
    )
    return Qwen3ForCausalLM(config).eval()


_BYTES = 256


def _alphabet() -> list[str]:
    """The 256 characters by which byte-level BPE writes bytes, in one order."""
    from tokenizers.pre_tokenizers import ByteLevel

    return sorted(ByteLevel.alphabet())


def _clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = _alphabet()
    words = [*letters, *(f"{each}</w>" for each in letters), "<|startoftext|>", "<|endoftext|>"]
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "pad_token": "<|endoftext|>"}
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        (place / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}), "utf-8")
        (place / "merges.txt").write_text("#version: 0.2\n", "utf-8")
        (place / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
        return CLIPTokenizer.from_pretrained(place, local_files_only=True)


def _t5_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import T5TokenizerFast

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), *((each, -5.0) for each in ["▁", *_alphabet()[1:]])]
    made = Tokenizer(models.Unigram(pieces, unk_id=2))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single=["$A", "</s>"], pair=["$A", "</s>", "$B", "</s>"], special_tokens=[("</s>", 1)]
    )
    return T5TokenizerFast(tokenizer_object=made, extra_ids=0, model_max_length=512)


def _qwen_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen2TokenizerFast

    words = [*_alphabet(), "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    made = Tokenizer(models.BPE(vocab={word: number for number, word in enumerate(words)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = Qwen2TokenizerFast(
        tokenizer_object=made, pad_token="<|endoftext|>", eos_token="<|im_end|>", model_max_length=512
    )
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return tokenizer


# --- pipelines


def _sd15() -> Any:
    from diffusers import PNDMScheduler, StableDiffusionPipeline

    return StableDiffusionPipeline(
        unet=_unet15(),
        vae=_vae(4, scaling_factor=0.18215),
        text_encoder=_clip(CLIP_L),
        tokenizer=_clip_tokenizer(),
        scheduler=PNDMScheduler(**_LDM_NOISE, skip_prk_steps=True, set_alpha_to_one=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _sdxl() -> Any:
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline

    return StableDiffusionXLPipeline(
        unet=_unetxl(),
        vae=_vae(4, scaling_factor=0.13025),
        text_encoder=_clip(CLIP_L),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_clip(CLIP_G, projection=True, act="gelu"),
        tokenizer_2=_clip_tokenizer(),
        scheduler=EulerDiscreteScheduler(**_LDM_NOISE, timestep_spacing="leading"),
    )


def _sd35() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

    return StableDiffusion3Pipeline(
        transformer=_mmdit(),
        vae=_vae(16, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_clip(CLIP_L, projection=True),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_clip(CLIP_G, projection=True, act="gelu"),
        tokenizer_2=_clip_tokenizer(),
        text_encoder_3=_t5(),
        tokenizer_3=_t5_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def _flux1(guidance: bool = True) -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline

    shift = {"shift": 3.0, "use_dynamic_shifting": True, "max_image_seq_len": 4096} if guidance else {"shift": 1.0}
    return FluxPipeline(
        transformer=_flux(guidance),
        vae=_vae(16, scaling_factor=0.3611, shift_factor=0.1159, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=_clip(CLIP_L),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=_t5(),
        tokenizer_2=_t5_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(**shift),
    )


def _klein() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline

    return Flux2KleinPipeline(
        transformer=_flux2(),
        vae=_vae2(),
        text_encoder=_qwen(),
        tokenizer=_qwen_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True, max_image_seq_len=4096),
        is_distilled=True,
    )


_LDM_NOISE: Mapping[str, Any] = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}
_PIPELINES: Mapping[str, Any] = {
    "sd15": _sd15,
    "sdxl": _sdxl,
    "sd35": _sd35,
    "flux": _flux1,
    "flux-schnell": lambda: _flux1(guidance=False),
    "flux2-klein": _klein,
}

# --- LoRA layouts


def _attention(net: Any) -> dict[str, tuple[int, int]]:
    """The projections of a net's attentions with their shapes (out, in)."""
    import torch

    ends = ("to_q", "to_k", "to_v", "to_out.0", "q_proj", "k_proj", "v_proj", "out_proj")
    return {
        name: tuple(module.weight.shape)
        for name, module in net.named_modules()
        if name.endswith(ends) and isinstance(module, torch.nn.Linear) and "add_" not in name
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
    """``down_blocks.1.attentions.0.x`` as ``input_blocks.4.1.x``: three entries a block, resnets at 0, attentions at 1."""
    kind, rest = name.split(".", 1)
    if kind == "mid_block":
        which, number, inner = rest.split(".", 2)
        return f"middle_block.{1 if which == 'attentions' else 2 * int(number)}.{inner}"
    block, which, number, inner = rest.split(".", 3)
    at = 3 * int(block) + int(number) + (1 if kind == "down_blocks" else 0)
    return f"{'input' if kind == 'down_blocks' else 'output'}_blocks.{at}.{1 if which == 'attentions' else 0}.{inner}"
