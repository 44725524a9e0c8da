"""Processes that the service starts itself and keeps alive: its runners, and the sandbox where it plays.

Each holds a pipe from us: when we die, however that is, the pipe ends, and so does it; one that others ask once they
have ended, too, because they hold its pipe with us. One that dies is started again, after a pause that grows while it
keeps dying, on the port that it had: whoever speaks with it only sees it pause.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from typing_extensions import Self

from ... import log
from ...errors import WorkerUnreachable
from ...storage.files import translated, write_atomic
from .side_tasks import SideTasks

logger = log.get("orchestrator.supervise")

START_S = 60.0
"""How long a process may take to say where it listens, in seconds."""
STOP_S = 30.0
"""How long it may take to stop in order, in seconds: more than a runner waits for the answers to what it asked."""
STOP = b"stop\n"
"""What is said on its pipe before that is closed in order; without it, the process knows that we died."""
PATIENCE_S = 45.0
"""How long its first start is tried, in seconds."""
FIRST_PAUSE_S, LAST_PAUSE_S = 0.2, 30.0
STEADY_S = 30.0
"""One that lived for so long, in seconds, did not die of its start."""
_MAIN = f"from {__package__.partition('.')[0]}.cli import main; main()"


@dataclass(frozen=True, kw_only=True)
class Program:
    """``args`` of ``mintmark``; it must print ``{"url": …}`` as its first line and end with its standard input.

    ``folder`` keeps its port and its log. ``env`` is the whole environment. ``start_s``: how long it may take to say
    where it listens, in seconds.
    """

    name: str
    args: Sequence[str]
    folder: Path
    env: Mapping[str, str]
    start_s: float = START_S


class Supervised:
    """One process. Entered, it runs; ``moved`` is told its URL where it is another one than before. ``asks`` is another
    one that must outlive it, because it finishes what it asked there. Not ``eager``, it is begun in the background,
    however long that takes and however often it fails; ``url`` is where it is thought to be then."""

    def __init__(
        self,
        program: Program,
        *,
        moved: Callable[[str], None] = lambda url: None,
        patience_s: float = PATIENCE_S,
        asks: Supervised | None = None,
        eager: bool = True,
        url: str = "",
    ) -> None:
        self.program = program
        self._eager = eager
        self._asks = asks
        self._patience_s = patience_s
        self.url = url
        self.starts = 0
        self._ordered = False
        """Whether it is to end, to be started again."""
        self._moved = moved
        self._process: asyncio.subprocess.Process | None = None
        self._side = SideTasks()

    async def __aenter__(self) -> Self:
        try:
            if self._eager:
                await self._start_patiently()
        except BaseException:
            await self._stop()
            raise
        self._side.start(self._keep(), f"keeping {self.program.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._side.close()
        await self._stop()

    @property
    def pid(self) -> int | None:
        """The process that runs now; None while there is none."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    def pipe(self) -> tuple[int, ...]:
        """Our end of its pipe, to be held by another process; nothing where there is none, or it cannot be held."""
        if self.pid is None or self._process is None or self._process.stdin is None or os.name == "nt":
            return ()
        return (self._process.stdin.get_extra_info("pipe").fileno(),)

    def restart(self) -> bool:
        """Have it end in order and begin again; whether there is one that runs."""
        process = self._process
        if process is None or process.returncode is not None or process.stdin is None:
            return False
        self._ordered = True
        with suppress(OSError):  # dead by now, so it is started again anyway
            process.stdin.write(STOP)
        process.stdin.close()
        asyncio.get_running_loop().call_later(STOP_S, _kill, process)
        return True

    async def watch(self) -> None:
        """Wait until keeping it alive fails, and raise why."""
        await self._side.watch()

    async def _keep(self) -> None:
        """Start it again whenever it has died."""
        pause_s = FIRST_PAUSE_S
        while True:
            began = time.monotonic()
            if self._process is not None:
                code = await self._process.wait()
                if self._ordered:
                    began, self._ordered = float("-inf"), False
                    logger.info("%s is started again", self.program.name, extra=log.action("process_restarted"))
                else:
                    logger.error("%s died (%d)", self.program.name, code, extra=log.action("process_died"))
            pause_s = FIRST_PAUSE_S if time.monotonic() - began >= STEADY_S else min(pause_s * 2, LAST_PAUSE_S)
            await asyncio.sleep(pause_s)
            with suppress(WorkerUnreachable):  # said in the log; tried again
                await self._start()

    async def _start_patiently(self) -> None:
        """The one of a service that was killed may still hold its files, to finish what it has asked."""
        until = time.monotonic() + self._patience_s
        while True:
            try:
                return await self._start()
            except WorkerUnreachable:
                if time.monotonic() > until:
                    raise
            logger.warning("%s does not start yet", self.program.name, extra=log.action("process_waits"))
            await asyncio.sleep(FIRST_PAUSE_S)

    async def _start(self) -> None:
        await self._stop()
        # The port that it had may be taken by now. Then any other does.
        for port in dict.fromkeys((self._port(), 0)):
            if await self._begin(port):
                return
        raise WorkerUnreachable(
            f"{self.program.name} does not start.", hint=f"Its log says why: {self.program.folder / 'log'}"
        )

    async def _begin(self, port: int) -> bool:
        program = self.program
        await asyncio.to_thread(_make, program.folder)
        with (program.folder / "log").open("ab") as told:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", _MAIN, *program.args, "--port", str(port), "--json", "--with-parent"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=told,
                env=dict(program.env),
                pass_fds=self._asks.pipe() if self._asks is not None else (),
                # Ctrl-C is meant for us: we stop it in order.
                start_new_session=os.name != "nt",
            )
        self.starts += 1
        url = await self._told(self._process)
        if url is None:
            await self._stop()
            return False
        logger.info("%s runs at %s", program.name, url, extra=log.action("process_started", pid=self._process.pid))
        await asyncio.to_thread(write_atomic, program.folder / "port", url.rpartition(":")[2].encode())
        if url != self.url:
            self.url = url
            self._moved(url)
        return True

    async def _told(self, process: asyncio.subprocess.Process) -> str | None:
        """The URL that it prints; None where it ends or says nothing."""
        assert process.stdout is not None  # noqa: S101 - it was asked for above
        text = b""
        try:
            while not text.rstrip().endswith(b"}"):
                line = await asyncio.wait_for(process.stdout.readline(), self.program.start_s)
                if not line:
                    return None
                text += line
            return str(json.loads(text)["url"])
        except (asyncio.TimeoutError, ValueError, KeyError):
            return None

    async def _stop(self) -> None:
        """Let go of its pipe, on which it stops in order, and wait; then end it."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            with suppress(OSError):  # dead already
                process.stdin.write(STOP)
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except asyncio.TimeoutError:
            _kill(process)
            await process.wait()
        await _to_the_last(process)

    def _port(self) -> int:
        """The one that it had last; 0 where it had none."""
        with suppress(OSError, ValueError):
            port = int((self.program.folder / "port").read_text("ascii"))
            return port if 1024 <= port <= 65535 else 0
        return 0


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.kill()


async def _to_the_last(process: asyncio.subprocess.Process) -> None:
    """Read what it left in its pipe, so that both ends are closed and not only forgotten."""
    if process.stdout is not None:
        with suppress(asyncio.TimeoutError):  # something that it started may hold it open
            await asyncio.wait_for(process.stdout.read(), 1.0)
    if process.stdin is not None:
        with suppress(OSError):
            await process.stdin.wait_closed()


def _make(folder: Path) -> None:
    with translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
