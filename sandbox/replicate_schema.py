"""Input schemas as Replicate's models have them, and the check that stands before every prediction.

The real API lets unknown inputs pass unseen; here they are refused, so that a misspelt one is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["string", "integer", "number", "boolean", "file", "files"]


@dataclass(frozen=True)
class Field:
    """One input: its type and limits."""

    kind: Kind
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    required: bool = False


class Invalid(Exception):
    """An input that does not fit its schema; an answer of the vendor's, not a failure of ours."""

    def __init__(self, problems: list[tuple[str, str, str]]) -> None:
        super().__init__("; ".join(text for _, _, text in problems))
        self.problems = problems
        """(field, kind of problem, what is wrong)"""


def check(fields: Mapping[str, Field], given: Any) -> dict[str, Any]:
    """The input, if it fits the schema. Raises :class:`Invalid` naming every problem."""
    if not isinstance(given, dict):
        raise Invalid([("input", "required", "input is required")])
    problems = [
        (name, "additional_property_not_allowed", f"{name} is not an input") for name in given if name not in fields
    ]
    for name, rule in fields.items():
        if name not in given:
            problems += [(name, "required", f"{name} is required")] if rule.required else []
        elif (wrong := _wrong(rule, given[name])) is not None:
            problems.append((name, "invalid", wrong))
    if problems:
        raise Invalid(problems)
    return given


_TYPES: dict[Kind, tuple[type, ...]] = {
    "string": (str,), "file": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "files": (list,),
}  # fmt: skip


def _wrong(rule: Field, value: Any) -> str | None:
    types = _TYPES[rule.kind]
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return f"Invalid type. Expected: {rule.kind}, given: {type(value).__name__}"
    if rule.choices and value not in rule.choices:
        return "must be one of the following: " + ", ".join(f'"{choice}"' for choice in rule.choices)
    size = len(value) if isinstance(value, list) else value
    if isinstance(size, (int, float)) and rule.low is not None and size < rule.low:
        return f"Must be greater than or equal to {rule.low}"
    if isinstance(size, (int, float)) and rule.high is not None and size > rule.high:
        return f"Must be less than or equal to {rule.high}"
    return None
