"""What the runner offers to the node pack it hosts, the same as the pack finds in ComfyUI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from aiohttp import web

from . import computers, context
from .images import LazyImage
from .models import ModelFiles
from .named import Named
from .paths import Paths
from .socket import Fanout

if TYPE_CHECKING:
    from .images import Pixels

T = TypeVar("T")


class RunnerHost:
    """The host of a pack in the runner. ``routes`` collects what the pack serves; it is read once, after loading."""

    kind: Literal["comfyui", "runner"] = "runner"

    def __init__(self, paths: Paths, fanout: Fanout, loop: asyncio.AbstractEventLoop) -> None:
        self.input_dir: Path = paths.input
        self.output_dir: Path = paths.output
        self.temp_dir: Path = paths.temp
        self.user_dir: Path = paths.user
        self.files = ModelFiles(paths.models)
        self.routes = web.RouteTableDef()
        self.loop = loop
        self._fanout = fanout
        self.count_waiting: Callable[[], int] | None = None
        """How many prompts wait: the server says so once it has a queue."""
        self.named = Named()
        self._free: list[Callable[[], object]] = []

    def executing(self) -> tuple[str, str] | None:
        """(prompt id, node id) of what executes here and now, also within ``fingerprint_inputs``; None outside."""
        now = context.executing.get()
        return None if now is None else (now.prompt_id, now.node_id)

    def graph(self) -> Mapping[str, Any]:
        """The graph of the prompt that executes here and now; nothing outside."""
        now = context.executing.get()
        return {} if now is None else now.graph

    def client_id(self) -> str | None:
        """The client that submitted what executes here and now."""
        now = context.executing.get()
        return None if now is None else now.client_id

    def send(self, event: str, data: dict[str, Any], client_id: str | None) -> None:
        """Send a websocket event to one client, from any thread. Without a client nobody hears it."""
        if client_id is None:
            return
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self.loop:
            self._fanout.send(event, data, client_id)
        else:
            self.loop.call_soon_threadsafe(self._fanout.send, event, data, client_id)

    def image(self, shape: tuple[int, int, int, int], kept_bytes: int, decode: Callable[[], Pixels]) -> LazyImage:
        """An IMAGE of this shape ``[B, H, W, C]`` whose pixels are made by ``decode`` when a node uses them.

        ``kept_bytes`` is what it holds until then; ``decode`` gives float32, in any thread, more than once.
        """
        return LazyImage(shape, kept_bytes, decode)

    def interrupted(self) -> bool:
        """Whether the prompt that executes here and now was stopped; for work that cannot be canceled."""
        now = context.executing.get()
        return bool(now is not None and now.stopped)

    def stop_node(self) -> None:
        """End the calling node as interrupted, where it was; returns otherwise."""
        if self.interrupted():
            raise asyncio.CancelledError

    async def compute(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, done in the one thread for that: a device has memory for one at a time. Plain nodes
        have another thread, so nobody waits for it who does not compute.

        Raises:
            Exception: whatever ``work`` raises.
        """
        from ..nodes.host_computing import computed

        return await computed(work, self._computing.submit)

    @cached_property
    def _computing(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="mintmark-local")

    def call_to_free(self, free: Callable[[], object]) -> None:
        """From now on ``free`` is called, in a thread, when a client asks for the memory of models (``POST /free``)."""
        self._free.append(free)

    def let_go(self) -> None:
        """Have the pack free the models that it holds."""
        for free in self._free:
            free()

    def close(self) -> None:
        """Take nothing more to compute; what runs ends at its next step, as its prompt is over."""
        if "_computing" in self.__dict__:
            self._computing.shutdown(wait=False, cancel_futures=True)

    def prompt_thread_alive(self) -> bool | None:
        """Always: prompts are worked on by the loop that would answer this question."""
        return True

    def model_folder(self, name: str) -> Path | None:
        """The folder of this kind below the models folder, there yet or not; None for what names no kind."""
        return self.files.folder(name)

    def model_folders(self, name: str) -> tuple[Path, ...]:
        """The same, as all there are."""
        folder = self.model_folder(name)
        return (folder,) if folder else ()

    def models(self) -> tuple[tuple[str, ...], bool]:
        """None, and that is sure: no node of the runner's own loads any. The pack adds what it holds itself."""
        return (), True

    def waiting(self) -> int | None:
        """Prompts that wait for a place; None before there is a queue."""
        return self.count_waiting() if self.count_waiting is not None else None

    def has_model(self, name: str) -> bool:
        """Whether a file of this name, with or without its folder, is in the models folder."""
        return self.files.has(name)

    def only_its(self, job_id: str, files: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
        """Those of a job's files that no other prompt names. From here on this one names none, either: of two that are
        forgotten at a time the later one has their common file."""
        self.named.let_go(job_id)
        return [each for each in files if not self.named.is_named((each["type"], each["subfolder"], each["filename"]))]

    def output_types(self, class_type: str) -> tuple[str, ...] | None:
        """None: the palette is fixed, and the pack knows what each of its nodes does."""
        return None

    def devices(self) -> list[dict[str, Any]]:
        """As ``/system_stats`` tells them: GPUs where torch is here to use them, else the CPU."""
        names = ("name", "type", "vram_total", "vram_free")
        return [{name: device[name] for name in names} for device in computers.devices()]
