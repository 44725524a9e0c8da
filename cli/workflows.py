"""``mintmark workflows``: named, versioned graphs."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .importing import import_workflow
from .output import Json, console, emit, facts, plain, table, wide
from .paths import is_file
from .releases import alias, deprecate, diff, list_releases, publish
from .settings import SandboxFlag

if TYPE_CHECKING:
    from ..workflows.format import Bind, Input, WorkflowVersion
    from ..workflows.library import Library
    from ..workflows.problem import Problem

app = typer.Typer(help="Versioned workflows.", no_args_is_help=True)
app.command("import")(import_workflow)
app.command("publish")(publish)
app.command("releases")(list_releases)
app.command("deprecate")(deprecate)
app.command("alias")(alias)
app.command("diff")(diff)
Reference = Annotated[str, typer.Argument(help="NAME, NAME@VERSION, NAME@^1, or a workflow file.")]


def library() -> Library:
    """The shipped workflows and the user's own."""
    from .. import config
    from ..workflows.library import Library

    return Library(config.load().workflows)


def resolve(reference: str, *, sandbox: bool = False) -> WorkflowVersion:
    """The version a reference names: in a file, in the library, or published to the service of this data folder."""
    from ..workflows.reading import read_sound
    from .published import resolved

    path = Path(reference)
    if path.suffix == ".json" or is_file(path):
        return read_sound(path)
    return resolved(library(), reference, sandbox=sandbox)


@app.command("list")
def list_workflows(sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """List workflows and their versions: those in files, and those that were published to the service."""
    from .published import every_published

    versions, errors = library().load_all()
    published = every_published(library(), sandbox=sandbox)
    every = [*((version, False) for version in versions), *((version, True) for version in published)]
    if as_json:
        emit(
            {
                "workflows": [{**_brief(version), "published": here} for version, here in every],
                "errors": [error.as_dict() for error in errors],
            }
        )
        return
    shown = table("Workflows", "!name", "!version", "lane", "from", "title")
    for version, here in every:
        shown.add_row(version.name, version.version, version.lane, "service" if here else "file", version.title)
    console().print(shown)
    for error in errors:
        console(stderr=True).print(f"[yellow]![/] {error.message}")


@app.command()
def show(workflow: Reference, sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """A workflow's inputs, outputs and needs; of a published one too."""
    version = resolve(workflow, sandbox=sandbox)
    if as_json:
        emit({**version.document(), "digest": version.digest})
        return
    from rich.markup import escape

    out = console()
    out.print(f"[bold]{version.label}[/]  {escape(version.title)}")
    out.print(facts([("about", version.description), ("digest", version.digest), ("lane", version.lane)]))
    shown = table("Inputs", "!input", "!type", "default", "limits", *(("what it is",) if wide() else ()))
    for spec in version.inputs:
        more = (escape(spec.description),) if wide() else ()
        shown.add_row(spec.name, spec.type, _default(spec), _limits(version, spec), *more)
    out.print(shown)


@app.command()
def validate(
    workflow: Reference,
    worker: Annotated[str | None, typer.Option(help="Also against this worker.")] = None,
    as_json: Json = False,
) -> None:
    """Check a workflow in itself, and against a worker. Exit code 1 where something is wrong."""
    from ..workflows.check import check
    from ..workflows.validate import validate as validate_on

    version = _read(workflow)
    problems = list(check(version))
    if worker is not None and not problems:
        problems = validate_on(version, asyncio.run(_object_info(worker, version)))
    _tell(version, problems, as_json=as_json)


@app.command()
def digest(workflow: Reference, as_json: Json = False) -> None:
    """The SHA-256 digest that names exactly this release."""
    version = resolve(workflow)
    if as_json:
        emit({"name": version.name, "version": version.version, "digest": version.digest})
    else:
        console().print(version.digest)


def _read(reference: str) -> WorkflowVersion:
    from ..workflows.reading import read

    path = Path(reference)
    return read(path) if path.suffix == ".json" or is_file(path) else library().resolve(reference)


async def _object_info(worker: str, version: WorkflowVersion) -> dict[str, Any]:
    from ..orchestrator.link.client import WorkerLink

    async with WorkerLink(worker) as link:
        found = {name: await link.object_info(name) for name in version.requires.nodes}
    return {name: info for name, info in found.items() if info}


def _tell(version: WorkflowVersion, problems: list[Problem], *, as_json: bool) -> None:
    if as_json:
        told = [{"where": each.where, "message": each.message, "fix": each.fix} for each in problems]
        emit({"name": version.name, "version": version.version, "valid": not problems, "problems": told})
    elif problems:
        for each in problems:
            console(stderr=True).print(f"[red]✗[/] {each.where}: {plain(each.message)} [dim]({plain(each.fix)})[/]")
    else:
        console().print(f"[green]✓[/] {version.label} is sound.")
    if problems:
        raise typer.Exit(1)


def _brief(version: WorkflowVersion) -> dict[str, Any]:
    names = ("name", "version", "title", "description", "lane")
    return {**{name: getattr(version, name) for name in names}, "digest": version.digest}


def _default(spec: Input) -> str:
    from rich.markup import escape

    if spec.default is None:
        return "[red]required[/]" if spec.required else ""
    text = str(spec.default)
    return escape(text if len(text) <= 40 else text[:39] + "…")


def _limits(version: WorkflowVersion, spec: Input) -> str:
    limits = spec.limits
    if limits.choices is not None:
        return ", ".join(limits.choices)
    if spec.choices_from is not None:
        return _offered(version, spec.choices_from)
    parts = [_range(limits.min, limits.max), _range(limits.min_length, limits.max_length, " letters")]
    return ", ".join([*filter(None, parts), *([f"in steps of {limits.step:g}"] if limits.step is not None else [])])


def _range(low: float | None, high: float | None, unit: str = "") -> str:
    if low is None and high is None:
        return ""
    if low is None or high is None:
        return f"at least {low:.12g}{unit}" if low is not None else f"at most {high:.12g}{unit}"
    return f"{low:.12g} to {high:.12g}{unit}"


def _offered(version: WorkflowVersion, source: Bind) -> str:
    """Where to read what may be chosen: of models there are too many for a table, and a worker knows the rest."""
    from typing import get_args

    from ..providers.request import Task

    node = str(version.graph[source.node]["class_type"])
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", node.removeprefix("Mintmark")).lower()
    task = next((task for task in get_args(Task) if words.startswith(task)), None)
    if node.startswith("Mintmark") and source.input == "model" and task is not None:
        return f"mintmark models list --task {task}"
    return f"what the worker's {node} offers"
