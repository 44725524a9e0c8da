"""How a verdict came about, layer by layer: who was asked, what they scored, which threshold that reached. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .base import Outcome, rule_id
from .policy import LOCKED, Policy
from .verdict import Decision, Subject, Verdict

State = Literal["asked", "not_asked", "not_set_up", "failed"]


@dataclass(frozen=True)
class Finding:
    """One score. ``thresholds`` are the category's, by field; ``locked``: no policy can loosen them."""

    category: str
    score: float
    decision: Decision
    thresholds: dict[str, float]
    locked: bool
    decided: bool
    """Whether the verdict is this one's."""


@dataclass(frozen=True)
class Layer:
    """One that may speak of a prompt or an image. ``not_asked``: what came before it had decided already."""

    name: str
    state: State
    findings: tuple[Finding, ...] = ()
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return asdict(self)


_PROVIDER = "A provider's own filter speaks when an image is made; what it withholds is recorded with the call."
_PERSON = "A person accepts or rejects it before it is delivered."


def layers_of(policy: Policy, verdict: Verdict, outcomes: Sequence[Outcome], set_up: Collection[str]) -> list[Layer]:
    """The layers in the order in which they speak; ``set_up`` names the checkers that can be asked here."""
    subject, known = verdict.subject, {outcome.checker: outcome for outcome in outcomes}
    decided = verdict.rule.startswith("house/")
    found = [Layer("house rules", "asked", note=verdict.explanation if decided else "Nothing of theirs applies.")]
    found += [_checker(name, policy, verdict, known.get(name), set_up) for name in policy.checkers(subject)]
    if subject == "prompt":
        found.append(Layer("provider's own filter", "not_asked", note=_PROVIDER))
    if verdict.decision == "review":
        found.append(Layer("human review", "not_asked", note=_PERSON))
    return found


def _checker(name: str, policy: Policy, verdict: Verdict, outcome: Outcome | None, set_up: Collection[str]) -> Layer:
    if outcome is None:
        return Layer(name, "not_asked" if name in set_up else "not_set_up")
    if outcome.scores is None:
        return Layer(name, "failed" if outcome.problem == "failed" else "not_set_up")
    every = sorted(outcome.scores.scores.items(), key=lambda pair: -pair[1])
    rules = outcome.scores.rules
    findings = [
        _finding(policy, verdict, category, score, rules.get(category, rule_id(name, category)))
        for category, score in every
    ]
    return Layer(name, "asked", tuple(findings), note=outcome.scores.model)


def _finding(policy: Policy, verdict: Verdict, category: str, score: float, rule: str) -> Finding:
    subject: Subject = verdict.subject
    limits = policy.thresholds(category, subject)
    return Finding(
        category=category,
        score=score,
        decision=limits.reached(score),
        thresholds={name: least for name, _, least in limits.steps()},
        locked=category in LOCKED,
        decided=rule == verdict.rule,
    )
