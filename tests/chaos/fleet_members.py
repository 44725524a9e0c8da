"""The workers of a fleet as processes that can be killed, frozen and started again at the same address."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import mintmark
from mintmark.tests.comfyui.processes import free_port, interpreter, tail

PACK = Path(__file__).with_name("fleet_pack")
READY_S = 600.0
"""A ComfyUI takes minutes to start where much else runs."""


@dataclass
class Member:
    """One worker. ``line`` is where the service finds it: its own address, or that of a proxy before it."""

    name: str
    folder: Path
    env: dict[str, str]
    line: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.line = self.url
        self.env = {**self.env, "MINTMARK_DATA_DIR": str(self.folder / "data")}

    def command(self) -> list[str]:
        module = f"{__package__}.fleet_runner"
        return [sys.executable, "-m", module, str(self.port), str(self.folder / "base"), str(self.folder / "queue.db")]

    @property
    def where(self) -> Path | None:
        """The folder that it is started in."""
        return None

    def start(self) -> None:
        """Start it; it may take a while until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), env=self.env, cwd=self.where, stdout=log, stderr=log)

    def ready(self) -> None:
        """Wait until it answers."""
        until = time.monotonic() + READY_S
        while True:
            with suppress(OSError), urllib.request.urlopen(f"{self.url}/mintmark/worker", timeout=5):
                return
            assert self.process.poll() is None and time.monotonic() < until, tail(self.folder / "log")
            time.sleep(0.2)

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait(30)

    def freeze(self) -> None:
        """SIGSTOP: it keeps its sockets and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """In order, and then not."""
        if self.process.poll() is not None:
            return
        self.thaw()
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


class ComfyMember(Member):
    """A real ComfyUI with the pack and the nodes of the storm linked in."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("custom_nodes", "models", "input", "output", "user", "temp"):
            (self.folder / "base" / name).mkdir(parents=True)
        root = Path(mintmark.__file__).parent
        (self.folder / "base" / "custom_nodes" / "mintmark").symlink_to(root, target_is_directory=True)
        (self.folder / "base" / "custom_nodes" / "fleet_pack").symlink_to(PACK, target_is_directory=True)
        self.env = {**self.env, "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}
        self.env.pop("PYTHONPATH", None)

    @property
    def where(self) -> Path | None:
        return Path(os.environ["COMFYUI_PATH"])

    def command(self) -> list[str]:
        flags = f"--cpu --listen 127.0.0.1 --port {self.port} --disable-auto-launch --preview-method none"
        folders = ["--base-directory", str(self.folder / "base"), "--database-url", "sqlite:///:memory:"]
        return [interpreter(), "main.py", *flags.split(), *folders]
