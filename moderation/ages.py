"""The ages of minors in a reading: one word stands for all of them, in whatever digits or letters they are. Pure."""

from __future__ import annotations

import re
from collections.abc import Set

AGE = "0age"
"""The word that stands for any age of a minor, in readings and in terms."""
ALONE = "0alone"
"""The word that stands for such an age which is all there is in brackets or between two commas: "a girl (10)"."""

_AGED = re.compile(r"(1[0-7]|[1-9])((?:y|j|an|ol)[a-z]*)?")  # "12yo", "12jahrige", "12ans", and no "8k"
_ALMOST_AGED = re.compile(r"([1li][0-7oli])((?:y|j|an|ol)[a-z]*)?")  # "1O years", "l2yo"
_HAS_DIGIT = re.compile(r"[0-9]")
_SECOND = tuple("01234567oli")
_DIGITS = str.maketrans("oli", "011")
_COUNTED = frozenset(("year", "years", "yr", "yrs", "yo", "old", "age", "aged", "jahre", "jahren", "ans", "anos"))
_YEARS = re.compile(r"y(?:ea)?rs?|yo|jahr[a-z]*|ans?|anos?")
# Nothing but blanks repeats here, and no two runs of them meet: the work is linear, however many commas there are.
_LONE = re.compile(
    r"(?:^|[(\[{,;|\n]|:[ ]|[ ]--?[ ]|\b(?:is|was)[ ]|(?<=[a-z])[ ](?=[3-9]|1[0-7]))[ \t]*(\w{1,12})[ \t]*"
    r"(?=[)\]},;|\n]|(?<=[ ])--?(?:[ ]|$)|:\d\.\d|[.!?]?$|[.!?]\n)"
)


def counted(tokens: tuple[str, ...], ages: Set[str]) -> tuple[str, ...]:
    """The words of a reading that few texts have another of: with ages as such, where years are counted at all."""
    return with_ages(tokens) if ages and not _COUNTED.isdisjoint(tokens) else tokens


def with_ages(tokens: tuple[str, ...]) -> tuple[str, ...]:
    """The words with each number from 1 to 17 as :data:`AGE`, cut loose from letters behind it ("12yo")."""
    found: list[str] = []
    for place, token in enumerate(tokens):
        # Most words are told by their first letters.
        match = _AGED.fullmatch(token) if "0" < token[0] <= "9" else None
        if match is None and token[0] in "1li" and token[1:2] in _SECOND:
            match = _almost_aged(token, tokens, place)
        if match is None:
            found.append(token)
        else:
            found += (AGE, match[2]) if match[2] else (AGE,)
    return tuple(found)


def _almost_aged(token: str, tokens: tuple[str, ...], place: int) -> re.Match[str] | None:
    """A word that is an age by its look; one that has no digit at all only where years are counted by it."""
    match = _ALMOST_AGED.fullmatch(token)
    if match is None or _HAS_DIGIT.search(token):
        return match
    years = match[2] or " ".join(tokens[place + 1 : place + 2])
    return match if _YEARS.fullmatch(years) else None


def with_lone_ages(latin: str, ages: Set[str]) -> str:
    """The text with :data:`ALONE` for each age of a minor that is all there is in brackets or between two commas."""

    def lone(match: re.Match[str]) -> str:
        word = match[1]
        if word not in ages and not (_HAS_DIGIT.search(word) and _AGED.fullmatch(word.translate(_DIGITS))):
            return match[0]
        return f"{match[0][: match.start(1) - match.start()]} {ALONE} "

    return _LONE.sub(lone, latin)
