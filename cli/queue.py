"""``mintmark queue``: how the service's queue stands; pause it and resume it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from .acts import note
from .books import open_ledger
from .output import Json, console, emit
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..orchestrator.jobs.base import JobStore
    from ..storage.base import Store

app = typer.Typer(help="The service's queue: how it stands; pause and resume it.", no_args_is_help=True)


@app.command("show")
def show(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """How many jobs wait and run, and whether the queue is paused."""
    with _opened(sandbox) as (jobs, _):
        _told(jobs, as_json=as_json)


@app.command("pause")
def pause(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """Start nothing more until it is resumed, also after a restart. What runs goes on; jobs are still accepted."""
    _switch(paused=True, sandbox=sandbox, as_json=as_json)


@app.command("resume")
def resume(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """Let jobs start again."""
    _switch(paused=False, sandbox=sandbox, as_json=as_json)


def _switch(*, paused: bool, sandbox: bool, as_json: bool) -> None:
    with _opened(sandbox) as (jobs, store):
        jobs.pause(paused=paused)
        note(store, "queue.paused" if paused else "queue.resumed", "queue", {})
        _told(jobs, as_json=as_json)


def _told(jobs: JobStore, *, as_json: bool) -> None:
    from ..orchestrator.jobs.states import State

    counts, paused = jobs.counts(), jobs.is_paused()
    queued, running = counts.get(State.QUEUED, 0), counts.get(State.RUNNING, 0)
    if as_json:
        emit({"paused": paused, "queued": queued, "running": running})
        return
    state = "[yellow]paused[/]: nothing starts until `mintmark queue resume`" if paused else "[green]open[/]"
    console().print(f"The queue is {state}. {queued} wait, {running} run.")


@contextmanager
def _opened(sandbox: bool) -> Iterator[tuple[JobStore, Store]]:
    from ..orchestrator.access.key_book import PART
    from ..orchestrator.jobs.sql_store import SqlJobStore

    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        ledger.store.install(PART)
        yield SqlJobStore(ledger), ledger.store
