"""The readings of a text: every disguise that can be taken off by rule, taken off.

A word can hide behind look-alike letters, invisible characters, digits, separators or repeats. Each disguise is undone
in a reading of its own, beside the text as it stands: undoing one that is not there breaks honest words. Readings keep
word boundaries, so a matcher finds words and never parts of words. Letters are joined only where they stand alone or
inside one unspaced token, never across the gaps of a sentence.

Latin readings are here; the scripts without spaces have theirs in :mod:`.languages.scripts`, encodings in
:mod:`.decoders`.

Work and output are linear in the text: each character becomes at most :data:`MAX_PER_CHAR` characters, and there are at
most :data:`MAX_FORMS` readings. Nothing backtracks, and nothing sorts combining marks (which a library's NFKD does in
quadratic time when thousands of them stand in a row).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from ..errors import InvalidInput
from .ages import counted, with_ages, with_lone_ages
from .decoders import rot13

MAX_CHARS = 32_000
"""The longest text that is judged. OpenAI's own limit for a prompt, the largest of any provider."""
MAX_FORMS = 50
MAX_PER_CHAR = 12
MAX_RUN = 256
"""The longest run of single letters that is searched for words inside it."""


# Letters that show nothing, though Unicode does not file them under format characters: Hangul fillers, blank Braille.
_BLANK = "\u115f\u1160\u3164\uffa0\u2800"

# What looks like a Latin letter but sounds like another, so that transliteration would miss it: Cyrillic, Greek,
# Armenian, currency. Capitals have their own rows, as some look like another letter than the small one.
_LOOK_ALIKE = str.maketrans(
    "авсеёніјкморѕтухԁԛԝьгпиӏ" + "АВСЕЁНІЈКМОРЅТУХӀ" + "αβγεηικμνορτυχω" + "ΑΒΕΗΙΚΜΝΟΡΤΥΧΖ" + "օսհո" + "€£¢¥",
    "abceehijkmopstyxdqwbrnul" + "abceehijkmopstyxl" + "abyenikuvoptuxw" + "abehikmnoptyxz" + "ouhn" + "elcy",
)

# Emoji become spaces, as their names are words of the namer (🔞 is called "underage"). These alone are read as words.
_EMOJI = dict.fromkeys("👶🧒👧👦", " child ")
# Letters drawn as flags or keys, which Unicode does not decompose.
_DRAWN = {chr(0x1F1E6 + place): letter for place, letter in enumerate("abcdefghijklmnopqrstuvwxyz")}

_LEET = str.maketrans("013456789@$!|+", "oieasgtbgasiit")
_LEET_L = _LEET | str.maketrans("1!|", "lll")
_LEET_MARKS = frozenset("013456789@$!|+")
_WORD_MARKS = frozenset("14@!|")
_NUMBER = re.compile(r"[^a-z@$]+(?:k|mm|cm|m|px|p|s|d|st|nd|rd|th|x|am|pm|ft|yo)\W*|[^a-z@$]{2,}")
# A digit far from every letter, as in "focus:1.2", is a digit.
_AMONG_LETTERS = re.compile(r"[a-z][013456789@$!|+]+[a-z]|(?<![^\W\d])[01345789@$!|+][a-z]|[a-z][01345@$](?![\d.])")

_SEPARATORS = {code: " " for code in range(128) if not chr(code).isalnum()}
_NOT_A_WORD = re.compile(r"[\W_]+")
_RUN = re.compile(r"(?<![a-z0-9])[a-z](?:[^a-z0-9]{1,3}[a-z](?![a-z0-9])){2,}")
_GAP_IN_RUN = re.compile(r"[^a-z]+")
_INSIDE_TOKEN = re.compile(r"(?<=[a-z])[^a-z0-9\s]{1,3}(?=[a-z])")
_INSIDE_ITEM = re.compile(r"(?<=[a-z])[^a-z0-9\s,;:()\[\]{}]{1,3}(?=[a-z])")
_LINE_BREAK = re.compile(r"(?<=[a-z])-?\r?\n(?=[a-z])")
# Three of a letter are no English spelling, nor are two of these but in a few words, which collapse to nothing listed.
_STRETCHED = re.compile(r"([a-z])\1\1|([ahijkquvwxy])\2")
_REPEAT = re.compile(r"([a-z])\1+")
# German without its keys: "Maedchen". Where it is none, the reading is a few odd words more.
_UMLAUT = re.compile(r"(?<=[bdfghjklmnprstvwz])([aou])e(?=[bcdfghklmnprstvz])")
# Written without spaces, or in blocks: read by character, elsewhere.
_BY_CHARACTER = re.compile(
    "[\u1100-\u11ff\u2e80-\u2fdf\u3005-\u3007\u3040-\u31ff\u3400-\u9fff\uac00-\ud7ff\uf900-\ufaff]"
)

