"""``mintmark retention``: how long a project's content is kept."""

from __future__ import annotations

from typing import Annotated

import typer

from .acts import ACTOR
from .content import store_of
from .output import Json, console, emit, plain, table
from .settings import SandboxFlag

app = typer.Typer(help="How long projects keep prompts, inputs and outputs.", no_args_is_help=True)

_DAYS = "Days after a job's end; 0: not kept. Left out: for ever."


@app.command("set")
def set_rule(
    project: Annotated[str, typer.Argument()],
    prompts: Annotated[float | None, typer.Option(metavar="DAYS", help=_DAYS)] = None,
    inputs: Annotated[float | None, typer.Option(metavar="DAYS", help=_DAYS)] = None,
    outputs: Annotated[float | None, typer.Option(metavar="DAYS", help=_DAYS)] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Have a project's content kept for so long from now on, also that of jobs that are over."""
    from ..clock import utc_now
    from ..orchestrator.content import rules

    rule = rules.Rule(project, prompts, inputs, outputs)
    with store_of(sandbox) as store:
        store.transact(lambda db: rules.put(db, rule, actor=ACTOR, at=utc_now()))
    if as_json:
        emit(vars(rule))
    else:
        kept = ", ".join(f"{name} {_days(getattr(rule, name))}" for name in ("prompts", "inputs", "outputs"))
        console().print(f"[green]✓[/] {plain(project)}: {kept}")


@app.command("remove")
def remove_rule(project: Annotated[str, typer.Argument()], sandbox: SandboxFlag = False) -> None:
    """Have the service's own setting hold for the project."""
    from ..clock import utc_now
    from ..orchestrator.content import rules

    with store_of(sandbox) as store:
        store.transact(lambda db: rules.drop(db, project, actor=ACTOR, at=utc_now()))
    console().print(f"[green]✓[/] {plain(project)}: as MINTMARK_SERVICE_RETENTION_DAYS says")


@app.command("list")
def list_rules(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """List the projects with a rule of their own."""
    from ..orchestrator.content import rules

    with store_of(sandbox) as store:
        found = store.read(rules.rules)
    if as_json:
        emit([vars(each) for each in found])
        return
    shown = table("Retention, in days", "!project", ">prompts", ">inputs", ">outputs")
    for each in found:
        shown.add_row(plain(each.project), _days(each.prompts), _days(each.inputs), _days(each.outputs))
    console().print(shown)


def _days(days: float | None) -> str:
    return "for ever" if days is None else "not kept" if days == 0 else f"{days:g} days"
