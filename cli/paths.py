"""Paths as they are given on a command line: whatever stands there, asking whether it is one never fails."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import UsageError


def is_file(path: Path) -> bool:
    """Whether there is such a file. A name that this system cannot have (it is too long) names none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """The same of a folder."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def check_words(words: Sequence[str]) -> None:
    """Whether all that was given is text. A file may have a name that is none. Raises UsageError naming the first word
    that is not: no prompt, name or id has bytes that no one can write down."""
    for place, word in enumerate(words):
        name, _, value = word.partition("=")
        if not (_is_text(word) or os.path.lexists(word) or os.path.lexists(value)):
            option = words[place - 1] if place and words[place - 1].startswith("-") else ""
            named = name if value and _is_text(name) else ""
            shown = f"{option} {named}".strip() or f"argument {place + 1}"
            raise UsageError(f"{shown}: it holds bytes that are no valid UTF-8.", hint="Give it as text.", field=shown)


def _is_text(word: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in word)
