"""What a file's credential says, as values. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from .checks import Checks, checks
from .explaining import Part, part_of

State = Literal["trusted", "valid", "invalid", "none"]
"""``trusted``: whole, and signed under a root that the reader trusts. ``valid``: whole, but who signed is not proven.
``invalid``: the file, its credential or one of its ingredients was changed. ``none``: there is no credential."""


@dataclass(frozen=True)
class Problem:
    """Something that is wrong: C2PA's own status code where it has one, what it means, and which file it is in."""

    code: str
    explanation: str
    where: str

    @property
    def part(self) -> Part:
        """Which part of the file it is about."""
        return part_of(self.code)

    def as_dict(self) -> dict[str, str]:
        """The JSON form."""
        return {"code": self.code, "part": self.part, "explanation": self.explanation, "where": self.where}


@dataclass(frozen=True)
class Action:
    """One thing that was done to the image; ``digital_source_type`` is the IPTC address, ``when`` is ISO 8601."""

    action: str
    digital_source_type: str | None
    software_agent: str | None
    when: str | None

    def as_dict(self) -> dict[str, str | None]:
        """The JSON form."""
        return {
            "action": self.action,
            "digital_source_type": self.digital_source_type,
            "software_agent": self.software_agent,
            "when": self.when,
        }


@dataclass(frozen=True)
class UsedFile:
    """A file the image came from, as found when it was signed in, with the files that one came from."""

    title: str
    relationship: str
    state: State
    issuer: str | None
    problems: tuple[Problem, ...]
    ingredients: tuple[UsedFile, ...]

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "title": self.title,
            "relationship": self.relationship,
            "state": self.state,
            "issuer": self.issuer,
            "problems": [problem.as_dict() for problem in self.problems],
            "ingredients": [used.as_dict() for used in self.ingredients],
        }


@dataclass(frozen=True)
class Stamp:
    """When a timestamp authority says that the signature was there: ISO 8601, and whether the authority is trusted."""

    time: str
    trusted: bool

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {"time": self.time, "trusted": self.trusted}


@dataclass(frozen=True)
class Credential:
    """The whole finding about a file.

    Of an ``invalid`` file, ``issuer``, ``actions`` and ``record`` are what it claims, no more. ``issuer`` is a name
    that the signer chose: it proves something only where the state is ``trusted``. ``vouched_by`` is the list that the
    signer's root is on. ``problems`` holds those of the ingredients too; ``notes`` explain what is no problem.
    """

    state: State
    issuer: str | None = None
    ai_generated: bool = False
    actions: tuple[Action, ...] = ()
    ingredients: tuple[UsedFile, ...] = ()
    record: dict[str, Any] | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    vouched_by: str | None = None
    timestamp: Stamp | None = None
    uncovered: tuple[str, ...] | None = None
    """What stands in parts of the file that no credential of its kind covers; None where all of it is covered."""

    @cached_property
    def checks(self) -> Checks:
        """Whether it is well-formed, intact and trusted, each apart."""
        return checks(self)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: what ``mintmark verify --json`` prints."""
        return {
            "state": self.state,
            "checks": self.checks.as_dict(),
            "issuer": self.issuer,
            "vouched_by": self.vouched_by,
            "timestamp": self.timestamp.as_dict() if self.timestamp else None,
            "ai_generated": self.ai_generated,
            "actions": [action.as_dict() for action in self.actions],
            "ingredients": [used.as_dict() for used in self.ingredients],
            "record": self.record,
            "problems": [problem.as_dict() for problem in self.problems],
            "notes": list(self.notes),
        }
