"""What a storm came to: a table for whoever ran it, and by name everything that is off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

SHOWN = 5
"""How many names are told of what is off; the rest is counted."""


@dataclass
class Report:
    """``rows`` say what happened, ``problems`` what must not have."""

    rows: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def row(self, what: str, told: object) -> None:
        """One line of the table."""
        self.rows.append((what, str(told)))

    def counts(self, what: str, counted: Mapping[str, int]) -> None:
        """A line of numbers by name, the largest first."""
        ordered = sorted(counted.items(), key=lambda each: (-each[1], each[0]))
        self.row(what, ", ".join(f"{name} {count:,}" for name, count in ordered) or "none")

    def off(self, what: str, names: Iterable[object]) -> None:
        """Something that must not be, of each of these; nothing where there are none."""
        found = [str(each) for each in names]
        if found:
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            self.problems.append(f"{len(found)} {what}: {', '.join(found[:SHOWN])}{more}")

    def __str__(self) -> str:
        wide = max((len(what) for what, _ in self.rows), default=0)
        told = [f"{what:<{wide}}  {value}" for what, value in self.rows]
        return "\n".join([*told, *(f"OFF: {each}" for each in self.problems)])
