"""Where the phrases of the word lists stand in a reading of a text.

Two tables, both built on first use and once in a process. The one of words is a dictionary of phrases: a reading's
words are intersected with the words that any phrase begins with, which most readings have none of, and only there are
phrases followed word by word. The one of characters, for scripts without spaces, reads the longest entry at each place,
so that a listed word inside a harmless longer one is not seen. ``bench/moderation.py`` says what other ways would cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from .languages.scripts import Blocks, is_hangul, is_katakana
from .lexicon import Kind, Language, Source, read
from .normalize import AGE, Form, collapse
from .spelling import spelled

_KEY = 4  # letters by which words that may hold a stem are told from those that cannot
_LEAST_ENCODED = 4
_LEAST_WORDS_ENCODED = 3
_LEAST_IN_RUN = 4


class Use(NamedTuple):
    """What a phrase is, in one category, group or context of one language."""

    label: str
    kind: Kind
    language: str
    homograph: bool
    outright: bool
    """A term of a category, which speaks for itself."""


Uses = tuple[Use, ...]
Memo = dict[str, tuple[Uses, ...]]
"""What the words of one text were found to be made of: its readings share most of their words."""
_HARMLESS: Uses = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase found in a reading, from its first word (or character) to behind its last."""

    use: Use
    start: int
    end: int
    initial: str
    """The phrase's first letter, all of it that may be told."""


class Words:
    """The phrases of the languages written with spaces."""

    def __init__(self) -> None:
        self.uses: dict[str, Uses] = {}
        self.begun: set[str] = set()
        """All that a phrase can begin with and that is not all of it, by whole words."""
        self.firsts: set[str] = set()
        self._terms: list[tuple[str, Use]] = []
        self._collapsed: dict[str, Uses] = {}
        self.stems: dict[str, Uses] = {}
        self.tails: dict[str, Uses] = {}
        self.stems_at: dict[str, tuple[str, ...]] = {}
        self.tails_at: dict[str, tuple[str, ...]] = {}
        self.word_keys: set[str] = set()
        self.age_words: set[str] = set()

    def add(self, phrase: str, use: Use) -> None:
        """Take a phrase in, as readings spell it; ``*`` at an end of it stands for the rest of a longer word."""
        if phrase.endswith("*") or phrase.startswith("*"):
            self._add_part(phrase, use)
            return
        _join(self.uses, phrase, use)
        if " " in phrase:
            self._begin(phrase)
            return
        self.firsts.add(phrase)
        if use.kind == "term":
            self._terms.append((phrase, use))
            self.word_keys.add(phrase[:_KEY])

    def _begin(self, phrase: str) -> None:
        gap = phrase.find(" ")
        self.firsts.add(phrase[:gap])
        while gap > 0:
            self.begun.add(phrase[:gap])
            gap = phrase.find(" ", gap + 1)

    def _add_part(self, phrase: str, use: Use) -> None:
        bare = phrase.strip("*")
        if len(bare) < _KEY:
            raise ValueError(f"a stem of fewer than {_KEY} letters: {phrase!r}")
        if phrase.endswith("*"):
            _join(self.stems, bare, use)
            _list(self.stems_at, bare[:_KEY], bare)
        if phrase.startswith("*"):
            _join(self.tails, bare, use)
            _list(self.tails_at, bare[-_KEY:], bare)

    def once(self, word: str) -> Uses:
        """What a stretched word is, each letter of it once. Few texts have any, so the table waits for the first."""
        if not self._collapsed:
            table: dict[str, Uses] = {}
            for phrase, use in self._terms:
                _join(table, collapse(phrase), use)
            self._collapsed = table
        return self._collapsed.get(word, ())

    def found(self, tokens: tuple[str, ...], memo: Memo | None) -> Iterator[tuple[int, int, Uses]]:
        """(first word, behind the last word, uses) of each phrase; without a memo, of whole words alone."""
        hot = self.firsts.intersection(tokens)
        if hot:
            for place, token in enumerate(tokens):
                if token in hot:
                    yield from self._from(place, token, tokens)
        if memo is not None:
            yield from self._in_parts(tokens, memo)

    def _in_parts(self, tokens: tuple[str, ...], memo: Memo) -> Iterator[tuple[int, int, Uses]]:
        for place, token in enumerate(tokens):
            parts = memo.get(token)
            if parts is None:
                parts = memo[token] = self._parts(token)
            for uses in parts:
                yield place, place + 1, uses

    def _from(self, place: int, phrase: str, tokens: tuple[str, ...]) -> Iterator[tuple[int, int, Uses]]:
        end = place + 1
        while True:
            if (uses := self.uses.get(phrase)) is not None:
                yield place, end, uses
            if phrase not in self.begun or end == len(tokens):
                return
            phrase = f"{phrase} {tokens[end]}"
            end += 1

    def _parts(self, token: str) -> tuple[Uses, ...]:
        """What a word begins or ends with, and what two listed words it is made of; nothing where it is listed."""
        if len(token) < _KEY or token in self.uses:
            return ()
        found = [self.stems[stem] for stem in self.stems_at.get(token[:_KEY], ()) if token.startswith(stem)]
        found += [self.tails[tail] for tail in self.tails_at.get(token[-_KEY:], ()) if token.endswith(tail)]
        if len(token) > 2 * _KEY - 1 and token[:_KEY] in self.word_keys:
            found += self._joined(token)
        return tuple(found)

    def _joined(self, token: str) -> Iterator[Uses]:
        for gap in range(_KEY, min(len(token) - _KEY + 2, MAX_WORD)):
            first, second = self.uses.get(token[:gap]), self.uses.get(token[gap:])
            # Two everyday words make one too often ("undershirt"); one of them must speak for itself.
            if first and second and any(use.outright for use in (*first, *second)):
                yield first
                yield second

    def in_run(self, run: str) -> Iterator[Uses]:
        """Listed words inside letters that were spelled one by one, where no gap says how they part."""
        for start in range(len(run)):
            for end in range(start + _LEAST_IN_RUN, min(start + MAX_WORD, len(run)) + 1):
                uses = self.uses.get(run[start:end])
                whole_side = start == 0 or end == len(run)
                if uses and (whole_side or end - start > _LEAST_IN_RUN):
                    yield uses


