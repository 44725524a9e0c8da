"""The three servers that benchmarks compare: the sandbox, the runner, and a real ComfyUI with the pack linked in."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mintmark as package

from .processes import Server, environment, free_port, mintmark, serving, telling
from .report import NotRun

ROOT = Path(package.__file__).parent
LINK = "mintmark-bench"
MANY = 1024
"""Prompts that a runner runs at once, where a benchmark wants no limit of its own to count."""


@contextmanager
def sandbox(folder: Path, latency_s: float) -> Iterator[Server]:
    """The providers' stand-in."""
    command = mintmark("sandbox", "--port", 0, "--latency", latency_s, "--json")
    with telling(command, folder / "sandbox.log", environment()) as server:
        yield server


@contextmanager
def runner(folder: Path, sandbox_url: str, max_prompts: int | None = MANY) -> Iterator[Server]:
    """The light worker with the pack; with ``max_prompts`` None just as ``mintmark runner`` starts it."""
    command = mintmark("runner", "--port", 0, "--json")
    if max_prompts is not None:
        command = [sys.executable, "-m", "mintmark.bench.harness.many_prompts", str(max_prompts)]
    data = folder / f"runner-{max_prompts}"
    env = environment(MINTMARK_SANDBOX="1", MINTMARK_SANDBOX_URL=sandbox_url, MINTMARK_DATA_DIR=str(data))
    with telling(command, folder / f"runner-{max_prompts}.log", env) as server:
        yield server


@contextmanager
def comfyui(folder: Path, sandbox_url: str, **more: str) -> Iterator[Server]:
    """A ComfyUI of its own on an empty folder. Raises NotRun where COMFYUI_PATH names none."""
    checkout = _checkout()
    base, url_port = folder / "comfyui", free_port()
    for name in ("custom_nodes", "models", "input", "output", "user", "temp"):
        (base / name).mkdir(parents=True, exist_ok=True)
    link = base / "custom_nodes" / LINK
    if not link.is_symlink():
        link.symlink_to(ROOT, target_is_directory=True)
    flags = f"--cpu --listen 127.0.0.1 --port {url_port} --disable-auto-launch --preview-method none"
    folders = ["--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
    quiet = {"HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1", "PYTHONUNBUFFERED": "1", **more}
    env = environment(MINTMARK_SANDBOX="1", MINTMARK_SANDBOX_URL=sandbox_url, **quiet)
    command = [interpreter(checkout), "main.py", *flags.split(), *folders]
    url = f"http://127.0.0.1:{url_port}"
    with serving(command, url, ("/system_stats", str(base)), folder / "comfyui.log", env, cwd=checkout) as server:
        yield server


def _checkout() -> Path:
    named = os.environ.get("COMFYUI_PATH")
    if not named:
        raise NotRun("COMFYUI_PATH is not set")
    if not (Path(named) / "main.py").is_file():
        raise NotRun("COMFYUI_PATH names no ComfyUI checkout")
    return Path(named)


def interpreter(checkout: Path) -> str:
    """The Python that ComfyUI is installed for: COMFYUI_PYTHON, or the ``venv`` beside the checkout, or this one."""
    beside = checkout.parent / "venv" / "bin" / "python"
    return os.environ.get("COMFYUI_PYTHON") or (str(beside) if beside.exists() else sys.executable)
