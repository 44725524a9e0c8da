"""LATENT means the same here and in ComfyUI: its own VAE code encodes and decodes as a local pipeline's VAE does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mintmark.tests.comfyui.processes import interpreter

from .. import local_models

local_models.needs_diffusers()

import torch  # noqa: E402

from mintmark.nodes.local import latents  # noqa: E402

pytestmark = [
    pytest.mark.comfyui,
    pytest.mark.skipif("COMFYUI_PATH" not in os.environ, reason="not run: COMFYUI_PATH is not set"),
]
NEAR = 1e-4
"""Two implementations of the same sums; what differs by a scale or a shift differs by a thousand times that."""
THEIRS = """
weights, ours, made = sys.argv[1:]
sys.argv = ["main.py", "--cpu"]
import comfy.options
comfy.options.enable_args_parsing()
import comfy.sd, comfy.utils, safetensors.torch, torch
vae, given = comfy.sd.VAE(sd=comfy.utils.load_torch_file(weights)), comfy.utils.load_torch_file(ours)
with torch.inference_mode():
    found = {"samples": vae.encode(given["image"].clone()), "image": vae.decode(given["samples"].clone())}
safetensors.torch.save_file({name: each.float().contiguous() for name, each in found.items()}, made)
"""


def vae_of(family: str) -> Any:
    """With random weights and of the real size: ComfyUI knows a VAE by the names and shapes of its tensors."""
    from diffusers import AutoencoderKL, AutoencoderKLFlux2

    torch.manual_seed(3)
    if family == "flux2-klein":
        vae = AutoencoderKLFlux2()
        vae.bn.running_mean.normal_()
        vae.bn.running_var.uniform_(0.5, 1.5)
        return vae.eval()
    real: dict[str, Any] = {
        "block_out_channels": (128, 256, 512, 512),
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
    }
    if family == "flux":
        real |= {"latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159}
        real |= {"use_quant_conv": False, "use_post_quant_conv": False}
    return AutoencoderKL(**real).eval()


@pytest.mark.parametrize("family", ["sd15", "flux", "flux2-klein"])
def test_comfyuis_vae_encodes_and_decodes_as_ours(tmp_path: Path, family: str) -> None:
    from safetensors.torch import load_file, save_file

    vae = vae_of(family)
    image = torch.rand(1, 64, 96, 3)
    with torch.no_grad():
        raw = vae.encode(image.permute(0, 3, 1, 2) * 2 - 1).latent_dist.mode()
        samples = latents.patched(raw, vae) if family == "flux2-klein" else raw
        decoded = latents.to_image(vae.decode(raw, return_dict=False)[0] * 0.5 + 0.5)
    save_file({name: each.contiguous() for name, each in vae.state_dict().items()}, tmp_path / "vae.safetensors")
    save_file({"image": image, "samples": samples.contiguous()}, tmp_path / "ours.safetensors")
    theirs = load_file(in_comfyui(tmp_path))
    (tmp_path / "vae.safetensors").unlink()
    assert samples.std() > 0.1
    assert torch.allclose(theirs["samples"], samples, atol=NEAR)
    assert torch.allclose(theirs["image"], decoded, atol=NEAR)


def in_comfyui(folder: Path) -> Path:
    """What ComfyUI's own VAE makes of it, in a process of its own."""
    root = Path(os.environ["COMFYUI_PATH"])
    files = [str(folder / f"{name}.safetensors") for name in ("vae", "ours", "theirs")]
    done = subprocess.run(
        [interpreter(), "-c", f"import sys; sys.path.insert(0, {str(root)!r})\n{THEIRS}", *files],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Path(files[-1])
