"""A credential for people: the three answers, what was done, and the tree of files that it came from.

Nothing in a credential is believed to be harmless to print: names and texts are whatever the signer wrote.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..provenance.credential import Problem
from ..provenance.explaining import untrusted_note
from ..provenance.findings import HERE
from .output import console, facts, plain, printable

if TYPE_CHECKING:
    from ..provenance.checks import Check
    from ..provenance.credential import Action, Credential, UsedFile

_LOOK = {
    "trusted": ("green", "✓ trusted"),
    "valid": ("green", "✓ valid"),
    "invalid": ("red", "✗ invalid"),
    "none": ("yellow", "– none"),
}
_MARKS = {True: ("green", "✓"), False: ("red", "✗"), None: ("yellow", "–")}
_NOT_PROVEN = ("yellow", "–")
"""Of whether it is trusted, where nothing is broken: no fault of the file's."""
_RELATION = {"parentOf": "made from", "componentOf": "contains", "inputTo": "asked with"}
"""C2PA's words for what an ingredient is to the file, from the file's side."""
_OWN = {"none": "no credential of its own"}


def show(file: Path, found: Credential) -> None:
    """Print it."""
    out = console()
    colour, word = _LOOK[found.state]
    out.print(f"[bold {colour}]{word}[/]  {plain(file)}")
    if found.state == "none":
        for note in found.notes:
            out.print(f"  {plain(note)}", style="dim")
        return
    for name, check in _checks(found):
        mark_colour, mark = _NOT_PROVEN if found.state == "valid" and not check.holds else _MARKS[check.holds]
        out.print(f"  [{mark_colour}]{mark}[/] {name:<12} {plain(check.why)}")
    out.print(facts((name, printable(value)) for name, value in _rows(found)))
    for line in _tree(file, found):
        out.print(line)


def _checks(found: Credential) -> Iterator[tuple[str, Check]]:
    yield "well-formed", found.checks.well_formed
    yield "intact", found.checks.intact
    yield "trusted", found.checks.trusted


def _rows(found: Credential) -> Iterator[tuple[str, Any]]:
    yield "signed by", found.issuer or "nobody named"
    if found.timestamp is not None:
        whose = "a trusted authority" if found.timestamp.trusted else "an authority on no trust list given here"
        yield "signed at", f"{found.timestamp.time}, says {whose}"
    yield "made by AI", "yes" if found.ai_generated else "not said"
    for action in found.actions:
        yield "did", _action(action)
    yield from _record(found.record or {})
    # What the answer about trust says is not said again.
    for note in found.notes:
        if note != untrusted_note(found.issuer):
            yield "note", note


def _action(action: Action) -> str:
    by = f" by {action.software_agent}" if action.software_agent else ""
    source = (action.digital_source_type or "").rsplit("/", 1)[-1]
    return f"{action.action}{by}{f' ({source})' if source else ''}"


def _record(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    from ..metering.prices import usd

    for name in ("model", "seed", "workflow", "mode"):
        if value := record.get(name):
            yield name, _said(name, value)
    choices = record.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            yield "branch", f"{choice.get('branch')}: {choice.get('reason')}"
    if isinstance(record.get("cost_microusd"), int):
        yield "cost", usd(record["cost_microusd"])


def _said(name: str, value: Any) -> str:
    if name == "seed" and isinstance(value, dict):
        return str(value.get("used") or value.get("sent") or value.get("asked"))
    if name == "workflow" and isinstance(value, dict):
        return f"{value.get('name')}@{value.get('version')}"
    return str(value)


def _tree(file: Path, found: Credential) -> Iterator[str]:
    """The file with what it was made from, and below each what is wrong with it."""
    below = set(_problems(found.ingredients))
    yield f"[bold]{plain(file.name)}[/]"
    yield from _branches([each for each in found.problems if each not in below], found.ingredients, "")


def _problems(used: Iterable[UsedFile]) -> Iterator[Problem]:
    for each in used:
        yield from each.problems
        yield from _problems(each.ingredients)


def _branches(problems: Sequence[Problem], used: Sequence[UsedFile], before: str) -> Iterator[str]:
    """Lines of a drawn tree; not one of rich's, which cuts what does not fit into the window."""
    every: list[Problem | UsedFile] = [*problems, *used]
    for place, each in enumerate(every):
        last = place == len(every) - 1
        yield f"{before}{'└── ' if last else '├── '}{_line(each, at_top=not before)}"
        if not isinstance(each, Problem):
            yield from _branches(each.problems, each.ingredients, before + ("    " if last else "│   "))


def _line(each: Problem | UsedFile, *, at_top: bool) -> str:
    if isinstance(each, Problem):
        # Below an ingredient the place is where it stands.
        where = f", {plain(each.where)}" if at_top and each.where != HERE else ""
        return f"[red]{each.part}[/]: {plain(each.explanation)} [dim]({plain(each.code)}{where})[/]"
    relation = plain(_RELATION.get(each.relationship, each.relationship))
    by = f", by {plain(each.issuer)}" if each.issuer else ""
    return f"[dim]{relation}[/] {plain(each.title)} [{_LOOK[each.state][0]}]({_OWN.get(each.state, each.state)}{by})[/]"
