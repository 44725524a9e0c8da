"""A small picture of what a run has come to: latents as colours, by one matrix a family, without the VAE.

A latent pixel is eight image pixels wide, so that a preview of 1024 by 1024 is 128 by 128. The matrices are fits of
latents to the VAE's own pixels in -1..1, as published with InvokeAI (Apache-2.0,
``invokeai/app/util/step_callback.py``): SD 1.5 by @torridgristle after @erucipe and @keturn
(https://discuss.huggingface.co/t/decoding-latents-to-rgb-without-upscaling/23204), SDXL by @StAlKeR7779, SD 3.5 and
FLUX.1 by InvokeAI's ``generate_vae_linear_approximation.py``. There is none for FLUX.2 with a licence that we could
use: there the VAE itself decodes a thumbnail, as long as it is not offloaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

THUMBNAIL = 32
"""The longer side, in latent pixels, of what the VAE decodes where there is no matrix."""

Matrix = tuple[tuple[float, float, float], ...]
"""For each latent channel what it adds to red, green and blue."""

_SD15: Matrix = (
    (0.3444, 0.1385, 0.0670),
    (0.1247, 0.4027, 0.1494),
    (-0.3192, 0.2513, 0.2103),
    (-0.1307, -0.1874, -0.7445),
)
_SDXL: Matrix = (
    (0.3816, 0.4930, 0.5320),
    (-0.3753, 0.1631, 0.1739),
    (0.1770, 0.3588, -0.2048),
    (-0.4350, -0.2644, -0.4289),
)
_SD35: Matrix = (
    (-0.05240681, 0.03251581, 0.0749016),
    (-0.0580572, 0.00759826, 0.05729818),
    (0.16144888, 0.01270368, -0.03768577),
    (0.14418615, 0.08460266, 0.15941818),
    (0.04894035, 0.0056485, -0.06686988),
    (0.05187166, 0.19222395, 0.06261094),
    (0.1539433, 0.04818359, 0.07103094),
    (-0.08601796, 0.09013458, 0.10893912),
    (-0.12398469, -0.06766567, 0.0033688),
    (-0.0439737, 0.07825329, 0.02258823),
    (0.03101129, 0.06382551, 0.07753657),
    (-0.01315361, 0.08554491, -0.08772475),
    (0.06464487, 0.05914605, 0.13262741),
    (-0.07863674, -0.02261737, -0.12761454),
    (-0.09923835, -0.08010759, -0.06264447),
    (-0.03392309, -0.0804029, -0.06078822),
)
_FLUX: Matrix = (
    (-0.0412, 0.0149, 0.0521),
    (0.0056, 0.0291, 0.0768),
    (0.0342, -0.0681, -0.0427),
    (-0.0258, 0.0092, 0.0463),
    (0.0863, 0.0784, 0.0547),
    (-0.0017, 0.0402, 0.0158),
    (0.0501, 0.1058, 0.1152),
    (-0.0209, -0.0218, -0.0329),
    (-0.0314, 0.0083, 0.0896),
    (0.0851, 0.0665, -0.0472),
    (-0.0534, 0.0238, -0.0024),
    (0.0452, -0.0026, 0.0048),
    (0.0892, 0.0831, 0.0881),
    (-0.1117, -0.0304, -0.0789),
    (0.0027, -0.0479, -0.0043),
    (-0.1146, -0.0827, -0.0598),
)
MATRICES: Mapping[str, Matrix] = {"sd15": _SD15, "sdxl": _SDXL, "sd35": _SD35, "flux": _FLUX}


def preview(latents: Any, family: str, vae: Any) -> Image | None:
    """The first picture of the batch, small, from its scaled, unpacked latents [B,C,h,w]; None where it takes too long.

    While a run lasts latents are noisier than the matrices expect, some schedulers' by an order of magnitude, so they
    are brought to a deviation of 1 at most.
    """
    import torch

    one = latents[:1].float()
    one = one / one.std().clamp(min=1.0)
    matrix = MATRICES.get(family)
    if matrix is not None:
        rgb = torch.einsum("bchw,ck->bhwk", one, torch.tensor(matrix, device=one.device))
        return _image(rgb[0])
    # Decoding with a VAE that is offloaded would push out the network that is at work.
    return None if hasattr(vae, "_hf_hook") else _thumbnail(one, vae)


def _thumbnail(latents: Any, vae: Any) -> Image:
    import torch

    from .latents import unpatched

    raw = unpatched(latents, vae)
    ratio = THUMBNAIL / max(raw.shape[-2:])
    if ratio < 1:
        raw = torch.nn.functional.interpolate(raw, scale_factor=ratio, mode="area")
    with torch.no_grad():
        decoded = vae.decode(raw.to(vae.device, vae.dtype), return_dict=False)[0]
    return _image(decoded[0].permute(1, 2, 0))


def _image(rgb: Any) -> Image:
    """Of [H,W,3] in -1..1."""
    import torch
    from PIL import Image

    pixels = torch.nan_to_num(rgb.float()).add(1).mul(127.5).clamp(0, 255).byte().cpu()
    return Image.fromarray(pixels.numpy())
