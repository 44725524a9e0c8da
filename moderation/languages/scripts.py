"""Texts in the scripts that are searched by character: Chinese, Japanese, Korean.

Their readings keep every character, with full-width, half-width and compatibility forms made one, so that a place in
the reading is a place in the text. Where a Korean word begins is kept beside the text; Chinese and Japanese have no
such places.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from ..normalize import invisible

AGE = "\ue000"
"""The character that stands for any age of a minor, in readings and in terms."""

HAN, KANA, HANGUL = "\u3400-\u9fff\uf900-\ufaff\u3005-\u3007", "\u3040-\u30ff\u31f0-\u31ff", "\uac00-\ud7a3"
_ANY = re.compile(f"[{HAN}{KANA}{HANGUL}\u1100-\u11ff\u3130-\u318f\uff66-\uffdc\u2f00-\u2fdf]")
_BLOCK = re.compile(f"[{HAN}{KANA}{HANGUL}]")
_HANGUL, _KANA = re.compile(f"[{HANGUL}]"), re.compile(f"[{KANA}]")
_GAP = r"[\s.,·・_*|/\\+~^'\"`、。，．‐–—=:;!?#@%&-]{1,3}"
# Single characters held apart: two or more gaps with one character between them, or one gap inside a word of two.
_ONE = f"[{HAN}{KANA}{HANGUL}]"
_HELD_APART = re.compile(f"(?<!{_ONE}){_ONE}(?:{_GAP}{_ONE}(?!{_ONE}))+")
_GAPS = re.compile(_GAP)
_YEARS = re.compile(  # "1O歳" has a letter for a digit
    r"(?<![\d十百])(?:1[0-7]|(?<![a-z])[1li][0-7oli]|[1-9]|十[一二三四五六七]?|[一二三四五六七八九])(?=\s?(?:歳|才|岁|歲|周岁|周歲|살|세(?![기대계])))"
)
_JAMO_RUN = re.compile("[\u3131-\u3163]{2,}")
_LEADS, _VOWELS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_TAILS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_SYLLABLE = re.compile(f"([{_LEADS}])([{_VOWELS}])([{_TAILS[1:]}](?![{_VOWELS}]))?")
_TURNED = re.compile("\u202e([^\u202c\u202e\n]*)")

Kind = Literal["plain", "encoded"]


@dataclass(frozen=True, slots=True)
class Blocks:
    """One reading of a text by its characters, without the spaces between Korean words."""

    name: str
    text: str
    starts: frozenset[int]
    """Where a word of the text begins, and its end; a term of a spaced language begins at one of them."""
    hangul: bool
    kana: bool
    kind: Kind = "plain"


def by_character(text: str) -> tuple[Blocks, ...]:
    """The readings of a text that has Chinese, Japanese or Korean characters; none where it has none."""
    if text.isascii() or not _ANY.search(text):
        return ()
    plain = _plain(text)
    found = {plain: "blocks"}
    found.setdefault(_HELD_APART.sub(lambda run: _GAPS.sub("", run[0]), plain), "blocks+together")
    turned = _TURNED.sub(lambda part: part[1][::-1], text)
    if turned != text:
        found.setdefault(_plain(turned), "blocks+turned")
    every = [_cut(name, reading) for reading, name in found.items()]
    every.append(_cut("blocks+reversed", plain[::-1], "encoded"))
    return tuple(every)


def plain_blocks(term: str) -> str:
    """A term as the readings spell it."""
    return _plain(term).replace("{age}", AGE)


def _plain(text: str) -> str:
    # Marks that Latin letters carry fall; those that turn one kana into another stay. Removing the first keeps
    # normalization linear: only marks of different classes in a row are sorted.
    dropped = {ord(char): None for char in set(text) if _falls(char)}
    joined = unicodedata.normalize("NFKC", _JAMO_RUN.sub(_syllables, text.translate(dropped)))
    return _YEARS.sub(AGE, joined.casefold())


def _falls(char: str) -> bool:
    if invisible(char):
        return True
    return unicodedata.category(char) in ("Mn", "Me") and char not in "\u3099\u309a"


def _syllables(run: re.Match[str]) -> str:
    return _SYLLABLE.sub(_syllable, run[0])


def _syllable(parts: re.Match[str]) -> str:
    lead, vowel, tail = _LEADS.index(parts[1]), _VOWELS.index(parts[2]), _TAILS.index(parts[3] or " ")
    return chr(0xAC00 + (lead * 21 + vowel) * 28 + tail)


def _cut(name: str, plain: str, kind: Kind = "plain") -> Blocks:
    words = list(_words(plain))
    starts, place = {0}, 0
    for word in words:
        place += len(word)
        starts.add(place)
    return Blocks(name, "".join(words), frozenset(starts), bool(_HANGUL.search(plain)), bool(_KANA.search(plain)), kind)


def _words(plain: str) -> Iterator[str]:
    """The words of a text; one that does not stand in blocks keeps a mark, so that nothing matches across it."""
    for word in plain.split():
        yield word if _BLOCK.search(word) or AGE in word else f"{word}|"


def is_katakana(char: str) -> bool:
    """Whether this is of the script that loan words stand in, the mark of a long vowel included."""
    return "\u30a1" <= char <= "\u30fa" or char == "ー"


def is_hangul(char: str) -> bool:
    """Whether this is a Korean syllable."""
    return "\uac00" <= char <= "\ud7a3"
