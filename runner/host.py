"""What the runner offers to the node pack it hosts, the same as the pack finds in ComfyUI."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aiohttp import web

from . import context, system
from .images import LazyImage
from .paths import Paths
from .socket import Fanout

if TYPE_CHECKING:
    from .images import Pixels


class RunnerHost:
    """The host of a pack in the runner. ``routes`` collects what the pack serves; it is read once, after loading."""

    kind: Literal["comfyui", "runner"] = "runner"

    def __init__(self, paths: Paths, fanout: Fanout, loop: asyncio.AbstractEventLoop) -> None:
        self.input_dir: Path = paths.input
        self.output_dir: Path = paths.output
        self.temp_dir: Path = paths.temp
        self.user_dir: Path = paths.user
        self.routes = web.RouteTableDef()
        self.loop = loop
        self._fanout = fanout
        self.count_waiting: Callable[[], int] | None = None
        """How many prompts wait: the server says so once it has a queue."""

    def executing(self) -> tuple[str, str] | None:
        """(prompt id, node id) of what executes here and now, also within ``fingerprint_inputs``; None outside."""
        now = context.executing.get()
        return None if now is None else (now.prompt_id, now.node_id)

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

    def prompt_thread_alive(self) -> bool | None:
        """Always: prompts are worked on by the loop that would answer this question."""
        return True

    def model_folder(self, name: str) -> Path | None:
        """None: there are no models here."""
        return None

    def models(self) -> tuple[tuple[str, ...], bool]:
        """None, and that is sure: no node of the runner's own loads any."""
        return (), True

    def waiting(self) -> int | None:
        """Prompts that wait for a place; None before there is a queue."""
        return self.count_waiting() if self.count_waiting is not None else None

    def has_model(self, name: str) -> bool:
        """Never: the runner has no models."""
        return False

    def output_types(self, class_type: str) -> tuple[str, ...] | None:
        """None: the palette is fixed, and the pack knows what each of its nodes does."""
        return None

    def devices(self) -> list[dict[str, Any]]:
        """As ``/system_stats`` tells them."""
        names = ("name", "type", "vram_total", "vram_free")
        return [{name: device[name] for name in names} for device in system.stats()["devices"]]
