"""Which language a text is in, so far as it must be known: one that the word lists cover, or one that they do not.

By script first, then by the small words that every sentence has. What has no such words is no evidence: names, brands
and lists of keywords ("8k, bokeh") pass as known. Pure and small on purpose; who needs to tell Danish from Norwegian
needs another tool, here both are simply not covered.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .scripts import HAN, HANGUL, KANA

COVERED = frozenset({"en", "es", "de", "fr", "ja", "ko", "zh"})
_FILE = Path(__file__).parent / "small_words.json"
_BLOCKS = re.compile(f"[{HAN}{KANA}{HANGUL}]")
_WORD = re.compile(r"[^\W\d_]+")
_LEAST_WORDS = 2  # small words of a language that is not covered before it is taken for that language
_LEAST_FOREIGN = 3  # words in another script that are more than a sign in the picture
_LEAST_STRANGE = 3  # words with letters that no covered language has
_STRANGE = re.compile("[ąćęłńśźżčďěňřšťůžőűăâțșşţğıãõåøđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹāēģīķļņūėįųðþ]")


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a text's words show of its language."""

    covered: frozenset[str]
    """Languages of the word lists that small words speak for; empty where there are no small words."""
    unknown: bool
    """Whether it is, as far as can be seen, in a language that the word lists do not cover."""


def recognize(text: str, tokens: tuple[str, ...]) -> Recognized:
    """Judge a text by its script and by its words, which are given folded, too."""
    small = small_words()
    seen = small.keys() & tokens
    votes = Counter(language for word in seen for language in small[word])
    covered = frozenset(language for language in votes if language in COVERED)
    if not text.isascii() and _other_script(text):
        return Recognized(covered, unknown=True)
    return Recognized(covered, _not_covered(votes, text))


@lru_cache(maxsize=1)
def small_words() -> dict[str, tuple[str, ...]]:
    """The small words there are, each with the languages that have it."""
    found: dict[str, tuple[str, ...]] = {}
    for language, listed in json.loads(_FILE.read_text(encoding="utf-8")).items():
        for word in listed.split():
            found[word] = (*found.get(word, ()), language)
    return found


def _not_covered(votes: Counter[str], text: str) -> bool:
    best = max((votes[language] for language in votes if language in COVERED), default=0)
    other = max((votes[language] for language in votes if language not in COVERED), default=0)
    if other >= _LEAST_WORDS and other > best:
        return True
    # Letters of no covered language: a name or two has them; more of them than small words is a sentence.
    strange = 0 if text.isascii() else sum(bool(_STRANGE.search(word)) for word in text.lower().split())
    return strange >= _LEAST_STRANGE and strange > best


def _other_script(text: str) -> bool:
    """Whether words in a script of no covered language make up more of a text than a sign or a name in it does.

    A word of mixed scripts is a disguise, which readings take off, and no foreign word.
    """
    foreign = latin = 0
    for word in _WORD.findall(text):
        if word.isascii() or _BLOCKS.search(word):
            latin += 1
        elif (script := _script(word)) == "foreign":
            foreign += 1
        elif script == "latin":
            latin += 1
    return foreign > latin or (foreign >= _LEAST_FOREIGN and foreign > latin / 2)


def _script(word: str) -> str:
    kinds = {_script_of(char) for char in set(word)} - {"mark"}
    return kinds.pop() if len(kinds) == 1 else "mixed"


@lru_cache(maxsize=4096)
def _script_of(char: str) -> str:
    if char.isascii():
        return "latin"
    if unicodedata.category(char) in ("Mn", "Mc", "Lm"):
        return "mark"
    name = unicodedata.name(char, "")
    plain = unicodedata.normalize("NFKD", char)[0]
    return "latin" if plain.isascii() or name.startswith(("LATIN", "FULLWIDTH LATIN")) else "foreign"
