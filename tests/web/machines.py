"""The processes a browser test needs: a sandbox of the providers, and a real ComfyUI with the pack."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import mintmark
from mintmark.providers.keys import VARIABLES
from mintmark.tests.comfyui.processes import free_port, interpreter, process, wait_for

ROOT = Path(mintmark.__file__).parent
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
    port = free_port()
    serve = f"import sys; sys.argv = ['mintmark', 'sandbox', '--port', '{port}', '--latency', '{latency_s}']"
    command = [sys.executable, "-P", "-c", f"{serve}; from mintmark.cli import main; main()"]
    url = f"http://127.0.0.1:{port}"
    log = folder / "sandbox.log"
    with process(command, log) as running:
        wait_for(f"{url}/_sandbox/health", running, log)
        yield url


@contextmanager
def comfyui(folder: Path, sandbox_url: str) -> Iterator[Comfy]:
    """A ComfyUI without any key, whose user's data are in ``folder``."""
    port, base = free_port(), folder / "comfyui"
    for name in ("custom_nodes", "models", "input", "output", "user", "temp"):
        (base / name).mkdir(parents=True)
    (base / "custom_nodes" / "mintmark").symlink_to(ROOT, target_is_directory=True)
    profile = base / "user" / "default"
    profile.mkdir()
    # Not a first visit: nothing welcomes and nothing is in the way.
    (profile / "comfy.settings.json").write_text(json.dumps({"Comfy.TutorialCompleted": True}))
    flags = f"--cpu --listen 127.0.0.1 --port {port} --disable-auto-launch --preview-method none --disable-api-nodes"
    folders = ["--base-directory", str(base), "--database-url", "sqlite:///:memory:"]
    command = [interpreter(), "main.py", *flags.split(), *folders]
    log, url = folder / "comfyui.log", f"http://127.0.0.1:{port}"
    options = {"cwd": os.environ["COMFYUI_PATH"], "env": _environment(folder, sandbox_url)}
    with process(command, log, **options) as running:
        wait_for(f"{url}/system_stats", running, log)
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
