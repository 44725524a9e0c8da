"""``mintmark worker``: the workers of the running service; added, drained, resumed and removed without a restart."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from ..errors import WorkerError
from .money import microusd_of
from .output import Json, console, emit, facts, plain, table, wide
from .remote import ask, part
from .worker_roll import roll

app = typer.Typer(help="Workers of the running service: add, drain, resume, remove, look into.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The worker's name, as `mintmark worker list` shows it.")]
_GIB = 2**30
ANSWERS_S = 3.0
"""How long a worker that was added is given to answer before it is said that it does not."""


@app.command("add")
def add(
    url: Annotated[str, typer.Argument(metavar="URL", help="A running ComfyUI with the node pack, or a runner.")],
    name: Annotated[str | None, typer.Option(help="What to call it; made of host and port unless given.")] = None,
    label: Annotated[list[str] | None, typer.Option(metavar="WORD", help="A label; may be repeated.")] = None,
    region: Annotated[str | None, typer.Option(metavar="WORD", help="Where it stands.")] = None,
    hour_usd: Annotated[str | None, typer.Option(metavar="USD", help="What an hour of it costs.")] = None,
    warm: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="A model file that it loads while idle; may be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Give the service another worker. It is used as soon as it answers."""
    body = {
        "url": url if "://" in url else f"http://{url}",
        "name": name,
        "labels": label or [],
        "region": region,
        "hour_microusd": None if hour_usd is None else microusd_of("hour-usd", hour_usd),
        "warm": warm or [],
    }
    made = ask("POST", "/v1/workers", body)
    _done(made, "is a worker from now on", as_json=as_json)
    if not as_json and (why := _silent(made["name"])):
        out = console()
        out.print(f"[yellow]![/] It does not answer yet{plain(why)} It gets jobs as soon as it does.")
        out.print(f"  A wrong address? mintmark worker remove {plain(made['name'])}", style="dim")


@app.command("list")
def list_workers(as_json: Json = False) -> None:
    """List all workers, how each stands and why. With --json: with their node classes, versions and model files."""
    found = ask("GET", "/v1/workers")["workers"]
    if as_json:
        emit([ask("GET", f"/v1/workers/{part(each['name'])}") for each in found])
        return
    if not found:
        console().print("No workers. Add one: mintmark worker add http://gpu-1:8188")
        return
    more = ("kind", ">VRAM", "labels") if wide() else ()
    shown = table("Workers", "!name", "!state", ">jobs", "why", *more)
    for each in found:
        jobs = f"{each['running']}/{each['capacity']}"
        rest = (each["kind"] or "", _vram(each), plain(" ".join(each["labels"]))) if more else ()
        shown.add_row(plain(each["name"]), _state(each), jobs, plain(each["why"]), *rest)
    console().print(shown)


@app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """Show all that a worker tells: versions, devices, models, nodes."""
    found = ask("GET", f"/v1/workers/{part(name)}")
    if as_json:
        emit(found)
        return
    models = sum(len(files) for files in found["models"].values())
    size = sum(size or 0 for files in found["models"].values() for size in files.values())
    hour = found["hour_microusd"]
    rows = [
        ("name", found["name"]),
        ("url", found["url"] or "–"),
        ("state", f"{_state(found)} {found['why']}".strip()),
        ("jobs", f"{found['running']} of {found['capacity']}"),
        ("versions", f"Mintmark {found['pack_version'] or '–'}, ComfyUI {found['comfyui_version'] or '–'}"),
        ("devices", ", ".join(each["name"] for each in found["devices"]) or "–"),
        ("VRAM", _vram(found)),
        ("in memory", ", ".join(found["models_in_memory"]) or "–"),
        ("models", f"{models} files, {size / _GIB:.1f} GiB"),
        ("nodes", f"{len(found['node_classes'])} classes; packs: {', '.join(found['packs']) or '–'}"),
        ("labels", " ".join(found["labels"]) or "–"),
        ("region", found["region"] or "–"),
        ("warm", ", ".join(found["warm"]) or "–"),
        ("tried", "–" if found["canary"] is None else f"with {found['canary']} % of the jobs"),
        ("an hour", "–" if hour is None else f"${hour / 1_000_000:.2f}"),
    ]
    console().print(facts(rows))


