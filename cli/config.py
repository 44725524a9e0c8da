"""``mintmark config``: what is set, and who said so."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .. import config
from .output import Json, console, emit, plain
from .settings import SandboxFlag

Row = dict[str, Any]
"""One setting as ``--json`` has it."""

app = typer.Typer(help="Settings: what they are, and where each comes from.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``show`` a word of its own while it is the only one."""


@app.command("show")
def show(
    changed: Annotated[bool, typer.Option("--changed", help="Only what somebody set.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="With what each means.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Every setting with its value and its origin: default, file, environment or flag; what is set comes first. Secrets
    are masked."""
    sources = config.sources()
    rows = [
        row
        for name, kind in config.sections().items()
        for row in _rows(name, kind, sources, {"sandbox": sandbox or None} if not name else {})
    ]
    if changed:
        rows = [row for row in rows if _is_set(row)]
    path = str(sources.file.path) if sources.file else None
    if as_json:
        emit({"file": path, "settings": rows})
        return
    out = console()
    for row in sorted(rows, key=_is_set, reverse=True):
        _line(row, explain=explain)
    out.print()
    out.print(f"File: {plain(path)}" if path else "No settings file: see docs/settings.md.")
    if not explain:
        out.print("What each means: mintmark config show --explain", style="dim")


def _line(row: Row, *, explain: bool) -> None:
    from rich.padding import Padding

    out = console()
    origin = f"[green]{row['origin']}[/]" if _is_set(row) else f"[dim]{row['origin']}[/]"
    out.print(f"[bold]{row['setting']}[/] = {_text(row['value'])}  {origin}")
    if explain:
        told = plain(row["help"])
        out.print(f"    {told}" if out.soft_wrap else Padding(told, (0, 0, 0, 4), expand=False), style="dim")


def _is_set(row: Row) -> bool:
    """Whether somebody said so, and not only we."""
    return bool(row["origin"] != "default")


def _rows(name: str, kind: type[config.Section], sources: config.Sources, flags: dict[str, Any]) -> list[Row]:
    found = config.read(kind, sources, flags)
    return [
        {
            "setting": ".".join(filter(None, (name, config.key(name, each.env)))),
            "variable": each.env,
            "value": config.shown(each, found[field]),
            "origin": found[field].origin,
            "help": each.help,
        }
        for field, each in config.settings_of(kind).items()
    ]


def _text(value: Any) -> str:
    """The value as it would be written in the environment."""
    if value is None or value in ([], {}):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return plain(",".join(f"{name}={_text(each)}" for name, each in value.items()))
    if isinstance(value, list):
        return plain(", ".join(map(str, value)))
    return f"{value:g}" if isinstance(value, float) else plain(value)
