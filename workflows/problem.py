"""One thing that is wrong with a workflow or with what was given to it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Problem:
    """``where``: the field, such as ``inputs.width`` or ``graph.5.inputs.seed``; ``message``: what is wrong there, in
    words that follow the field; ``fix``: what to do about it, in words that follow "to fix this,"."""

    where: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.message}; {self.fix}"

    def as_dict(self) -> dict[str, str]:
        """The JSON form."""
        return asdict(self)


def nearest(word: str, known: Iterable[str]) -> str:
    """`` (did you mean x?)`` where a known word is close, else nothing: to be put behind the word itself."""
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""


def shown(value: object, limit: int = 40) -> str:
    """A value for a message, cut to a length that keeps the message readable."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def listed(words: Iterable[str], limit: int = 12) -> str:
    """``a, b, c``, cut after ``limit`` words."""
    found = list(words)
    more = f" and {len(found) - limit} more" if len(found) > limit else ""
    return ", ".join(found[:limit]) + more
