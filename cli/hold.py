"""``mintmark hold``: legal holds. Nothing of a project, a job or a user is forgotten until its hold is released."""

from __future__ import annotations

from typing import Annotated

import typer

from .acts import ACTOR
from .content import store_of
from .output import Json, console, emit, plain
from .settings import SandboxFlag

app = typer.Typer(help="Legal holds: what no purge forgets.", no_args_is_help=True)


@app.command("place")
def place(
    scope: Annotated[str, typer.Argument(help="project, job or user.")],
    value: Annotated[str, typer.Argument(metavar="NAME", help="The project's or user's name, or the job's id.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")],
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Hold all that is kept of it."""
    from ..clock import utc_now
    from ..orchestrator.content import holds

    with store_of(sandbox) as store:
        made = store.transact(
            lambda db: holds.hold(db, scope, value, reason=reason, actor=ACTOR, at=utc_now())  # type: ignore[arg-type]  # checked there
        )
    if as_json:
        emit(vars(made))
    else:
        console().print(f"[green]✓[/] held: {plain(made)}")


@app.command("release")
def release(
    hold_id: Annotated[str, typer.Argument(metavar="ID")], sandbox: SandboxFlag = False, as_json: Json = False
) -> None:
    """End a hold. What has waited for that is purged within a minute, while the service runs."""
    from ..clock import utc_now
    from ..orchestrator.content import holds

    with store_of(sandbox) as store:
        made = store.transact(lambda db: holds.release(db, hold_id, actor=ACTOR, at=utc_now()))
    if as_json:
        emit(vars(made))
    else:
        console().print(f"[green]✓[/] released: {plain(made)}")


@app.command("list")
def list_holds(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """List them, those that were released too."""
    from ..orchestrator.content import holds

    with store_of(sandbox) as store:
        found = store.read(holds.holds)
    if as_json:
        emit([vars(each) for each in found])
        return
    for each in found:
        state = f"[dim]released {each.released_at[:10]}[/]" if each.released_at else "[bold]held[/]"
        console().print(f"{state}  {plain(each)}", soft_wrap=True)
