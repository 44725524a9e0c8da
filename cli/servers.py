"""``mintmark runner`` and ``mintmark sandbox``: the two servers, in the foreground."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from .. import config
from . import garbage, logs
from .output import Json, console, emit
from .parent import LINGER_S, at_end_of_input
from .settings import SandboxFlag, settings

WithParent = Annotated[
    bool, typer.Option("--with-parent", hidden=True, help="End with the standard input: whoever started this holds it.")
]


def runner(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8188,
    host: Annotated[str, typer.Option(help="Beyond loopback, set MINTMARK_WORKER_TOKEN.")] = "127.0.0.1",
    base_dir: Annotated[Path | None, typer.Option(help="Folder of inputs and outputs.")] = None,
    db: Annotated[Path | None, typer.Option(help="File that keeps queue and history over restarts.")] = None,
    max_prompts: Annotated[int | None, typer.Option(min=1, help="Prompts at once, 1024 unless told.")] = None,
    torch: Annotated[bool, typer.Option("--torch", help="Hand images to nodes as torch tensors.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
    with_parent: WithParent = False,
) -> None:
    """Run the light worker: ComfyUI's protocol for graphs that need no GPU."""
    from ..config.service import ServiceSettings
    from .light_worker import open_runner

    async def serve() -> None:
        found, _ = settings(sandbox=sandbox)
        logs.write(config.load_section(ServiceSettings, config.sources()))
        opened = open_runner(
            found, host=host, port=port, base_dir=base_dir, db=db, max_prompts=max_prompts, torch=torch or None
        )
        async with opened as started:
            garbage.serving()
            _at_sigterm(started.stop)
            _say("Runner", started.url, as_json=as_json, mode=found.mode)
            if with_parent:
                at_end_of_input(started.stop)  # an orphan finishes what it has asked
            await started.serve_forever()

    with suppress(KeyboardInterrupt):  # Ctrl-C is how it is stopped, and by now everything is closed in order
        asyncio.run(serve())


def sandbox(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8190,
    latency: Annotated[float, typer.Option(min=0, help="Seconds a generation pretends to take.")] = 0.15,
    state: Annotated[Path | None, typer.Option(help="File that keeps calls and bill over restarts.")] = None,
    as_json: Json = False,
    with_parent: WithParent = False,
) -> None:
    """Run the sandbox: every provider's wire, offline."""
    from ..sandbox import Sandbox

    async def serve() -> None:
        async with Sandbox(port, latency_s=latency, state=state) as started:
            garbage.serving()
            _at_sigterm(started.stop)
            _say("Sandbox", started.url, as_json=as_json, mode="sandbox")
            if with_parent:
                at_end_of_input(started.stop, linger_s=LINGER_S)
            await started.serve_forever()

    with suppress(KeyboardInterrupt):  # Ctrl-C is how it is stopped, and by now everything is closed in order
        asyncio.run(serve())


def _at_sigterm(stop: Callable[[], None]) -> None:
    """As whoever looks after servers stops them: in order, like Ctrl-C, and not in the midst of a paid request."""
    with suppress(NotImplementedError):  # Windows has no such signal
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)


def _say(name: str, url: str, *, as_json: bool, mode: str) -> None:
    if as_json:
        emit({"url": url, "mode": mode})
        import sys

        sys.stdout.flush()
    else:
        console().print(f"{name} ({mode}) at [bold]{url}[/]  Ctrl-C stops it.")
