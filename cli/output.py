"""What commands print. With ``--json``: exactly one JSON document on stdout and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .. import log
from ..errors import MintmarkError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def console(*, stderr: bool = False) -> Console:
    """Where people read."""
    from rich.console import Console as Rich

    class Console(Rich):
        """Never cuts a line short: half an amount is a wrong amount. What does not fit goes on in the next line."""

        def print(self, *objects: Any, crop: bool = False, **options: Any) -> None:
            super().print(*objects, crop=crop, **options)

    made = Console(stderr=stderr, highlight=False)
    # Lines are broken between words for eyes, and left whole for files and pipes.
    made.soft_wrap = not made.is_terminal
    return made


def emit(document: Any) -> None:
    """Print the one JSON document of a command."""
    sys.stdout.write(json.dumps(document, ensure_ascii=_ascii_only(), indent=2, default=str) + "\n")


def plain(text: object) -> str:
    """Words of others, such as names and a vendor's ids, for where rich reads markup: shown as they are.

    What would steer the terminal, or turn the reading direction, is shown by its number.
    """
    from rich.markup import escape

    return escape(printable(text))


def printable(text: object) -> str:
    """As :func:`plain`, for where no markup is read."""
    return "".join(each if each == "\n" or each.isprintable() else f"\\x{ord(each):02x}" for each in str(text))


def wide(columns: int = 110) -> bool:
    """Whether there is room for what is only nice to have."""
    return console().width >= columns


def table(title: str, *columns: str) -> Table:
    """An empty table in the house's look.

    A leading ``>`` marks a column of amounts, ``!`` one of names that are never broken apart; amounts are not either,
    and they are never cut: their columns are as wide as the widest amount, however narrow the terminal is.
    """
    from rich.box import SIMPLE
    from rich.table import Table as Rich

    class Table(Rich):
        def add_row(self, *cells: Any, **options: Any) -> None:
            for column, cell in zip(self.columns, cells, strict=False):
                if column.justify == "right":
                    column.min_width = max(column.min_width or 0, len(str(cell)))
            super().add_row(*cells, **options)

    made = Table(title=title, box=SIMPLE, title_justify="left", title_style="bold")
    for column in columns:
        name = column.lstrip(">!")
        justify: Literal["left", "right"] = "right" if column.startswith(">") else "left"
        made.add_column(
            name, justify=justify, overflow="fold" if name == column else "ellipsis", no_wrap=name != column
        )
    return made


def facts(rows: Iterable[tuple[str, str]], *, style: str = "") -> Table:
    """Names on the left, what is to be said of them on the right; long text goes on under itself."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 0, 0, 2))
    made.add_column(justify="right", style="dim", no_wrap=True)
    made.add_column(overflow="fold", style=style)
    for name, value in rows:
        made.add_row(name, Text(value))
    return made


def fail(error: MintmarkError) -> int:
    """Tell the error in the form that was asked for; the exit code for it."""
    facts = {key: log.redact(value) for key, value in error.as_dict().items()}
    if "--json" in sys.argv:
        emit({"error": facts})
        return error.exit_code
    out = console(stderr=True)
    out.print(f"[bold red]✗[/] {plain(facts['message'])} [dim]\\[{facts['code']}][/]")
    if facts["hint"]:
        out.print(f"  {plain(facts['hint'])}", style="dim")
    return error.exit_code


def _ascii_only() -> bool:
    """JSON must survive a console that is not UTF-8: there, everything else is escaped."""
    return (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
