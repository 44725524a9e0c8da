"""House rules stop and let through by lists, try policies on some or on all, and never lift what is locked."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest

from mintmark.errors import BadSetting, FileMissing
from mintmark.moderation import house
from mintmark.moderation.base import Checker, Connect, Scores
from mintmark.moderation.house import Canary, House
from mintmark.moderation.moderator import Moderator
from mintmark.moderation.policy import Policy, load
from mintmark.moderation.verdict import image_digest, prompt_digest

PICTURE = b"a picture"


class Finding(Checker):
    """Scores everything as it is told, and counts."""

    name = "openai"
    subjects = frozenset({"prompt", "image"})

    def __init__(self, **scores: float) -> None:
        self.scores, self.asked = {name.replace("__", "/"): score for name, score in scores.items()}, 0

    @classmethod
    def open(cls, connect: Connect) -> None:
        """Tests make it themselves."""

    async def check_text(self, text: str, negative: str = "") -> Scores:
        self.asked += 1
        return Scores(self.scores)

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        self.asked += 1
        return Scores(self.scores)


def under(rules: dict[str, Any], finding: Finding | None = None, **more: Any) -> Moderator:
    checkers = {} if finding is None else {"openai": finding}
    return Moderator(load("standard"), checkers, house=House.model_validate(rules), **more)


@pytest.mark.parametrize(
    "text",
    ["a bottle of Acme Cola", "ACME   cola on ice", "a\u200bcme cola", "ａｃｍｅ cola", "аcmе cola"],
)
async def test_a_listed_word_stops_a_prompt_in_whatever_disguise_and_nobody_is_asked(text: str) -> None:
    finding = Finding()
    verdict = await under({"block": {"terms": ["acme cola"]}}, finding).prompt(text)
    assert (verdict.decision, verdict.rule, verdict.checker) == ("blocked", "house/blocked_term", "house")
    assert finding.asked == 0
    assert "cola" not in verdict.explanation.lower()


@pytest.mark.parametrize("text", ["an acmes colander", "acme and cola", "a bottle of water"])
async def test_parts_of_words_are_not_what_is_listed(text: str) -> None:
    assert (await under({"block": {"terms": ["acme cola", "colan"]}}).prompt(text)).decision == "allowed"


async def test_a_listed_word_is_found_where_a_script_has_no_gaps() -> None:
    assert (await under({"block": {"terms": ["任天堂"]}}).prompt("新しい任天堂のロゴ")).rule == "house/blocked_term"


async def test_prompts_and_images_are_stopped_by_their_digest() -> None:
    rules = {"block": {"prompts": [prompt_digest("a fox")], "images": [image_digest(PICTURE)]}}
    assert (await under(rules).prompt("a fox")).rule == "house/blocked_prompt"
    assert (await under(rules).prompt("a fox ")).decision == "allowed"
    verdict = await under(rules).image(PICTURE, "image/png")
    assert (verdict.decision, verdict.rule) == ("blocked", "house/blocked_image")


async def test_images_are_stopped_and_let_through_by_their_look() -> None:
    seen: list[Collection[str]] = []

    def alike(data: bytes, looks: Collection[str]) -> bool:
        seen.append(looks)
        return "a" * 64 in looks

    stopped = await under({"block": {"looks": ["a" * 64]}}, alike=alike).image(PICTURE, "image/png")
    assert stopped.rule == "house/blocked_look"
    finding = Finding(violence=0.99)
    passed = await under({"allow": {"looks": ["a" * 64]}}, finding, alike=alike).image(PICTURE, "image/png")
    assert (passed.decision, passed.rule) == ("allowed", "house/allowed")
    other = await under({"allow": {"looks": ["b" * 64]}}, finding, alike=alike).image(PICTURE, "image/png")
    assert other.decision == "blocked"
    assert len(seen) == 3


async def test_what_is_let_through_by_digest_passes_and_says_what_it_would_have_been() -> None:
    finding = Finding(violence=0.99)
    rules = {"allow": {"prompts": [prompt_digest("a fox")], "images": [image_digest(PICTURE)]}}
    verdict = await under(rules, finding).prompt("a fox")
    assert (verdict.decision, verdict.rule, verdict.categories) == ("allowed", "house/allowed", ("violence",))
    assert "blocked by openai/violence" in verdict.explanation
    assert (await under(rules, finding).image(PICTURE, "image/png")).decision == "allowed"
    assert (await under(rules, finding).prompt("a wolf")).decision == "blocked"


@pytest.mark.parametrize("score", [0.2, 0.9])
async def test_no_list_lets_through_what_is_locked(score: float) -> None:
    finding = Finding(sexual__minors=score)
    rules = {"allow": {"prompts": [prompt_digest("a fox")], "images": [image_digest(PICTURE)]}}
    assert (await under(rules, finding).prompt("a fox")).decision in ("review", "blocked")
    assert (await under(rules, finding).image(PICTURE, "image/png")).decision in ("review", "blocked")


async def test_an_allowed_word_is_not_read_by_the_rules_and_the_rest_is() -> None:
    poster = "a poster of the band How to Build a Bomb"
    moderator = under({"allow": {"terms": ["band how to build a bomb"]}})
    assert (await under({}).prompt(poster)).decision != "allowed"
    assert (await moderator.prompt(poster)).decision == "allowed"
    assert (await moderator.prompt(f"{poster}, and how to build a bomb")).decision != "allowed"


async def test_an_allowed_word_cannot_hide_what_is_locked() -> None:
    plain = await under({}).prompt("nude child")
    hidden = await under({"allow": {"terms": ["nude child", "child", "nude"]}}).prompt("nude child")
    assert (hidden.decision, hidden.rule) == (plain.decision, plain.rule)
    assert (plain.decision, plain.rule) == ("blocked", "rules/sexual_minors/en/minor+nudity")


async def test_a_word_that_is_stopped_and_allowed_is_stopped() -> None:
    rules = {"block": {"terms": ["acme"]}, "allow": {"terms": ["acme"], "prompts": [prompt_digest("acme")]}}
    assert (await under(rules).prompt("acme")).decision == "blocked"


# -- policies on trial ------------------------------------------------------------------------------------------------


def strict() -> Policy:
    return Policy.model_validate(
        {
            "name": "strict",
            "version": "3.0.0",
            "prompt_checkers": ["rules", "openai"],
            "image_checkers": ["openai"],
            "categories": {"violence": {"review_at": 0.1}},
        }
    )


async def test_a_shadow_decides_nothing_and_stands_beside_the_real_decision() -> None:
    finding = Finding(violence=0.3)
    verdict = await under({}, finding, shadow=strict()).prompt("a fox")
    assert (verdict.decision, verdict.policy) == ("allowed", "standard@2.0.0")
    assert verdict.shadow is not None
    assert (verdict.shadow.decision, verdict.shadow.policy) == ("review", "strict@3.0.0")
    assert verdict.shadow.categories == ("violence",)
    assert finding.asked == 1, "what both want to know is asked once"


async def test_a_shadow_whose_checker_fails_gets_in_nobodys_way() -> None:
    class Broken(Finding):
        async def check_text(self, text: str, negative: str = "") -> Scores:
            raise BadSetting("it is not set up well")

    alone = Policy.model_validate({"name": "plain", "version": "1.0.0", "categories": {}})
    moderator = Moderator(alone, {"openai": Broken()}, shadow=strict())
    verdict = await moderator.prompt("a fox")
    assert verdict.decision == "allowed"
    assert verdict.shadow is not None
    assert (verdict.shadow.decision, verdict.shadow.rule) == ("blocked", "unavailable/openai")


async def test_a_verdict_without_a_shadow_is_written_as_ever() -> None:
    assert "shadow" not in (await under({}).prompt("a fox")).model_dump(mode="json")


def test_a_canary_keeps_whom_it_took_while_it_grows() -> None:
    users = [f"user-{number}" for number in range(4000)]
    few = {user for user in users if Canary(policy="strict", percent=5).takes(user, "job")}
    more = {user for user in users if Canary(policy="strict", percent=25).takes(user, "job")}
    assert few < more
    assert 140 < len(few) < 260
    assert 880 < len(more) < 1120
    assert not any(Canary(policy="strict", percent=0).takes(user, "job") for user in users)
    assert all(Canary(policy="strict", percent=100).takes(user, "job") for user in users)


def test_a_canary_of_jobs_takes_a_job_whoever_has_it() -> None:
    rules = House(canary=Canary(policy="strict", percent=50, by="job"))
    jobs = [f"job-{number}" for number in range(100)]
    chosen = {job: rules.policy_for("standard", "ann", job) for job in jobs}
    assert chosen == {job: rules.policy_for("standard", "bob", job) for job in jobs}
    assert set(chosen.values()) == {"standard", "strict"}


# -- the file ---------------------------------------------------------------------------------------------------------


def written(folder: Path, data: Any) -> Path:
    path = folder / "house.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
    return path


def test_without_a_file_there_are_no_rules_and_a_changed_file_is_read_again(tmp_path: Path) -> None:
    assert house.load(None) == House()
    path = written(tmp_path, {"references": "own_uploads"})
    assert house.load(path) is house.load(path)
    written(tmp_path, {"shadow": "family"})
    assert house.load(path).policies() == {"family"}


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"block": {"terms": ["…!"]}}, "block.terms"),
        ({"block": {"terms": ["x"]}}, "block.terms"),
        ({"allow": {"images": ["abc"]}}, "allow.images"),
        ({"canary": {"policy": "family", "percent": 120}}, "canary.percent"),
        ({"references": "mine"}, "references"),
        ({"colour": "red"}, "colour"),
        ("{", "no JSON"),
    ],
)
def test_a_bad_file_is_refused_naming_the_field(data: Any, field: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"house\.json") as caught:
        house.load(written(tmp_path, data))
    assert field in caught.value.message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissing, match=r"nowhere\.json"):
        house.load(tmp_path / "nowhere.json")
