"""``mintmark models where`` and ``fetch``: model files on the workers of the running service."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from ..errors import TargetFailed
from .output import Json, console, emit, plain, table
from .remote import ask, part

ASK_EVERY_S = 1.0
_GIB = 2**30


def where(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The model file, without its folder.")],
    as_json: Json = False,
) -> None:
    """Which workers have a model file on their disk and in memory."""
    found = ask("GET", f"/v1/model-files/{part(file)}")
    if as_json:
        emit(found)
        return
    if not found["workers"]:
        console().print(f"No worker has {plain(file)}.")
        return
    shown = table(file, "!worker", "on disk in", ">size", "in memory", "state")
    for each in found["workers"]:
        size = "–" if each["bytes"] is None else f"{each['bytes'] / _GIB:.1f} GiB"
        cells = (", ".join(each["folders"]) or "–", size, "yes" if each["in_memory"] else "no", each["state"])
        shown.add_row(plain(each["name"]), *map(plain, cells))
    console().print(shown)


def fetch(
    url: Annotated[
        str, typer.Argument(metavar="URL", help="Where it is; MINTMARK_MODEL_URLS of the worker allows it.")
    ],
    sha256: Annotated[str, typer.Option(help="Its digest, in hexadecimal: nothing else is kept.")],
    folder: Annotated[str, typer.Option(help="The folder of models it goes to, as checkpoints or loras.")],
    worker: Annotated[list[str], typer.Option(metavar="NAME", help="Who is to fetch it; may be repeated.")],
    name: Annotated[
        str | None, typer.Option(metavar="FILE", help="What to call it; as in the URL unless given.")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait until all have it.")] = True,
    as_json: Json = False,
) -> None:
    """Have workers fetch a model file."""
    file = name or url.partition("?")[0].rpartition("/")[2]
    body = {"url": url, "sha256": sha256.lower(), "folder": folder, "name": file}
    found = [_fetched(each, body, wait=wait) for each in worker]
    if as_json:
        emit(found)
    for each in found:
        if each["state"] == "failed":
            raise TargetFailed(f"{each['worker']}: {each['problem']}")
        if not as_json:
            what = "has" if each["state"] == "there" else "fetches"
            console().print(f"[green]✓[/] {plain(each['worker'])} {what} {plain(file)}.")


def _fetched(worker: str, body: dict[str, str], *, wait: bool) -> Any:
    path = f"/v1/workers/{part(worker)}/models"
    found = ask("POST", path, body)
    while wait and found["state"] == "loading":
        time.sleep(ASK_EVERY_S)
        found = ask("GET", path, query={"folder": body["folder"], "name": body["name"]})
    return found
