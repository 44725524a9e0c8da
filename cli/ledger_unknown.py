"""``mintmark ledger unknown``, ``ask`` and ``reconcile``: calls of which nobody knows whether they were charged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..clock import utc_now
from ..errors import UnknownCall, UsageError
from .acts import note
from .books import open_books
from .engine import open_engine
from .money import microusd_of
from .output import Json, console, emit, plain, table, wide
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..generation.reconciling import Doubt, Found

_SHORT = 8
"""Characters of an id that tell calls apart."""
_ROOMY = 130


def unknown(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """List calls that may have been charged, the oldest first, and how long they have waited."""
    from ..generation.reconciling import doubts
    from ..metering.prices import usd

    found, _ = settings(sandbox=sandbox)
    with open_books(found) as (ledger, journal):
        every = doubts(ledger, journal)
    now = utc_now()
    if as_json:
        emit([_fact(doubt, now) for doubt in every])
        return
    if not every:
        console().print(f"No {found.mode} call is in doubt.")
        return
    long = wide(_ROOMY)
    shown = table(f"Unknown ({found.mode})", "!call", "!model", ">may cost", ">age", "what to do", "!request")
    for doubt in every:
        call_id, request = (text if long else text[:_SHORT] for text in (doubt.call_id, doubt.request_id or ""))
        action = "reconcile" if doubt.why_not else "ask"
        cells = (call_id, doubt.model, usd(doubt.microusd), _age(doubt, now), action, request)
        shown.add_row(*map(plain, cells))
    out = console()
    out.print(shown)
    out.print(f"{usd(sum(doubt.microusd for doubt in every))} stays set aside for them.")
    out.print("mintmark ledger ask · mintmark ledger reconcile CALL · mintmark ledger import-invoice FILE", style="dim")


def ask(
    call: Annotated[str | None, typer.Argument(help="The call's id, or how it begins. Without: all of them.")] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Ask the providers what became of calls in doubt. Exit code 1 where some still are."""
    found, _ = settings(sandbox=sandbox)
    answers = asyncio.run(_ask(found, call))
    if as_json:
        emit(
            [{**_fact(each.doubt), "state": each.state, "microusd": each.microusd, "why": each.why} for each in answers]
        )
    else:
        _tell(found, answers)
    if any(each.state == "unknown" for each in answers):
        raise typer.Exit(1)


def reconcile(
    call: Annotated[str, typer.Argument(help="The call's id; of one in doubt, how it begins will do.")],
    reason: Annotated[str, typer.Option(help="Why, for whoever reads the books later.")],
    charged: Annotated[str | None, typer.Option(metavar="USD", help="It was charged this much.")] = None,
    not_charged: Annotated[bool, typer.Option("--not-charged", help="It was not charged.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Say what became of a call, as you found out yourself: in the provider's own console, for instance."""
    from ..generation.reconciling import decide, doubts, find
    from ..metering.prices import usd

    if (charged is None) is not not_charged:
        raise UsageError("Say what it cost: --charged USD, or --not-charged.", hint="One of both.")
    amount = 0 if charged is None else microusd_of("charged", charged)
    if charged is not None and not amount:
        raise UsageError("--charged: 0 is no charge.", hint="Say --not-charged.")
    found, _ = settings(sandbox=sandbox)
    with open_books(found) as (ledger, journal):
        doubt = find(doubts(ledger, journal), call)
        call_id = doubt.call_id if doubt else call
        decide(call_id, amount, f"{reason.strip()} (by {found.user})" if reason.strip() else "", ledger, journal)
        facts = {"microusd": amount, "reason": reason.strip(), "by": found.user}
        note(ledger.store, "call.reconciled", call_id, facts)
    if as_json:
        emit({"call_id": call_id, "microusd": amount, "was_unknown": doubt is not None, "reason": reason})
    else:
        was = "" if doubt else ", which was no longer in doubt,"
        console().print(f"[green]✓[/] Call {plain(call_id[:_SHORT])}{was} is booked with {usd(amount)}.")


async def _ask(found: Settings, name: str | None) -> list[Found]:
    from ..generation.reconciling import ask as ask_one
    from ..generation.reconciling import doubts, find

    async with open_engine(found) as engine:
        every = await asyncio.to_thread(doubts, engine.ledger, engine.journal)
        if name is not None:
            doubt = find(every, name)
            if doubt is None:
                raise UnknownCall(f"No call in doubt is called {name}.", hint="See: mintmark ledger unknown")
            every = [doubt]
        return list(await asyncio.gather(*(ask_one(doubt, engine.caller, engine.ledger) for doubt in every)))


def _tell(found: Settings, answers: Sequence[Found]) -> None:
    from ..metering.prices import usd

    out = console()
    if not answers:
        out.print(f"No {found.mode} call is in doubt.")
    for each in answers:
        name = plain(f"{each.doubt.call_id[:_SHORT]} {each.doubt.model}")
        if each.state == "unknown":
            out.print(f"[yellow]?[/] {name}: still unknown; {plain(each.why)}")
        elif each.state == "settled":
            out.print(f"[green]✓[/] {name}: charged {usd(each.microusd)}")
        else:
            out.print(f"[green]✓[/] {name}: not charged")


def _fact(doubt: Doubt, now: datetime | None = None) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "call_id": doubt.call_id,
        "job_id": doubt.job_id,
        "provider": doubt.provider,
        "model": doubt.model,
        "request_id": doubt.request_id,
        "hold_microusd": doubt.microusd,
        "since": doubt.since.isoformat() if doubt.since else None,
        "can_be_asked": doubt.why_not is None,
        "in_ledger": doubt.in_ledger,
        "reason": doubt.reason,
    }
    return facts if now is None else {**facts, "age_s": round(_waited(doubt, now).total_seconds())}


def _waited(doubt: Doubt, now: datetime) -> timedelta:
    return max(now - doubt.since, timedelta(0)) if doubt.since else timedelta(0)


def _age(doubt: Doubt, now: datetime) -> str:
    waited = _waited(doubt, now)
    if waited.days:
        return f"{waited.days} d"
    hours, rest = divmod(waited.seconds, 3600)
    return f"{hours} h" if hours else f"{rest // 60} min"
