"""The local checker: word lists in seven languages over the readings of a prompt. No network, no cost, in microseconds.

It finds words, not meaning: what it reports is precise, what it does not find may still be there. Euphemism, other
languages and pictures are for the services; a language that the lists do not cover is reported as the category
:data:`UNKNOWN_LANGUAGE`, for a policy to send to a person.

What decides is data, under ``policies/terms``: the words of each language, and the rules that hold for all of them,
which say what follows from words together and what context makes them harmless. Sexual content about minors is decided
by combination: a word for a minor and a sexual word in one prompt, each harmless or merely adult alone. It scores 1.0,
above every threshold a policy may set, and no context excuses it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from typing_extensions import Self

from ..errors import InvalidInput
from .base import Checker, Connect, Scores, rule_id
from .decoders import hidden
from .languages.recognize import recognize
from .languages.scripts import by_character
from .lexicon import Combination, Severity
from .matching import Hit, Lexicon, lexicon
from .normalize import MAX_CHARS, Form, forms
from .policy import LOCKED
from .words import Memo

SEVERITY_SCORE: dict[Severity, float] = {"low": 0.3, "medium": 0.6, "high": 0.9, "critical": 1.0}
"""What a matched word counts as. Policies compare these with the same thresholds as a classifier's scores."""

UNKNOWN_LANGUAGE = "unknown_language"
"""The category of a prompt in a language that the lists do not cover. It accuses of nothing: nobody has read it."""

# Where one item of a negative prompt ends and the next begins, and what may stand around an item: weights, brackets.
_ITEM_END = re.compile(r"[,;|\n、，；]")
_WEIGHT = re.compile(r"[\W\d_]+")
_FAR = 60  # words between two that nothing ties together any more


@dataclass(frozen=True, slots=True)
class _Reading:
    """The hits of one reading, and how to count what stands between two of them."""

    hits: tuple[Hit, ...]
    tokens: tuple[str, ...] | None
    """None where places are characters."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What all readings of one prompt showed together."""

    readings: tuple[_Reading, ...]
    first: Mapping[str, Hit]
    """The first hit of each category, group or context."""
    apart: Mapping[str, Hit]
    """The same of what was encoded alone: it stands nowhere near anything, and may be chance."""
    unknown_language: bool


class RulesChecker(Checker):
    """The shipped word lists as a checker of prompts."""

    name = "rules"
    subjects = frozenset({"prompt"})
    local = True

    @classmethod
    def open(cls, connect: Connect) -> Self | None:
        return cls()

    async def check_text(self, text: str, negative: str = "") -> Scores:
        # The tables are built once, with the first prompt, and whoever else is served meanwhile goes on.
        terms = lexicon() if lexicon.cache_info().currsize else await asyncio.to_thread(lexicon)
        if "characters" not in vars(terms) and (by_character(text) or by_character(negative)):
            await asyncio.to_thread(getattr, terms, "characters")
        return scan(text, negative, terms=terms)

    async def check_image(self, data: bytes, media_type: str) -> Scores:
        raise InvalidInput("The word rules judge text, not images.")


def scan(text: str, negative: str = "", *, terms: Lexicon | None = None) -> Scores:
    """Score a prompt by the word lists. Only categories that were found appear, each with the rule that found it.

    Words of the negative prompt are what the image is to be without, so they count only where taking them out asks for
    something: clothes off a minor. Raises :class:`InvalidInput` when either text is too long to be judged.
    """
    if len(negative) > MAX_CHARS:
        raise InvalidInput(f"The negative prompt has {len(negative):,} characters; at most {MAX_CHARS:,} are allowed.")
    terms = terms or lexicon()
    found = _search(text, terms, partnered=bool(negative))
    scores: dict[str, float] = {}
    rules: dict[str, str] = {}
    for category, severity, rule in _reached(found, negative, terms):
        if SEVERITY_SCORE[severity] > scores.get(category, 0.0):
            scores[category], rules[category] = SEVERITY_SCORE[severity], rule
    if found.unknown_language:
        scores[UNKNOWN_LANGUAGE], rules[UNKNOWN_LANGUAGE] = 1.0, rule_id("rules", UNKNOWN_LANGUAGE)
    source = terms.source.rules
    return Scores(scores=scores, rules=rules, model=f"{source.name}@{source.version}")


def _reached(found: _Found, negative: str, terms: Lexicon) -> Iterator[tuple[str, Severity, str]]:
    """The categories that a term or a combination reaches, how severely, and by which rule."""
    rules = terms.source.rules
    if not found.first and not found.apart:
        return
    excused = {
        category for category, contexts in rules.excuses.items() if any(each in found.first for each in contexts)
    }
    for category, severity in rules.severities.items():
        if category in found.first and category not in excused:
            language = found.first[category].use.language
            yield category, severity, f"{rule_id('rules', category)}/{language}/terms"
    for combination in rules.combinations:
        if combination.excused and combination.category in excused:
            continue
        if _applies(combination, found, negative, terms):
            language = _language(combination, found)
            rule = f"{rule_id('rules', combination.category)}/{language}/{combination.id}"
            yield combination.category, combination.severity, rule


def _language(combination: Combination, found: _Found) -> str:
    known = {**found.apart, **found.first}
    return next(known[label].use.language for label in combination.first if label in known)


