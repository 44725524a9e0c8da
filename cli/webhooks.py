"""``mintmark webhooks``: what was delivered to whom, and what it is signed with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import UsageError
from .books import open_ledger
from .dates import start_of
from .output import Json, console, emit, plain, table, wide
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..orchestrator.webhooks.keeping import Delivery, Webhooks

app = typer.Typer(help="Webhooks: deliveries, and the secrets that sign them.", no_args_is_help=True)
secret_app = typer.Typer(help="What a project's webhooks are signed with.", no_args_is_help=True)
app.add_typer(secret_app, name="secret")

_STATES = ("waiting", "delivered", "dead")
Project = Annotated[str | None, typer.Option(metavar="NAME", help="Of this project.")]


@app.command("list")
def list_deliveries(
    state: Annotated[str | None, typer.Option(metavar="STATE", help="waiting, delivered or dead (given up).")] = None,
    job: Annotated[str | None, typer.Option(metavar="ID", help="Of this job.")] = None,
    project: Project = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 50,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """List deliveries, the newest first. Only the host of a URL is shown."""
    if state is not None and state not in _STATES:
        raise UsageError(f"--state: {state!r} is none.", hint=f"One of {', '.join(_STATES)}.")
    which: Any = state
    with _webhooks(sandbox) as (found, webhooks):
        deliveries = webhooks.deliveries(state=which, job_id=job, project=project, limit=limit)
    if as_json:
        emit([_document(each) for each in deliveries])
        return
    if not deliveries:
        console().print(f"No {found.mode} deliveries.")
        return
    # The id alone is half of a narrow terminal.
    more = ("!type", ">tries", "!next try") if wide() else ()
    shown = table(f"Webhook deliveries ({found.mode})", "!id", "target", "!state", *more)
    for each in deliveries:
        then = "" if each.next_at is None else f"{each.next_at:%Y-%m-%d %H:%M:%S}"
        rest = (each.type, str(each.attempts), then) if more else ()
        shown.add_row(each.delivery_id, plain(each.target), each.state, *rest)
    console().print(shown)


@app.command("show")
def show(
    delivery: Annotated[str, typer.Argument(metavar="ID", help="A delivery's id, msg_….")],
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Show each try of a delivery, and what the receiver answered."""
    with _webhooks(sandbox) as (_, webhooks):
        attempts = webhooks.attempts(delivery)
    if as_json:
        emit([{**vars(each), "at": each.at.isoformat()} for each in attempts])
        return
    shown = table(plain(delivery), ">try", "!at", ">status", ">ms", "error", "answer")
    for each in attempts:
        status = "–" if each.status is None else str(each.status)
        told = (plain(each.error or ""), plain((each.response or "")[:200]))
        shown.add_row(str(each.number), f"{each.at:%Y-%m-%d %H:%M:%S}", status, str(each.latency_ms), *told)
    console().print(shown)


@app.command("replay")
def replay(
    delivery: Annotated[str | None, typer.Argument(metavar="ID", help="This one, whatever came of it.")] = None,
    dead_since: Annotated[
        str | None, typer.Option(metavar="DATE", help="All that were given up and happened since that day (UTC).")
    ] = None,
    project: Project = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Deliver again, under the same webhook-id. The service does it as soon as it runs."""
    if (delivery is None) is (dead_since is None):
        raise UsageError("Which?", hint="Give a delivery's id, or --dead-since DATE.")
    with _webhooks(sandbox) as (_, webhooks):
        if delivery is not None:
            webhooks.replay(delivery)
            count = 1
        else:
            count = webhooks.replay_dead(start_of("dead-since", str(dead_since)), project=project)
    if as_json:
        emit({"replayed": count})
        return
    console().print(f"{count} to be delivered again.")


@secret_app.command("rotate")
def rotate(
    project: Project = None,
    grace_h: Annotated[float, typer.Option(min=0, metavar="HOURS", help="How long the old one signs along.")] = 24.0,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Give a project a new secret. It is shown now and never again; the old one signs along for a while."""
    with _webhooks(sandbox) as (found, webhooks):
        name = found.project if project is None else project
        secret = webhooks.rotate_secret(name, grace_s=grace_h * 3600)
    if as_json:
        emit({"project": name, "secret": secret})
        return
    out = console()
    out.print(f"[green]✓[/] Webhooks of {plain(name)} ({found.mode}) are signed with a new secret.")
    out.print("  Keep it now, it is not shown again:", style="dim")
    out.print(f"  {secret}")


@contextmanager
def _webhooks(sandbox: bool) -> Iterator[tuple[Settings, Webhooks]]:
    from ..orchestrator.webhooks.keeping import Webhooks

    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        yield found, Webhooks(ledger.store)


def _document(each: Delivery) -> dict[str, Any]:
    from ..metering.periods import stamp

    times = {name: getattr(each, name) for name in ("at", "next_at", "ended_at")}
    return {**vars(each), **{name: None if at is None else stamp(at) for name, at in times.items()}}
