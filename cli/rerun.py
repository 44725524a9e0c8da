"""``mintmark rerun``: a signed file is made again from what it tells of itself, and held against the first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import CannotRerun, MintmarkError, UsageError
from .output import Json, console, emit, plain
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..orchestrator.execution.again import Then
    from ..orchestrator.execution.comparing import Compared
    from ..orchestrator.execution.request import JobResult, RunRequest
    from ..orchestrator.link.client import WorkerLink


def rerun(
    file: Annotated[Path, typer.Argument(help="A file with a credential, and with its graph: PNG, JPEG, WebP.")],
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", help="A file that it was made from, where the worker has it no more; may be repeated."),
    ] = None,
    worker: Annotated[str | None, typer.Option(help="URL of a worker; without it one is started for this run.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the new files go.")] = Path("out"),
    yes: Annotated[bool, typer.Option("--yes", help="Ask providers again, for money, without a question.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Make a file again from its credential and graph. Exit code 1 where a pixel differs."""
    from .run_job import check_folder

    check_folder(out)
    then, found = _then(file, sandbox=sandbox)
    _agree(then, found, yes=yes, as_json=as_json)
    made = asyncio.run(_made(then, found, file, image or [], worker, out, quiet=as_json))
    if as_json:
        emit(made.as_dict(file))
    else:
        _show(made, file)
    if not made.compared.equal:
        raise typer.Exit(1)


@dataclass(frozen=True)
class _Made:
    """``reasons``: why it may differ, as far as the two records tell."""

    job: JobResult
    compared: Compared
    reasons: list[str]

    def as_dict(self, file: Path) -> dict[str, Any]:
        told = {"file": str(file), "equal": self.compared.equal, "difference": self.compared.difference or None}
        return {**told, "reasons": self.reasons, "job": self.job.model_dump(mode="json")}


def _then(file: Path, *, sandbox: bool) -> tuple[Then, Settings]:
    """How the file was made, and the settings for making it again: of play money where it was made with that."""
    from ..orchestrator.execution.again import then_of
    from ..provenance.reading import read
    from ..provenance.sniffing import media_type
    from ..provenance.trust import trust_of
    from .verify import existing

    data = existing(file).read_bytes()
    first, _ = settings(sandbox=sandbox)
    then = then_of(data, media_type(data) or "", read(data, None, trust_of(first)))
    found = first.with_(sandbox=True) if then.mode == "sandbox" else first
    if then.mode and then.mode != found.mode:
        raise CannotRerun(
            f"The file was made {then.mode}, and this run would be {found.mode}.",
            hint="Leave --sandbox out, and set the providers' keys: mintmark keys set NAME",
        )
    return then, found


def _agree(then: Then, found: Settings, *, yes: bool, as_json: bool) -> None:
    """Nobody pays twice for a picture by accident. Raises UsageError where nobody can be asked."""
    from ..generation.graph_estimate import bound_microusd
    from ..generation.graph_estimate_links import is_hosted
    from ..metering.prices import usd

    if found.mode == "sandbox" or yes or not any(is_hosted(node) for node in then.graph.values()):
        return
    most = bound_microusd(then.graph)
    costs = f"up to {usd(most)}" if most is not None else "a price that is not known before"
    if as_json or not console().is_terminal:
        raise UsageError(f"Providers would be asked again, at {costs}.", hint="If that is meant, add --yes.")
    typer.confirm(f"Providers are asked again, at {costs}. Go on?", abort=True)


async def _made(
    then: Then, found: Settings, file: Path, images: list[Path], worker: str | None, out: Path, *, quiet: bool
) -> _Made:
    from ..orchestrator.execution import kinds
    from ..orchestrator.execution.comparing import compared
    from ..provenance.reading import read
    from .progress import Display
    from .run_job import run_request

    with Display(f"{file.name} again", quiet=quiet) as display:

        async def ask(link: WorkerLink) -> RunRequest:
            request = await _request(then, link, found, file, images, worker, out)
            display.watch(request.workflow)
            return request

        job = await run_request(found, ask, worker, display)
    pictures = [each for each in job.outputs if each.media_type in kinds.JUDGED]
    outputs = [await asyncio.to_thread(Path(each.path).read_bytes) for each in pictures]
    result = await asyncio.to_thread(compared, then.data, outputs, max_pixels=found.max_pixels)
    now = (await asyncio.to_thread(read, outputs[result.place])).record or {} if outputs else {}
    return _Made(job, result, _reasons(then, now, equal=result.equal))


def _reasons(then: Then, now: Mapping[str, Any], *, equal: bool) -> list[str]:
    """What has changed since, also where it changed no pixel; and what else may have."""
    from ..orchestrator.execution.comparing import changes, unpinned

    found = [*_release(then), *(f"{change}." for change in changes(then.record, now))]
    if equal:
        return found
    found += [f"{why}." for why in [unpinned(now)] if why]
    unknown = "Nothing that was written down has changed: another worker, driver or library may compute otherwise."
    return found or [unknown]


def _release(then: Then) -> list[str]:
    """What became of the workflow version it was made with, where that is not what it was."""
    from ..orchestrator.execution.adhoc import VERSION
    from .workflows import resolve

    if not then.label or then.label.endswith(f"@{VERSION}"):
        return []
    try:
        known = resolve(then.label).digest == then.digest
    except MintmarkError:
        return [f"The workflow {then.label} is not here: the graph that the file holds was run."]
    return [] if known else [f"The workflow {then.label} is another one here: the graph that the file holds was run."]


async def _request(
    then: Then, link: WorkerLink, found: Settings, file: Path, images: list[Path], worker: str | None, out: Path
) -> RunRequest:
    """The graph as a request, its files on the worker. Raises CannotRerun naming what is missing."""
    from ..orchestrator.execution.adhoc import GraphFile
    from ..orchestrator.execution.again import bring_files
    from ..orchestrator.execution.request import RunRequest
    from .run_job import adhoc

    graph = await bring_files(then, link, images, max_pixels=found.max_pixels)
    try:
        workflow = await adhoc(GraphFile(file, graph, ui=False), link, found)
    except MintmarkError as exc:
        raise CannotRerun(f"{file.name}: {exc.message}", hint=exc.hint) from exc
    return RunRequest(workflow=workflow, worker_name=worker or "runner", out_dir=out, branch=then.branch)


def _show(made: _Made, file: Path) -> None:
    out = console()
    if made.compared.equal:
        out.print(f"[bold green]✓ equal[/]  every pixel of {plain(file)} came out the same")
    else:
        out.print(f"[bold yellow]≠ differs[/]  {plain(made.compared.difference)}")
    for why in made.reasons:
        out.print(f"  {plain(why)}")
    for each in made.job.outputs:
        out.print(f"  [dim]{plain(each.path)}[/]")
