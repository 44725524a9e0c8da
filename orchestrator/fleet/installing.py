"""A ComfyUI with the node pack in it, put into a folder by comfy-cli. Blocks; each step is said in the log."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from ... import log
from ...errors import CannotWrite, InstallFailed
from ...workflows.comfy_cli import QUIET
from .comfy_cli import install_command

logger = log.get("orchestrator.installing")

PACK = Path(__file__).resolve().parents[2]
"""The root of this package, which is the node pack."""
INSTALL_S = 3600.0
"""How long an installation may take, in seconds: torch alone is gigabytes."""


def install_into(workspace: Path, comfy: str, *, gpu: str, env: Mapping[str, str]) -> None:
    """Have ComfyUI and the pack in this folder; what is there already stays as it is. ``env``: of those who install.

    Raises InstallFailed with the last that was said, and CannotWrite.
    """
    if not (workspace / "main.py").exists():
        _run(install_command(comfy, workspace, gpu=gpu), "ComfyUI", env)
    if pack_in(workspace) is None:
        place = workspace / "custom_nodes" / "mintmark"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(PACK, target_is_directory=True)
        except OSError as exc:
            raise CannotWrite(f"The node pack cannot be put at {place}: {exc.strerror}.") from exc
        pip = [_python(workspace), "-m", "pip", "install", "-q", "-r", str(PACK / "requirements.txt")]
        _run(pip, "the node pack", env)


def pack_in(workspace: Path) -> Path | None:
    """Where in a workspace the node pack is; None where it is not."""
    folders = (workspace / "custom_nodes").glob("*/nodes/route.py")
    return next((each.parents[1] for each in folders if (each.parents[1] / "install.py").exists()), None)


def _python(workspace: Path) -> str:
    """The Python that comfy-cli launches ComfyUI with: the workspace's own environment, else its own."""
    kind = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    own = (workspace / name / Path(*kind) for name in (".venv", "venv"))
    return str(next((each for each in own if each.exists()), Path(sys.executable)))


def _run(command: Sequence[str], what: str, env: Mapping[str, str]) -> None:
    logger.info("Installing %s: %s", what, " ".join(command), extra=log.action("installing"))
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**env, **QUIET},
            timeout=INSTALL_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise InstallFailed(f"{what[:1].upper()}{what[1:]} could not be installed: {exc}.") from exc
    if done.returncode:
        said = done.stdout.decode("utf-8", "replace").strip().splitlines()[-3:]
        raise InstallFailed(
            f"{what[:1].upper()}{what[1:]} could not be installed ({done.returncode}): {' '.join(said)[-400:]}",
            hint=f"Try it by hand: {' '.join(command)}",
        )
