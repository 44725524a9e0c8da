"""``mintmark cost estimate``: what a workflow will cost, before it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import FileMissing, InvalidWorkflow, UsageError
from .output import Json, console, emit, table
from .paths import is_file
from .settings import SandboxFlag, settings
from .workflows import resolve

if TYPE_CHECKING:
    from ..config import Settings
    from ..generation.estimate import Estimate
    from ..generation.graph_estimate import Line
    from ..workflows.format import WorkflowVersion

_NOT_GIVEN = ["", 0]
"""A link to no node: what stands there is not known yet."""


@dataclass(frozen=True)
class _Read:
    """What is to be estimated."""

    label: str
    graph: Mapping[str, Any]
    outputs: tuple[str, ...]


def estimate(
    workflow: Annotated[str, typer.Argument(help="NAME, NAME@VERSION, a workflow file, or a bare graph.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="input=value; may be repeated.")] = None,
    image: Annotated[list[str] | None, typer.Option("--image", help="input=path; may be repeated.")] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """What a run will cost: a range where that depends on the result. Nothing is asked, and no worker is needed.

    Inputs that are not given need not be: what depends on them is reckoned with all that it may be.
    """
    from ..generation.estimate import total
    from ..generation.graph_estimate import lines, picture_file, unneeded

    found, _ = settings(sandbox=sandbox)
    read = _read(workflow, set_ or [], image or [], sandbox=sandbox)
    asked = lines(read.graph, outputs=read.outputs, picture=picture_file)
    idle = unneeded(read.graph, outputs=read.outputs)
    whole = total(line.estimate for line in asked)
    if as_json:
        emit(_document(read, asked, idle, whole, found))
    else:
        _show(read, asked, idle, whole, found)


def _read(reference: str, given: list[str], images: list[str], *, sandbox: bool) -> _Read:
    path = Path(reference)
    if path.suffix == ".json" or is_file(path):
        from ..orchestrator.execution.adhoc import graph_file

        graph = graph_file(path)
        if graph is not None:
            if graph.ui:
                raise InvalidWorkflow(
                    f"{reference} is a graph as the canvas saves it; a worker would have to convert it.",
                    hint="Name it as exported in API format (in ComfyUI: Workflow, Export (API)), or put a Cost "
                    "Estimate node into it. A template of Mintmark's goes by its name: mintmark workflows list",
                )
            if given or images:
                raise UsageError(f"{reference} is a bare graph, which has no inputs to set.")
            return _Read(reference, graph.document, ())
    version = resolve(reference, sandbox=sandbox)
    return _Read(version.label, _bound(version, given, images), tuple(each.node for each in version.outputs))


def _bound(version: WorkflowVersion, given: list[str], images: list[str]) -> Mapping[str, Any]:
    """The graph with what is given in it. What is required and was not given becomes a link to nothing."""
    from ..workflows.bind import bind, parse_cli, parse_cli_images

    paths = parse_cli_images(version, images)
    for name, path in paths.items():
        if not is_file(path):
            raise FileMissing(f"{name}: {path} is no file.", hint="Give the picture's path.")
    values = {**parse_cli(version, given), **{name: str(path) for name, path in paths.items()}}
    lacking = [spec for spec in version.inputs if spec.required and spec.name not in values]
    known = tuple(spec for spec in version.inputs if spec not in lacking)
    graph = bind(version.model_copy(update={"inputs": known}), values).graph
    for target in (each for spec in lacking for each in spec.binds):
        graph[target.node]["inputs"][target.input] = list(_NOT_GIVEN)
    return graph


def _document(read: _Read, asked: Sequence[Line], idle: list[str], whole: Estimate, found: Settings) -> dict[str, Any]:
    return {
        "workflow": read.label,
        "mode": found.mode,
        "low_microusd": whole.low,
        "high_microusd": whole.high,
        "exact": whole.exact,
        "allowance_microusd": found.allowance_microusd,
        "nodes": [
            {
                "node": line.node_id,
                "title": line.title,
                "model": line.model,
                "images": line.images,
                "low_microusd": line.estimate.low,
                "high_microusd": line.estimate.high,
                "unknown": list(line.unknown),
            }
            for line in asked
        ],
        "not_counted": idle,
    }


def _show(read: _Read, asked: Sequence[Line], idle: list[str], whole: Estimate, found: Settings) -> None:
    from ..metering.prices import usd

    out = console()
    if asked:
        shown = table(f"{read.label}, before it runs ({found.mode})", "node", "!model", ">images", ">cost")
        for line in asked:
            shown.add_row(line.title, line.model, line.images, str(line.estimate))
        out.print(shown)
    out.print(f"[bold]{whole}[/]" if asked else "No hosted node in this workflow: it costs nothing.")
    for line in asked:
        for why in line.unknown:
            out.print(f"  not known before the run: {line.title}: {why}", style="dim", markup=False)
    for title in idle:
        out.print(f"  not counted, no output needs it: {title}", style="dim", markup=False)
    if (most := whole.high or whole.low) > found.allowance_microusd:
        allowed = usd(found.allowance_microusd)
        out.print(f"[yellow]![/] The allowance of a job is {allowed}, less than {usd(most)}: MINTMARK_ALLOWANCE_USD.")
