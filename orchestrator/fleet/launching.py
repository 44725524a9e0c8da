"""A ComfyUI that comfy-cli launches, held by us: it answers before it is said to run, and nothing of it is left."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import aiohttp
from typing_extensions import Self

from ... import log
from ...errors import WorkerUnreachable
from ...storage.files import translated
from .bounds import ANSWER_S
from .comfy_cli import KEPT

logger = log.get("orchestrator.launching")

ANSWERS_S = 300.0
"""How long a ComfyUI may take until it answers, in seconds: its nodes are loaded first."""
ASK_EVERY_S = 0.25
END_S = 6.0
"""How long it may take to end when it is asked to, in seconds; then it is killed. Whoever holds us waits longer."""
_PROC = Path("/proc")


class Launched:
    """One ComfyUI. Entered, it answers at ``url``; left, it and all it started is gone. ``folder`` is its own: whatever
    still runs with it from before is ended first."""

    def __init__(self, command: Sequence[str], *, url: str, folder: Path, env: Mapping[str, str]) -> None:
        self._command, self.url, self._folder, self._env = command, url, folder, env
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(end_leftovers, self._folder)
        await asyncio.to_thread(_make, self._folder)
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=2,  # its log is ours, and our standard output says one thing only
            stderr=2,
            env=dict(self._env),
            # A group of its own: comfy-cli starts ComfyUI as its child, and both are to end.
            start_new_session=os.name != "nt",
        )
        try:
            await self._until_it_answers()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    async def ended(self) -> int:
        """Wait until it has ended by itself; how."""
        assert self._process is not None  # noqa: S101 - it is entered
        return await self._process.wait()

    async def _until_it_answers(self) -> None:
        assert self._process is not None  # noqa: S101
        until = time.monotonic() + ANSWERS_S
        while time.monotonic() < until:
            if self._process.returncode is not None:
                raise WorkerUnreachable(
                    f"comfy-cli ended ({self._process.returncode}) before ComfyUI answered.", hint="See above why."
                )
            if await answers(self.url):
                return
            await asyncio.sleep(ASK_EVERY_S)
        raise WorkerUnreachable(f"ComfyUI has not answered for {ANSWERS_S:g} s.", hint="Its log says how far it came.")

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        _tell(process.pid, signal.SIGTERM)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), END_S)
        # comfy-cli may be gone before its child is.
        _tell(process.pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        await process.wait()
        await asyncio.to_thread(end_leftovers, self._folder)


async def held(launched: Launched, stop: asyncio.Event, up: Callable[[], None]) -> int:
    """Run it until it is to ``stop`` (0) or has ended by itself (its exit code, or 1); ``up`` is called once it
    answers. Raises WorkerUnreachable where it never does."""

    async def run() -> int:
        async with launched:
            up()
            return await launched.ended()

    running, stopping = asyncio.create_task(run(), name="launched"), asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait((running, stopping), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        stopping.cancel()
        return running.result() or 1
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return 0


async def answers(url: str) -> bool:
    """Whether a ComfyUI answers there now."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_S)) as session:
        try:
            async with session.get(f"{url}/system_stats") as reply:
                return reply.status == 200
        except (aiohttp.ClientError, asyncio.TimeoutError):
            return False


def free_port() -> int:
    """A port of this machine at which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether nobody listens there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def end_leftovers(folder: Path) -> int:
    """Kill what still runs with this folder because whoever held it was killed; how many processes. Where processes
    cannot be looked up (elsewhere than on Linux) it is none: then the port is taken, and another one is used."""
    found = list(_running_with(folder))
    for pid in found:
        logger.warning("Process %d is left from before; it is ended", pid, extra=log.action("leftover_ended"))
        with suppress(OSError):
            os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    return len(found)


def _make(folder: Path) -> None:
    with translated(folder):
        for name in KEPT:
            (folder / name).mkdir(parents=True, exist_ok=True)


def _running_with(folder: Path) -> Iterator[int]:
    mark = f"--user-directory={folder / 'user'}".encode()
    for each in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if mark in (each / "cmdline").read_bytes().split(b"\0") and int(each.name) != os.getpid():
                yield int(each.name)


def _tell(pid: int, what: int) -> None:
    with suppress(OSError):
        if os.name == "nt":
            os.kill(pid, what)
        else:
            os.killpg(pid, what)
