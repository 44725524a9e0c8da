"""``mintmark workflows publish``, ``releases``, ``deprecate``, ``alias`` and ``diff``: what the service runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import FileMissing, UsageError
from .acts import ACTOR, note
from .books import open_ledger
from .output import Json, console, emit, plain, table
from .paths import is_file
from .settings import SandboxFlag, settings

if TYPE_CHECKING:
    from ..orchestrator.releases.releases import Listed, Releases
    from ..storage.base import Store
    from ..workflows.format import WorkflowVersion

Name = Annotated[str, typer.Argument(metavar="NAME", help="The workflow.")]
Exact = Annotated[str, typer.Argument(metavar="NAME@VERSION", help="One version, in full.")]
Compared = Annotated[str, typer.Argument(metavar="WORKFLOW", help="NAME, NAME@VERSION, NAME@^1, or a workflow file.")]
Third = Annotated[str | None, typer.Argument(metavar="", help="Or write NAME 1.0.0 1.1.0.")]


def publish(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A workflow file.")],
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Publish a version for good: it never changes again. The service has it within a second."""
    try:
        document = file.read_bytes()
    except OSError as exc:
        raise FileMissing(f"{file} cannot be read: {exc.strerror}.", hint="Check the path.") from exc
    with _opened(sandbox=sandbox) as (releases, act):
        version = releases.publish(document, by=ACTOR)
        warnings = releases.warnings(version)
        act("workflow.published", version.label, {"digest": version.digest})
    told: dict[str, Any] = {"name": version.name, "version": version.version, "digest": version.digest}
    said = f"published {version.label} for good (digest {version.digest[:12]}…)"
    _tell({**told, "warnings": list(warnings)}, said, as_json=as_json)
    for warning in () if as_json else warnings:
        console().print(f"[yellow]![/] {plain(warning)}", soft_wrap=True)


def list_releases(name: Name, sandbox: SandboxFlag = False, as_json: Json = False) -> None:
    """A workflow's versions as the service has them, with aliases and deprecations."""
    with _opened(sandbox=sandbox) as (releases, _):
        versions, aliases = releases.versions(name), releases.aliases(name)
    if as_json:
        pointed = {alias: vars(each) for alias, each in aliases.items()}
        emit({"name": name, "versions": [vars(each) for each in versions], "aliases": pointed})
        return
    shown = table(name, "!version", "from", "aliases", "deprecated")
    for each in versions:
        here = [_named(alias, at.percent) for alias, at in aliases.items() if at.version == each.version]
        shown.add_row(each.version, _origin(each), ", ".join(here), each.deprecated or "")
    console().print(shown)


def deprecate(
    version: Exact,
    message: Annotated[str | None, typer.Argument(metavar="MESSAGE", help="What to use instead, and why.")] = None,
    restore: Annotated[bool, typer.Option(help="Take the deprecation back.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Have ranges skip a version from now on. Who names it in full still gets it."""
    if (message is None) != restore:
        raise UsageError("Give a message, or --restore.", hint="Say what to use instead.")
    name, _, exact = version.partition("@")
    if not exact:
        raise UsageError(f"{version!r} names no version.", hint="Name one in full: NAME@1.0.0.")
    with _opened(sandbox=sandbox) as (releases, act):
        told = releases.deprecate(name, exact, message)
        act("workflow.deprecated", version, {"message": message})
    said = f"{version} is not deprecated any more" if restore else f"{version} is deprecated: ranges skip it"
    _tell(vars(told), said, as_json=as_json)


def alias(
    name: Name,
    alias: Annotated[str, typer.Argument(metavar="ALIAS", help="stable, canary, or a name of your own.")],
    version: Annotated[str | None, typer.Argument(metavar="VERSION", help="Where it points to from now on.")] = None,
    percent: Annotated[int, typer.Option(min=0, max=100, help="Of users, for canary alone.")] = 100,
    remove: Annotated[bool, typer.Option(help="Remove the alias.")] = False,
    sandbox: SandboxFlag = False,
    as_json: Json = False,
) -> None:
    """Point an alias to a version. Users who get the stable version get the canary by its percentage."""
    if (version is None) != remove:
        raise UsageError("Give a version, or --remove.", hint=f"mintmark workflows releases {name}")
    with _opened(sandbox=sandbox) as (releases, act):
        releases.alias(name, alias, version, percent=percent)
        if remove:
            act("workflow.alias_removed", f"{name}@{alias}", {})
        else:
            act("workflow.aliased", f"{name}@{alias}", {"version": version, "percent": percent})
    whom = "" if percent == 100 else f" for {percent} % of users"
    said = f"{name} has no alias {alias} any more" if remove else f"{name}@{alias} is {version} from now on{whom}"
    _tell({"name": name, "alias": alias, "version": version, "percent": percent}, said, as_json=as_json)


def diff(
    before: Compared, after: Compared, third: Third = None, sandbox: SandboxFlag = False, as_json: Json = False
) -> None:
    """What one version does otherwise than another: inputs, nodes, links, values; not how the file is written."""
    from ..workflows.diff import diff as changes_of

    if third is not None:
        if "@" in before:
            raise UsageError("Two versions are compared.", hint="Write NAME@1.0.0 NAME@1.1.0, or NAME 1.0.0 1.1.0.")
        before, after = f"{before}@{after}", f"{before}@{third}"
    with _opened(sandbox=sandbox) as (releases, _):
        one, other = (_found(releases, each) for each in (before, after))
    changes = changes_of(one, other)
    if as_json:
        sides = {"before": one.label, "after": other.label, "same": not changes}
        emit({**sides, "changes": [each.as_dict() for each in changes]})
        return
    out = console()
    for each in changes:
        out.print(str(each), markup=False, soft_wrap=True)
    if not changes:
        out.print(f"{one.label} and {other.label} do the same.")


Note = Callable[[str, str, "dict[str, Any]"], None]
"""Writes an act into the audit log: what was done, to what, with which facts."""


@contextmanager
def _opened(*, sandbox: bool) -> Iterator[tuple[Releases, Note]]:
    """The service's releases, in its own database; it may run meanwhile."""
    from ..orchestrator.access.key_book import PART
    from ..orchestrator.releases.releases import Releases
    from ..workflows.library import Library

    found, _ = settings(sandbox=sandbox)
    with open_ledger(found) as ledger:
        store: Store = ledger.store
        store.install(PART)

        yield Releases(store, Library(found.workflows)), partial(note, store)


def _found(releases: Releases, reference: str) -> WorkflowVersion:
    from ..workflows.reading import read

    path = Path(reference)
    return read(path) if path.suffix == ".json" or is_file(path) else releases.resolve(reference)


def _tell(told: dict[str, Any], said: str, *, as_json: bool) -> None:
    if as_json:
        emit(told)
    else:
        console().print(f"[green]✓[/] {plain(said)}.", soft_wrap=True)


def _origin(listed: Listed) -> str:
    return "library" if listed.shipped else f"published {listed.published_at}"


def _named(alias: str, percent: int) -> str:
    return alias if percent == 100 else f"{alias} {percent}%"