def _search(text: str, terms: Lexicon, *, partnered: bool) -> _Found:
    """``partnered``: what makes a part of something locked the whole of it may stand elsewhere."""
    readings: list[_Reading] = []
    evidence: set[str] = set()
    unknown = False
    encoded: list[Form] = []
    for place, each in enumerate((text, *hidden(text))):
        read = forms(each, encoded=True, ages=terms.words.age_words)
        encoded += (form for form in read if form.kind == "encoded")
        # The plainest reading has the words as they stand. What was hidden is searched, but is no language's sample.
        recognized = recognize(each, read[0].tokens)
        evidence |= recognized.covered
        unknown = unknown or (place == 0 and recognized.unknown)
        readings += _by_word(read, terms)
        for blocks in by_character(each):
            readings += (_Reading(tuple(hits), None) for hits in terms.find_by_character(blocks) if hits)
    evidence |= {hit.use.language for reading in readings for hit in reading.hits if not hit.use.homograph}
    readings = [_in_evidence(reading, evidence) for reading in readings]
    first: dict[str, Hit] = {}
    for hit in (hit for reading in readings for hit in reading.hits):
        first.setdefault(hit.use.label, hit)
    # Without a part of something locked in plain sight nobody asks for the other one.
    apart = _apart(encoded, evidence, terms) if partnered or not terms.locked.isdisjoint(first) else {}
    return _Found(tuple(readings), first, apart, unknown)


def _apart(encoded: Iterable[Form], evidence: set[str], terms: Lexicon) -> dict[str, Hit]:
    """What was read backwards or in rot13 and is a part of something locked."""
    hits = (hit for form in encoded for hit in terms.doubtful(form, evidence))
    return {hit.use.label: hit for hit in hits if hit.use.label in terms.locked}


def _by_word(read: Iterable[Form], terms: Lexicon) -> Iterator[_Reading]:
    memo: Memo = {}
    for form in read:
        if hits := terms.find(form, memo):
            yield _Reading(tuple(hits), form.tokens)


def _in_evidence(reading: _Reading, evidence: set[str]) -> _Reading:
    """The reading without the words that are another language's everyday words, where nothing speaks for theirs."""
    if not any(hit.use.homograph and hit.use.language not in evidence for hit in reading.hits):
        return reading
    kept = (hit for hit in reading.hits if not hit.use.homograph or hit.use.language in evidence)
    return _Reading(tuple(kept), reading.tokens)


def _applies(combination: Combination, found: _Found, negative: str, terms: Lexicon) -> bool:
    if found.first.keys().isdisjoint(combination.first):
        return _encoded(combination, found, negative, terms)
    if combination.second_in == "negative":
        return not set(combination.second).isdisjoint(_taken_out(negative, terms))
    if combination.third and found.first.keys().isdisjoint(combination.third):
        return False
    if _encoded(combination, found, negative, terms):
        return True
    most = _most_between(combination, found)
    if most is not None:
        return any(_near(combination, reading, most, terms.links) for reading in found.readings)
    return not found.first.keys().isdisjoint(combination.second)


def _encoded(combination: Combination, found: _Found, negative: str, terms: Lexicon) -> bool:
    """Whether a locked combination has a part that was encoded. How near it stands is not asked: where a word for a
    child is there in plain sight, nobody turns another one round for any good."""
    if combination.category not in LOCKED or not found.apart:
        return False
    known = found.first.keys() | found.apart.keys()
    if combination.second_in == "negative":
        asked = not found.apart.keys().isdisjoint(combination.first)
        return asked and not set(combination.second).isdisjoint(_taken_out(negative, terms))
    both = not known.isdisjoint(combination.first) and not known.isdisjoint(combination.second)
    return both and not found.apart.keys().isdisjoint((*combination.first, *combination.second))


def _most_between(combination: Combination, found: _Found) -> int | None:
    narrower = [most for context, most in combination.words_between_in.items() if context in found.first]
    return min(narrower) if narrower else combination.words_between


def _near(combination: Combination, reading: _Reading, most: int, links: frozenset[str]) -> bool:
    """Whether both kinds of words stand close enough together; one pass, however many hits there are."""
    end_of_first = end_of_second = -1
    for hit in sorted(reading.hits, key=lambda hit: hit.start):
        # A word of both kinds is near itself, and says nothing by that.
        if hit.use.label in combination.first:
            if end_of_second >= 0 and _close(reading, end_of_second, hit.start, most, links):
                return True
            end_of_first = max(end_of_first, hit.end)
        elif hit.use.label in combination.second:
            if end_of_first >= 0 and _close(reading, end_of_first, hit.start, most, links):
                return True
            end_of_second = max(end_of_second, hit.end)
    return False


def _close(reading: _Reading, end: int, start: int, most: int, links: frozenset[str]) -> bool:
    if reading.tokens is None:
        # Two characters are a word, by and large.
        return start - end <= 2 * most + 1
    # Far apart is told by the length alone, so that a text full of hits is not gone through over and over again.
    if start - end > _FAR:
        return False
    return sum(token not in links for token in reading.tokens[end:start]) <= most


def _taken_out(negative: str, terms: Lexicon) -> Iterator[str]:
    """The categories and groups whose words are whole items of a negative prompt: "clothes", not "torn clothes"."""
    for item in filter(str.strip, _ITEM_END.split(negative)):
        for form in forms(item):
            for hit in terms.find(form):
                rest = form.tokens[: hit.start] + form.tokens[hit.end :]
                if not _WEIGHT.sub("", "".join(rest)):
                    yield hit.use.label
        for blocks in by_character(item):
            for hit in (hit for hits in terms.find_by_character(blocks) for hit in hits):
                if not _WEIGHT.sub("", blocks.text[: hit.start] + blocks.text[hit.end :]):
                    yield hit.use.label