Kind = Literal["plain", "collapsed", "run", "encoded"]


@dataclass(frozen=True, slots=True)
class Form:
    """One reading of a text: its words, in order."""

    name: str
    tokens: tuple[str, ...]
    kind: Kind = "plain"
    """``collapsed`` holds only stretched words, each letter once; ``run`` only what was spelled letter by letter, gaps
    between its words lost; ``encoded`` is the whole text read backwards or in rot13."""

    @property
    def text(self) -> str:
        """The words with one space before, between and after them."""
        return f" {' '.join(self.tokens)} "


def forms(
    text: str, *, limit: int = MAX_CHARS, encoded: bool = False, ages: Set[str] = frozenset()
) -> tuple[Form, ...]:
    """Every distinct reading of the text, the plainest first; at least one, and at most :data:`MAX_FORMS`.

    With ``encoded`` also those that read it backwards or in rot13, which find words where none are meant, too. With
    ``ages``, the ages of minors in words, also one that says which ages stand alone.

    Raises :class:`InvalidInput` when the text is longer than ``limit`` characters.
    """
    if len(text) > limit:
        raise InvalidInput(f"The prompt has {len(text):,} characters; at most {limit:,} are allowed.")
    found: dict[tuple[str, ...], Form] = {}
    for form in _readings(text, ages):
        if encoded or form.kind != "encoded":
            found.setdefault(form.tokens, form)
    every = list(found.values())
    once = _stretched(form.tokens for form in every if form.kind == "plain")
    if once:
        every.append(Form("collapsed", once, "collapsed"))
    return tuple(every)


def words(text: str) -> str:
    """The words of a folded text: whatever is no letter or digit becomes one space, with one at either end."""
    return f" {_NOT_A_WORD.sub(' ', text).strip()} "


def collapse(word: str) -> str:
    """The word with every letter once, as the collapsed reading spells it."""
    return _REPEAT.sub(r"\1", word)


def fold(text: str) -> str:
    """The text in Latin letters, lower case, without marks and invisible characters: what terms are compared in."""
    return text.lower() if text.isascii() else text.translate({ord(char): _letters(char) for char in set(text)})


def invisible(char: str) -> bool:
    """Whether a character shows nothing and only keeps others apart."""
    return char in _BLANK or unicodedata.category(char) == "Cf"


def _readings(text: str, ages: Set[str]) -> Iterator[Form]:
    if text.isascii():
        yield from _undisguised("latin", text.lower(), ages)
        return
    # Each distinct character is worked out once, however long the text.
    table = {ord(char): _latin(char) for char in set(text)}
    latin = text.translate(table)
    yield from _undisguised("latin", latin, ages)
    alike = text.translate(table | {code: _LOOK_ALIKE[code] for code in table.keys() & _LOOK_ALIKE.keys()})
    if alike != latin:
        yield from _undisguised("alike", alike, ages)


def _undisguised(name: str, latin: str, ages: Set[str]) -> Iterator[Form]:
    tokens = _split(latin)
    yield from _rejoined(name, latin, tokens, ages)
    yield from _aged(name, latin, tokens, ages)
    if _UMLAUT.search(latin):
        yield Form(f"{name}+umlauts", _split(_UMLAUT.sub(r"\1", latin)))
    for how, decoded in (("rot13", rot13(latin)), ("reversed", latin[::-1])):
        plain = _split(decoded)
        yield Form(f"{name}+{how}", counted(plain, ages), "encoded")
    leet = _leet(latin, _LEET)
    if leet != latin:
        plain = _split(leet)
        yield from _rejoined(f"{name}+leet", leet, plain, ages)
        yield from _aged(f"{name}+leet", leet, plain, frozenset())
        # 1 may stand for i or for l.
        if (other := _leet(latin, _LEET_L)) != leet:
            yield from _rejoined(f"{name}+leet l", other, _split(other), ages)


