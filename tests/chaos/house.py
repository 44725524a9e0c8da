"""The service and what it needs as processes of their own: a sandbox whose books outlive everything, and a runner."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mintmark.client import Client
from mintmark.errors import MintmarkError
from mintmark.tests.acceptance.conftest import Server, clean_environment, mintmark
from mintmark.tests.comfyui.conftest import free_port

READY_S = 180.0


@dataclass
class House:
    """``folder`` holds all of it; ``webhook_url`` is told of every job."""

    folder: Path
    more: tuple[str, ...] = ()
    """Further arguments of ``mintmark serve``."""
    latency_s: float = 0.1
    """What a generation takes."""
    port: int = field(default_factory=free_port)
    starts: int = 0

    def open(self) -> None:
        """Start the sandbox, then the service."""
        self.sandbox = Server(
            *("sandbox", "--latency", self.latency_s, "--state", self.folder / "truth.jsonl"),
            env=clean_environment(),
            log=self.folder / "sandbox.log",
        )
        self.env = clean_environment(
            MINTMARK_DATA_DIR=str(self.folder / "data"),
            MINTMARK_SANDBOX="1",
            MINTMARK_SANDBOX_URL=self.sandbox.url,
            MINTMARK_SERVICE_ALLOW_PRIVATE_TARGETS="1",
            MINTMARK_SERVICE_LOG_LEVEL="info",
        )
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the service, at the same address as before."""
        self.starts += 1
        log = (self.folder / f"service-{self.starts}.log").open("wb")
        self.service = subprocess.Popen(
            mintmark("serve", "--port", self.port, "--json", *self.more), env=self.env, stdout=log, stderr=log
        )
        log.close()

    async def ready(self) -> None:
        """Wait until it takes jobs."""
        until = time.monotonic() + READY_S
        async with Client(self.url) as client:
            while True:
                with suppress(MintmarkError):
                    await client._line.json("GET", "/readyz")
                    return
                assert time.monotonic() < until, (self.folder / f"service-{self.starts}.log").read_text()[-4000:]
                assert self.service.poll() is None, (self.folder / f"service-{self.starts}.log").read_text()[-4000:]
                await asyncio.sleep(0.1)

    def runners(self) -> list[int]:
        """The process ids of the runners that the service started."""
        return [pid for pid in _children(self.service.pid) if b"runner" in _command(pid)]

    def kill_service(self) -> None:
        """SIGKILL; what it started must notice by itself."""
        self.service.kill()
        self.service.wait(30)

    def kill_runner(self) -> bool:
        """SIGKILL one of its runners; whether there was one."""
        for pid in self.runners():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                return True
        return False

    def close(self) -> None:
        """Stop in order: the service, then the sandbox."""
        self.service.send_signal(signal.SIGTERM)
        try:
            self.service.wait(30)
        except subprocess.TimeoutExpired:
            self.kill_service()
        self.sandbox.stop()

    def ledger(self) -> list[dict[str, Any]]:
        """Every call in the books."""
        ran = subprocess.run(
            mintmark("ledger", "list", "--limit", "100000", "--json"), env=self.env, capture_output=True, check=True
        )
        return list(json.loads(ran.stdout))

    def sums(self) -> dict[str, Any]:
        """The books in one line."""
        ran = subprocess.run(mintmark("ledger", "sum", "--json"), env=self.env, capture_output=True, check=True)
        return dict(json.loads(ran.stdout))


def _children(pid: int) -> Iterator[int]:
    # Each thread has its own.
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            yield from map(int, file.read_text().split())


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
