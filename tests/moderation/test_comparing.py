"""Differences between a policy that held and one on trial are counted, by what would have decided."""

from __future__ import annotations

from datetime import datetime

from mintmark.moderation.comparing import comparisons
from mintmark.moderation.verdict import Shadow, Verdict, prompt_digest


def judged(text: str, decision: str, would_be: str | None, noon: datetime, policy: str = "old@1.0.0") -> Verdict:
    shadow = None if would_be is None else {"policy": "new@1.0.0", "decision": would_be, "rule": f"openai/{would_be}"}
    return Verdict.model_validate(
        {
            "decision": decision,
            "subject": "prompt",
            "digest": prompt_digest(text),
            "checker": "rules",
            "policy": policy,
            "explanation": "",
            "at": noon,
            "shadow": shadow,
        }
    )


def test_what_differs_is_counted_by_what_would_have_decided(noon: datetime) -> None:
    every = [judged(str(number), "allowed", "blocked", noon) for number in range(9)]
    every += [judged("a", "blocked", "review", noon), judged("b", "allowed", "allowed", noon)]
    every += [judged("c", "blocked", None, noon)]
    (found,) = comparisons(every)
    assert (found.judged, found.same, found.stricter, found.milder) == (11, 1, 9, 1)
    first, second = found.differences
    assert (first.decided, first.would_be, first.rule, first.count) == ("allowed", "blocked", "openai/blocked", 9)
    assert first.stricter
    assert not second.stricter
    assert len(first.examples) == 5


def test_each_pair_of_policies_is_compared_by_itself(noon: datetime) -> None:
    found = comparisons(
        [judged("a", "allowed", "blocked", noon), judged("a", "allowed", "blocked", noon, "older@1.0.0")]
    )
    assert [(each.policy, each.shadow) for each in found] == [("old@1.0.0", "new@1.0.0"), ("older@1.0.0", "new@1.0.0")]


def test_nothing_on_trial_is_nothing_to_compare(noon: datetime) -> None:
    assert comparisons([judged("a", "allowed", None, noon)]) == []
    assert Shadow(policy="new@1.0.0", decision="allowed", rule="none").categories == ()
