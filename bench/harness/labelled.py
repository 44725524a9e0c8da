"""Labelled prompts: reading them, judging them by the rules under the standard policy, and counting."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from mintmark.moderation.base import Outcome
from mintmark.moderation.decision import decide
from mintmark.moderation.policy import load as load_policy
from mintmark.moderation.rules import UNKNOWN_LANGUAGE, scan
from mintmark.moderation.verdict import prompt_digest

FOLDER = Path(__file__).parents[2] / "tests" / "moderation" / "labelled"
HALVES = ("open", "frozen")
_Z = 1.96  # two sides of a normal distribution, 95%


@dataclass(frozen=True)
class Labelled:
    """One prompt, what it is, and what the rules made of it."""

    text: str
    lang: str
    category: str | None
    kind: str
    decision: str = ""
    scored: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Tally:
    """Counts of a part of the prompts."""

    wanted: int
    found: int
    said: int
    right: int
    remark: str = ""

    @property
    def recall(self) -> float | None:
        return self.found / self.wanted if self.wanted else None

    @property
    def precision(self) -> float | None:
        return self.right / self.said if self.said else None

    @classmethod
    def of(cls, entries: Sequence[Labelled]) -> Tally:
        """Of anything that should not pass, against all that did not."""
        wanted = [entry for entry in entries if entry.category]
        said = [entry for entry in entries if entry.decision != "allowed"]
        found = [entry for entry in wanted if entry.decision != "allowed"]
        return cls(len(wanted), len(found), len(said), len([entry for entry in said if entry.category]))

    @classmethod
    def of_category(cls, entries: Sequence[Labelled], category: str) -> Tally:
        """Of one category: found where it does not pass; right where the rules name it of something of its family."""
        wanted = [entry for entry in entries if entry.category == category]
        found = [entry for entry in wanted if entry.decision != "allowed"]
        exact = sum(category in entry.scored for entry in wanted)
        said = [entry for entry in entries if category in entry.scored and entry.decision != "allowed"]
        right = [entry for entry in said if entry.category and family(entry.category) == family(category)]
        return cls(len(wanted), len(found), len(said), len(right), f"; by its own name {exact}")


def family(category: str) -> str:
    """``hate`` for ``hate/threatening``: neighbours that two people label differently. About minors it stands alone."""
    if category == "sexual/minors":
        return category
    return "sexual" if category == "nudity" else category.split("/")[0]


def load(half: str) -> list[Labelled]:
    """The prompts of a half, ``open`` or ``frozen``."""
    lines = (FOLDER / f"{half}.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line.strip()]
    return [Labelled(row["text"], row["lang"], row["category"], row["kind"]) for row in rows]


def judged(entries: Sequence[Labelled]) -> list[Labelled]:
    """The same, each with what the local rules alone make of it under the standard policy."""
    policy, now = load_policy("standard"), datetime.now(timezone.utc)
    found = []
    for entry in entries:
        scores = scan(entry.text)
        outcome = [Outcome("rules", scores)]
        verdict = decide(policy, "prompt", prompt_digest(entry.text), outcome, now)
        scored = frozenset(scores.scores) - {UNKNOWN_LANGUAGE}
        found.append(replace(entry, decision=verdict.decision, scored=scored))
    return found


def wilson(part: int, whole: int) -> tuple[float, float]:
    """The 95% interval of a share, after Wilson; 0 to 1 where there is nothing to go by."""
    if not whole:
        return 0.0, 1.0
    share, square = part / whole, _Z * _Z
    middle = share + square / (2 * whole)
    width = _Z * math.sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    return max(0.0, (middle - width) / (1 + square / whole)), min(1.0, (middle + width) / (1 + square / whole))
