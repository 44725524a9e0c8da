"""``mintmark audit``: who did what, and whether the log of it is whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .books import open_ledger
from .output import Json, console, emit, plain, table
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..orchestrator.access.audit import Entry
    from ..storage.base import Store

app = typer.Typer(help="The audit log: who did what, in a chain that shows changes.", no_args_is_help=True)


@app.command("list")
def list_entries(
    limit: Annotated[int, typer.Option(min=1, help="How many, the newest first.")] = 50,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """List what was done, the newest first."""
    from ..orchestrator.access import audit

    with _store(sandbox) as store:
        entries = store.read(lambda db: audit.newest(db, limit=limit))
    if as_json:
        emit([_document(entry) for entry in entries])
        return
    shown = table("Audit log", ">row", "!at", "!action", "actor", "target")
    for entry in entries:
        at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
        shown.add_row(str(entry.seq), at, entry.action, plain(entry.actor), plain(entry.target))
    console().print(shown)


@app.command("verify")
def verify(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """Check the whole chain; the first row that is not what it was is named, and the exit code is 1."""
    from ..orchestrator.access import audit

    with _store(sandbox) as store:
        found = audit.verify(store)
        last = store.read(lambda db: audit.newest(db, limit=1))
    rows, digest = (last[0].seq, last[0].hash) if last else (0, audit.START)
    if as_json:
        emit({"whole": found is None, "rows": rows, "hash": digest, "broken": None if found is None else vars(found)})
    elif found is None:
        console().print(f"[green]✓[/] {rows} rows, each as it was written. The last one's hash: {digest}")
    else:
        console().print(f"[red]✗[/] {found.why}")
    if found is not None:
        raise typer.Exit(1)


@app.command("export")
def export(
    after: Annotated[int, typer.Option(min=0, metavar="ROW", help="Only the rows behind this one.")] = 0,
    sandbox: SandboxFlag = False,
) -> None:
    """Write the log to standard output, a JSON document a line, the oldest first."""
    from ..orchestrator.access import audit

    with _store(sandbox) as store:
        for entry in audit.oldest(store, after=after):
            sys.stdout.write(json.dumps(_document(entry)) + "\n")


@contextmanager
def _store(sandbox: bool) -> Iterator[Store]:
    from ..orchestrator.access.key_book import PART

    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        ledger.store.install(PART)
        yield ledger.store


def _document(entry: Entry) -> dict[str, Any]:
    from ..metering.periods import stamp

    return {**vars(entry), "at": stamp(entry.at)}
