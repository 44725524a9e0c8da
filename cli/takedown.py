"""``mintmark takedown``: have a file given no more, nor what is the same or looks like it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .acts import ACTOR
from .content import Shelves, shelves
from .output import Json, console, emit, plain
from .paths import is_file
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..orchestrator.content.looking import Alike

app = typer.Typer(help="Files that are given no more.", no_args_is_help=True)


@app.command("add")
def add(
    what: Annotated[str, typer.Argument(metavar="SHA256|FILE", help="The file's digest, or a copy of it.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log.")],
    delete: Annotated[bool, typer.Option("--delete", help="For good; otherwise it can be given back.")] = False,
    by_look: Annotated[bool, typer.Option("--by-look", help="Withhold what looks like it, too.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Take a file down: its links answer 410, and nobody is given it again."""
    with shelves(sandbox) as its:
        found = _meant(its, what, sandbox, by_look=by_look)
        mode: Any = "deleted" if delete else "withheld"
        made = [its.takedowns.take(digest, mode=mode, by_look=by_look, reason=reason, actor=ACTOR) for digest in found]
    if as_json:
        emit([vars(each) for each in made])
        return
    for each in made:
        console().print(f"[green]✓[/] {each.mode}: {each.asset}  ({each.takedown_id})")
    console().print(
        "Workers and caches follow within a minute while the service runs. A CDN before it keeps what it has until it "
        f"is purged there: {', '.join(f'/v1/assets/{each.asset}*' for each in made)}",
        style="dim",
    )


@app.command("undo")
def undo(takedown_id: Annotated[str, typer.Argument(metavar="ID")], sandbox: SandboxFlag = False) -> None:
    """Give a withheld file back. One that was deleted is gone."""
    with shelves(sandbox) as its:
        its.takedowns.refresh()
        made = its.takedowns.undo(takedown_id, actor=ACTOR)
    console().print(f"[green]✓[/] given again: {made.asset}")


@app.command("list")
def list_takedowns(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """List them, those that were undone too."""
    with shelves(sandbox) as its:
        found = its.takedowns.all()
    if as_json:
        emit([vars(each) for each in found])
        return
    for each in found:
        state = f"[dim]undone {each.undone_at[:10]}[/]" if each.undone_at else f"[bold]{each.mode}[/]"
        look = ", and what looks like it" if each.look else ""
        about = f"{each.asset} since {each.at[:10]}{look}: {each.reason} ({each.takedown_id})"
        console().print(f"{state}  {plain(about)}", soft_wrap=True)


def _meant(its: Shelves, what: str, sandbox: bool, *, by_look: bool) -> list[str]:
    """The digests that are meant: one that is named; or of a file, its own where it is kept, or else of what it is a
    copy of. Raises FileMissing, and NotFound where nothing is."""
    import hashlib

    from ..errors import FileMissing, NotFound
    from ..storage.assets.base import is_digest

    if is_digest(what):
        return [what]
    path = Path(what)
    if not is_file(path):
        raise FileMissing(f"{what} is neither a file nor a SHA-256 in lower-case hex.", hint="Name one of the two.")
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if its.assets.exists(digest) or its.jobs.having(digest):
        return [digest]
    found = _alike(its, data, sandbox) if by_look else []
    if not found:
        raise NotFound("No file that is kept here is that one.", hint="--by-look finds what it is a copy of.")
    return [each.made.asset for each in found]


def _alike(its: Shelves, data: bytes, sandbox: bool) -> list[Alike]:
    from ..orchestrator.content.looking import Lookbook

    found, _ = settings(sandbox=sandbox)
    book = Lookbook(its.store, its.jobs, its.assets.read, max_pixels=found.max_pixels)
    book.note()
    return book.find(data)
