"""The word list, and where its phrases stand in a reading of a text.

``policies/terms.json`` says what the words are; :class:`TermsFile` says what may stand in that file. All phrases go
into one table, built on first use and once in a process: at each word of a text the table is asked for the phrases
that begin there, word by word, and most words begin none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from .normalize import Form, collapse, fold, words

TERMS_FILE = Path(__file__).parent / "policies" / "terms.json"

Severity = Literal["low", "medium", "high", "critical"]
Kind = Literal["term", "allow", "context"]

_AGE_WORDS = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
)
_AGES = (*map(str, range(1, 18)), *_AGE_WORDS)


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Group(_Data):
    """Words that say nothing alone and count only in a combination."""

    terms: tuple[str, ...]
    allow: tuple[str, ...] = ()
    """Phrases in which a term means something else; a term inside one is not found."""


class Category(Group):
    """Words that speak for a category by themselves."""

    severity: Severity
    context: tuple[str, ...] = ()
    """Phrases that make the category's terms harmless wherever they stand in the prompt."""


class Combination(_Data):
    """A category that is reached by two kinds of words together, each kind a category or a group."""

    category: str
    severity: Severity
    first: tuple[str, ...]
    second: tuple[str, ...]
    words_between: int | None = None
    """At most so many words between the two; None: anywhere in the prompt."""
    uncounted: tuple[str, ...] = ()
    """Words that do not count towards ``words_between``: they only tie the two together, as in "art of a"."""
    second_in: Literal["prompt", "negative"] = "prompt"
    """``negative``: the second is an item of the negative prompt, which takes it out of the image."""


class TermsFile(_Data):
    """The whole word list."""

    name: str
    version: str
    description: str
    categories: dict[str, Category]
    groups: dict[str, Group]
    combinations: tuple[Combination, ...]

    def phrases(self) -> Iterator[tuple[str, Kind, str]]:
        """Every phrase as it is written in the file, with its kind and the category or group it belongs to."""
        for label, group in (*self.categories.items(), *self.groups.items()):
            yield from ((label, "term", phrase) for phrase in group.terms)
            yield from ((label, "allow", phrase) for phrase in group.allow)
        for label, category in self.categories.items():
            yield from ((label, "context", phrase) for phrase in category.context)


Uses = tuple[tuple[str, Kind], ...]
"""What a phrase is, in each category or group that has it."""


class _Phrases:
    """Phrases of whole words, and where they stand in a text."""

    def __init__(self) -> None:
        self._uses: dict[str, Uses] = {}
        self._begun: set[str] = set()
        """All that a phrase can begin with and that is not all of it, by whole words."""

    def add(self, phrases: Iterable[str], begun: Iterable[str], use: Uses) -> None:
        """Take in phrases, and what they begin with, in one use; most have no other, and then it is not copied."""
        uses = self._uses
        for phrase in phrases:
            known = uses.setdefault(phrase, use)
            if known is not use and use[0] not in known:
                uses[phrase] = known + use
        self._begun.update(begun)

    def found(self, text: str) -> Iterator[tuple[int, int, Uses]]:
        """(behind the last character, first character, uses) of each phrase in a text with one space around words."""
        start = 1
        for word in text[1:-1].split(" "):
            phrase, end = word, start + len(word)
            while True:
                if (uses := self._uses.get(phrase)) is not None:
                    yield end, start, uses
                if phrase not in self._begun or end + 1 >= len(text):
                    break
                end = text.index(" ", end + 1)
                phrase = text[start:end]
            start += len(word) + 1


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase found in a reading, from its first character to behind its last."""

    label: str
    kind: Kind
    start: int
    end: int
    initial: str
    """The phrase's first letter, all of it that may be told."""


class Lexicon:
    """A word list made ready for searching."""

    def __init__(self, source: TermsFile) -> None:
        self.source = source
        self._whole = _Phrases()
        self._collapsed = _Phrases()
        for label, kind, phrase in source.phrases():
            use: Uses = ((label, kind),)
            written, begun = _written(phrase)
            self._whole.add(written, begun, use)
            if kind == "term":
                self._collapsed.add([collapse(each) for each in written if " " not in each], (), use)

    def find(self, form: Form) -> list[Hit]:
        """Terms and contexts in the reading, in order; without the terms that an ``allow`` phrase of theirs covers."""
        hits = list(self._hits(form))
        spoken_for = {(hit.label, place) for hit in hits if hit.kind == "allow" for place in range(hit.start, hit.end)}
        return [
            hit
            for hit in hits
            if hit.kind == "context"
            or (hit.kind == "term" and not {(hit.label, hit.start), (hit.label, hit.end - 1)} <= spoken_for)
        ]

    def _hits(self, form: Form) -> Iterator[Hit]:
        phrases = self._collapsed if form.collapsed else self._whole
        # In the order in which a reader comes to their ends; of two that end together, the longer one first.
        for end, start, uses in sorted(phrases.found(form.text)):
            for label, kind in uses:
                yield Hit(label, kind, start, end, form.text[start])


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The shipped word list, read and built on first use."""
    return Lexicon(TermsFile.model_validate_json(TERMS_FILE.read_bytes()))


def spellings(phrase: str) -> set[str]:
    """The ways a phrase of the file is searched: folded, also in the plural, each gap open or closed, for each age.

    Closed gaps are not only a writer's ("highschool student"): a reading that takes hyphens out closes some of them.
    """
    return set(_written(phrase)[0])


def _written(phrase: str) -> tuple[list[str], list[str]]:
    """All spellings of a phrase; and what they begin with, up to an open gap."""
    found: list[str] = []
    begun: list[str] = []
    for aged in _with_ages(phrase):
        first, *rest = words(fold(aged)).split()
        written = [first]
        for word in rest:
            begun += written
            written = [f"{each} {word}" for each in written] + [each + word for each in written]
        found += written
        found += [each + "s" for each in written]
    return found, begun


def _with_ages(phrase: str) -> list[str]:
    if "{age}" not in phrase:
        return [phrase]
    return [phrase.replace("{age}", age) for age in _AGES]
