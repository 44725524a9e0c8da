"""The data files agree with each other."""

from __future__ import annotations

from datetime import datetime

import pytest

from mintmark.moderation.base import Outcome
from mintmark.moderation.decision import decide
from mintmark.moderation.explain import TITLES
from mintmark.moderation.lexicon import TermsFile, lexicon, spellings
from mintmark.moderation.normalize import fold, words
from mintmark.moderation.policy import Policy, load
from mintmark.moderation.rules import scan
from mintmark.moderation.verdict import prompt_digest

from .conftest import CATEGORIES

TERMS: TermsFile = lexicon().source
OWN = [(category, term) for category, entry in TERMS.categories.items() for term in entry.terms]


def test_the_standard_policy_weighs_every_category_of_every_checker() -> None:
    weighed = load("standard").categories.keys()
    assert weighed == {*CATEGORIES, *TERMS.categories, "unknown_language"}
    assert weighed == TITLES.keys()


def test_combinations_name_groups_and_categories_that_exist() -> None:
    known = {*TERMS.categories, *TERMS.groups}
    for combination in TERMS.combinations:
        assert {*combination.first, *combination.second} <= known
        assert combination.category in TERMS.categories


@pytest.mark.parametrize(("category", "term"), OWN, ids=[term for _, term in OWN])
def test_each_term_is_found_as_its_category_and_never_told(category: str, term: str, noon: datetime) -> None:
    """Whatever the policy makes of it: the explanation holds no spelling of any term that was found."""
    scores = scan(term)
    assert category in scores.scores
    for block_at in (0.1, None):
        thresholds = {name: {"flag_at": 0.1, "block_at": block_at} for name in scores.scores}
        policy = Policy.model_validate({"name": "strict", "version": "1.0.0", "categories": thresholds})
        verdict = decide(policy, "prompt", prompt_digest(term), [Outcome("rules", scores)], noon)
        assert verdict.decision != "allowed"
        told = words(fold(verdict.explanation))
        assert not [spelling for spelling in spellings(term) if f" {spelling} " in told]


def test_no_title_holds_a_listed_word() -> None:
    told = words(fold(" ".join(TITLES.values())))
    listed = {spelling for _, kind, phrase in TERMS.phrases() if kind == "term" for spelling in spellings(phrase)}
    assert not [spelling for spelling in listed if f" {spelling} " in told]


def test_no_term_is_listed_twice_in_a_category() -> None:
    for label, group in (*TERMS.categories.items(), *TERMS.groups.items()):
        assert len(set(group.terms)) == len(group.terms), label
        assert len(set(group.allow)) == len(group.allow), label


def test_every_allowed_phrase_excuses_a_term_of_its_own() -> None:
    """An entry of `allow` that contains no term would be dead weight, most often a misspelling."""
    for label, group in (*TERMS.categories.items(), *TERMS.groups.items()):
        own = {f" {spelling} " for term in group.terms for spelling in spellings(term)}
        for phrase in group.allow:
            assert any(term in words(spelling) for spelling in spellings(phrase) for term in own), (label, phrase)


def test_an_age_placeholder_stands_for_every_age_of_a_minor_and_no_other() -> None:
    found = spellings("{age} year old")
    assert {"1 year old", "17 year old", "seventeen year old", "9yearold"} <= found
    assert not {"18 year old", "0 year old", "eighteen year old"} & found
