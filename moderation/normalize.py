"""The readings of a text: every disguise that can be taken off by rule, taken off.

A word can hide behind look-alike letters, invisible characters, digits, separators or repeats. Each disguise is undone
in a reading of its own, beside the text as it stands: undoing one that is not there breaks honest words. Readings keep
word boundaries, so a matcher finds words and never parts of words. Letters are joined only where they stand alone or
inside one unspaced token, never across the gaps of a sentence.

Work and output are linear in the text: each character becomes at most :data:`MAX_PER_CHAR` characters, and there are at
most :data:`MAX_FORMS` readings. Nothing backtracks, and nothing sorts combining marks (which a library's NFKD does in
quadratic time when thousands of them stand in a row).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..errors import InvalidInput

MAX_CHARS = 32_000
"""The longest text that is judged. OpenAI's own limit for a prompt, the largest of any provider."""
MAX_FORMS = 32
MAX_PER_CHAR = 12

# Letters that show nothing, though Unicode does not file them under format characters: Hangul fillers, blank Braille.
_BLANK = "\u115f\u1160\u3164\uffa0\u2800"

# What looks like a Latin letter but sounds like another, so that transliteration would miss it: Cyrillic, Greek,
# Armenian, currency. Capitals have their own rows, as some look like another letter than the small one.
_LOOK_ALIKE = str.maketrans(
    "авсеёніјкморѕтухԁԛԝьгпи" + "АВСЕЁНІЈКМОРЅТУХ" + "αβγεηικμνορτυχω" + "ΑΒΕΗΙΚΜΝΟΡΤΥΧΖ" + "օսհո" + "€£¢¥",
    "abceehijkmopstyxdqwbrnu" + "abceehijkmopstyx" + "abyenikuvoptuxw" + "abehikmnoptyxz" + "ouhn" + "elcy",
)

# Emoji become spaces, as their names are words of the namer (🔞 is called "underage"). These alone are read as words.
_EMOJI = dict.fromkeys("👶🧒👧👦", " child ")

_LEET = str.maketrans("013456789@$!|+", "oieasgtbgasiit")
_LEET_L = _LEET | str.maketrans("1!|", "lll")
_LEET_MARKS = frozenset("013456789@$!|+")
_NUMBER = re.compile(r"[^a-z@$]+(?:k|mm|cm|m|px|p|s|d|st|nd|rd|th|x|am|pm|ft|yo)\W*|[^a-z@$]{2,}")

_NOT_A_WORD = re.compile(r"[\W_]+")
_RUN = re.compile(r"(?<![a-z0-9])[a-z](?:[^a-z0-9]{1,3}[a-z](?![a-z0-9])){2,}")
_GAP_IN_RUN = re.compile(r"[^a-z]+")
_INSIDE_TOKEN = re.compile(r"(?<=[a-z])[^a-z0-9\s]{1,3}(?=[a-z])")
_INSIDE_ITEM = re.compile(r"(?<=[a-z])[^a-z0-9\s,;:()\[\]{}]{1,3}(?=[a-z])")
_LINE_BREAK = re.compile(r"(?<=[a-z])-?\r?\n(?=[a-z])")
# Three of a letter are no English spelling, nor are two of these but in a few words, which collapse to nothing listed.
_STRETCHED = re.compile(r"([a-z])\1\1|([ahijkquvwxy])\2")
_REPEAT = re.compile(r"([a-z])\1+")


@dataclass(frozen=True, slots=True)
class Form:
    """One reading of a text: its words in order, one space before, between and after them."""

    name: str
    text: str
    collapsed: bool = False
    """True for the reading that holds only stretched words, each letter once: compare it with terms treated alike."""


def forms(text: str, *, limit: int = MAX_CHARS) -> tuple[Form, ...]:
    """Every distinct reading of the text, the plainest first; at least one, and at most :data:`MAX_FORMS`.

    Raises :class:`InvalidInput` when the text is longer than ``limit`` characters.
    """
    if len(text) > limit:
        raise InvalidInput(f"The prompt has {len(text):,} characters; at most {limit:,} are allowed.")
    found: dict[str, str] = {}
    for name, reading in _readings(text):
        found.setdefault(words(reading), name)
    every = [Form(name, reading) for reading, name in found.items()]
    distinct = {word for form in every if _STRETCHED.search(form.text) for word in form.text.split()}
    once = {collapse(word) for word in distinct if _STRETCHED.search(word)}
    if once:
        every.append(Form("collapsed", f" {' '.join(sorted(once))} ", collapsed=True))
    return tuple(every)


