"""What comfy-cli is told to install and launch ComfyUI. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...workflows.comfy_cli import QUIET

KEPT = ("user", "input", "output", "temp")
"""Folders that each ComfyUI has of its own; it wants them to be there."""
CPU = "cpu"
"""In the place of a GPU: none."""


def launch_command(
    comfy: str, workspace: Path, *, gpu: str, port: int, folder: Path, more: Sequence[str] = ()
) -> list[str]:
    """Start the ComfyUI of a workspace on one GPU. What it keeps is in ``folder``, so that several share a workspace's
    nodes and models and nothing else. A GPU is a number, or a name of the driver's (``GPU-…``), told by the environment
    alone."""
    device = ["--cpu"] if gpu == CPU else ["--cuda-device", gpu] if gpu.isdecimal() else []
    kept = [f"--{name}-directory={folder / name}" for name in KEPT]
    where = ["--listen", "127.0.0.1", "--port", str(port), "--disable-auto-launch"]
    return [comfy, "--skip-prompt", "--workspace", str(workspace), "launch", "--", *where, *kept, *device, *more]


def install_command(comfy: str, workspace: Path, *, gpu: str) -> list[str]:
    """Bring ComfyUI into a workspace, with a torch for the GPU."""
    device = "--cpu" if gpu == CPU else "--nvidia"
    return [comfy, "--skip-prompt", "--workspace", str(workspace), "install", device]


def launch_env(env: Mapping[str, str], *, gpu: str) -> dict[str, str]:
    """The environment of a ComfyUI that sees this GPU alone, counted as ``nvidia-smi`` counts."""
    seen = {} if gpu == CPU else {"CUDA_VISIBLE_DEVICES": gpu, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    return {**env, **QUIET, **seen}
