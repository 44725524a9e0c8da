"""What a policy makes of scores, and of checkers that gave none."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from mintmark.errors import InternalError, ModerationUnavailable
from mintmark.moderation.base import Outcome, Scores
from mintmark.moderation.decision import decide
from mintmark.moderation.policy import Policy, load
from mintmark.moderation.verdict import Subject, Verdict, prompt_digest

DIGEST = prompt_digest("a fox")


def policy(**changes: Any) -> Policy:
    categories = {
        "violence": {"flag_at": 0.4, "block_at": 0.8},
        "hate": {"flag_at": 0.4, "block_at": 0.8, "severity": "high"},
        "nudity": {"flag_at": 0.5},
    }
    return Policy.model_validate({"name": "mine", "version": "1.0.0", "categories": categories, **changes})


@pytest.fixture
def judged(noon: datetime) -> Any:
    def judge(*results: Outcome, subject: Subject = "prompt", **changes: Any) -> Verdict:
        return decide(policy(**changes), subject, DIGEST, results, noon)

    return judge


def says(checker: str = "openai", **scores: float) -> Outcome:
    return Outcome(checker, Scores(scores={name.replace("__", "/"): score for name, score in scores.items()}))


@pytest.mark.parametrize(
    ("score", "decision"),
    [(0.0, "allowed"), (0.39, "allowed"), (0.4, "flagged"), (0.79, "flagged"), (0.8, "blocked"), (1.0, "blocked")],
)
def test_a_threshold_is_reached_at_its_own_value(judged: Any, score: float, decision: str) -> None:
    assert judged(says(violence=score)).decision == decision


def test_a_category_without_a_block_threshold_is_only_flagged(judged: Any) -> None:
    verdict = judged(says(nudity=1.0))
    assert (verdict.decision, verdict.rule) == ("flagged", "openai/nudity")


def test_scores_under_every_threshold_are_kept_and_decide_nothing(judged: Any) -> None:
    verdict = judged(says(violence=0.1, elegance=0.99))
    assert verdict.decision == "allowed"
    assert (verdict.rule, verdict.categories) == ("none", ())
    assert verdict.scores == {"elegance": 0.99, "violence": 0.1}


def test_the_worst_decision_names_the_rule_then_the_more_severe_category_then_the_score(judged: Any) -> None:
    assert judged(says(violence=0.9, hate=0.5)).rule == "openai/violence"
    assert judged(says(violence=0.9, hate=0.85)).rule == "openai/hate"
    assert judged(says("rules", violence=0.9), says(violence=0.95)).rule == "openai/violence"


def test_checkers_are_joined_and_scores_are_their_maxima(judged: Any) -> None:
    verdict = judged(says("rules", violence=0.6), says(violence=0.2, hate=0.5))
    assert verdict.checker == "rules+openai"
    assert verdict.scores == {"hate": 0.5, "violence": 0.6}
    assert verdict.categories == ("hate", "violence")


def test_a_checkers_own_rule_is_named(judged: Any) -> None:
    outcome = Outcome("rules", Scores(scores={"violence": 0.9}, rules={"violence": "rules/line_7"}))
    assert judged(outcome).rule == "rules/line_7"


def test_what_is_locked_blocks_under_a_policy_that_does_not_list_it(judged: Any) -> None:
    verdict = judged(says("rules", sexual__minors=1.0))
    assert (verdict.decision, verdict.rule) == ("blocked", "rules/sexual_minors")


def test_a_failed_checker_follows_the_policy(judged: Any) -> None:
    failed = Outcome("openai", problem="failed")
    with pytest.raises(ModerationUnavailable, match="openai") as caught:
        judged(says("rules"), failed)
    assert "unavailable.prompt" in caught.value.hint
    flagged = judged(says("rules"), failed, unavailable={"prompt": "flag"})
    assert (flagged.decision, flagged.rule, flagged.checker) == ("flagged", "unavailable/openai", "rules")
    assert judged(says("rules"), failed, unavailable={"prompt": "allow"}).decision == "allowed"


def test_what_another_checker_blocks_stays_blocked_when_one_failed(judged: Any) -> None:
    verdict = judged(says("rules", hate=0.9), Outcome("openai", problem="failed"))
    assert (verdict.decision, verdict.rule) == ("blocked", "rules/hate")


def test_a_prompt_checker_that_is_not_set_up_is_no_failure(judged: Any) -> None:
    verdict = judged(says("rules"), Outcome("openai", problem="not_configured"))
    assert (verdict.decision, verdict.checker) == ("allowed", "rules")


def test_an_image_that_nobody_could_look_at_is_flagged_and_says_how_to_mend_it(judged: Any) -> None:
    verdict = judged(Outcome("openai", problem="not_configured"), subject="image")
    assert (verdict.decision, verdict.rule, verdict.checker) == ("flagged", "image_unchecked", "none")
    assert "mintmark keys set openai" in verdict.explanation


def test_an_unseen_image_may_be_refused_or_allowed_by_policy(judged: Any) -> None:
    missing = Outcome("openai", problem="not_configured")
    assert judged(missing, subject="image", image_unchecked="allow").decision == "allowed"
    with pytest.raises(ModerationUnavailable, match="unseen"):
        judged(missing, subject="image", image_unchecked="block")


def test_an_image_seen_by_one_of_two_checkers_is_seen(judged: Any) -> None:
    verdict = judged(says(violence=0.1), Outcome("local", problem="not_configured"), subject="image")
    assert (verdict.decision, verdict.rule) == ("allowed", "none")


def test_a_policy_without_image_checkers_means_it(judged: Any) -> None:
    assert judged(subject="image").decision == "allowed"


def test_the_standard_policy_delivers_a_paid_image_flagged_when_its_checker_failed(noon: datetime) -> None:
    failed = [Outcome("openai", problem="failed")]
    assert decide(load("standard"), "image", DIGEST, failed, noon).rule == "unavailable/openai"
    with pytest.raises(ModerationUnavailable):
        decide(load("standard"), "prompt", DIGEST, failed, noon)


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_checker_cannot_report_what_is_no_score(score: float) -> None:
    with pytest.raises(InternalError, match="violence"):
        Scores(scores={"violence": score})


EVERY = {"violence": {"flag_at": 0.2, "blur_at": 0.4, "review_at": 0.6, "block_at": 0.8}}


@pytest.mark.parametrize(
    ("score", "decision"), [(0.1, "allowed"), (0.2, "flagged"), (0.4, "blurred"), (0.6, "review"), (0.8, "blocked")]
)
@pytest.mark.parametrize("subject", ["prompt", "image"])
def test_the_worst_threshold_that_is_reached_decides(judged: Any, subject: str, score: float, decision: str) -> None:
    verdict = judged(says(violence=score), subject=subject, categories=EVERY)
    assert verdict.decision == decision
    told = {"blurred": "blurred", "review": "until a person accepts"}.get(decision, "")
    assert told in verdict.explanation


@pytest.mark.parametrize(("milder", "worse"), [("flagged", "blurred"), ("blurred", "review"), ("review", "blocked")])
def test_of_two_findings_the_worse_decides(judged: Any, milder: str, worse: str) -> None:
    at = {"flagged": "flag_at", "blurred": "blur_at", "review": "review_at", "blocked": "block_at"}
    categories = {"hate": {at[milder]: 0.1, "severity": "critical"}, "violence": {at[worse]: 0.1, "severity": "low"}}
    assert judged(says(hate=0.9, violence=0.2), categories=categories).decision == worse


def test_images_may_have_thresholds_of_their_own(judged: Any) -> None:
    own = {"image_categories": {"nudity": {"blur_at": 0.3}}}
    assert judged(says(nudity=0.9), subject="image", **own).decision == "blurred"
    assert judged(says(nudity=0.9), **own).decision == "flagged"
    assert judged(says(violence=0.5), subject="image", **own).decision == "flagged"


@pytest.mark.parametrize("own", [{}, {"sexual/minors": {"blur_at": 0.9, "review_at": 1.0}}])
def test_what_is_locked_blocks_also_where_images_have_thresholds_of_their_own(judged: Any, own: dict[str, Any]) -> None:
    for subject in ("prompt", "image"):
        verdict = judged(says(sexual__minors=0.5), subject=subject, categories=own, image_categories=own)
        assert verdict.decision == "blocked"


def test_an_image_that_nobody_could_look_at_may_wait_for_a_person(judged: Any) -> None:
    unseen = Outcome("openai", problem="not_configured")
    assert judged(unseen, subject="image", image_unchecked="review").decision == "review"
    failed = Outcome("openai", problem="failed")
    verdict = judged(failed, subject="image", unavailable={"image": "review"})
    assert (verdict.decision, verdict.rule) == ("review", "unavailable/openai")


def test_a_language_that_the_rules_do_not_know_waits_for_a_person_by_default(noon: datetime) -> None:
    said = [Outcome("rules", Scores(scores={"unknown_language": 1.0}))]
    assert decide(load("standard"), "prompt", DIGEST, said, noon).decision == "review"
    assert decide(load("standard@1.0.0"), "prompt", DIGEST, said, noon).decision == "allowed"
