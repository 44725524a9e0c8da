"""``mintmark keys``: provider keys go in and never come out."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .. import config
from ..errors import UsageError
from ..providers.keys import VARIABLES, Keys
from .output import Json, console, emit, table

app = typer.Typer(help="Provider keys. They are never printed.", no_args_is_help=True)
Provider = Annotated[str, typer.Argument(help="openai, fal, …")]


@app.command("set")
def set_key(provider: Provider, as_json: Json = False) -> None:
    """Keep a key. It is asked for, or read from standard input: never an argument, which others could see."""
    keys = Keys(config.load())
    keys.find(provider)
    place = keys.set(provider, _read_secret(provider))
    if as_json:
        emit({"provider": provider, "kept_in": place})
    else:
        where = {"keyring": "the system's keyring", "file": "a file only you can read"}.get(place, place)
        console().print(f"[green]✓[/] The key for {provider} is kept in {where}.")


@app.command("list")
def list_keys(as_json: Json = False) -> None:
    """Which providers have a key, and where it comes from."""
    from ..providers.registry import names

    present = Keys(config.load()).present()
    if as_json:
        emit([{"provider": name, "source": present.get(name)} for name in names()])
        return
    shown = table("Keys", "!provider", "!key", "!environment variable")
    for name in names():
        shown.add_row(name, f"from {present[name]}" if name in present else "[dim]–[/]", VARIABLES[name][0])
    console().print(shown)


@app.command("remove")
def remove_key(provider: Provider, as_json: Json = False) -> None:
    """Forget a kept key. One from the environment stays there."""
    removed = Keys(config.load()).remove(provider)
    if as_json:
        emit({"provider": provider, "removed_from": list(removed)})
        return
    told = f"[green]✓[/] Removed from {' and '.join(removed)}." if removed else f"No key for {provider} was kept."
    console().print(told)


def _read_secret(provider: str) -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().strip()
    value = typer.prompt(f"Key for {provider}", hide_input=True)
    if not isinstance(value, str):
        raise UsageError("No key was given.")
    return value.strip()