def _aged(name: str, latin: str, tokens: tuple[str, ...], ages: Set[str]) -> Iterator[Form]:
    """The readings in which ages are ages, of a text that has any."""
    aged = with_ages(tokens)
    if aged != tokens:
        yield Form(f"{name}+age", aged)
    elif ages.isdisjoint(tokens):
        return
    if ages and (alone := with_lone_ages(latin, ages)) != latin:
        yield Form(f"{name}+alone", _split(alone))


def _split(latin: str) -> tuple[str, ...]:
    return tuple(latin.translate(_SEPARATORS).split())


def _rejoined(name: str, latin: str, tokens: tuple[str, ...], ages: Set[str]) -> Iterator[Form]:
    """The text, and the text with its broken words put together again in each way they get broken."""
    yield Form(name, tokens)
    if sum(len(token) == 1 for token in tokens) > 2 and (runs := _RUN.findall(latin)):
        yield Form(f"{name}+spelled", counted(_split(_RUN.sub(_spelled, latin)), ages))
        yield Form(f"{name}+run", tuple(_GAP_IN_RUN.sub("", run)[:MAX_RUN] for run in runs), "run")
    for how, pattern in _REPAIRS:
        repaired = pattern.sub("", latin)
        # A substitution that changes nothing gives back an equal text, which most texts do for most of these.
        if repaired != latin:
            yield Form(f"{name}+{how}", counted(_split(repaired), ages))


def _spelled(run: re.Match[str]) -> str:
    """A run of single letters as one word and as the words its wider gaps make, each also without a leading article."""
    gaps = _GAP_IN_RUN.findall(run[0])
    narrow = min(map(len, gaps))
    split = _GAP_IN_RUN.sub(lambda gap: "" if len(gap[0]) == narrow else " ", run[0])
    found = dict.fromkeys([split.replace(" ", ""), *split.split()])
    return " ".join(f"{word} {word[1:]}" if word[0] in "ai" else word for word in found)


def _stretched(every: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    distinct = set().union(*every)
    if not _STRETCHED.search(" ".join(distinct)):
        return ()
    return tuple(sorted({collapse(word) for word in distinct if _STRETCHED.search(word)}))


def _leet(latin: str, table: dict[int, int]) -> str:
    latin = latin.replace("()", "o")
    if _LEET_MARKS.isdisjoint(latin):
        return latin
    # Token by token, as plain numbers must stay numbers.
    tokens = latin.split(" ")
    return " ".join(
        token if _LEET_MARKS.isdisjoint(token) or _is_number(tokens, place) else token.translate(table)
        for place, token in enumerate(tokens)
    )


def _is_number(tokens: list[str], place: int) -> bool:
    token = tokens[place]
    if len(token) > 1:
        return bool(_NUMBER.fullmatch(token)) or not _AMONG_LETTERS.search(token)
    # Among other single signs it may spell a word; alone it stands for a letter only where that is a word.
    beside = *tokens[place - 1 : place], *tokens[place + 1 : place + 2]
    return token not in _WORD_MARKS and not any(len(each) == 1 for each in beside)


def _latin(char: str) -> str:
    """As the Latin readings have it: what is searched by character is a gap there."""
    return " " if _BY_CHARACTER.match(char) and char not in _BLANK else _letters(char)


@lru_cache(maxsize=8192)
def _letters(char: str) -> str:
    if char.isascii():
        return char.lower()
    if char in _EMOJI or char in _DRAWN:
        return _EMOJI.get(char) or _DRAWN[char]
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


_REPAIRS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("token", _INSIDE_TOKEN),
    ("item", _INSIDE_ITEM),
    ("lines", _LINE_BREAK),
)
