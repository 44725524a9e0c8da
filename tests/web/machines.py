"""The processes a browser test needs: a sandbox of the providers, and a real ComfyUI with the pack."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import mintmark
from mintmark.providers.keys import VARIABLES

ROOT = Path(mintmark.__file__).parent
START_S = 180
_GATEWAYS = "openai={0}/openai/v1,fal={0}/fal/queue,replicate={0}/replicate/v1,bfl={0}/bfl/v1,stability={0}/stability"


@dataclass(frozen=True)
class Comfy:
    """A ComfyUI that runs in live mode, with the sandbox in the place of every provider: keys and prices are real."""

    url: str
    sandbox_url: str
    keys: Path
    """The file that kept keys go to."""
    log: Path


@contextmanager
def sandbox(folder: Path, latency_s: float) -> Iterator[str]:
    """The sandbox's URL."""
    port = _free_port()
    serve = f"import sys; sys.argv = ['mintmark', 'sandbox', '--port', '{port}', '--latency', '{latency_s}']"
    command = [sys.executable, "-P", "-c", f"{serve}; from mintmark.cli import main; main()"]
    url = f"http://127.0.0.1:{port}"
    with _process(command, folder / "sandbox.log", f"{url}/_sandbox/health"):
        yield url


@contextmanager
def comfyui(folder: Path, sandbox_url: str) -> Iterator[Comfy]:
    """A ComfyUI without any key, whose user's data are in ``folder``."""
    port, base = _free_port(), folder / "comfyui"
    for name in ("custom_nodes", "models", "input", "output", "user", "temp"):
        (base / name).mkdir(parents=True)
    (base / "custom_nodes" / "mintmark").symlink_to(ROOT, target_is_directory=True)
    profile = base / "user" / "default"
    profile.mkdir()
    # Not a first visit: nothing welcomes and nothing is in the way.
    (profile / "comfy.settings.json").write_text(json.dumps({"Comfy.TutorialCompleted": True}))
    flags = f"--cpu --listen 127.0.0.1 --port {port} --disable-auto-launch --preview-method none --disable-api-nodes"
    folders = ["--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
    command = [_interpreter(), "main.py", *flags.split(), *folders]
    log, url = folder / "comfyui.log", f"http://127.0.0.1:{port}"
    options = {"cwd": os.environ["COMFYUI_PATH"], "env": _environment(folder, sandbox_url)}
    with _process(command, log, f"{url}/system_stats", **options):
        yield Comfy(url, sandbox_url, folder / "mintmark" / "keys.json", log)


def _environment(folder: Path, sandbox_url: str) -> dict[str, str]:
    keys = {variable for variables in VARIABLES.values() for variable in variables}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MINTMARK_") and name not in keys and name != "PYTHONPATH"
    }
    return {
        **inherited,
        "MINTMARK_PROVIDER_URLS": _GATEWAYS.format(sandbox_url),
        # Kept keys go where the user's data are; the keyring of whoever runs the tests is left alone.
        "XDG_DATA_HOME": str(folder),
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
        "HF_HUB_OFFLINE": "1",
        "DO_NOT_TRACK": "1",
    }


def _interpreter() -> str:
    beside = Path(os.environ["COMFYUI_PATH"]).parent / "venv" / "bin" / "python"
    return os.environ.get("COMFYUI_PYTHON") or (str(beside) if beside.exists() else sys.executable)


@contextmanager
def _process(command: list[str], log: Path, answers_at: str, **options: Any) -> Iterator[None]:
    with log.open("wb") as out:
        started = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, **options)
        try:
            _wait_for(answers_at, started, log)
            yield
        finally:
            started.terminate()
            try:
                started.wait(10)
            except subprocess.TimeoutExpired:
                started.kill()
                started.wait(10)


def _wait_for(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and running.poll() is None:
        try:
            with urlopen(url, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"{url} never answered:\n{log.read_text(errors='replace')[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
