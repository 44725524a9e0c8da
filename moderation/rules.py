"""The local checker: a word list over the readings of a prompt. No network, no cost, well under a millisecond.

It finds words, not meaning: what it reports is precise, what it does not find may still be there. Euphemism, other
languages and pictures are for the services.

Sexual content about minors is decided by combination: a word for a minor and a sexual word in one prompt, each harmless
or merely adult alone. It scores 1.0, above every threshold a policy may set.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from typing_extensions import Self

from ..errors import InvalidInput
from .base import Checker, Connect, Scores
from .lexicon import Combination, Hit, Lexicon, Severity, lexicon
from .normalize import MAX_CHARS, Form, forms

SEVERITY_SCORE: dict[Severity, float] = {"low": 0.3, "medium": 0.6, "high": 0.9, "critical": 1.0}
"""What a matched word counts as. Policies compare these with the same thresholds as a classifier's scores."""

# Where one item of a negative prompt ends and the next begins, and what may stand around an item: weights, brackets.
_ITEM_END = re.compile(r"[,;|\n]")
_WEIGHT = " 0123456789"
_FAR = 200  # characters between two words that nothing ties together any more


@dataclass(frozen=True, slots=True)
class _Found:
    """What all readings of one prompt showed together."""

    readings: tuple[tuple[Form, list[Hit]], ...]
    initials: dict[str, str]
    """The first letter of a term found, by category or group; ordered as found."""
    excused: frozenset[str]
    """Categories with one of their contexts in the prompt."""


class RulesChecker(Checker):
    """The shipped word list as a checker of prompts."""

    name = "rules"
    subjects = frozenset({"prompt"})
    local = True

    @classmethod
    def open(cls, connect: Connect) -> Self | None:
        return cls()

    async def check_text(self, text: str, negative: str = "") -> Scores:
        return scan(text, negative)

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        raise InvalidInput("The word rules judge text, not images.")


def scan(text: str, negative: str = "", *, terms: Lexicon | None = None) -> Scores:
    """Score a prompt by the word list. Only categories that were found appear.

    Words of the negative prompt are what the image is to be without, so they count only where taking them out asks for
    something: clothes off a minor. Raises :class:`InvalidInput` when either text is too long to be judged.
    """
    if len(negative) > MAX_CHARS:
        raise InvalidInput(f"The negative prompt has {len(negative):,} characters; at most {MAX_CHARS:,} are allowed.")
    terms = terms or lexicon()
    found = _search(text, terms)
    scores: dict[str, float] = {}
    for category, entry in terms.source.categories.items():
        if category in found.initials and category not in found.excused:
            scores[category] = SEVERITY_SCORE[entry.severity]
    hints = {category: found.initials[category] for category in scores}
    for combination in terms.source.combinations:
        if _applies(combination, found, negative, terms):
            score = SEVERITY_SCORE[combination.severity]
            scores[combination.category] = max(score, scores.get(combination.category, 0.0))
    return Scores(scores=scores, hints=hints, model=f"{terms.source.name}@{terms.source.version}")


def _search(text: str, terms: Lexicon) -> _Found:
    readings = tuple((form, terms.find(form)) for form in forms(text))
    initials: dict[str, str] = {}
    excused: set[str] = set()
    for hit in (hit for _, hits in readings for hit in hits):
        if hit.kind == "context":
            excused.add(hit.label)
        else:
            initials.setdefault(hit.label, hit.initial)
    return _Found(readings, initials, frozenset(excused))


def _applies(combination: Combination, found: _Found, negative: str, terms: Lexicon) -> bool:
    if found.initials.keys().isdisjoint(combination.first):
        return False
    if combination.second_in == "negative":
        return not set(combination.second).isdisjoint(_taken_out(negative, terms))
    if combination.words_between is not None:
        return any(_near(combination, form, hits) for form, hits in found.readings)
    return not found.initials.keys().isdisjoint(combination.second)


def _near(combination: Combination, form: Form, hits: Iterable[Hit]) -> bool:
    """Whether both kinds of words stand close enough together; one pass, however many hits there are."""
    end_of_first = end_of_second = -1
    for hit in sorted(hits, key=lambda hit: hit.start):
        if hit.label in combination.first:
            if end_of_second >= 0 and _close(combination, form.text[end_of_second : hit.start]):
                return True
            end_of_first = max(end_of_first, hit.end)
        elif hit.label in combination.second:
            if end_of_first >= 0 and _close(combination, form.text[end_of_first : hit.start]):
                return True
            end_of_second = max(end_of_second, hit.end)
    return False


def _close(combination: Combination, between: str) -> bool:
    # Far apart is told by the length alone, so that a text full of hits is not split over and over again.
    if len(between) > _FAR:
        return False
    counted = [word for word in between.split() if word not in combination.uncounted]
    return len(counted) <= (combination.words_between or 0)


def _taken_out(negative: str, terms: Lexicon) -> Iterator[str]:
    """The categories and groups whose words are whole items of a negative prompt: "clothes", not "torn clothes"."""
    for item in filter(str.strip, _ITEM_END.split(negative)):
        for form in forms(item):
            for hit in terms.find(form):
                if not (form.text[: hit.start] + form.text[hit.end :]).strip(_WEIGHT):
                    yield hit.label