MAX_WORD = 64
"""The longest word that is searched for two others in it."""


class Characters:
    """The entries of one language that is searched by character."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self.uses: dict[str, Uses] = {}
        self.open_left: set[str] = set()
        self.open_right: set[str] = set()
        self.sizes: dict[str, tuple[int, ...]] = {}
        """The sizes of the entries that begin with these two characters, or are this one; the longest first."""
        self.variants = str.maketrans(language.variants)
        self.particles = frozenset(language.particles)
        self.spaced = bool(language.particles)

    def add(self, phrase: str, use: Use | None) -> None:
        """Take an entry in; without a use it is a harmless word. ``*``: it may go on at that end."""
        bare = phrase.strip("*").translate(self.variants)
        if phrase.startswith("*"):
            self.open_left.add(bare)
        if phrase.endswith("*"):
            self.open_right.add(bare)
        if use is None:
            self.uses.setdefault(bare, _HARMLESS)
        else:
            _join(self.uses, bare, use)
        self.sizes[bare[:2]] = tuple(sorted({*self.sizes.get(bare[:2], ()), len(bare)}, reverse=True))

    def found(self, blocks: Blocks) -> Iterator[tuple[int, int, Uses]]:
        """(first character, behind the last character, uses) of the longest entry at each place, from the left."""
        text = blocks.text.translate(self.variants) if self.variants else blocks.text
        place, last = 0, 0
        while place < len(text):
            end = 0
            if (sizes := self.sizes.get(text[place : place + 2])) is not None:
                end = self._entry(text, place, last, sizes, blocks)
            if not end and text[place] in self.sizes:
                end = self._entry(text, place, last, (1,), blocks)
            if not end:
                place += 1
                continue
            if uses := self.uses[text[place:end]]:
                yield place, end, uses
                yield from self._within(text, place, end, uses)
            place = last = end

    def _within(self, text: str, place: int, end: int, uses: Uses) -> Iterator[tuple[int, int, Uses]]:
        """What a listed term begins or ends with: "high school girl" is a girl, too. A harmless word says nothing."""
        if any(use.kind == "allow" for use in uses):
            return
        for cut in range(2, end - place):
            for start, stop in ((place, place + cut), (end - cut, end)):
                if inner := self.uses.get(text[start:stop]):
                    yield start, stop, inner

    def _entry(self, text: str, place: int, last: int, sizes: tuple[int, ...], blocks: Blocks) -> int:
        """Where the longest entry that fits here ends; 0 where none does."""
        for end in (place + size for size in sizes):
            if text[place:end] in self.uses and end <= len(text) and self._fits(text, place, end, last, blocks):
                return end
        return 0

    def _fits(self, text: str, place: int, end: int, last: int, blocks: Blocks) -> bool:
        entry = text[place:end]
        if self.spaced:
            left = entry in self.open_left or place in blocks.starts or place == last
            return left and (entry in self.open_right or self._may_end(text, end, blocks))
        inside = place > 0 and place != last and is_katakana(text[place - 1])
        if inside and is_katakana(entry[0]) and entry not in self.open_left:
            return False
        if is_katakana(entry[-1]) and entry not in self.open_right and end < len(text):
            return not is_katakana(text[end]) or self._begins(text, end)
        return True

    def _may_end(self, text: str, end: int, blocks: Blocks) -> bool:
        """Whether a Korean noun may end here: at the word's end, before a particle, or before another listed word."""
        stop = end
        while stop < len(text) and stop not in blocks.starts and is_hangul(text[stop]):
            stop += 1
        return stop == end or text[end:stop] in self.particles or self._begins(text, end)

    def _begins(self, text: str, place: int) -> bool:
        sizes = self.sizes.get(text[place : place + 2], ())
        return any(text[place : place + size] in self.uses for size in sizes if size > 1)

    def reads(self, blocks: Blocks) -> bool:
        """Whether a text can be in this language: Korean has its own script, and Chinese has no kana."""
        if self.spaced:
            return blocks.hangul
        return not blocks.kana or self.language.language != "zh"


