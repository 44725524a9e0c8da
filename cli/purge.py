"""``mintmark purge``: forget content, after a look at what that would be."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .acts import ACTOR
from .content import Shelves, shelves
from .output import Json, console, emit, plain
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..orchestrator.content.selecting import Purge

_MOST_SHOWN = 20


def purge(
    job: Annotated[list[str] | None, typer.Option(metavar="ID", help="This job; may be repeated.")] = None,
    user: Annotated[str | None, typer.Option(help="Jobs of this user, or for this end user.")] = None,
    project: Annotated[str | None, typer.Option(help="Jobs of this project.")] = None,
    older_than: Annotated[
        float | None, typer.Option(metavar="DAYS", min=0, max=36_500, help="That ended so long ago.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="CONTENT", help="prompts, inputs or outputs; may be repeated.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise it is only told what would be done.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Forget prompts, pictures and files of jobs that are over; what they cost, and the audit log's digests, stay.

    Workers forget theirs within a minute while the service runs, else when it runs again.
    """
    from ..clock import utc_now
    from ..orchestrator.content import selecting

    at = utc_now()
    before = None if older_than is None else at - timedelta(days=older_than)
    which = selecting.Selection(tuple(job or ()), user, project, before, _contents(only))
    with shelves(sandbox) as its:
        facts: dict[str, Any] = {"dry_run": not yes, "actor": ACTOR, "at": at, "forget_assets": its.forget_assets}
        found = selecting.purge(its.store, its.jobs, which, **facts)
        clean = not yes or _scrub(its, sandbox)
        left = sorted({each.place for each in its.jobs.elsewhere() if each.place})
    if as_json:
        emit({"dry_run": not yes, **vars(found), "workers_left": left, "cleared": clean})
    else:
        _show(found, left, done=yes, clean=clean)


def _contents(only: list[str] | None) -> tuple[Any, ...]:
    from ..errors import UsageError
    from ..orchestrator.jobs.job import CONTENTS

    if unknown := set(only or ()) - set(CONTENTS):
        raise UsageError(f"--only: {min(unknown)} is no content.", hint=f"It is one of {', '.join(CONTENTS)}.")
    return tuple(each for each in CONTENTS if not only or each in only)


def _scrub(its: Shelves, sandbox: bool) -> bool:
    """What this machine has beside the jobs, and what deleting leaves in its databases; whether that could be cleared
    away."""
    from ..generation.sqlite_journal import SqliteJournal
    from ..orchestrator.content.elsewhere import Here, ids_of
    from ..orchestrator.content.sweeping import TABLES
    from ..storage.spool import Spool

    found, _ = settings(sandbox=sandbox)
    journal = SqliteJournal(found.books_dir)
    try:
        here = Here(its.store, journal, Spool(found.books_dir / "spool"))
        for each in its.jobs.elsewhere():
            if not each.place:
                here.forget(ids_of(its.jobs, each.job_id), each.assets)
                its.jobs.gone_elsewhere(each)
        cleared = journal.scrub(thorough=True)
    finally:
        journal.close()
    return its.store.scrub(TABLES, thorough=True) and cleared


def _show(found: Purge, left: list[str], *, done: bool, clean: bool) -> None:
    out = console()
    many = f"{len(found.purged)} job{'s' * (len(found.purged) != 1)}"
    out.print(f"[green]✓[/] {many} forgotten." if done else f"{many} would be forgotten. Do it with --yes.")
    for job_id in found.purged[:_MOST_SHOWN]:
        out.print(f"  {job_id}", style="dim")
    for job_id, why in found.held.items():
        out.print(f"[yellow]held[/]  {job_id}: {plain(why)}")
    for job_id in found.running:
        out.print(f"[yellow]not over[/]  {job_id}: cancel it first")
    if not clean:
        out.print("[yellow]Somebody reads the database: free pages are cleared tonight, or by the next purge.[/]")
    if done and left:
        out.print(f"Still to forget theirs, as soon as the service reaches them: {plain(', '.join(left))}")
