"""The tiny networks of :mod:`.local_models`: layouts of the real ones, and small widths and depths."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SIZE = 64
CLIP_L, CLIP_G, T5, QWEN = 32, 40, 96, 16
"""Widths of the text encoders; FLUX.1's and SD 3.5's T5 is wider than both CLIPs together, as in the real ones."""


def net_name(family: str) -> str:
    """What the pipeline calls the network that takes noise away."""
    return "unet" if family in ("sd15", "sdxl") else "transformer"


def net(family: str) -> Any:
    """That network with random weights."""
    return _NETS[family]()


def pipeline(family: str) -> Any:
    """The whole pipeline with random weights."""
    return _PIPELINES[family]()


def control(family: str) -> Any:
    """A ControlNet that begins as the network does."""
    return _CONTROLNETS[family](net(family))


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


def clip(width: int, *, projection: bool = False, act: str = "quick_gelu") -> Any:
    """A CLIP text encoder of this width."""
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
        text_encoder=clip(CLIP_L),
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
        text_encoder=clip(CLIP_L),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=clip(CLIP_G, projection=True, act="gelu"),
        tokenizer_2=_clip_tokenizer(),
        scheduler=EulerDiscreteScheduler(**_LDM_NOISE, timestep_spacing="leading"),
    )


def _sd35() -> Any:
    from diffusers import FlowMatchEulerDiscreteScheduler, StableDiffusion3Pipeline

    return StableDiffusion3Pipeline(
        transformer=_mmdit(),
        vae=_vae(16, scaling_factor=1.5305, shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
        text_encoder=clip(CLIP_L, projection=True),
        tokenizer=_clip_tokenizer(),
        text_encoder_2=clip(CLIP_G, projection=True, act="gelu"),
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
        text_encoder=clip(CLIP_L),
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
