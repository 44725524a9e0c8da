"""``mintmark ledger``: what was spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .ledger_accept import accept, reject
from .ledger_invoice import import_invoice
from .ledger_unknown import ask, reconcile, unknown
from .output import Json, console, emit, plain, table, wide
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..metering.ledger import Line

_SOME = 95
"""Columns from which on the beginning of a request id is shown: where it is narrower, the rest would be cut for it."""
_ROOMY = 150
"""Columns from which on a line has room for whole request ids, in characters."""

app = typer.Typer(help="What hosted calls cost.", no_args_is_help=True)


@app.command("list")
def list_lines(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")] = 50,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """List calls, newest first."""
    from ..metering.opening import open_ledger
    from ..metering.prices import usd

    found, _ = settings(sandbox=sandbox)
    ledger = open_ledger(found)
    try:
        lines = ledger.lines(limit=limit)
    finally:
        ledger.close()
    if as_json:
        emit([line.model_dump(mode="json") for line in lines])
        return
    if not lines:
        other = "" if found.sandbox else " Play money is in: mintmark ledger list --sandbox"
        console().print(f"No {found.mode} calls yet.{other}")
        return
    ids = ("!request",) if wide(_SOME) else ()
    more = ("workflow", "project") if wide(_ROOMY) else ()
    shown = table(f"Ledger ({found.mode})", "!when (UTC)", "!model", "!state", ">cost", *ids, *more)
    for line in lines:
        cells = [line.at.strftime("%Y-%m-%d %H:%M"), line.model, line.kind, usd(line.microusd)]
        cells += [_request(line)] if ids else []
        cells += [line.workflow or "by hand", line.project] if more else []
        shown.add_row(*map(plain, cells))
    console().print(shown)


def _request(line: Line) -> str:
    """Enough of the id to tell calls apart; all of it where there is room, and with ``--json``."""
    known = line.request_id or ""
    return known if wide(_ROOMY) or len(known) <= 9 else f"{known[:8]}…"


@app.command("sum")
def total(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """Sum up: settled, unknown, set aside."""
    from ..metering.opening import open_ledger
    from ..metering.prices import usd

    found, _ = settings(sandbox=sandbox)
    ledger = open_ledger(found)
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


app.command("unknown")(unknown)
app.command("ask")(ask)
app.command("reconcile")(reconcile)
app.command("import-invoice")(import_invoice)
app.command("accept")(accept)
app.command("reject")(reject)
