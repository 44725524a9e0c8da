"""What the node pack needs of the program it runs in. ComfyUI is one host, the runner is the other."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from .. import log
from ..errors import Canceled
from .host_computing import computed, is_unwanted

T = TypeVar("T")
logger = log.get("nodes.host")

POLL_S = 0.2
"""How often a waiting node looks whether somebody interrupted it, in seconds."""
OWN_KINDS = ("facerestore_models", "face_detection")
"""Kinds of model files that a bare ComfyUI has no folder for: ours are where other packs keep them, below its own."""
CLEAN_UP_S = 1.5
"""How long a stopped call may take to tell its provider; then it goes on telling without its node, in seconds."""


_node_loop: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("mintmark_node_loop", default=None)
"""The loop of the thread in which the node runs that waits in :func:`run`; known to all that it waits for."""


class Host(Protocol):
    """See each member. Nothing else of the host is touched."""

    kind: Literal["comfyui", "runner"]

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop of the host's HTTP server: hosted calls run in it, whichever thread a node runs in."""

    @property
    def routes(self) -> Any:
        """Where HTTP routes are added while the pack loads: an ``aiohttp.web.RouteTableDef``."""

    @property
    def input_dir(self) -> Path:
        """Where files that were uploaded lie."""

    @property
    def output_dir(self) -> Path:
        """Where save nodes write."""

    @property
    def user_dir(self) -> Path:
        """Where data of this installation is kept."""

    def executing(self) -> tuple[str, str] | None:
        """(prompt id, node id) of the node that calls; None where none executes."""

    def graph(self) -> Mapping[str, Any]:
        """The executing prompt's graph as it was submitted, nodes by id; empty where none executes."""

    def client_id(self) -> str | None:
        """The websocket client that submitted the executing prompt."""

    def send(self, event: str, data: dict[str, Any], client_id: str | None) -> None:
        """Send a websocket event to one client. Callable from any thread."""

    def image(self, shape: tuple[int, int, int, int], kept_bytes: int, decode: Callable[[], Any]) -> Any:
        """An IMAGE of this shape [B,H,W,C] as this host's nodes know it; ``decode`` makes its float32 pixels.

        ``kept_bytes`` is what it holds until then, where the host decodes only when a node looks at pixels.
        """

    def interrupted(self) -> bool:
        """Whether somebody asked to stop the executing prompt."""

    def stop_node(self) -> None:
        """End the calling node as interrupted, in the host's own way. Does not return where it was interrupted."""

    async def compute(self, work: Callable[[], T]) -> T:
        """What ``work`` returns, which computes for seconds; done where and when nothing else here computes.

        It has the caller's context, and calls :func:`stop_if_asked` between its steps. Canceled or interrupted it ends
        there, and this raises CancelledError, or ends the node itself where no :func:`run` is between. Raises whatever
        ``work`` raises.
        """

    def prompt_thread_alive(self) -> bool | None:
        """Whether prompts are still being worked on; None where that cannot be told."""

    def models(self) -> tuple[tuple[str, ...], bool]:
        """File names of models in memory, and whether these are all. May raise anything."""

    def waiting(self) -> int | None:
        """Prompts that wait, those that run left out; None where that cannot be told."""

    def has_model(self, name: str) -> bool:
        """Whether a model's file of this name, with or without its folder, is here."""

    def only_its(self, job_id: str, files: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
        """Those of a job's files that are no other job's, too, as far as the host can tell."""

    def output_types(self, class_type: str) -> tuple[str, ...] | None:
        """The types of what a node of this class gives, in order; None for one that is not known here."""

    def model_folder(self, name: str) -> Path | None:
        """Where new model files of this kind go, such as ``checkpoints``, there yet or not; None where there is no such
        kind."""

    def model_folders(self, name: str) -> tuple[Path, ...]:
        """Where model files of this kind are looked for, in this order, there yet or not; empty where there is no such
        kind."""

    def devices(self) -> list[dict[str, Any]]:
        """What it computes on, in the fields of ``Device`` (generation/context.py) at least. May raise anything."""

    def call_to_free(self, free: Callable[[], object]) -> None:
        """Have ``free`` called when somebody asks for the memory of models, in any thread."""


class ComfyHost:
    """A running ComfyUI."""

    kind: Literal["comfyui", "runner"] = "comfyui"

    def __init__(self) -> None:
        from server import PromptServer

        self._server: Any = PromptServer.instance

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._server.loop  # type: ignore[no-any-return]

    @property
    def routes(self) -> Any:
        return self._server.routes

    def guard_cache(self) -> None:
        """From now on drop ``is_changed`` from our nodes in prompts; the runner does so by itself.

        Whoever sends it chooses what ComfyUI's cache gives them: another project's result, too.
        """
        self._server.add_on_prompt_handler(without_is_changed)

    @property
    def input_dir(self) -> Path:
        import folder_paths

        return Path(folder_paths.get_input_directory())

    @property
    def output_dir(self) -> Path:
        import folder_paths

        return Path(folder_paths.get_output_directory())

    @property
    def user_dir(self) -> Path:
        import folder_paths

        return Path(folder_paths.get_user_directory())

    def executing(self) -> tuple[str, str] | None:
        from comfy_execution.utils import get_executing_context

        context = get_executing_context()
        return (context.prompt_id, context.node_id) if context else None

    def graph(self) -> Mapping[str, Any]:
        prompt_id, _ = self.executing() or ("", "")
        # What GET /queue tells of each: a number, the prompt's id, its graph and more.
        running, _ = self._server.prompt_queue.get_current_queue_volatile()
        return next((item[2] for item in running if item[1] == prompt_id), {})

    def client_id(self) -> str | None:
        return self._server.client_id  # type: ignore[no-any-return]

    def send(self, event: str, data: dict[str, Any], client_id: str | None) -> None:
        self._server.send_sync(event, data, client_id)

    def image(self, shape: tuple[int, int, int, int], kept_bytes: int, decode: Callable[[], Any]) -> Any:
        import torch

        return torch.from_numpy(decode())

    def interrupted(self) -> bool:
        from comfy.model_management import processing_interrupted

        return bool(processing_interrupted())

    def interrupted_again(self, exc: BaseException) -> bool:
        """Whether this is ComfyUI's word that the prompt was interrupted. Raising it took that back: said again."""
        from comfy.model_management import InterruptProcessingException, interrupt_current_processing

        if not isinstance(exc, InterruptProcessingException):
            return False
        interrupt_current_processing(True)
        return True

    def stop_node(self) -> None:
        from comfy.model_management import throw_exception_if_processing_interrupted

        throw_exception_if_processing_interrupted()

    async def compute(self, work: Callable[[], T]) -> T:
        # In the prompt's thread: no other node samples meanwhile, and ComfyUI has switched gradients off there.
        nodes_own = _node_loop.get()
        if nodes_own is not None and nodes_own is not asyncio.get_running_loop():
            return await computed(work, nodes_own.call_soon_threadsafe)
        if asyncio.get_running_loop() is self.loop:  # no node waits for this: it may not stall the server either
            return await computed(work, lambda turn: self.loop.run_in_executor(None, turn))
        try:
            return await computed(work, lambda turn: turn())
        except asyncio.CancelledError:
            self.stop_node()
            raise

    def prompt_thread_alive(self) -> bool | None:
        import threading

        # ComfyUI names no thread; its prompt worker is the one whose target is prompt_worker.
        names = [thread.name for thread in threading.enumerate() if thread.is_alive()]
        workers = [name for name in names if "prompt_worker" in name]
        return bool(workers) if workers or len(names) > 1 else None

    def models(self) -> tuple[tuple[str, ...], bool]:
        from .devices import comfy_models

        return comfy_models()

    def model_folder(self, name: str) -> Path | None:
        folders = self.model_folders(name)
        return next((each for each in folders if each.is_dir()), folders[0] if folders else None)

    def model_folders(self, name: str) -> tuple[Path, ...]:
        import folder_paths

        if name in folder_paths.folder_names_and_paths:
            return tuple(Path(each) for each in folder_paths.get_folder_paths(name))
        return (Path(folder_paths.models_dir) / name,) if name in OWN_KINDS else ()

    def waiting(self) -> int | None:
        _, pending = self._server.prompt_queue.get_current_queue_volatile()
        return len(pending)

    def has_model(self, name: str) -> bool:
        import folder_paths

        from .local.checkpoints import diffusers_folders

        # Folders of any kind of file, such as that of the custom nodes, are no place for models, and endless to search.
        folders = [name for name, (_, endings) in folder_paths.folder_names_and_paths.items() if endings]
        # It lists no folder that is one model as a whole, and those are checkpoints, too.
        found = [*map(folder_paths.get_filename_list, folders), diffusers_folders(self)]
        return any(name in (each, each.replace("\\", "/").rpartition("/")[2]) for files in found for each in files)

    def only_its(self, job_id: str, files: Iterable[Mapping[str, str]]) -> list[Mapping[str, str]]:
        # Another one that was answered from the cache may name the same. It has fetched it, or makes it anew.
        return list(files)

    def output_types(self, class_type: str) -> tuple[str, ...] | None:
        known = getattr(sys.modules.get("nodes"), "NODE_CLASS_MAPPINGS", {})
        types = getattr(known.get(class_type), "RETURN_TYPES", None)
        return tuple(map(str, types)) if isinstance(types, (list, tuple)) else None

    def devices(self) -> list[dict[str, Any]]:
        from .devices import comfy_devices

        return comfy_devices()

    def call_to_free(self, free: Callable[[], object]) -> None:
        """Nothing: what is in its model management (:mod:`.local.comfy_memory`) it frees by itself."""


def without_is_changed(body: dict[str, Any]) -> dict[str, Any]:
    """The body of ``POST /prompt`` without ``is_changed`` in our nodes; what is no graph is ComfyUI's to refuse."""
    graph = body.get("prompt")
    for node in graph.values() if isinstance(graph, dict) else ():
        if isinstance(node, dict) and str(node.get("class_type")).startswith("Mintmark"):
            node.pop("is_changed", None)
    return body


_host: Host | None = None
_late: set[asyncio.Task[Any]] = set()


def use(host: Host) -> None:
    """Say which host this process is; the runner does, before it loads the pack."""
    global _host
    _host = host


def current() -> Host:
    """The host of this process: ComfyUI unless the runner said otherwise."""
    host = _host or ComfyHost()
    use(host)
    return host


def is_known() -> bool:
    """Whether this process hosts nodes at all: a schema may be asked for outside of any host."""
    return _host is not None or "server" in sys.modules


def stop_if_asked() -> None:
    """Within what :meth:`Host.compute` does, between two of its steps. Raises CancelledError where it is not wanted any
    more: no library on the way takes that for an error of its own."""
    if is_unwanted() or current().interrupted():
        raise asyncio.CancelledError


async def run(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` in the host's loop and wait for it; an interruption cancels it there and ends the node here.

    The node's own cancellation does the same: ComfyUI cancels what still runs when another node of the prompt fails, or
    is the one that noticed the interruption. Work that was done all the same is not thrown away: it may be paid for.
    Raises whatever ``work`` raises, the host's own interruption, and Canceled where the host was closed meanwhile.
    """
    host = current()
    if asyncio.get_running_loop() is host.loop:
        return await work
    stop = asyncio.Event()
    known = _node_loop.set(asyncio.get_running_loop())  # and by the work's own task, which takes it along
    waiting = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_until(stop, work), host.loop))
    _node_loop.reset(known)
    interrupted = False
    try:
        while not (await asyncio.wait([waiting], timeout=POLL_S))[0]:
            if not interrupted and host.interrupted():
                interrupted = True
                host.loop.call_soon_threadsafe(stop.set)
    except asyncio.CancelledError:
        host.loop.call_soon_threadsafe(stop.set)
        await asyncio.wait([waiting])
        raise
    if waiting.cancelled() or (interrupted and waiting.exception()):
        host.stop_node()
    if waiting.cancelled():
        raise Canceled("The call was stopped.")
    return waiting.result()


async def _until(stop: asyncio.Event, work: Coroutine[Any, Any, T]) -> T:
    """The work's result; once ``stop`` is set it is canceled, and its cleaning up is waited for, within a limit.

    Canceling the future of ``run_coroutine_threadsafe`` would not wait: the remote call and its hold would still be
    open when ComfyUI believes that the node is over.
    """
    task = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=CLEAN_UP_S)
    if not task.done():
        _late.add(task)
        task.add_done_callback(_came_late)
        raise asyncio.CancelledError
    return task.result()


def _came_late(task: asyncio.Task[Any]) -> None:
    _late.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.warning("A stopped call ended with %s", error, extra=log.action("stopped_late"))
