"""``mintmark run``: a workflow, a worker, signed files, and what they cost."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ..errors import CannotWrite, UsageError
from .output import Json, console, emit
from .paths import is_file
from .settings import NO_KEYS, SandboxFlag, settings
from .workflows import resolve

if TYPE_CHECKING:
    from ..config import Settings
    from ..generation.context import JobContext
    from ..generation.sealing import Draft, Sealed
    from ..moderation.verdict import Verdict
    from ..orchestrator.execution.adhoc import GraphFile
    from ..orchestrator.execution.delivery import Delivery
    from ..orchestrator.execution.request import JobResult, RunRequest
    from ..orchestrator.link.client import WorkerLink
    from ..provenance.signing import Signed
    from ..workflows.format import WorkflowVersion
    from ..workflows.wording import Words
    from .progress import Display

    Ask = Callable[[WorkerLink], Awaitable[RunRequest]]


def run(
    workflow: Annotated[str, typer.Argument(help="NAME, NAME@VERSION, a workflow file, or a bare graph.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="input=value; may be repeated.")] = None,
    image: Annotated[list[str] | None, typer.Option("--image", help="input=path; may be repeated.")] = None,
    worker: Annotated[str | None, typer.Option(help="URL of a worker; without it one is started for this run.")] = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the files go.")] = Path("out"),
    allow_unchecked: Annotated[
        bool,
        typer.Option("--allow-unchecked", help="Also take files that nobody can judge: video, audio, 3D, text."),
    ] = False,
    branch: Annotated[
        Literal["local", "hosted"] | None,
        typer.Option(help="Which branch its Rent or Own nodes take, except where data must stay."),
    ] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Run a workflow and bring home its files, checked, priced and signed."""
    from ..workflows.bind import parse_cli, parse_cli_images
    from .progress import Display
    from .summary import show

    check_folder(out)
    found, keyless = settings(sandbox=sandbox)
    graph = _graph_file(workflow, [*(set_ or []), *(image or [])])
    version = None if graph else resolve(workflow, sandbox=sandbox)
    values = parse_cli(version, set_ or []) if version else {}
    images = parse_cli_images(version, image or []) if version else {}
    if keyless and not as_json:
        console().print(NO_KEYS, style="yellow")

    async def ask(link: WorkerLink) -> RunRequest:
        from ..orchestrator.execution.request import RunRequest

        ready = await adhoc(graph, link, found) if graph else (version or resolve(workflow, sandbox=sandbox))
        display.watch(ready)
        return RunRequest(
            workflow=ready,
            values=values,
            images=images,
            worker_name=worker or "runner",
            out_dir=out,
            allow_unchecked=allow_unchecked,
            branch=branch,
        )

    with Display(version.label if version else workflow, quiet=as_json) as display:
        result = asyncio.run(run_request(found, ask, worker, display))
    if as_json:
        emit(result.model_dump(mode="json"))
    else:
        show(result, found)


def check_folder(out: Path) -> None:
    """Whether files can be put there: better known before anything is paid for than after. Raises CannotWrite."""
    existing = next(each for each in (out, *out.absolute().parents) if each.exists())
    if not existing.is_dir():
        raise CannotWrite(f"{existing} is a file.", hint="-o takes a folder.")
    if not os.access(existing, os.W_OK | os.X_OK):
        raise CannotWrite(f"{existing} cannot be written to.", hint="Choose a folder you may write to.")


def _graph_file(reference: str, given: list[str]) -> GraphFile | None:
    """The bare graph that was named; None where it is a workflow. Raises UsageError where it was given inputs."""
    path = Path(reference)
    if path.suffix != ".json" and not is_file(path):
        return None
    from ..orchestrator.execution.adhoc import graph_file

    graph = graph_file(path)
    if graph is not None and given:
        raise UsageError(
            f"{reference} is a bare graph, which has no inputs to set.",
            hint="Set the values in the file, or write a workflow file with named inputs: docs/workflow-format.md.",
        )
    return graph


async def adhoc(file: GraphFile, link: WorkerLink, found: Settings) -> WorkflowVersion:
    """The bare graph as a workflow, as this worker understands it. Raises InvalidWorkflow."""
    from ..orchestrator.execution.adhoc import as_workflow
    from ..orchestrator.execution.convert import convert

    classes = sorted(file.classes())
    answers = await asyncio.gather(*(link.object_info(name) for name in classes))
    info = {name: each for name, each in zip(classes, answers, strict=True) if each}
    graph = await convert(file, link.url, info, found.data_dir) if file.ui else file.document
    return as_workflow(file, graph, info)


async def run_request(found: Settings, ask: Ask, worker: str | None, display: Display) -> JobResult:
    """What ``ask`` asks for, run to its end. Raises MintmarkError."""
    from ..metering.opening import open_ledger
    from ..orchestrator.execution.local_jobs import JobStore
    from ..orchestrator.execution.run import JobRunner
    from ..orchestrator.link.client import WorkerLink

    async with _worker(found, worker) as url:
        ledger = open_ledger(found)
        store = JobStore(found.books_dir)
        try:
            async with WorkerLink(url, token=found.worker_token, stuck_s=found.stuck_s) as link:
                runner = JobRunner(settings=found, link=link, ledger=ledger, store=store, delivery=_delivery(found))
                return await runner.run(await ask(link), display.heard)
        finally:
            store.close()
            ledger.close()


@asynccontextmanager
async def _worker(found: Settings, url: str | None) -> AsyncIterator[str]:
    """The worker's URL: the one that was named, or that of a runner started for this run, with a sandbox if need be."""
    if url is not None:
        yield url if "://" in url else f"http://{url}"
        return
    from .light_worker import open_runner

    async with open_runner(found, port=0) as runner:
        yield runner.url


def _delivery(found: Settings) -> Delivery:
    from ..orchestrator.execution.delivery import Delivery
    from ..provenance.trust import trust_of

    async def seal(context: JobContext, draft: Draft) -> Sealed:
        from ..generation.sealing import seal as seal_draft
        from .engine import open_engine

        async with open_engine(found) as engine:
            engine.journal.open_job(context)
            return await seal_draft(engine, context, draft)

    async def sign(draft: Draft) -> Signed:
        from ..generation.sealing import sign_unjudged
        from .engine import open_engine

        async with open_engine(found) as engine:
            return await sign_unjudged(engine, draft)

    async def ask(context: JobContext, said: Sequence[Words]) -> list[Verdict]:
        from .engine import open_engine

        async with open_engine(found) as engine:
            engine.journal.open_job(context)
            return [await engine.judge.text(context, *each) for each in said]

    return Delivery(max_pixels=found.max_pixels, anchors_pem=trust_of(found), seal=seal, sign=sign, ask=ask)
