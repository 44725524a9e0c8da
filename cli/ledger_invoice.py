"""``mintmark ledger import-invoice``: what a vendor billed, held against the ledger, and the ledger brought to it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import FileMissing, UsageError
from .acts import note
from .books import open_books
from .output import Json, console, emit, plain, table
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..generation.journal import Journal
    from ..metering.invoices import Billed, Invoice, Matching, Pair, Problem
    from ..metering.ledger import Line

_SHOWN = 20
"""Rows of each kind that people are shown; ``--json`` has them all."""
_MOST_BYTES = 500_000_000


def import_invoice(
    file: Annotated[Path, typer.Argument(help="CSV as the vendor exports it, or in the generic form.")],
    provider: Annotated[str, typer.Option(help="Who billed it: fal, openai, bfl ...")],
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out lines with problems, take the rest.")] = False,
    complete: Annotated[
        bool,
        typer.Option("--complete", help="It has all of its days: calls in doubt that it lacks were not charged."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    encoding: Annotated[str | None, typer.Option(help="Where it is not UTF-8: latin-1, utf-16-le ...")] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Hold a vendor's invoice against the ledger, and bring the ledger to it.

    Calls in doubt are decided, and charges that differ are corrected: all in one transaction, or nothing. A file with
    problems changes nothing (exit code 1), each is told by its line.
    """
    from ..metering.invoice_booking import absent, book, calls_of
    from ..metering.invoice_reading import read
    from ..metering.invoices import match

    if skip_bad and complete:
        raise UsageError("--complete: a file of which lines are left out is not complete.", hint="Mend those lines.")
    _check_provider(provider)
    found, _ = settings(sandbox=sandbox)
    invoice = read(_bytes(file), provider, encoding=encoding)
    refused = bool(invoice.problems) and not skip_bad
    with open_books(found) as (ledger, journal):
        calls = calls_of(ledger, provider, invoice.days)
        matching = match(invoice, calls)
        free = absent(matching) if complete else []
        if not (refused or dry_run):
            book(ledger, [*matching.corrections, *free], file.name)
            _end_doubts(journal, [*matching.corrections, *matching.matched, *free], calls, file.name)
            facts = {"provider": provider, "corrected": len(matching.corrections), "absent": len(free)}
            note(ledger.store, "invoice.imported", file.name, facts)
    if as_json:
        emit(_document(invoice, matching, free, imported=not (refused or dry_run)))
    else:
        _show(invoice, matching, free, refused=refused, dry_run=dry_run)
    if refused:
        raise typer.Exit(1)


def _check_provider(name: str) -> None:
    from ..metering.invoice_reading import formats
    from ..providers.registry import names

    known = sorted({*names(), *formats()} - {"generic"})
    if name not in known:
        raise UsageError(f"--provider: {name!r} is none.", hint=f"One of: {', '.join(known)}.")


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path} is too large for an invoice.", hint="Split it by days.")
        return path.read_bytes()
    except OSError as exc:
        raise FileMissing(f"{path} cannot be read: {exc.strerror}.") from exc


def _end_doubts(journal: Journal, pairs: Iterable[Pair], calls: Iterable[Line], invoice: str) -> None:
    """This machine's journal follows the ledger: what is decided is in doubt no more.

    That goes, too, for what the ledger decided before: an import may have been killed between the two.
    """
    from ..metering.invoice_booking import reason

    doubtful = {call.call_id for call in journal.unknown()}
    for pair in (each for each in pairs if each.call.call_id in doubtful):
        doubtful.discard(pair.call.call_id)
        _end_doubt(journal, pair.call, pair.billed.microusd, pair.billed.request_id, reason(pair, invoice))
    for call in (each for each in calls if each.call_id in doubtful and each.kind != "unknown"):
        _end_doubt(journal, call, call.microusd, call.request_id, "as the ledger has it")


def _end_doubt(journal: Journal, call: Line, microusd: int, request_id: str | None, why: str) -> None:
    facts: dict[str, Any] = {"request_id": request_id or None, "reason": why}
    if microusd:
        facts |= {"microusd": microusd, "result": {}}
    journal.move(call.call_id, "settled" if microusd else "released", **facts)


