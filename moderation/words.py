"""The phrases of the languages written with spaces, and where they stand among a reading's words.

A dictionary of phrases: a reading's words are intersected with the words that any phrase begins with, which most
readings have few of, and only there are phrases followed word by word.
``bench/moderation.py`` says what other ways would cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import NamedTuple

from .lexicon import Kind
from .normalize import collapse

_KEY = 4  # letters by which words that may hold a stem are told from those that cannot
_LEAST_IN_RUN = 4
MAX_WORD = 64
"""The longest word that is searched for two others in it."""


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

    def add(self, phrases: Iterable[str], use: Use) -> None:
        """Take phrases in, as readings spell them; ``*`` at an end of one stands for the rest of a longer word.

        A hundred thousand of them are, in each process: so this is one loop, and calls nothing for most of them.
        """
        uses, firsts, begun, alone = self.uses, self.firsts, self.begun, _alone(use)
        for phrase in phrases:
            if "*" in phrase:
                self._add_part(phrase, use)
                continue
            known = uses.setdefault(phrase, alone)
            if known is not alone and use not in known:
                uses[phrase] = (*known, use)
            gap = phrase.find(" ")
            if gap < 0:
                firsts.add(phrase)
                self._add_word(phrase, use)
                continue
            firsts.add(phrase[:gap])
            while gap > 0:
                begun.add(phrase[:gap])
                gap = phrase.find(" ", gap + 1)

    def _add_word(self, word: str, use: Use) -> None:
        if use.kind == "term":
            self._terms.append((word, use))
            self.word_keys.add(word[:_KEY])

    def _add_part(self, phrase: str, use: Use) -> None:
        bare = phrase.strip("*")
        if "*" in bare or " " in bare:
            raise ValueError(f"a part of a word is one word, with * at an end: {phrase!r}")
        if len(bare) < _KEY:
            raise ValueError(f"a stem of fewer than {_KEY} letters: {phrase!r}")
        if phrase.endswith("*"):
            join(self.stems, bare, use)
            _list(self.stems_at, bare[:_KEY], bare)
        if phrase.startswith("*"):
            join(self.tails, bare, use)
            _list(self.tails_at, bare[-_KEY:], bare)

    def once(self, word: str) -> Uses:
        """What a stretched word is, each letter of it once. Few texts have any, so the table waits for the first."""
        if not self._collapsed:
            table: dict[str, Uses] = {}
            for phrase, use in self._terms:
                join(table, collapse(phrase), use)
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


def _list(table: dict[str, tuple[str, ...]], key: str, part: str) -> None:
    table[key] = tuple(dict.fromkeys((*table.get(key, ()), part)))


def join(table: dict[str, Uses], key: str, use: Use) -> None:
    known = table.get(key)
    if known is None:
        table[key] = _alone(use)
    elif use not in known:
        table[key] = (*known, use)


@cache
def _alone(use: Use) -> Uses:
    """One value for the many phrases that are only this."""
    return (use,)
