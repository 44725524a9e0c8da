"""``mintmark credit``: what users and projects prepaid."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from .acts import note
from .books import open_ledger
from .dates import end_of
from .money import microusd_of
from .output import Json, console, emit, plain, table
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..metering.credit import Credit

app = typer.Typer(help="What users and projects prepaid.", no_args_is_help=True)

Amount = Annotated[str, typer.Argument(metavar="USD", help="How much.")]
Project = Annotated[str | None, typer.Option(metavar="NAME", help="This project's credit.")]
User = Annotated[str | None, typer.Option(metavar="NAME", help="This user's credit.")]
Key = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Such as an invoice's number: the same key is booked once.")
]


@app.command("top-up")
def top_up(
    usd: Amount,
    project: Project = None,
    user: User = None,
    key: Key = None,
    expires: Annotated[str | None, typer.Option(metavar="DATE", help="The last day it can be used, in UTC.")] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Add credit. From the first time on, this owner's jobs draw their allowances from it."""
    owner, name = _owner(project, user)
    found, _ = settings(sandbox=sandbox)
    until = None if expires is None else end_of("expires", expires)
    with open_ledger(found) as ledger:
        amount, entry = microusd_of("usd", usd), key or str(uuid.uuid4())
        ledger.top_up(owner, name, amount, key=entry, expires_at=until)
        facts = {"microusd": amount, "key": entry, "expires": expires}
        note(ledger.store, "credit.topped_up", f"{owner} {name}", facts)
        _tell(found, ledger.credit(), owner, name, as_json=as_json)


@app.command("refund")
def refund(
    usd: Amount,
    project: Project = None,
    user: User = None,
    key: Key = None,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why.")] = "",
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Pay credit back."""
    owner, name = _owner(project, user)
    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        amount, entry = microusd_of("usd", usd), key or str(uuid.uuid4())
        ledger.refund(owner, name, amount, key=entry, reason=reason)
        facts = {"microusd": amount, "key": entry, "reason": reason}
        note(ledger.store, "credit.refunded", f"{owner} {name}", facts)
        _tell(found, ledger.credit(), owner, name, as_json=as_json)


@app.command("list")
def list_credit(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """List credit by owner, the lots that expire first at the top."""
    from ..metering.prices import usd

    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        credits_ = ledger.credit()
    if as_json:
        emit([_document(credit) for credit in credits_])
        return
    if not credits_:
        console().print(f"No {found.mode} credit. Add some: mintmark credit top-up 100 --project NAME")
        return
    shown = table(f"Credit ({found.mode})", "owner", "!lot", "!expires", ">added", ">left")
    for credit in credits_:
        shown.add_row(f"{credit.owner} {plain(credit.name)}", "", "", "", f"[bold]{usd(credit.left_microusd)}[/]")
        for lot in credit.lots:
            until = lot.expires_at[:10] if lot.expires_at else "never"
            shown.add_row("", plain(lot.lot_id), until, usd(lot.microusd), usd(lot.left_microusd))
    console().print(shown)


def _owner(project: str | None, user: str | None) -> tuple[Any, str]:
    if (project is None) is (user is None):
        raise UsageError("Whose credit?", hint="Give --project NAME or --user NAME.")
    return ("project", project) if project is not None else ("user", str(user))


def _tell(found: Settings, credits_: list[Credit], owner: str, name: str, *, as_json: bool) -> None:
    from ..metering.prices import usd

    (its,) = [each for each in credits_ if (each.owner, each.name) == (owner, name)]
    if as_json:
        emit(_document(its))
        return
    console().print(f"{owner} {plain(name)}: {usd(its.left_microusd)} left ({found.mode})")


def _document(credit: Credit) -> dict[str, Any]:
    return {
        "owner": credit.owner,
        "name": credit.name,
        "left_microusd": credit.left_microusd,
        "lots": [
            {
                "key": lot.lot_id,
                "at": lot.at,
                "expires_at": lot.expires_at,
                "microusd": lot.microusd,
                "left_microusd": lot.left_microusd,
            }
            for lot in credit.lots
        ],
    }
