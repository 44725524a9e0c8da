"""Between a pipeline's latents and ComfyUI's LATENT, and between both and pixels.

ComfyUI's ``{"samples": tensor}`` holds what its VAE Encode gives: float32 [B,C,h,w] on the CPU, as the VAE itself has
them. A pipeline works on scaled ones, ``(raw - shift) * scale`` by the VAE's configuration (SD 1.5 0.18215, SDXL
0.13025, SD 3.5 1.5305 and 0.0609, FLUX.1 0.3611 and 0.1159), and the FLUX families on packed ones [B, places, C·4]:
two by two places are one. FLUX.2's LATENT is the exception: 128 channels, already two by two in one and normalised by
the VAE's batch statistics, because ComfyUI counts that as part of the VAE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...errors import InvalidInput

if TYPE_CHECKING:
    from .loading import Loaded


def to_comfy(latents: Any, vae: Any) -> Any:
    """A pipeline's latents, unpacked [B,C,h,w], as LATENT samples: float32 on the CPU."""
    if _is_normalised(vae):
        return latents.float().cpu()
    # In the latents' own precision, as the pipelines do it before they decode: so Local Decode gives the same bits.
    return (latents / vae.config.scaling_factor + _shift(vae)).float().cpu()


def from_comfy(samples: Any, vae: Any) -> Any:
    """LATENT samples as a pipeline takes them for an image: scaled, or as the VAE has them for FLUX.2 (see there)."""
    if _is_normalised(vae):
        return samples * _deviation(vae, samples) + _mean(vae, samples)
    return (samples - _shift(vae)) * vae.config.scaling_factor


