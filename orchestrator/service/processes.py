"""The processes beside the service: the sandbox where it plays, then its runners and the ComfyUIs that it launches; and
the lines to all workers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

from aiohttp import DefaultResolver
from typing_extensions import Self

from ... import log
from ...config import Settings
from ..dispatch.side_tasks import stopped
from ..dispatch.supervise import Program, Supervised
from ..dispatch.worker import Worker, own_name
from ..fleet.launching import ANSWERS_S, answers, free_port
from ..link.client import WorkerLink
from ..webhooks.targets import GuardedConnector
from .settings import ServiceSettings

logger = log.get("orchestrator.processes")

_LONGEST_BOOKS = 4 * 1024 * 1024
"""Bytes of the sandbox's books beyond which they are begun anew: play money needs no archive."""
FROZEN_S = 60.0
"""A launched ComfyUI that has not answered for so long, in seconds, and still runs, is started again."""
_RESTARTED = frozenset({"prompt_thread", "memory"})
"""Faults that starting a ComfyUI again mends."""
LAUNCH_S = ANSWERS_S + 30.0
"""How long a ComfyUI may take until comfy-cli has it answering, in seconds."""
_NOT_PASSED_ON = ("MINTMARK_LEDGER_URL",)
"""No worker ever reaches the database."""