@app.command("drain")
def drain(name: Name, as_json: Json = False) -> None:
    """Give it no more jobs. What runs there goes on to its end; what it has not begun goes elsewhere."""
    _done(_ordered(name, "draining"), "gets no more jobs", as_json=as_json)


@app.command("resume")
def resume(name: Name, as_json: Json = False) -> None:
    """Give it jobs again, whether it was drained or in quarantine."""
    _done(_ordered(name, "up"), "gets jobs again", as_json=as_json)


@app.command("remove")
def remove(name: Name, as_json: Json = False) -> None:
    """Forget a worker that was added, once it is drained and its jobs are over; at once if it never answered."""
    ask("DELETE", f"/v1/workers/{part(name)}")
    if as_json:
        emit({"name": name, "removed": True})
        return
    console().print(f"[green]✓[/] {plain(name)} is no worker any more.")


@app.command("restart")
def restart(name: Name, as_json: Json = False) -> None:
    """Start a worker again that the service started. Drain it first, or what runs there is broken off."""
    _done(ask("POST", f"/v1/workers/{part(name)}/restart", {}), "is started again", as_json=as_json)


@app.command("try")
def try_it(
    name: Name,
    file: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="A model file that it is to load, too; may be repeated.")
    ] = None,
    within_s: Annotated[float, typer.Option("--within", metavar="S", help="How long it may take.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Have a worker run a small prompt that costs nothing, drained or not: whether it is ready for jobs."""
    found = ask("POST", f"/v1/workers/{part(name)}/trial", {"files": file or [], "within_s": within_s})
    if as_json:
        emit(found)
        return
    if not found["ready"]:
        raise WorkerError(f"{name} is not ready: {found['problem']}")
    console().print(f"[green]✓[/] {plain(name)} is ready ({found['seconds']:.1f} s).")


app.command("roll")(roll)


@app.command("logs")
def logs(
    name: Name,
    lines: Annotated[int, typer.Option(min=1, max=2000, metavar="N", help="How many lines, from the end.")] = 100,
    as_json: Json = False,
) -> None:
    """Show the end of the log of a worker that the service started."""
    found = ask("GET", f"/v1/workers/{part(name)}/logs", query={"lines": str(lines)})
    if as_json:
        emit(found)
        return
    for line in found["lines"]:
        console().print(plain(line))


def _silent(name: str) -> str:
    """How a sentence ends that says that a new worker is not there yet: with why, where known. Empty once it is."""
    until = time.monotonic() + ANSWERS_S
    while (found := ask("GET", f"/v1/workers/{part(name)}"))["state"] != "up":
        if found["problem"] or time.monotonic() >= until:
            return f" ({str(found['problem']).rstrip('.')})." if found["problem"] else "."
        time.sleep(0.2)
    return ""


def _ordered(name: str, state: str) -> Any:
    return ask("PATCH", f"/v1/workers/{part(name)}", {"state": state})


def _done(worker: Any, what: str, *, as_json: bool) -> None:
    if as_json:
        emit(worker)
        return
    console().print(f"[green]✓[/] {plain(worker['name'])} {what}.")


def _state(worker: Any) -> str:
    """Of two words the one that matters: whether it answers, and if so whether it gets jobs."""
    if worker["standing"] in ("draining", "quarantined") or worker["state"] == "up":
        return str(worker["standing"])
    return str(worker["state"])


def _vram(worker: Any) -> str:
    # A CPU's memory is the machine's.
    total = sum(each["vram_total"] or 0 for each in worker["devices"] if each["type"] != "cpu")
    return f"{total / _GIB:.0f} GiB" if total else "–"
