"""``mintmark jobs``: jobs of the running service; why one waits, or where it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from .output import Json, console, emit, plain
from .remote import ask, part

app = typer.Typer(help="Jobs of the running service: why one waits, or where it runs.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The job's id.")]


@app.callback()
def _group() -> None:
    """Jobs of the running service: why one waits, or where it runs."""


@app.command("why")
def why(job_id: Id, as_json: Json = False) -> None:
    """Say which worker runs a job, or what it waits for, and why which worker cannot run it."""
    found = ask("GET", f"/v1/jobs/{part(job_id)}/why")
    if as_json:
        emit(found)
        return
    console().print(plain(found["text"]))
    if found["reason"] != "nobody_can":
        for name, reason in sorted(found["against"].items()):
            console().print(plain(f"Not {name}: {reason}."))
