"""``mintmark models repatriate``: what was rented of an open-weight model, and the same on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..clock import utc_now
from ..errors import UnknownVersion, UnknownWorkflow, UsageError
from .books import open_books
from .model_folders import model_folders
from .output import Json, emit
from .paths import is_file
from .repatriate_answer import Answer, Rewriting, Use, Ways
from .repatriate_cost import costs
from .repatriate_here import folder_of, here, own_model
from .repatriate_model import alternatives, hosted, why_not
from .repatriate_saving import publish as publish_version
from .repatriate_saving import write as write_version
from .repatriate_text import tell
from .repatriate_usage import Asked, Spent, asked, shown, spent, total
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..config import Settings
    from ..generation.journal import Journal
    from ..metering.ledger_sql import SqlLedger
    from ..orchestrator.releases.releases import Releases
    from ..providers.model import Model
    from ..workflows.format import WorkflowVersion
    from .model_folders import ModelFolders

CANNOT = 1
"""The exit code where nothing of it can be brought here."""
DAYS = 30
_MOST_VALUES = 6


def repatriate(
    model: Annotated[str, typer.Argument(metavar="PROVIDER/MODEL", help="The hosted model, as in the catalog.")],
    workflow: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="NAME, NAME@VERSION or a workflow file; else the one that called it."),
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3650, metavar="N", help="Of how many days, today included.")] = DAYS,
    checkpoint: Annotated[
        str | None, typer.Option(metavar="FILE", help="What the weights are called here; else as published.")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Save the new version: a file, or a folder of workflows.")
    ] = None,
    publish: Annotated[bool, typer.Option("--publish", help="Publish it to the service.")] = False,
    gpu_hour: Annotated[
        str | None, typer.Option(metavar="USD", help="Cost of a GPU hour; else MINTMARK_GPU_HOUR_USD.")
    ] = None,
    models: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="As ComfyUI's models folder; else MINTMARK_MODELS_DIR.")
    ] = None,
    rate: Annotated[str | None, typer.Option(metavar="IMAGES", help="Images a GPU makes in an hour.")] = None,
    overhead: Annotated[str | None, typer.Option(metavar="USD", help="Cost of a month besides GPUs.")] = None,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """What was rented of a model, what of it would run here, at which cost, and the workflow rewritten for it.

    Exit code 1 where nothing of it can be brought here.
    """
    found, _ = settings(sandbox=sandbox)
    rented = hosted(model)
    until = utc_now().date()
    given = {"gpu-hour": gpu_hour, "rate": rate, "overhead": overhead}
    with open_books(found) as (ledger, journal):
        folders = model_folders(found, models)
        books = _Books(found, folders, ledger, journal, until - timedelta(days=days - 1), until)
        answer = _answer(books, rented, days, workflow, checkpoint, given)
        _save(answer, books, write, publish=publish)
    if as_json:
        emit(answer.as_dict())
    else:
        tell(answer)
    rewriting = answer.ways.rewriting if answer.ways else None
    if rewriting is None or (rewriting.workflow is not None and rewriting.version is None):
        raise typer.Exit(CANNOT)


@dataclass(frozen=True)
class _Books:
    """What was spent, and from which day to which it is asked for."""

    found: Settings
    folders: ModelFolders
    ledger: SqlLedger
    journal: Journal
    since: date
    until: date


def _answer(
    books: _Books,
    model: Model,
    days: int,
    reference: str | None,
    checkpoint: str | None,
    given: dict[str, str | None],
) -> Answer:
    from ..orchestrator.releases.releases import Releases
    from ..workflows.library import Library

    every = spent(books.ledger, model.name, books.since, books.until)
    releases = Releases(books.ledger.store, Library(books.found.workflows))
    rewriting = _workflow(releases, reference, every)
    mine = every if reference is None else [each for each in every if each.is_of(_label(rewriting, reference))]
    answer = Answer(model, days, books.found.mode, mine, why_not(model))
    if answer.why:
        answer.alternatives = alternatives(model)
        return answer
    label = None if reference is None else _label(rewriting, reference)
    answer.ways = _ways(books, answer, label, checkpoint, given)
    answer.ways.rewriting = rewriting
    if rewriting.workflow is not None:
        _rewrite(rewriting, releases, rewriting.workflow, model, answer.ways)
    return answer


def _ways(
    books: _Books, answer: Answer, label: str | None, checkpoint: str | None, given: dict[str, str | None]
) -> Ways:
    model, weights = answer.model, answer.model.weights
    names = [checkpoint] if checkpoint else list(weights.names) if weights else []
    if weights is None or weights.family is None or not names:
        raise UsageError(f"What {model.checkpoint} is called here is not known.", hint="Say --checkpoint FILE.")
    place = here(books.folders, names, weights.family)
    own = own_model(books.found, books.folders, place, names, weights)
    used = asked(books.ledger, books.journal, model, label, books.since, books.until)
    cost = costs(books.found, books.ledger, total(answer.spent), own.name, answer.days, given)
    return Ways(own, folder_of(own.name.partition("/")[2], weights), place, used, list(_uses(used, model, own)), cost)


def _uses(used: Asked, model: Model, own: Model) -> Iterator[Use]:
    """Every parameter that was asked for, and whether it means something here. One that nobody has changed from the
    vendor's default is no loss."""
    from ..generation.repatriating import lost_here

    for name, values in sorted(used.values.items()):
        spec = model.parameters.get(name)
        usual = spec is not None and spec.default is not None and set(values) == {shown(model, name, spec.default)}
        yield Use(name, values.most_common(_MOST_VALUES), "" if usual else lost_here(own, name))