# -- telling ----------------------------------------------------------------------------------------------------------


def _document(invoice: Invoice, matching: Matching, free: Sequence[Pair], *, imported: bool) -> dict[str, Any]:
    return {
        "imported": imported,
        "lines": len(invoice.items),
        "total_microusd": invoice.total_microusd,
        "problems": [_problem(each) for each in invoice.problems],
        "notes": [_problem(each) for each in invoice.notes],
        "matched": len(matching.matched),
        "decided": [_pair(each) for each in matching.decided],
        "differing": [_pair(each) for each in matching.differing],
        "not_charged": [each.call.call_id for each in free],
        "missing": [_billed(each) for each in matching.missing],
        "credits": [_billed(each) for each in matching.credits],
        "not_billed": [_call(each) for each in matching.not_billed],
    }


def _problem(each: Problem) -> dict[str, Any]:
    return {"line": each.line, "message": each.message}


def _pair(each: Pair) -> dict[str, Any]:
    return {**_call(each.call), "lines": list(each.billed.lines), "billed_microusd": each.billed.microusd}


def _billed(each: Billed) -> dict[str, Any]:
    facts = {"request_id": each.request_id, "lines": list(each.lines), "at": each.at.isoformat(), "model": each.model}
    return {**facts, "billed_microusd": each.microusd}


def _call(each: Line) -> dict[str, Any]:
    facts = {"call_id": each.call_id, "request_id": each.request_id, "model": each.model, "state": each.kind}
    return {**facts, "at": each.at.isoformat(), "microusd": each.microusd}


def _show(invoice: Invoice, matching: Matching, free: Sequence[Pair], *, refused: bool, dry_run: bool) -> None:
    from ..metering.prices import usd

    out = console()
    for each in invoice.problems[:_SHOWN]:
        out.print(f"[red]✗[/] line {each.line}: {plain(each.message)}")
    if len(invoice.problems) > _SHOWN:
        out.print(f"  … and {len(invoice.problems) - _SHOWN} more; --json has them all")
    for each in invoice.notes[:_SHOWN]:
        out.print(f"  line {each.line}: {plain(each.message)}", style="dim")
    lines = "1 line" if len(invoice.items) == 1 else f"{len(invoice.items)} lines"
    same = "1 call matches" if len(matching.matched) == 1 else f"{len(matching.matched)} calls match"
    out.print(f"{lines}, {usd(invoice.total_microusd)}: {same}")
    _list("In doubt until now", [(p.call.model, _lines(p.billed), usd(p.billed.microusd)) for p in matching.decided])
    _list("Not charged, as the invoice lacks them", [(p.call.model, "", usd(0)) for p in free])
    _list("Differing", [(p.call.model, _lines(p.billed), _change(p)) for p in matching.differing])
    _list("Missing here", [(b.request_id, _lines(b), usd(b.microusd)) for b in matching.missing])
    _list("Credits for more than was charged", [(b.request_id, _lines(b), usd(b.microusd)) for b in matching.credits])
    _list(
        "Not billed", [(c.model, c.request_id or c.call_id, f"{usd(c.microusd)} {c.kind}") for c in matching.not_billed]
    )
    if refused:
        out.print("Nothing was imported. Mend the lines above, or leave them out: --skip-bad")
    elif dry_run:
        out.print("Nothing was changed: --dry-run")
    else:
        changed = len(matching.corrections) + len(free)
        out.print(f"[green]✓[/] {changed} call{'' if changed == 1 else 's'} brought to the invoice")


def _list(title: str, rows: Sequence[tuple[str, str, str]]) -> None:
    if not rows:
        return
    shown = table(f"{title}: {len(rows)}", "what", "lines or request", ">amount")
    for row in rows[:_SHOWN]:
        shown.add_row(*map(plain, row))
    if len(rows) > _SHOWN:
        shown.add_row("…", "", "")
    console().print(shown)


def _lines(billed: Billed) -> str:
    return f"line {', '.join(map(str, billed.lines))}"


def _change(pair: Pair) -> str:
    from ..metering.prices import usd

    known = pair.call.microusd if pair.call.kind == "settled" else 0
    return f"{usd(known)} → {usd(pair.billed.microusd)}"
