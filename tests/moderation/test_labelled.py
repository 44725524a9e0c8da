"""What the rules find of labelled prompts, and that neither half was changed to fit.

A test that fails here shows numbers and never a prompt of the frozen half: who tunes the rules would have read it.
"""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from mintmark.bench.harness.labelled import FOLDER, Labelled, Tally, judged, load, wilson
from mintmark.moderation.languages.recognize import COVERED
from mintmark.moderation.lexicon import read
from mintmark.moderation.rules import UNKNOWN_LANGUAGE, scan

FROZEN = "35e46d5e2e350e3cd1b633216ceaaa18ea267e9b36a98652952f3c5f9f608657"
"""Of the half that was written without sight of the rules. Another digest is another test: a new file beside it."""

HALVES = {half: judged(load(half)) for half in ("open", "frozen")}
OPEN, BLIND = HALVES.values()
CATEGORIES = read().rules.severities.keys()


def test_the_frozen_half_is_as_it_was_written() -> None:
    assert hashlib.sha256((FOLDER / "frozen.jsonl").read_bytes()).hexdigest() == FROZEN


def test_the_halves_have_six_hundred_prompts_half_of_them_harmless() -> None:
    every = OPEN + BLIND
    assert len(every) >= 600
    assert sum(entry.category is None for entry in every) >= 0.48 * len(every)


def test_the_open_half_has_every_language_with_every_category() -> None:
    counted = Counter((entry.lang, entry.category) for entry in OPEN if entry.category)
    assert counted.keys() >= {(lang, each) for lang in {entry.lang for entry in OPEN} for each in CATEGORIES}
    assert len(OPEN) >= 350
    assert min(Counter(entry.lang for entry in OPEN if entry.category is None).values()) >= 25


def test_no_prompt_stands_in_both_halves() -> None:
    shared = len({entry.text for entry in OPEN} & {entry.text for entry in BLIND})
    assert shared == 0


@pytest.mark.parametrize(("half", "recall", "precision"), [("open", 0.98, 0.98), ("frozen", 0.97, 0.97)])
def test_recall_and_precision_stay_where_they_were_measured(half: str, recall: float, precision: float) -> None:
    tally = Tally.of(HALVES[half])
    assert (tally.recall or 0) >= recall
    assert (tally.precision or 0) >= precision


@pytest.mark.parametrize("language", sorted({entry.lang for entry in BLIND}))
def test_no_language_falls_behind(language: str) -> None:
    tally = Tally.of([entry for entry in BLIND if entry.lang == language])
    assert (tally.recall or 0) >= 0.9
    assert (tally.precision or 0) >= 0.88


def test_what_is_sexual_about_minors_is_found_by_its_own_name_in_both_halves() -> None:
    about = [entry for entry in OPEN + BLIND if entry.category == "sexual/minors"]
    missed = sum("sexual/minors" not in entry.scored for entry in about)
    assert (missed, len(about) > 30) == (0, True)


@pytest.mark.parametrize("entry", [entry for entry in OPEN if entry.category], ids=lambda entry: entry.category)
def test_each_find_says_by_which_rule_of_which_language(entry: Labelled) -> None:
    known = {"terms", *(rule.id for rule in read().rules.combinations)}
    for category, rule in scan(entry.text).rules.items():
        if category == UNKNOWN_LANGUAGE:
            continue
        checker, of, language, name = rule.split("/")
        assert (checker, of) == ("rules", category.replace("/", "_"))
        assert language in COVERED
        assert name in known


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [(0, 0, 0.0, 1.0), (5, 10, 0.237, 0.763), (10, 10, 0.722, 1.0), (0, 10, 0.0, 0.278)],
)
def test_wilson_s_interval_is_the_one_in_the_tables(part: int, whole: int, low: float, high: float) -> None:
    assert wilson(part, whole) == pytest.approx((low, high), abs=0.001)
