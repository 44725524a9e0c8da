"""The data files agree with each other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

import pytest

from mintmark.moderation.base import Outcome
from mintmark.moderation.decision import decide
from mintmark.moderation.explain import TITLES
from mintmark.moderation.languages.recognize import COVERED
from mintmark.moderation.lexicon import TERMS_FILE, Language, Rules
from mintmark.moderation.matching import lexicon
from mintmark.moderation.normalize import fold, words
from mintmark.moderation.policy import Policy, load
from mintmark.moderation.rules import scan
from mintmark.moderation.spelling import spelled
from mintmark.moderation.verdict import prompt_digest

from .conftest import CATEGORIES

RULES: Rules = lexicon().source.rules
LANGUAGES = lexicon().source.languages
each_language = pytest.mark.parametrize("language", LANGUAGES, ids=[each.language for each in LANGUAGES])


def groups(language: Language) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    for label, group in (*language.categories.items(), *language.groups.items()):
        yield label, group.terms, group.allow


def test_the_standard_policy_weighs_every_category_of_every_checker() -> None:
    weighed = load("standard").categories.keys()
    assert weighed == {*CATEGORIES, *RULES.severities, "unknown_language"}
    assert weighed == TITLES.keys()


def test_the_list_published_first_stays_as_it_is() -> None:
    known = "086f846a847d35af061316908a741a6501c646d47cf8733434cea4a89f7815b3"
    assert hashlib.sha256(TERMS_FILE.read_bytes()).hexdigest() == known


def test_there_is_a_file_for_each_language_that_is_taken_for_covered() -> None:
    assert {language.language for language in LANGUAGES} == COVERED


@each_language
def test_each_language_has_words_for_every_category_group_and_context_of_the_rules(language: Language) -> None:
    asked = {label for rule in RULES.combinations for label in (*rule.first, *rule.second, *rule.third)}
    assert RULES.severities.keys() == language.categories.keys()
    assert asked - RULES.severities.keys() == language.groups.keys()
    assert {each for contexts in RULES.excuses.values() for each in contexts} == language.contexts.keys()


def test_combinations_reach_categories_that_exist_and_have_names_of_their_own() -> None:
    assert {rule.category for rule in RULES.combinations} <= RULES.severities.keys()
    assert len({rule.id for rule in RULES.combinations}) == len(RULES.combinations)


def test_nothing_excuses_what_is_sexual_about_minors() -> None:
    assert "sexual/minors" not in RULES.excuses
    about = [rule for rule in RULES.combinations if rule.category == "sexual/minors"]
    assert {(rule.severity, rule.excused) for rule in about} == {("critical", False)}
    assert RULES.severities["sexual/minors"] == "critical"


@each_language
def test_no_explanation_tells_a_term_that_was_found(language: Language, noon: datetime) -> None:
    """Whatever the policy makes of it: the explanation holds no spelling of any term."""
    for category, group in language.categories.items():
        for term in (spelled(each, language)[0].strip("*") for each in group.terms):
            scores = scan(term.replace("\ue000", "12").replace("0age", "12"))
            thresholds = {name: {"flag_at": 0.1} for name in scores.scores}
            policy = Policy.model_validate({"name": "strict", "version": "1.0.0", "categories": thresholds})
            verdict = decide(policy, "prompt", prompt_digest(term), [Outcome("rules", scores)], noon)
            assert f" {term} " not in words(fold(verdict.explanation)), (category, term)


@each_language
def test_most_terms_of_a_category_are_found_as_that_category(language: Language) -> None:
    """A few are everyday words of another language, or hidden by a longer harmless word: they are found in context."""
    if language.by == "character":
        return
    for category, group in language.categories.items():
        plain = [each for term in group.terms for each in spelled(term, language)[:1] if "*" not in each]
        known = [each for each in plain if any(use.label == category for use in lexicon().words.uses.get(each, ()))]
        assert known == plain, category


def test_no_title_holds_a_listed_word() -> None:
    told = words(fold(" ".join(TITLES.values())))
    english = next(each for each in LANGUAGES if each.language == "en")
    listed = {each for group in english.categories.values() for term in group.terms for each in spelled(term, english)}
    assert not [spelling for spelling in listed if f" {spelling} " in told]


@each_language
def test_no_term_is_listed_twice(language: Language) -> None:
    for label, terms, allowed in groups(language):
        assert len(set(terms)) == len(terms), label
        assert len(set(allowed)) == len(allowed), label


@each_language
def test_every_homograph_is_a_term(language: Language) -> None:
    listed = {each for _, terms, _ in groups(language) for term in terms for each in spelled(term, language)}
    dead = [word for word in language.homographs if not listed & set(spelled(word, language))]
    assert not dead