class Lexicon:
    """A version of the word lists made ready for searching."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.words = Words()
        self.characters = [Characters(language) for language in source.languages if language.by == "character"]
        self.negations = _negations(source.languages)
        self.links = frozenset(word for language in source.languages for word in language.links)
        self._unfit = frozenset(source.rules.unfit_for_encodings)
        for language in source.languages:
            if language.by == "word":
                self._add_words(language)
        # Han characters are read in Chinese and in Japanese, so what is harmless in one is so in the other.
        harmless = [each for table in self.characters if not table.spaced for each in table.language.words]
        for table in self.characters:
            _add_characters(table, table.language.words if table.spaced else harmless)

    def _add_words(self, language: Language) -> None:
        self.words.age_words.update(language.ages)
        homographs = {each for word in language.homographs for each in spelled(word, language)}
        for label, kind, phrase in language.phrases():
            use, elsewhere = (_use(language, label, kind, homograph=homograph) for homograph in (False, True))
            for each in spelled(phrase, language):
                self.words.add(each, elsewhere if each in homographs else use)

    def find(self, form: Form, memo: Memo | None = None) -> list[Hit]:
        """Terms and contexts in a reading by words; without the terms that an ``allow`` phrase covers."""
        memo = {} if memo is None else memo
        if form.kind == "collapsed":
            return [hit for place, token in enumerate(form.tokens) for hit in self._once(place, token)]
        if form.kind == "run":
            found = [(place, uses) for place, run in enumerate(form.tokens) for uses in self.words.in_run(run)]
            return [Hit(use, place, place + 1, "") for place, uses in found for use in uses if use.kind == "term"]
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
            Hit(use, start, end, blocks.text[start])
            for start, end, uses in table.found(blocks)
            for use in uses
            if use.kind != "allow"
            and end - start >= least
            and not (use.kind == "term" and negatable(use.label) and _denied(blocks.text, start, end, negations))
        ]

    def _by_word(self, tokens: tuple[str, ...], memo: Memo | None) -> list[Hit]:
        return [
            Hit(use, start, end, tokens[start][0])
            for start, end, uses in self.words.found(tokens, memo)
            for use in uses
        ]

    def _once(self, place: int, token: str) -> Iterator[Hit]:
        for use in self.words.once(token):
            yield Hit(use, place, place + 1, token[0])

    def _convincing(self, hits: list[Hit], form: Form) -> list[Hit]:
        """The terms of a decoded text, where they are more than chance: one that speaks for itself, or several."""
        least = [hit for hit in hits if len("".join(form.tokens[hit.start : hit.end])) >= _LEAST_ENCODED]
        terms = [hit for hit in least if hit.use.kind == "term"]
        # Backwards a listed word may be an everyday one ("Dekan"); two that are listed are not that by chance.
        alone = [hit for hit in terms if hit.use.outright]
        certain = [hit for hit in alone if form.tokens[hit.start] not in self._unfit]
        places = len({hit.start for hit in terms})
        return terms if certain or (alone and places > 1) or places >= _LEAST_WORDS_ENCODED else []

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


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The shipped word lists, read and built on first use."""
    return Lexicon(read())


def _add_characters(table: Characters, harmless: Iterable[str]) -> None:
    for label, kind, phrase in table.language.phrases():
        for each in spelled(phrase, table.language):
            table.add(each, _use(table.language, label, kind))
    for word in harmless:
        for each in spelled(word, table.language):
            table.add(each, None)


def _use(language: Language, label: str, kind: Kind, *, homograph: bool = False) -> Use:
    return Use(label, kind, language.language, homograph, outright=kind == "term" and label in language.categories)


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


def _list(table: dict[str, tuple[str, ...]], key: str, part: str) -> None:
    table[key] = tuple(dict.fromkeys((*table.get(key, ()), part)))


def _join(table: dict[str, Uses], key: str, use: Use) -> None:
    known = table.get(key, ())
    if use not in known:
        table[key] = (*known, use)
