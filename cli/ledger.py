"""``mintmark ledger``: what was spent."""

from __future__ import annotations

from typing import Annotated

import typer

from .output import Json, console, emit, table
from .settings import SandboxFlag, settings

app = typer.Typer(help="What hosted calls cost.", no_args_is_help=True)


@app.command("list")
def list_lines(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 50,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """List calls, newest first."""
    from ..metering.prices import usd
    from ..metering.sqlite_ledger import SqliteLedger

    found, _ = settings(sandbox=sandbox)
    ledger = SqliteLedger(found.books_dir, budget_microusd=found.budget_microusd)
    try:
        lines = ledger.lines(limit=limit)
    finally:
        ledger.close()
    if as_json:
        emit([line.model_dump(mode="json") for line in lines])
        return
    shown = table(f"Ledger ({found.mode})", "when (UTC)", "model", "state", ">cost", "request", "workflow", "project")
    for line in lines:
        when = line.at.strftime("%Y-%m-%d %H:%M")
        cells = (line.kind, usd(line.microusd), line.request_id or "", line.workflow or "by hand", line.project)
        shown.add_row(when, line.model, *cells)
    console().print(shown)


@app.command("sum")
def total(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """Sum up: settled, unknown, set aside."""
    from ..metering.prices import usd
    from ..metering.sqlite_ledger import SqliteLedger

    found, _ = settings(sandbox=sandbox)
    ledger = SqliteLedger(found.books_dir, budget_microusd=found.budget_microusd)
    try:
        totals = ledger.totals()
    finally:
        ledger.close()
    if as_json:
        emit({"mode": found.mode, **totals.model_dump(), "budget_microusd": found.budget_microusd})
        return
    out = console()
    out.print(f"[bold]{usd(totals.settled_microusd)}[/] settled in {totals.calls} calls ({found.mode})")
    if totals.unknown_microusd:
        out.print(f"[yellow]{usd(totals.unknown_microusd)}[/] may have been charged and waits to be looked up")
    if totals.set_aside_microusd:
        out.print(f"{usd(totals.set_aside_microusd)} set aside for jobs that are not over")
    if found.budget_microusd is not None:
        left = found.budget_microusd - totals.taken_microusd
        out.print(f"{usd(left)} left of a budget of {usd(found.budget_microusd)}")