class Processes:
    """``settings`` name the sandbox once this is entered."""

    def __init__(self, settings: Settings, service: ServiceSettings, env: Mapping[str, str]) -> None:
        self.settings = settings
        self._service = service
        self._env = {name: value for name, value in env.items() if name not in _NOT_PASSED_ON}
        self._folder = settings.books_dir / "service"
        self._supervised: list[Supervised] = []
        self._runners: list[Supervised] = []
        self._comfyuis: list[Supervised] = []
        self._healing: set[asyncio.Task[None]] = set()
        self._links: dict[str, WorkerLink] = {}
        self.links: list[WorkerLink] = []
        """The lines to all workers that were asked for, to be opened."""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            sandbox = None
            if self.settings.sandbox and self.settings.sandbox_url is None:
                sandbox = await self._started(stack, await asyncio.to_thread(self._sandbox))
                self.settings = self.settings.with_(sandbox_url=sandbox.url)
            programs = [self._runner(number + 1) for number in range(self._service.runners)]
            self._runners = list(await asyncio.gather(*(self._started(stack, each, sandbox) for each in programs)))
            for gpu in dict.fromkeys(self._service.launch):
                await self._launched(stack, gpu)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await stopped(self._healing)
        await self._stack.__aexit__(kind, error, trace)

    async def _started(self, stack: AsyncExitStack, program: Program, asks: Supervised | None = None) -> Supervised:
        supervised = Supervised(program, moved=lambda url: self._moved(program.name, url), asks=asks)
        self._supervised.append(supervised)
        return await stack.enter_async_context(supervised)

    async def _launched(self, stack: AsyncExitStack, gpu: str) -> None:
        """Begun and not waited for: a ComfyUI takes its time, and what can run without it need not wait."""
        program = self._comfyui(gpu)
        url = f"http://127.0.0.1:{await asyncio.to_thread(port_of, program.folder)}"
        logger.info(
            "ComfyUI is launched on %s: mintmark %s", gpu, " ".join(program.args), extra=log.action("worker_launched")
        )
        moved = partial(self._moved, program.name)
        supervised = Supervised(program, moved=moved, eager=False, url=url)
        self._supervised.append(supervised)
        self._comfyuis.append(await stack.enter_async_context(supervised))

    def _moved(self, name: str, url: str) -> None:
        if name in self._links:
            self._links[name].move(url)

    async def watch(self) -> None:
        """Wait until keeping one of them alive fails, and raise why."""
        if not self._supervised:
            await asyncio.Event().wait()
        await asyncio.gather(*(each.watch() for each in self._supervised))

    # -- what is started ----------------------------------------------------------------------------------------------

    def _sandbox(self) -> Program:
        folder = self._folder / "sandbox"
        books = folder / "books.jsonl"
        if books.exists() and books.stat().st_size > _LONGEST_BOOKS:
            books.unlink()
        folder.mkdir(parents=True, exist_ok=True)
        return Program(name="sandbox", args=("sandbox", "--state", str(books)), folder=folder, env=self._env)

    def _runner(self, number: int) -> Program:
        folder = self._folder / f"runner-{number}"
        args = ("runner", "--base-dir", str(folder / "base"), "--db", str(folder / "queue.sqlite3"))
        return Program(name=f"runner-{number}", args=args, folder=folder, env={**self._env, **self._settings_of_own()})

    def _comfyui(self, gpu: str) -> Program:
        folder = self._folder / f"comfyui-{word_of(gpu)}"
        workspace = self._service.comfyui or self.settings.books_dir / "comfyui"
        more = (word for each in self._service.launch_args for word in ("--arg", each))
        args = ("comfyui", "--workspace", str(workspace), "--gpu", gpu, "--base-dir", str(folder / "base"), *more)
        # Its books are its own: it is no runner that shares ours.
        env = {**self._env, **self._settings_of_own(), "MINTMARK_DATA_DIR": str((folder / "data").absolute())}
        return Program(name=folder.name, args=args, folder=folder, env=env, start_s=LAUNCH_S)

    def _settings_of_own(self) -> dict[str, str]:
        """The settings that were decided here, flags among them, as the environment says them."""
        told = {
            "MINTMARK_DATA_DIR": str(Path(self.settings.data_dir).absolute()),
            "MINTMARK_SANDBOX": "1" if self.settings.sandbox else "0",
            "MINTMARK_SERVICE_LOG_FORMAT": self._service.log_format,
            "MINTMARK_SERVICE_LOG_LEVEL": self._service.log_level,
        }
        if self.settings.sandbox_url is not None:
            told["MINTMARK_SANDBOX_URL"] = self.settings.sandbox_url
        return told

    # -- lines to them ------------------------------------------------------------------------------------------------

    def workers(self, journal_id: str) -> list[Worker]:
        """The own runners as workers; their links are not open yet."""
        found = []
        for number, runner in enumerate(self._runners, start=1):
            link = self._links[runner.program.name] = self._link(runner.url)
            found.append(Worker(own_name(number, journal_id), link, shared=True))
        for comfyui in self._comfyuis:
            link = self._links[comfyui.program.name] = self._link(comfyui.url)
            found.append(Worker(f"{comfyui.program.name}.{journal_id[:8]}", link, source="own"))
        return found

    def worker(self, url: str, *, shared: bool = False) -> Worker:
        """The worker at a URL; its link is not open yet."""
        link = self._link(url if "://" in url else f"http://{url}")
        return Worker(link.url, link, shared=shared)

    def line(self, url: str) -> WorkerLink:
        """A link to a worker that was added while the service runs; who asks for it opens it. Where the name in its URL
        leads is looked at whenever it is connected to."""
        return self._made(url, connector=lambda: GuardedConnector(allow_private=True, resolver=DefaultResolver()))

    def _made(self, url: str, **more: Any) -> WorkerLink:
        return WorkerLink(url, token=self.settings.worker_token, stuck_s=self.settings.stuck_s, **more)

    def heal(self, name: str, reason: str) -> None:
        """A worker was found at fault. A ComfyUI that was launched here is started again where that helps: at once
        where it cannot run prompts, and where it has not answered for long: then it is frozen."""
        own = self.own(name)
        if own is None or own not in self._comfyuis:
            return
        if reason in _RESTARTED:
            own.restart()
        elif reason == "unreachable":
            task = asyncio.create_task(self._unfreeze(own, own.starts), name=f"unfreezing {name}")
            self._healing.add(task)
            task.add_done_callback(self._healing.discard)

    async def _unfreeze(self, own: Supervised, starts: int) -> None:
        await asyncio.sleep(FROZEN_S)
        if own.starts == starts and own.pid is not None and not await answers(own.url):
            logger.warning("%s is frozen; it is started again", own.program.name, extra=log.action("process_frozen"))
            own.restart()

    def own(self, name: str) -> Supervised | None:
        """The process of a worker that was started here, by the worker's name; None of any other worker."""
        program = name.rpartition(".")[0]
        return next((each for each in (*self._runners, *self._comfyuis) if each.program.name == program), None)

    def log_of(self, name: str) -> Path | None:
        """The log file of a worker that was started here; None of any other."""
        found = self.own(name)
        return found.program.folder / "log" if found is not None else None

    def _link(self, url: str) -> WorkerLink:
        link = self._made(url)
        self.links.append(link)
        return link


def port_of(folder: Path) -> int:
    """The port that a process of this folder is to have: the one that it had last, else a free one. Blocks."""
    file = folder / "port"
    with suppress(OSError, ValueError):
        return int(file.read_text("ascii"))
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    file.write_text(str(port), "ascii")
    return port


def word_of(gpu: str) -> str:
    """A GPU as a part of a name."""
    return re.sub(r"[^a-z0-9-]+", "-", gpu.lower())[:40].strip("-") or "gpu"
