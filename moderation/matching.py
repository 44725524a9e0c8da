"""Where the phrases of the word lists stand in a reading of a text, and which of them count.

One table of words, and one of characters for each language without gaps (:mod:`.words`, :mod:`.characters`): built on
first use and once in a process.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache

from .ages import AGE
from .characters import Characters
from .languages.scripts import Blocks
from .lexicon import Combination, Kind, Language, Source, read
from .normalize import Form
from .policy import LOCKED
from .spelling import spelled
from .words import Memo, Use, Words

_LEAST_ENCODED = 4
_LEAST_WORDS_ENCODED = 3


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase found in a reading, from its first word (or character) to behind its last."""

    use: Use
    start: int
    end: int


class Lexicon:
    """A version of the word lists made ready for searching."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.words = Words()
        self.negations = _negations(source.languages)
        self.links = frozenset(word for language in source.languages for word in language.links)
        self._unfit = frozenset(source.rules.unfit_for_encodings)
        self.locked = frozenset(_locked(source.rules.combinations))
        """The parts of combinations that reach what no policy lets through."""
        self._fit_beside = frozenset(source.rules.fit_beside_others)
        for language in source.languages:
            if language.by == "word":
                self._add_words(language)

    @cached_property
    def characters(self) -> list[Characters]:
        """The tables by character, for the first text that has Chinese, Japanese or Korean in it: most have none."""
        tables = [Characters(language) for language in self.source.languages if language.by == "character"]
        # Han characters are read in Chinese and in Japanese, so what is harmless in one is so in the other.
        harmless = [each for table in tables if not table.spaced for each in table.language.words]
        for table in tables:
            _add_characters(table, table.language.words if table.spaced else harmless)
        return tables

    def _add_words(self, language: Language) -> None:
        self.words.age_words.update(language.ages)
        homographs = {each for word in language.homographs for each in spelled(word, language)}
        for label, kind, phrase in language.phrases():
            use, elsewhere = (_use(language, label, kind, homograph=homograph) for homograph in (False, True))
            every = spelled(phrase, language)
            shared = homographs.intersection(every) if homographs else ()
            self.words.add((each for each in every if each not in shared) if shared else every, use)
            self.words.add(shared, elsewhere)

    def find(self, form: Form, memo: Memo | None = None) -> list[Hit]:
        """Terms and contexts in a reading by words; without the terms that an ``allow`` phrase covers."""
        memo = {} if memo is None else memo
        if form.kind == "collapsed":
            return [hit for place, token in enumerate(form.tokens) for hit in self._once(place, token)]
        if form.kind == "run":
            found = [(place, uses) for place, run in enumerate(form.tokens) for uses in self.words.in_run(run)]
            return [Hit(use, place, place + 1) for place, uses in found for use in uses if use.kind == "term"]
        # Decoded text is mostly nonsense, whose words by chance begin like any.
        hits = self._by_word(form.tokens, None if form.kind == "encoded" else memo)
        if form.kind == "encoded":
            return self._convincing(hits, form)
        if not self.words.age_words.isdisjoint(form.tokens):
            aged = tuple(AGE if token in self.words.age_words else token for token in form.tokens)
            hits += self._by_word(aged, memo)
        return self._meant(hits, form)

    def find_by_character(self, blocks: Blocks) -> list[list[Hit]]:
        """The same of a reading by characters, apart for each language that is read so."""
        return [self._in_blocks(table, blocks) for table in self.characters if table.reads(blocks)]

    def _in_blocks(self, table: Characters, blocks: Blocks) -> list[Hit]:
        least = 3 if blocks.kind == "encoded" else 1
        negations = self.negations.get(table.language.language, ((), ()))
        return [
            Hit(use, start, end)
            for start, end, uses in table.found(blocks)
            for use in uses
            if use.kind != "allow"
            and end - start >= least
            and not (use.kind == "term" and negatable(use.label) and _denied(blocks.text, start, end, negations))
        ]

    def _by_word(self, tokens: tuple[str, ...], memo: Memo | None) -> list[Hit]:
        return [Hit(use, start, end) for start, end, uses in self.words.found(tokens, memo) for use in uses]

    def _once(self, place: int, token: str) -> Iterator[Hit]:
        for use in self.words.once(token):
            yield Hit(use, place, place + 1)

    def _convincing(self, hits: list[Hit], form: Form) -> list[Hit]:
        """The terms of a decoded text, where they are more than chance: one that speaks for itself, or several."""
        least = [hit for hit in hits if len("".join(form.tokens[hit.start : hit.end])) >= _LEAST_ENCODED]
        terms = [hit for hit in least if hit.use.kind == "term"]
        # Backwards a listed word may be an everyday one ("Dekan"); two that are listed are not that by chance.
        alone = [hit for hit in terms if hit.use.outright]
        certain = [hit for hit in alone if form.tokens[hit.start] not in self._unfit]
        places = len({hit.start for hit in terms})
        return terms if certain or (alone and places > 1) or places >= _LEAST_WORDS_ENCODED else []

    def doubtful(self, form: Form, evidence: Set[str]) -> Iterator[Hit]:
        """The terms of a decoded text that may be chance, and count beside others alone. ``evidence``: the languages
        that the text shows signs of."""
        for hit in self._by_word(form.tokens, None):
            word = " ".join(form.tokens[hit.start : hit.end])
            if hit.use.kind != "term" or len(word) < _LEAST_ENCODED or hit.use.language not in evidence:
                continue
            if word not in self._unfit or (word in self._fit_beside and len(evidence) == 1):
                yield hit

    def _meant(self, hits: list[Hit], form: Form) -> list[Hit]:
        spoken_for = {
            (hit.use.label, place) for hit in hits if hit.use.kind == "allow" for place in range(hit.start, hit.end)
        }
        return [
            hit
            for hit in hits
            if hit.use.kind == "context" or (hit.use.kind == "term" and self._counts(hit, form, spoken_for))
        ]

    def _counts(self, hit: Hit, form: Form, spoken_for: set[tuple[str, int]]) -> bool:
        label = hit.use.label
        if (label, hit.start) in spoken_for and (label, hit.end - 1) in spoken_for:
            return False
        if not hit.start or not negatable(label):
            return True
        before, _ = self.negations.get(hit.use.language, ((), ()))
        return form.tokens[hit.start - 1] not in before


def negatable(label: str) -> bool:
    """Whether "no" before a word of this label means anything: who is in a picture is not changed by it."""
    return label not in ("sexual/minors", "minor", "clothing") and not label.startswith("_")


def _locked(combinations: Iterable[Combination]) -> Iterator[str]:
    for each in combinations:
        if each.category in LOCKED:
            yield from (*each.first, *each.second)


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The shipped word lists, read and built on first use; without looking for garbage meanwhile, as none is made."""
    collected = gc.isenabled()
    gc.disable()
    try:
        return Lexicon(read())
    finally:
        if collected:
            gc.enable()


def _add_characters(table: Characters, harmless: Iterable[str]) -> None:
    for label, kind, phrase in table.language.phrases():
        for each in spelled(phrase, table.language):
            table.add(each, _use(table.language, label, kind))
    for word in harmless:
        for each in spelled(word, table.language):
            table.add(each, None)


def _use(language: Language, label: str, kind: Kind, *, homograph: bool = False) -> Use:
    outright = kind == "term" and label in language.categories
    return _shared(label, kind, language.language, homograph, outright)


@cache
def _shared(label: str, kind: Kind, language: str, homograph: bool, outright: bool) -> Use:
    """One value for all phrases of a kind, of which there are a hundred thousand."""
    return Use(label, kind, language, homograph, outright)


def _negations(languages: Iterable[Language]) -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    return {
        each.language: (
            tuple(word for word in each.negations if not word.startswith("-")),
            tuple(word[1:] for word in each.negations if word.startswith("-")),
        )
        for each in languages
    }


def _denied(text: str, start: int, end: int, negations: tuple[tuple[str, ...], tuple[str, ...]]) -> bool:
    before, behind = negations
    return text.endswith(before, 0, start) or text.startswith(behind, end)
