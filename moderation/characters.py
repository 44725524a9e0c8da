"""The entries of a language that is searched by character, and where they stand in a reading.

The longest entry at each place is the one that is read, so that a listed word inside a harmless longer one is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator

from .languages.scripts import Blocks, is_hangul, is_katakana
from .lexicon import Language
from .words import Use, Uses, join

_HARMLESS: Uses = ()


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
            join(self.uses, bare, use)
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
