"""``mintmark bench``: what this machine can do."""

from __future__ import annotations

import typer

from .bench_local import local

app = typer.Typer(help="Measure what this machine can do.", no_args_is_help=True)
app.command("local")(local)


@app.callback()
def _group() -> None:
    """With one command alone it would be the group itself."""
