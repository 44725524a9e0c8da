"""``mintmark serve``: the service in the foreground, with its runners and, in the sandbox, its providers."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import config, tracing
from ..errors import BadSetting
from ..providers.urls import is_loopback
from . import garbage, logs
from .output import Json, console, emit
from .settings import NO_KEYS, SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..config.audit import AuditSettings
    from ..config.service import ServiceSettings
    from ..orchestrator.service.service import Service

OPEN = "No API key exists, so only this machine may call it. Make one: mintmark apikeys create NAME"


def serve(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free port.")] = None,
    host: Annotated[str | None, typer.Option(help="Beyond loopback only once an API key exists.")] = None,
    worker: Annotated[list[str] | None, typer.Option(help="URL of a running worker; may be repeated.")] = None,
    runners: Annotated[int | None, typer.Option(min=0, help="Runners to start and look after.")] = None,
    launch: Annotated[
        list[str] | None,
        typer.Option(metavar="GPU", help="Launch a ComfyUI on this GPU (or cpu), by comfy-cli; may be repeated."),
    ] = None,
    comfyui: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The ComfyUI to launch: comfy-cli's workspace.")
    ] = None,
    install: Annotated[
        bool, typer.Option("--install", help="Install ComfyUI and the node pack there first, where they are missing.")
    ] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Run the service: submit, follow and receive over HTTP."""
    from ..config.service import ServiceSettings

    found, keyless = settings(sandbox=sandbox)
    flags = {"port": port, "host": host, "workers": tuple(worker) if worker else None, "runners": runners}
    launching = {"launch": tuple(launch) if launch else None, "comfyui": comfyui}
    service = config.load_section(ServiceSettings, config.sources(), {**flags, **launching})
    logs.write(service)
    if keyless and not as_json:
        console().print(NO_KEYS, style="yellow")
    if service.launch:
        _prepare(found, service, install=install)
    with suppress(KeyboardInterrupt):  # Ctrl-C is how it is stopped, and by now everything is closed in order
        asyncio.run(_serve(found, service, as_json=as_json))


def _prepare(found: Settings, service: ServiceSettings, *, install: bool) -> None:
    """What is missing is better known before anything starts. Raises MissingExtra, InstallFailed, BadSetting."""
    from ..orchestrator.fleet.installing import install_into
    from ..workflows.comfy_cli import find_comfy

    workspace = (service.comfyui or found.books_dir / "comfyui").expanduser().absolute()
    comfy = find_comfy("comfy-cli, which launches ComfyUI", without="Or start ComfyUI yourself: --worker URL")
    if install:
        install_into(workspace, comfy, gpu=service.launch[0], env=os.environ)
    elif not (workspace / "main.py").exists():
        raise BadSetting(
            f"comfyui: there is no ComfyUI in {workspace}.", hint="Name its folder, or have it put there: --install"
        )


def _audit() -> AuditSettings:
    from ..config.audit import AuditSettings

    return config.load_section(AuditSettings, config.sources())


async def _serve(found: Settings, wanted: ServiceSettings, *, as_json: bool) -> None:
    from ..orchestrator.service.listening import Listening
    from ..orchestrator.service.service import Service

    stop, hurry = asyncio.Event(), asyncio.Event()
    on_signals(stop, hurry)
    async with AsyncExitStack() as stack:
        stack.callback(tracing.start("mintmark"))
        if not is_loopback(wanted.host):
            await asyncio.to_thread(_check_closed, found, wanted.host)
        service = await stack.enter_async_context(Service(found, wanted, env=os.environ, audit=_audit()))
        has_keys = await service.access.has_keys()
        async with Listening(service, wanted.host, wanted.port) as door:
            garbage.serving()
            _say(service, door.url, has_keys=has_keys, as_json=as_json)
            if door.warning and not as_json:
                console().print(door.warning, style="yellow")
            await _until(stop, service)
            # The door stays open meanwhile: whoever waits for a job that still runs gets it.
            _say_stopping(service, wanted, as_json=as_json)
            await _drained(service, wanted.drain_s, hurry)


def _check_closed(found: Settings, host: str) -> None:
    """Before anything is started. Raises BadSetting where everybody could order. Keys are never deleted, so what holds
    now holds as long as the service runs."""
    from ..orchestrator.access import key_book
    from .books import open_ledger

    with open_ledger(found) as ledger:
        ledger.store.install(key_book.PART)
        if not ledger.store.read(key_book.any_key):
            raise BadSetting(
                f"host: {host} can be reached by others, and no API key exists, so anybody could spend money.",
                hint="Make a key first (mintmark apikeys create NAME), or listen on 127.0.0.1.",
            )


async def _drained(service: Service, within_s: float, hurry: asyncio.Event) -> None:
    """Wait for what runs, until the time is over or somebody is in a hurry: then it is left to the next start."""
    draining = asyncio.create_task(service.dispatcher.drain(within_s), name="drain")
    hurrying = asyncio.create_task(hurry.wait(), name="hurry")
    await asyncio.wait((draining, hurrying), return_when=asyncio.FIRST_COMPLETED)
    for task in (draining, hurrying):
        task.cancel()
    await asyncio.gather(draining, hurrying, return_exceptions=True)


def _say_stopping(service: Service, wanted: ServiceSettings, *, as_json: bool) -> None:
    running = service.dispatcher.running
    if running and not as_json:
        left = "Ctrl-C again leaves them to the next start."
        console().print(f"Stopping. Jobs that still run: {running}; they have {wanted.drain_s:g} s to end. {left}")


def on_signals(stop: asyncio.Event, hurry: asyncio.Event) -> None:
    """Ctrl-C or SIGTERM set the first; another one the second. Never the default: it would break jobs off half-way."""
    loop = asyncio.get_running_loop()

    def heard(which: signal.Signals) -> None:
        (hurry if stop.is_set() else stop).set()

    with suppress(NotImplementedError):  # Windows: Ctrl-C cancels the main task instead
        for which in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(which, heard, which)


async def _until(stop: asyncio.Event, service: Service) -> None:
    """Serve until it is to stop, or until a part of it dies that must not. Raises what that died of."""
    stopping = asyncio.create_task(stop.wait(), name="signals")
    watching = asyncio.create_task(service.watch(), name="watch")
    try:
        await asyncio.wait((stopping, watching), return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
    finally:
        for task in (stopping, watching):
            task.cancel()
        await asyncio.gather(stopping, watching, return_exceptions=True)


def _say(service: Service, url: str, *, has_keys: bool, as_json: bool) -> None:
    facts: dict[str, Any] = {
        "url": url,
        "docs": f"{url}/docs",
        "mode": service.settings.mode,
        "open": not has_keys,
        "workers": [each.link.url for each in service.workers],
    }
    if as_json:
        emit(facts)
        import sys

        sys.stdout.flush()
        return
    console().print(f"Mintmark ({service.settings.mode}) at [bold]{url}[/]  API: {facts['docs']}")
    if not has_keys:
        console().print(OPEN, style="yellow")
    console().print("Ctrl-C stops it: what runs may end first.")