# -- which workflow ---------------------------------------------------------------------------------------------------


def _workflow(releases: Releases, reference: str | None, every: list[Spent]) -> Rewriting:
    """The workflow to rewrite: as named, else the only one that called the model; or why there is none."""
    names = sorted({each.name for each in every if each.name})
    if reference is None and len(names) > 1:
        return Rewriting(why=f"Several workflows called it ({', '.join(names)}): --workflow NAME rewrites one of them.")
    if reference is None and not names:
        return Rewriting(why="No workflow called it: --workflow NAME rewrites one all the same.")
    wanted = reference or names[0]
    try:
        return Rewriting(_resolved(releases, wanted))
    except (UnknownWorkflow, UnknownVersion) as exc:
        if not any(each.is_of(wanted) for each in every):
            raise
        return Rewriting(why=f"{exc.message} What it spent is known, and its graph is not here any more.")


def _resolved(releases: Releases, reference: str) -> WorkflowVersion:
    from .workflows import resolve

    path = Path(reference)
    return resolve(reference) if path.suffix == ".json" or is_file(path) else releases.resolve(reference)


def _label(rewriting: Rewriting, reference: str) -> str:
    """What the ledger's accounts call it: by its name, or by ``name@version`` where one is named in full."""
    version = rewriting.workflow
    if version is None:
        return reference
    return version.label if reference == version.label else version.name


def _rewrite(rewriting: Rewriting, releases: Releases, workflow: WorkflowVersion, model: Model, ways: Ways) -> None:
    from ..generation.repatriating import repatriate as rewritten
    from ..workflows.diff import diff

    taken = {each.version for each in releases.versions(workflow.name)} if workflow.name in releases.names() else set()
    made = rewritten(workflow, model, ways.own, folder=ways.folder, taken=taken)
    rewriting.version, rewriting.mapped, rewriting.lost = made.version, made.mapped, made.lost
    if made.version is None:
        rewriting.why = f"Nothing of {workflow.label} can be rewritten."
    else:
        rewriting.changes = diff(workflow, made.version)


def _save(answer: Answer, books: _Books, path: Path | None, *, publish: bool) -> None:
    """Save the new version where it was asked for. Raises UsageError where there is none."""
    if path is None and not publish:
        return
    version = answer.ways.rewriting.version if answer.ways else None
    if answer.ways is None or version is None:
        why = answer.why or (answer.ways.rewriting.why if answer.ways else "")
        raise UsageError(f"There is nothing to save. {why}", hint="Without --write and --publish it says more.")
    if path is not None:
        answer.ways.rewriting.saved.append(f"{version.label} is in {write_version(path, version)}")
    if publish:
        publish_version(books.found, books.ledger, version)
        answer.ways.rewriting.saved.append(f"{version.label} is published")
