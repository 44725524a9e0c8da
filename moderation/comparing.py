"""Where a policy on trial would have decided otherwise than the one that held. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from .verdict import WORST_LAST, Decision, Subject, Verdict

EXAMPLES = 5
"""Digests that are told for each difference."""


class Difference(BaseModel):
    """One way of deciding otherwise. ``examples`` are digests of what it was about, never the thing itself."""

    model_config = ConfigDict(frozen=True)

    subject: Subject
    decided: Decision
    would_be: Decision
    rule: str
    """By which the policy on trial would have decided."""
    count: int
    stricter: bool
    examples: tuple[str, ...]


class Comparison(BaseModel):
    """One policy on trial beside one that held."""

    model_config = ConfigDict(frozen=True)

    policy: str
    shadow: str
    judged: int
    same: int
    stricter: int
    milder: int
    differences: tuple[Difference, ...]
    """The most frequent first."""


def comparisons(verdicts: Iterable[Verdict]) -> list[Comparison]:
    """Of all verdicts that have a shadow, one comparison for each pair of policies."""
    pairs: dict[tuple[str, str], list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.shadow is not None:
            pairs.setdefault((verdict.policy, verdict.shadow.policy), []).append(verdict)
    return [_compared(policy, shadow, found) for (policy, shadow), found in sorted(pairs.items())]


def _compared(policy: str, shadow: str, verdicts: list[Verdict]) -> Comparison:
    ways: Counter[tuple[Any, ...]] = Counter()
    examples: dict[tuple[Any, ...], list[str]] = {}
    for verdict in verdicts:
        would = verdict.shadow
        if would is None or would.decision == verdict.decision:
            continue
        way = (verdict.subject, verdict.decision, would.decision, would.rule)
        ways[way] += 1
        known = examples.setdefault(way, [])
        if len(known) < EXAMPLES and verdict.digest not in known:
            known.append(verdict.digest)
    differences = [_difference(way, count, examples[way]) for way, count in ways.most_common()]
    stricter = sum(each.count for each in differences if each.stricter)
    differing = sum(ways.values())
    return Comparison(
        policy=policy,
        shadow=shadow,
        judged=len(verdicts),
        same=len(verdicts) - differing,
        stricter=stricter,
        milder=differing - stricter,
        differences=tuple(differences),
    )


def _difference(way: tuple[Any, ...], count: int, examples: list[str]) -> Difference:
    subject, decided, would_be, rule = way
    return Difference(
        subject=subject,
        decided=decided,
        would_be=would_be,
        rule=rule,
        count=count,
        stricter=WORST_LAST.index(would_be) > WORST_LAST.index(decided),
        examples=tuple(examples),
    )
