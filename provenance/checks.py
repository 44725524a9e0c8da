"""The three questions about a credential, each answered apart and in a sentence. Pure.

A credential can be well-formed and yet not fit its file, and a file can be exactly what was signed by somebody whom
nobody knows. One word for all of it would hide which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .explaining import TOO_DEEP

if TYPE_CHECKING:
    from .credential import Credential, Problem

_OF_CHANGE = frozenset({"file", "statement", "signature", "certificate", "timestamp", "ingredient"})


@dataclass(frozen=True)
class Check:
    """One answer; ``holds`` is None where there is nothing to ask it of."""

    holds: bool | None
    why: str

    def as_dict(self) -> dict[str, bool | str | None]:
        """The JSON form."""
        return {"holds": self.holds, "why": self.why}


@dataclass(frozen=True)
class Checks:
    """``well_formed``: it can be read, and is built as C2PA says. ``intact``: nothing that is covered was changed since
    it was signed, neither in the file nor in its credential nor in what it was made from. ``trusted``: the signer is
    who it says."""

    well_formed: Check
    intact: Check
    trusted: Check

    def as_dict(self) -> dict[str, dict[str, bool | str | None]]:
        """The JSON form."""
        return {name: getattr(self, name).as_dict() for name in ("well_formed", "intact", "trusted")}


def checks(found: Credential) -> Checks:
    """The answers for a finding."""
    if found.state == "none":
        nothing = Check(None, "There is no credential.")
        return Checks(nothing, nothing, nothing)
    return Checks(_well_formed(found.problems), _intact(found.problems, found.uncovered), _trusted(found))


def _well_formed(problems: tuple[Problem, ...]) -> Check:
    first = next((each for each in problems if each.part == "structure" and each.code != TOO_DEEP), None)
    if first is None:
        return Check(True, "The credential can be read, and is built as C2PA says.")
    return Check(False, _said(first))


def _intact(problems: tuple[Problem, ...], uncovered: tuple[str, ...] | None) -> Check:
    first = next((each for each in problems if each.part in _OF_CHANGE), None)
    if first is not None:
        return Check(False, _said(first))
    if any(each.part == "structure" for each in problems):
        return Check(None, "What cannot be read through cannot be compared.")
    if uncovered is None:
        return Check(True, "The file, its credential and what it was made from are as they were signed.")
    why = "All that the credential covers of the file, the credential and what it was made from are as they were signed"
    return Check(True, f"{why}; not covered: {', '.join(uncovered)}." if uncovered else f"{why}.")


def _trusted(found: Credential) -> Check:
    who = f"“{found.issuer}”" if found.issuer else "nobody by name"
    first = next((each for each in found.problems if each.part == "signer"), None)
    if first is not None:
        return Check(False, _said(first))
    if found.state == "invalid":
        return Check(False, f"It says that {who} signed it; of a broken credential that proves nothing.")
    if found.state == "valid":
        return Check(False, f"Signed by {who}, whose root is on no trust list given here: the name is not proven.")
    by = f" ({found.vouched_by})" if found.vouched_by else ""
    return Check(True, f"Signed by {who}, under a root that is trusted here{by}.")


def _said(problem: Problem) -> str:
    return f"{problem.explanation.rstrip('.')} ({problem.where})."
