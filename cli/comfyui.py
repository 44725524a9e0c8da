"""``mintmark comfyui``: a ComfyUI on one GPU, installed and launched by comfy-cli, in the foreground."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from .output import Json, console, emit, plain
from .parent import at_end_of_input
from .serve import on_signals
from .servers import WithParent


def comfyui(
    workspace: Annotated[Path, typer.Option(metavar="FOLDER", help="The ComfyUI: comfy-cli's workspace.")],
    gpu: Annotated[str, typer.Option(metavar="GPU", help="The GPU it sees: a number as in nvidia-smi, or cpu.")] = "0",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8188,
    base_dir: Annotated[
        Path | None, typer.Option(help="Folder of what it keeps; in the workspace unless given.")
    ] = None,
    arg: Annotated[list[str] | None, typer.Option(help="An argument for ComfyUI; may be repeated.")] = None,
    install: Annotated[bool, typer.Option("--install", help="Install it first, where it is not there.")] = False,
    as_json: Json = False,
    with_parent: WithParent = False,
) -> None:
    """Run a ComfyUI through comfy-cli, pinned to a GPU; it ends with this command."""
    from ..orchestrator.fleet.comfy_cli import launch_command, launch_env
    from ..orchestrator.fleet.installing import install_into
    from ..orchestrator.fleet.launching import Launched, free_port, held, is_free
    from ..workflows.comfy_cli import find_comfy

    place = workspace.expanduser().absolute()
    comfy = find_comfy("comfy-cli, which launches ComfyUI", without="Or start it yourself: mintmark worker add URL")
    if install:
        install_into(place, comfy, gpu=gpu, env=os.environ)
    folder = (base_dir or place / "mintmark" / f"gpu-{gpu}").absolute()
    chosen = port if port and is_free(port) else free_port()
    command = launch_command(comfy, place, gpu=gpu, port=chosen, folder=folder, more=arg or ())

    facts = {"gpu": gpu, "command": command}

    async def serve() -> int:
        stop = asyncio.Event()
        on_signals(stop, asyncio.Event())
        if with_parent:
            at_end_of_input(stop.set)
        launched = Launched(
            command, url=f"http://127.0.0.1:{chosen}", folder=folder, env=launch_env(os.environ, gpu=gpu)
        )
        return await held(launched, stop, lambda: _say(launched.url, facts, as_json=as_json))

    with suppress(KeyboardInterrupt):
        raise typer.Exit(asyncio.run(serve()))


def _say(url: str, facts: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        emit({"url": url, **facts})
        sys.stdout.flush()
        return
    out = console()
    out.print(f"ComfyUI on {facts['gpu']} at [bold]{url}[/]  Ctrl-C stops it.")
    out.print(plain(" ".join(facts["command"])), style="dim")
