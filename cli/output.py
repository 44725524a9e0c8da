"""What commands print. With ``--json``: exactly one JSON document on stdout and nothing else."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import log
from ..errors import MintmarkError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def console(*, stderr: bool = False) -> Console:
    """Where people read."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def emit(document: Any) -> None:
    """Print the one JSON document of a command."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=str) + "\n")


def table(title: str, *columns: str) -> Table:
    """An empty table in the house's look; columns that hold amounts are named with a leading ``>``."""
    from rich.box import SIMPLE
    from rich.table import Table

    made = Table(title=title, box=SIMPLE, title_justify="left", title_style="bold")
    for column in columns:
        right = column.startswith(">")
        made.add_column(column.lstrip(">"), justify="right" if right else "left", overflow="fold")
    return made


def fail(error: MintmarkError) -> int:
    """Tell the error in the form that was asked for; the exit code for it."""
    facts = {key: log.redact(value) for key, value in error.as_dict().items()}
    if "--json" in sys.argv:
        emit({"error": facts})
        return error.exit_code
    from rich.markup import escape

    out = console(stderr=True)
    out.print(f"[bold red]✗[/] {escape(facts['message'])} [dim]\\[{facts['code']}][/]")
    if facts["hint"]:
        out.print(f"  {escape(facts['hint'])}", style="dim")
    return error.exit_code