def unpacked(latents: Any, pipe: Any, height: int, width: int) -> Any:
    """What a step leaves behind as [B,C,h,w], for an image of this size in pixels; most pipelines have it so."""
    if latents.ndim == 4:
        return latents
    batch, _, channels = latents.shape
    tall, wide = (2 * (side // (pipe.vae_scale_factor * 2)) for side in (height, width))
    if _is_normalised(pipe.vae):
        return latents.transpose(1, 2).reshape(batch, channels, tall // 2, wide // 2)
    return type(pipe)._unpack_latents(latents, height, width, pipe.vae_scale_factor)


def unpatched(latents: Any, vae: Any) -> Any:
    """FLUX.2's LATENT as its VAE decodes it: 32 channels, twice as tall and wide, not normalised."""
    raw = latents * _deviation(vae, latents) + _mean(vae, latents)
    batch, channels, tall, wide = raw.shape
    apart = raw.reshape(batch, channels // 4, 2, 2, tall, wide).permute(0, 1, 4, 2, 5, 3)
    return apart.reshape(batch, channels // 4, tall * 2, wide * 2)


def patched(raw: Any, vae: Any) -> Any:
    """The reverse of :func:`unpatched`."""
    batch, channels, tall, wide = raw.shape
    apart = raw.reshape(batch, channels, tall // 2, 2, wide // 2, 2).permute(0, 1, 3, 5, 2, 4)
    joined = apart.reshape(batch, channels * 4, tall // 2, wide // 2)
    return (joined - _mean(vae, joined)) / _deviation(vae, joined)


def channels_of(vae: Any) -> int:
    """Of its LATENT."""
    return int(vae.config.latent_channels) * (4 if _is_normalised(vae) else 1)


def pixels_of(vae: Any) -> int:
    """The pixels, in each direction, that one place of its LATENT stands for."""
    return int(2 ** (len(vae.config.block_out_channels) - 1)) * (2 if _is_normalised(vae) else 1)


def encode(loaded: Loaded, image: Any) -> Any:
    """IMAGE float32 [B,H,W,C] as LATENT samples: the most likely ones, as ComfyUI's VAE Encode gives.

    What does not fill a whole place is cropped from the edges alike, as ComfyUI does. Raises InvalidInput where nothing
    is left.
    """
    from .pictures import channels_first

    pixels = _cropped(channels_first(image, "image"), pixels_of(loaded.parts["vae"]))
    with _at_work(loaded) as vae:
        given = (pixels * 2.0 - 1.0).to(loaded.device, vae.dtype)
        raw = vae.encode(given).latent_dist.mode()
        return (patched(raw, vae) if _is_normalised(vae) else raw).float().cpu()


def decode(loaded: Loaded, samples: Any) -> Any:
    """LATENT samples as IMAGE: float32 [B,H,W,3] in 0..1 on the CPU.

    Raises InvalidInput where they are another VAE's.
    """
    check_samples(samples, loaded.parts["vae"])
    with _at_work(loaded) as vae:
        given = samples.to(loaded.device, vae.dtype)
        raw = unpatched(given, vae) if _is_normalised(vae) else given
        return to_image(vae.decode(raw, return_dict=False)[0] * 0.5 + 0.5)


def to_image(pixels: Any) -> Any:
    """[B,C,H,W] in 0..1 or near it, of any device and type, as IMAGE float32 [B,H,W,C] on the CPU."""
    return pixels.clamp(0, 1).permute(0, 2, 3, 1).float().cpu().contiguous()


def check_samples(samples: Any, vae: Any) -> None:
    """Raises InvalidInput where they are no latents of this VAE."""
    shape, wanted = list(getattr(samples, "shape", ())), channels_of(vae)
    if len(shape) != 4 or 0 in shape:
        raise InvalidInput(f"latent: {shape} is no batch of latents.", hint="Connect a LATENT output of images.")
    if shape[1] != wanted:
        raise InvalidInput(
            f"latent: it has {shape[1]} channels, and this pipeline's VAE {wanted}: it is another family's.",
            hint="Encode with the same pipeline, or decode the latent with its own VAE first.",
        )


def parts_of(latent: Any) -> tuple[Any, Any]:
    """The samples of a LATENT and its mask [B,H,W], where it has one (Set Latent Noise Mask), else None.

    Raises InvalidInput where it is no LATENT.
    """
    if not isinstance(latent, Mapping) or "samples" not in latent:
        raise InvalidInput(f"latent: a {type(latent).__name__} is none.", hint="Connect a LATENT output.")
    mask = latent.get("noise_mask")
    return latent["samples"], None if mask is None else mask.reshape(-1, *mask.shape[-2:])


@contextmanager
def _at_work(loaded: Loaded) -> Iterator[Any]:
    """The VAE where it computes, as exactly as it must; afterwards it is where the memory mode has it."""
    import torch

    from .loading import pipeline

    pipe = pipeline(loaded, "inpaint")  # the task that every checkpoint can do, those for inpaint too
    vae = pipe.vae
    # SDXL's own VAE overflows in float16, and its configuration says so.
    coarse = vae.dtype == torch.float16 and getattr(vae.config, "force_upcast", False)
    try:
        if coarse:
            vae.to(torch.float32)
        with torch.no_grad():
            yield vae
    finally:
        if coarse:
            vae.to(torch.float16)
        pipe.maybe_free_model_hooks()


def _is_normalised(vae: Any) -> bool:
    return hasattr(vae, "bn")


def _shift(vae: Any) -> float:
    return getattr(vae.config, "shift_factor", None) or 0.0


def _mean(vae: Any, like: Any) -> Any:
    return vae.bn.running_mean.view(1, -1, 1, 1).to(like.device, like.dtype)


def _deviation(vae: Any, like: Any) -> Any:
    import torch

    variance = vae.bn.running_var.view(1, -1, 1, 1)
    return torch.sqrt(variance + vae.config.batch_norm_eps).to(like.device, like.dtype)


def _cropped(pixels: Any, multiple: int) -> Any:
    tall, wide = pixels.shape[-2] // multiple * multiple, pixels.shape[-1] // multiple * multiple
    if not tall or not wide:
        size = f"{pixels.shape[-1]}x{pixels.shape[-2]}"
        raise InvalidInput(f"image: {size} is smaller than {multiple}x{multiple}.", hint="Scale it up first.")
    top, left = (pixels.shape[-2] % multiple) // 2, (pixels.shape[-1] % multiple) // 2
    return pixels[..., top : top + tall, left : left + wide]
