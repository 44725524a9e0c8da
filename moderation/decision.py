"""From what the checkers said to a verdict, by the policy. Pure: the same answers give the same verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ..errors import ModerationUnavailable
from . import explain
from .base import Outcome, Scores, rule_id
from .lexicon import Severity
from .policy import Policy
from .verdict import NO_RULE, WORST_LAST, Decision, Subject, Verdict, join_names, maxima

IMAGE_UNCHECKED = "image_unchecked"
"""The rule of an image that no checker has seen because none is set up."""

_MILDEST_FIRST: tuple[Severity, ...] = ("low", "medium", "high", "critical")


@dataclass(frozen=True, slots=True)
class _Finding:
    """One reason for a decision."""

    decision: Decision
    severity: Severity
    score: float
    rule: str
    explanation: str

    def weight(self) -> tuple[int, int, float, str]:
        return (WORST_LAST.index(self.decision), _MILDEST_FIRST.index(self.severity), self.score, self.rule)


def decide(policy: Policy, subject: Subject, digest: str, results: Sequence[Outcome], now: datetime) -> Verdict:
    """The verdict on what has this digest, from the outcomes of the policy's checkers.

    The worst finding decides; among equals the more severe category, then the higher score. Raises
    :class:`ModerationUnavailable` when the policy blocks what a checker did not judge, unless what the others found
    blocks it already.
    """
    answers = [(outcome.checker, outcome.scores) for outcome in results if outcome.scores is not None]
    checkers = join_names(checker for checker, _ in answers)
    by_category = [
        (category, finding)
        for checker, scores in answers
        for category in scores.scores
        if (finding := _judge(policy, subject, checker, category, scores)) is not None
    ]
    findings = [finding for _, finding in by_category]
    blocked = any(finding.decision == "blocked" for finding in findings)
    if not blocked:
        findings += _gaps(policy, subject, results)
    worst = max(findings, key=_Finding.weight, default=None)
    return Verdict(
        decision=worst.decision if worst else "allowed",
        subject=subject,
        digest=digest,
        categories=tuple(sorted({category for category, _ in by_category})),
        scores=maxima(dict(scores.scores) for _, scores in answers),
        rule=worst.rule if worst else NO_RULE,
        checker=checkers,
        policy=policy.ref,
        explanation=worst.explanation if worst else explain.allowed(checkers.replace("+", ", ")),
        at=now,
    )


def _judge(policy: Policy, subject: Subject, checker: str, category: str, answer: Scores) -> _Finding | None:
    score, limits = answer.scores[category], policy.thresholds(category, subject)
    decision = limits.reached(score)
    if decision == "allowed":
        return None
    rule = answer.rules.get(category, rule_id(checker, category))
    explanation = explain.found(decision, subject, category, score, of_word=rule.endswith("/terms"))
    return _Finding(decision, limits.severity, score, rule, explanation)


def _gaps(policy: Policy, subject: Subject, results: Sequence[Outcome]) -> list[_Finding]:
    """What the policy makes of checkers that gave no scores."""
    failed = [outcome.checker for outcome in results if outcome.problem == "failed"]
    if failed:
        return _unanswered(policy, subject, failed[0])
    if subject == "image" and results and all(outcome.problem == "not_configured" for outcome in results):
        return _unseen(policy)
    return []


def _unanswered(policy: Policy, subject: Subject, checker: str) -> list[_Finding]:
    reaction = policy.unavailable.prompt if subject == "prompt" else policy.unavailable.image
    if reaction == "block":
        raise ModerationUnavailable(
            f"The {checker} checker did not answer, and policy {policy.ref} lets no {subject} pass without it.",
            hint=f"Try again later, or use a policy with unavailable.{subject} set to flag.",
            checker=checker,
            policy=policy.ref,
        )
    if reaction == "allow":
        return []
    decision: Decision = "review" if reaction == "review" else "flagged"
    return [_Finding(decision, "medium", 0.0, f"unavailable/{checker}", explain.unavailable(checker, subject))]


def _unseen(policy: Policy) -> list[_Finding]:
    if policy.image_unchecked == "block":
        raise ModerationUnavailable(
            f"No image checker of policy {policy.ref} is set up here, and it lets no image pass unseen.",
            hint="Set an OpenAI key: mintmark keys set openai",
            policy=policy.ref,
        )
    if policy.image_unchecked == "allow":
        return []
    decision: Decision = "review" if policy.image_unchecked == "review" else "flagged"
    return [_Finding(decision, "low", 0.0, IMAGE_UNCHECKED, explain.UNCHECKED)]
