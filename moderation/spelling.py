"""The ways in which a phrase of a word list is spelled in a text."""

from __future__ import annotations

from itertools import product

from .ages import AGE, ALONE
from .languages.scripts import plain_blocks
from .lexicon import Language
from .normalize import fold

_WRITTEN = {"{age}": f" {AGE} ", "{alone}": f" {ALONE} "}
_SHORT = 2  # words of a phrase that is also written in one, and in the plural; longer ones stand as they are


def spelled(phrase: str, language: Language) -> list[str]:
    """A phrase as readings spell it: endings and alternatives written out, a pair of words also in one, in the plural.

    Closed gaps are not only a writer's ("highschool student"): a reading that takes hyphens out closes some of them. A
    ``*`` at either end stays there: the word may go on.
    """
    # Folded as a whole, as that works by character; what stands for more than one letter is written out afterwards.
    plain = plain_blocks(phrase).replace(" ", "") if language.by == "character" else fold(phrase)
    every = written_out(plain, language)
    if language.by == "character":
        return every
    found = [each for text in every for each in _with_gaps(text, language)]
    if len(every) == 1 and "*" not in plain and not _aged(found[0]):
        found.append("".join(found[0].split()))
    return list(dict.fromkeys(found))


def written_out(phrase: str, language: Language) -> list[str]:
    """``nackt{adj} {frau,dame}`` with each ending and each alternative, which may nest; ages stay."""
    if "{" not in phrase:
        return [phrase]
    found, rest = _sequence(phrase, 0, language, inside=False)
    if rest != len(phrase):
        raise ValueError(f"braces do not match in {phrase!r}")
    return list(dict.fromkeys(found))


def _with_gaps(text: str, language: Language) -> list[str]:
    if "*" in text:
        return [" ".join(text.split())]
    for placeholder, word in _WRITTEN.items():
        text = text.replace(placeholder, word)
    parts = text.replace("-", " ").split()
    ends = ("", *language.plural) if len(parts) <= _SHORT else ("",)
    return [f"{gap}{ending}" for gap in _gaps(parts) for ending in ends]


def _sequence(phrase: str, place: int, language: Language, *, inside: bool) -> tuple[list[str], int]:
    """All texts from a place on, up to a comma or a closing brace where it is inside of one."""
    parts: list[list[str]] = []
    while place < len(phrase) and not (inside and phrase[place] in ",}"):
        if phrase[place] == "{":
            choices, place = _choices(phrase, place + 1, language)
            parts.append(choices)
        else:
            end = place + 1
            while end < len(phrase) and phrase[end] not in "{,}":
                end += 1
            parts.append([phrase[place:end]])
            place = end
    return ["".join(chosen) for chosen in product(*parts)], place


def _choices(phrase: str, place: int, language: Language) -> tuple[list[str], int]:
    """The alternatives of a brace whose inside begins here, or the endings that it names; and where it ends."""
    name = phrase[place : phrase.find("}", place)]
    if f"{{{name}}}" in _WRITTEN:
        return [f"{{{name}}}"], place + len(name) + 1
    if name in language.endings:
        return list(language.endings[name]), place + len(name) + 1
    found: list[str] = []
    while True:
        texts, place = _sequence(phrase, place, language, inside=True)
        found += texts
        if place >= len(phrase):
            raise ValueError(f"a brace is not closed in {phrase!r}")
        place += 1
        if phrase[place - 1] == "}":
            return found, place


def _gaps(parts: list[str]) -> list[str]:
    """The words with gaps between them; of a pair also without one. An age is a word of its own in every reading."""
    spaced = " ".join(parts)
    return [spaced, "".join(parts)] if len(parts) == _SHORT and not _aged(spaced) else [spaced]


def _aged(phrase: str) -> bool:
    return AGE in phrase or ALONE in phrase
