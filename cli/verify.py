"""``mintmark verify``: what a file's credential says, and whether it holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import FileMissing
from .output import Json, console, emit, facts

if TYPE_CHECKING:
    from ..provenance.credential import Credential

_LOOK = {
    "trusted": ("green", "✓ trusted", "whole, and signed under a root you trust"),
    "valid": ("green", "✓ valid", "whole; who signed is not on a trust list"),
    "invalid": ("red", "✗ invalid", "the file, its credential or something it was made from was changed"),
    "none": ("yellow", "– none", "this file carries no credential"),
}
_RELATION = {"parentOf": "made from", "componentOf": "contains", "inputTo": "asked with"}
"""C2PA's words for what an ingredient is to the file, from the file's side."""
_OWN = {"none": "no credential of its own"}


def verify(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Images (PNG, JPEG, WebP …).")],
    as_json: Json = False,
) -> None:
    """Check a file's content credential, its ingredients and its record. Exit code 1 where one is invalid."""
    from .. import config
    from ..provenance.reading import read
    from ..provenance.trust import trust_of

    anchors = trust_of(config.load())
    found = [(file, read(existing(file), None, anchors)) for file in files]
    if as_json:
        told = [credential.as_dict() for _, credential in found]
        # One file, one document; several are told apart by their names.
        named = [{"file": str(file), **each} for (file, _), each in zip(found, told, strict=True)]
        emit(told[0] if len(told) == 1 else named)
    else:
        for file, credential in found:
            _show(file, credential)
    if any(credential.state == "invalid" for _, credential in found):
        raise typer.Exit(1)


def existing(file: Path) -> Path:
    """The file, where it is one. Raises FileMissing."""
    if file.is_dir():
        raise FileMissing(f"{file} is a folder.", hint=f"Name the files in it: mintmark verify {file}/*")
    if not file.is_file():
        raise FileMissing(f"{file} does not exist.", hint="Check the path.")
    return file


def _show(file: Path, credential: Credential) -> None:
    from rich.markup import escape

    out = console()
    colour, word, meaning = _LOOK[credential.state]
    out.print(f"[bold {colour}]{word}[/]  {escape(str(file))}")
    out.print(f"  {meaning}", style="dim")
    if credential.state == "none":
        return
    rows = [
        ("signed by", credential.issuer or "nobody named"),
        ("made by AI", "yes" if credential.ai_generated else "no"),
    ]
    rows += [("did", _action(action.as_dict())) for action in credential.actions]
    rows += [
        (_RELATION.get(item.relationship, item.relationship), f"{item.title} ({_OWN.get(item.state, item.state)})")
        for item in credential.ingredients
    ]
    rows += list(_record(credential.record or {}))
    rows += [("note", note) for note in credential.notes]
    out.print(facts((name, str(value)) for name, value in rows))
    for problem in credential.problems:
        where = f"[dim]({problem.code}, {escape(problem.where)})[/]"
        out.print(f"[red]problem[/]  {escape(problem.explanation)} {where}")


def _action(action: dict[str, Any]) -> str:
    by = f" by {action['software_agent']}" if action["software_agent"] else ""
    source = (action["digital_source_type"] or "").rsplit("/", 1)[-1]
    return f"{action['action']}{by}{f' ({source})' if source else ''}"


def _record(record: dict[str, Any]) -> Any:
    from ..metering.prices import usd

    for name in ("model", "seed", "workflow", "mode"):
        if value := record.get(name):
            yield name, _plain(name, value)
    if "cost_microusd" in record:
        yield "cost", usd(int(record["cost_microusd"]))


def _plain(name: str, value: Any) -> str:
    if name == "seed":
        return str(value.get("sent") or value.get("asked"))
    return f"{value['name']}@{value['version']}" if name == "workflow" else str(value)
