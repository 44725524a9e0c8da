"""``mintmark audit``: who did what, and whether the log of it is whole."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .books import open_ledger
from .output import Json, console, emit, plain, table
from .paths import is_file
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config.audit import AuditSettings
    from ..orchestrator.access.audit_keys import AuditKey
    from ..orchestrator.access.checkpoints import Checkpoint
    from ..storage.base import Store

app = typer.Typer(help="The audit log: who did what, in a chain that shows changes.", no_args_is_help=True)


@app.command("list")
def list_entries(
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many, the newest first.")] = 50,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """List what was done, the newest first."""
    from ..orchestrator.access import audit
    from ..orchestrator.access.audit_report import document

    with _store(sandbox) as store:
        entries = store.read(lambda db: audit.newest(db, limit=limit))
    if as_json:
        emit([document(entry) for entry in entries])
        return
    shown = table("Audit log", ">row", "!at", "!action", "actor", "target")
    for entry in entries:
        at = f"{entry.at:%Y-%m-%d %H:%M:%S}"
        shown.add_row(str(entry.seq), at, entry.action, plain(entry.actor), plain(entry.target))
    console().print(shown)


@app.command("verify")
def verify(
    checkpoint: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Checkpoints that were kept elsewhere, one a line.")
    ] = None,
    key: Annotated[
        list[str] | None, typer.Option(metavar="PUBLIC", help="A key whose checkpoints are trusted: base64, or a PEM.")
    ] = None,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Check this export instead of the log of this machine.")
    ] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Check the whole chain and its checkpoints; the first bad row is named, and the exit code is 1."""
    from ..orchestrator.access import audit
    from ..orchestrator.access.audit_report import exported, report

    given = [each for path in checkpoint or [] for each in _checkpoints_in(path)]
    keys = [_public(each) for each in key or []]
    if file is not None:
        found = report(exported(_lines(file)), given, keys or _own_key(sandbox))
    else:
        with _store(sandbox) as store:
            known = [*_known(store, sandbox), *given]
            found = report(audit.all_rows(store), known, keys or (_own_key(sandbox) if known else []))
    if as_json:
        emit(found.document())
    elif found.why:
        console().print(f"[red]✗[/] {plain(found.why)}")
    else:
        console().print(f"[green]✓[/] {found.rows} rows, each as it was written. The last one's hash: {found.hash}")
        many = f"{found.checkpoints} checkpoint{'s' * (found.checkpoints != 1)} compared"
        console().print(many if found.checkpoints else "No checkpoint was compared: a tail that is gone does not show.")
    if found.why:
        raise typer.Exit(1)


@app.command("checkpoint")
def make_checkpoint(
    to: Annotated[
        str | None, typer.Option(metavar="PLACE", help="A folder, a file or a URL (default: as the setting says).")
    ] = None,
    sandbox: SandboxFlag = False,
) -> None:
    """Sign how far the log has come, bring that to a place elsewhere, and print it."""
    from ..clock import utc_now
    from ..errors import WrongState
    from ..orchestrator.access import audit, checkpointing
    from ..orchestrator.access.checkpoint_targets import deliver

    with _store(sandbox) as store:
        while store.transact(audit.chain_waiting) == audit.BATCH:
            pass
        signer = _signer(sandbox)
        made = store.transact(lambda db: checkpointing.make(db, signer, utc_now(), actor="cli"))
        if made is None:
            raise WrongState("The audit log has no rows yet.", hint="There is nothing to sign.")
        place = _place(sandbox)
        checkpointing.tell(store, lambda line: deliver(line, place), utc_now())
    if to is not None and to != place:
        deliver(made.line(), to)
    console(stderr=True).print(plain(f"Brought to {to or place}."))
    emit(made.document())


@app.command("key")
def show_key(sandbox: SandboxFlag = False) -> None:
    """Print the public key that others check checkpoints with."""
    typer.echo(_signer(sandbox).public)


@app.command("export")
def export(
    after: Annotated[int, typer.Option(min=0, max=2**62, metavar="ROW", help="Only the rows behind this one.")] = 0,
    sandbox: SandboxFlag = False,
) -> None:
    """Write the log to standard output, a JSON document a line, the oldest first. All of it is written; where a row is
    not what it was, the first one is named, and the exit code is 1."""
    from ..orchestrator.access import audit
    from ..orchestrator.access.audit_report import document

    with _store(sandbox) as store:
        for entry in audit.oldest(store, after=after):
            sys.stdout.write(json.dumps(document(entry)) + "\n")
        broken = audit.verify(store)
    if broken is not None:
        console(stderr=True).print(f"[red]✗[/] {plain(broken.why)}")
        raise typer.Exit(1)


@contextmanager
def _store(sandbox: bool) -> Iterator[Store]:
    from ..orchestrator.access import checkpointing
    from ..orchestrator.access.key_book import PART

    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        for part in (PART, checkpointing.PART):
            ledger.store.install(part)
        yield ledger.store


def _settings() -> AuditSettings:
    from .. import config
    from ..config.audit import AuditSettings

    return config.load_section(AuditSettings, config.sources())


def _signer(sandbox: bool) -> AuditKey:
    from ..orchestrator.access.audit_keys import audit_key

    found, _ = settings(sandbox=sandbox)
    return audit_key(_settings().key, found.data_dir)


def _own_key(sandbox: bool) -> list[str]:
    return [_signer(sandbox).public]


def _public(key: str) -> str:
    from ..orchestrator.access.audit_keys import public_key

    return public_key(_text(Path(key)) if is_file(Path(key)) else key)


def _place(sandbox: bool) -> str:
    from ..orchestrator.access.checkpoint_targets import default_target

    found, _ = settings(sandbox=sandbox)
    return _settings().checkpoints or default_target(found.books_dir)


def _known(store: Store, sandbox: bool) -> list[Checkpoint]:
    """The checkpoints that this machine has: in the database, and where they are brought to."""
    from ..orchestrator.access import checkpointing
    from ..orchestrator.access.checkpoint_targets import file_of

    place = _place(sandbox)
    path = None if "://" in place else file_of(place)
    return [*store.read(checkpointing.kept), *(_checkpoints_in(path) if path is not None and is_file(path) else [])]


def _checkpoints_in(path: Path) -> list[Checkpoint]:
    from ..orchestrator.access.checkpoints import read_all

    return read_all(_text(path), path.name)


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    from ..errors import InvalidInput

    for number, line in enumerate(_text(path).splitlines(), start=1):
        try:
            row = json.loads(line)
            complete = {"seq", "at", "actor", "action", "target", "data", "prev", "hash"} <= set(row)
        except (ValueError, TypeError):
            complete = False
        if not complete:
            raise InvalidInput(f"{path.name}, line {number} is no row of an audit log.", hint="mintmark audit export")
        yield row


def _text(path: Path) -> str:
    from ..errors import FileMissing

    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise FileMissing(f"{path}: cannot be read.", hint="Check the path and its permissions.") from exc