def words(text: str) -> str:
    """The words of a folded text: whatever is no letter or digit becomes one space, with one at either end."""
    return f" {_NOT_A_WORD.sub(' ', text).strip()} "


def collapse(word: str) -> str:
    """The word with every letter once, as the collapsed reading spells it."""
    return _REPEAT.sub(r"\1", word)


def fold(text: str) -> str:
    """The text in Latin letters, lower case, without marks and invisible characters: what terms are compared in."""
    return text.lower() if text.isascii() else text.translate({ord(char): _latin(char) for char in set(text)})


def _readings(text: str) -> Iterator[tuple[str, str]]:
    if text.isascii():
        yield from _undisguised("latin", text.lower())
        return
    # Each distinct character is worked out once, however long the text.
    table = {ord(char): _latin(char) for char in set(text)}
    latin = text.translate(table)
    yield from _undisguised("latin", latin)
    yield "folded", text.translate({ord(char): _visible(char) for char in set(text)})
    alike = text.translate(table | {code: _LOOK_ALIKE[code] for code in table.keys() & _LOOK_ALIKE.keys()})
    if alike != latin:
        yield from _undisguised("alike", alike)


def _undisguised(name: str, latin: str) -> Iterator[tuple[str, str]]:
    yield from _rejoined(name, latin)
    leet = _leet(latin, _LEET)
    if leet != latin:
        yield from _rejoined(f"{name}+leet", leet)
        # 1 may stand for i or for l.
        if (other := _leet(latin, _LEET_L)) != leet:
            yield from _rejoined(f"{name}+leet l", other)


def _rejoined(name: str, latin: str) -> Iterator[tuple[str, str]]:
    """The text, and the text with its broken words put together again in each way they get broken."""
    yield name, latin
    for how, pattern, repair in _REPAIRS:
        repaired = pattern.sub(repair, latin)
        # A substitution that changes nothing gives back an equal text, which most texts do for most of these.
        if repaired != latin:
            yield f"{name}+{how}", repaired


def _spelled(run: re.Match[str]) -> str:
    """A run of single letters as one word and as the words its wider gaps make, each also without a leading article."""
    gaps = _GAP_IN_RUN.findall(run[0])
    narrow = min(map(len, gaps))
    split = _GAP_IN_RUN.sub(lambda gap: "" if len(gap[0]) == narrow else " ", run[0])
    found = dict.fromkeys([split.replace(" ", ""), *split.split()])
    return " ".join(f"{word} {word[1:]}" if word[0] in "ai" else word for word in found)


def _leet(latin: str, table: dict[int, int]) -> str:
    latin = latin.replace("()", "o")
    if _LEET_MARKS.isdisjoint(latin):
        return latin
    # Token by token, as plain numbers must stay numbers.
    return " ".join(
        token if _LEET_MARKS.isdisjoint(token) or _NUMBER.fullmatch(token) else token.translate(table)
        for token in latin.split(" ")
    )


def _visible(char: str) -> str:
    if char in _BLANK or unicodedata.category(char) == "Cf":
        return ""
    return char.casefold()


@lru_cache(maxsize=8192)
def _latin(char: str) -> str:
    if char.isascii():
        return char.lower()
    if char in _EMOJI:
        return _EMOJI[char]
    if char in _BLANK or unicodedata.category(char) in ("Cf", "Mn", "Me"):
        return ""
    plain = unicodedata.normalize("NFKD", char)
    bare = "".join(part for part in plain if unicodedata.category(part) not in ("Cf", "Mn", "Me"))
    return _bounded(bare.lower() if bare.isascii() else _transliterated(char))


def _transliterated(char: str) -> str:
    from anyascii import anyascii

    latin = anyascii(char)
    named = len(latin) > 2 and latin.startswith(":") and latin.endswith(":")
    return " " if named else latin.lower()


def _bounded(latin: str) -> str:
    # Longer ones are whole phrases in one character, of no use to a matcher of words.
    return latin if len(latin) <= MAX_PER_CHAR else " "


_REPAIRS: tuple[tuple[str, re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    ("spelled", _RUN, _spelled),
    ("token", _INSIDE_TOKEN, ""),
    ("item", _INSIDE_ITEM, ""),
    ("lines", _LINE_BREAK, ""),
)
