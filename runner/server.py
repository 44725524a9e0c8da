"""The runner itself: a light worker that speaks ComfyUI's protocol, opened with ``async with``."""

from __future__ import annotations

import asyncio
import importlib
import inspect
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiohttp import web
from typing_extensions import Self

from .. import log
from ..errors import CannotWrite
from . import access, core, images, surface, system
from .cache import DEFAULT_BYTES, OutputCache
from .calling import Caller
from .ends import Ends
from .executor import Workshop
from .files import Files
from .host import RunnerHost
from .paths import Paths
from .posting import Posting
from .prompts import Prompts
from .registry import Registry
from .routes import Routes, prefixed
from .socket import Fanout
from .uploads import Uploads
from .validate import missing_types

if TYPE_CHECKING:
    from .archive import Archive

logger = log.get("runner")

DEFAULT_PROMPTS = 1024
"""Prompts at once. Hosted nodes only wait, and what computes here takes turns in one thread however many there are."""
PACK = "mintmark"


class Runner:
    """One runner. ``url`` is known once it is entered.

    ``port`` 0 takes a free one. ``extensions`` are V3 extensions or their entry points; None loads the Mintmark pack.
    ``max_prompts`` run at once, the rest wait. ``torch`` says whether nodes get tensors; None where a pack has imported
    torch. ``db`` is a file that keeps queue and history over restarts. ``grace_s`` is how long a stop waits for running
    prompts. ``models_dir`` is where model files are; None: ``models`` in the base directory.
    """

    def __init__(
        self,
        *,
        base_dir: Path,
        port: int = 0,
        host: str = "127.0.0.1",
        extensions: Sequence[Any] | None = None,
        max_prompts: int = DEFAULT_PROMPTS,
        max_history: int = 10_000,
        cache_bytes: int = DEFAULT_BYTES,
        torch: bool | None = None,
        db: Path | None = None,
        grace_s: float = 0.0,
        models_dir: Path | None = None,
    ) -> None:
        self.paths = Paths(base_dir, models_dir)
        self.registry = Registry()
        self.cache = OutputCache(cache_bytes)
        self.url = ""
        self._address = (host, port)
        self._extensions = extensions
        self._limits = {"max_prompts": max_prompts, "max_history": max_history}
        self._torch = torch
        self._db = db
        self._grace_s = grace_s
        self._stack = AsyncExitStack()
        self._stopping = asyncio.Event()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def serve_forever(self) -> None:
        """Serve until :meth:`stop` is called or this is canceled."""
        await self._stopping.wait()

    def stop(self) -> None:
        """Make :meth:`serve_forever` return; leaving the ``async with`` then stops everything in order."""
        self._stopping.set()

    def leave(self) -> None:
        """Take nothing more, and let what still runs end without a word where it is run again: with a ``db``, and for
        whoever posts it anew. Called before that is closed which nodes need."""
        self.prompts.closed = True

    async def _start(self, stack: AsyncExitStack) -> None:
        self.paths.make()
        surface.install()
        slot = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mintmark-runner")
        stack.callback(slot.shutdown, wait=False, cancel_futures=True)
        fanout = Fanout(system.FEATURES, self._status)
        shop = Workshop(self.registry, self.cache, Caller(slot), self.paths, fanout.preview)
        archive = _open_archive(self._db, stack)
        ends = Ends(self.paths, fanout)
        self.prompts = Prompts(
            shop, fanout.send, fanout.status_changed, **self._limits, archive=archive, ended=ends.tell
        )
        fanout.executing = self._executing
        self.host = RunnerHost(self.paths, fanout, asyncio.get_running_loop())
        stack.callback(self.host.close)
        self.host.named = shop.named
        self.host.count_waiting = lambda: len(self.prompts.pending)
        await self._load(self.host)
        shop.caller.tensors = images.wants_tensors(self._torch)
        await self.prompts.restore(lambda graph: missing_types(graph, self.registry))
        await self._listen(stack, self.host, fanout)
        stack.push_async_callback(fanout.close)
        stack.push_async_callback(self._finish, shop)
        self.prompts.open()
        logger.info("the runner serves at %s", self.url, extra=log.action("runner_started"))

    async def _finish(self, shop: Workshop) -> None:
        await self.prompts.close(self._grace_s)
        late = list(shop.stragglers)
        if late:
            # Interrupted nodes that were still cleaning up get one more moment; then their tasks are let go.
            await asyncio.wait(late, timeout=2.0)

    async def _load(self, host: RunnerHost) -> None:
        for cls, module in core.nodes(self.paths):
            self.registry.add([cls], module)
        if self._extensions is None:
            _use_host(host)
            self.registry.add(await _nodes_of(_pack()), f"custom_nodes.{PACK}")
            return
        for number, extension in enumerate(self._extensions):
            self.registry.add(await _nodes_of(extension), f"custom_nodes.extension_{number}")

    async def _listen(self, stack: AsyncExitStack, host: RunnerHost, fanout: Fanout) -> None:
        name, port = self._address
        guard = access.same_site_only(loopback=access.is_loopback(name))
        app = web.Application(client_max_size=system.MAX_BODY, middlewares=[guard])
        posting = Posting(self.registry, self.prompts)
        fanout.heard = posting.heard
        stack.push_async_callback(posting.close)
        files, uploads = Files(self.paths), Uploads(self.paths)
        routes = Routes(self.registry, self.prompts, posting, fanout, files, uploads, self.cache, system.FEATURES, host)
        pack_routes = [each for each in host.routes if isinstance(each, web.RouteDef)]
        app.router.add_routes([*routes.table(), *pack_routes, *(prefixed(each) for each in pack_routes)])
        server = web.AppRunner(app, access_log=None, shutdown_timeout=1.0, handle_signals=False)
        await server.setup()
        stack.push_async_callback(server.cleanup)
        try:
            await web.TCPSite(server, name, port, backlog=1024).start()
        except OSError as error:
            raise CannotWrite(f"The runner cannot listen on {name}:{port}.", hint=str(error)) from error
        bound = server.addresses[0][1]
        self.url = f"http://{f'[{name}]' if ':' in name else name}:{bound}"

    def _status(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self.prompts.remaining}}

    def _executing(self, client_id: str) -> str | None:
        """The node that a client's prompt is at, for a client that comes back while it runs."""
        running = [each.story.running for each in self.prompts.running.values() if each.client_id == client_id]
        return running[-1] if running else None


def _open_archive(path: Path | None, stack: AsyncExitStack) -> Archive | None:
    if path is None:
        return None
    from .archive import Archive

    archive = Archive(path)
    stack.callback(archive.close)
    return archive


async def _nodes_of(extension: Any) -> list[Any]:
    """The node classes of an extension or of an entry point that makes one."""
    made = extension() if callable(extension) else extension
    if inspect.isawaitable(made):
        made = await made
    await made.on_load()
    return list(await made.get_node_list())


def _pack() -> Callable[[], Awaitable[Any]]:
    """The pack's own entry point: the root package's, as ComfyUI calls it."""
    root = importlib.import_module("..", package=__package__)
    entrypoint: Callable[[], Awaitable[Any]] = root.comfy_entrypoint
    return entrypoint


def _use_host(host: RunnerHost) -> None:
    """Tell the pack where it runs, before it is loaded."""
    importlib.import_module("..nodes.host", package=__package__).use(host)
