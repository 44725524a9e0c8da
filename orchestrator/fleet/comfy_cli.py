"""comfy-cli: where its program is, and what it is told. It is GPL, so it runs as a process of its own and is never
imported. It installs and launches ComfyUI, and converts graphs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ...errors import MissingExtra

QUIET = {"DO_NOT_TRACK": "1", "COMFY_NO_TELEMETRY": "1", "COMFY_NO_WATCH": "1"}
"""Environment in which it tells nobody anything and asks nothing."""
KEPT = ("user", "input", "output", "temp")
"""Folders that each ComfyUI has of its own; it wants them to be there."""
CPU = "cpu"
"""In the place of a GPU: none."""


def find_comfy(why: str, *, without: str = "") -> str:
    """Its program: on PATH, or beside the running Python. ``why`` it is needed, ``without``: what else can be done.

    Raises MissingExtra with how to install it.
    """
    found = shutil.which("comfy") or shutil.which("comfy", path=str(Path(sys.executable).parent))
    if found is None:
        hint = "Install it: pip install 'mintmark[comfy]' (or: pip install comfy-cli)."
        raise MissingExtra(f"{why}, is not installed.", hint=f"{hint} {without}".strip())
    return found


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
