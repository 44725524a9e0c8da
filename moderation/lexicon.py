"""The word lists, one file a language, and what they are made of.

``policies/terms/<version>`` holds a file a language, which says what its words are, and ``rules.json``, which says for
all languages what follows from them. The classes here say what may stand in those files; :mod:`.matching` finds where
their phrases stand in a text.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

POLICIES = Path(__file__).parent / "policies"
TERMS_FILE = POLICIES / "terms.json"
"""The list of version 1.0.0, which was English alone. Published, so it stays as it is."""
TERMS = POLICIES / "terms" / "2.1.0"
"""The lists in use."""

Severity = Literal["low", "medium", "high", "critical"]
Kind = Literal["term", "allow", "context"]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Group(_Data):
    """Words of one meaning: a category, or a group that says nothing alone and counts only in a combination."""

    terms: tuple[str, ...] = ()
    allow: tuple[str, ...] = ()
    """Phrases in which a term means something else; a term inside one is not found."""


class Language(_Data):
    """The words of one language."""

    language: str
    """ISO 639-1: ``de``."""
    by: Literal["word", "character"] = "word"
    """How its texts are searched: by words between spaces, or by character."""
    plural: tuple[str, ...] = ()
    """Endings that any phrase may take, besides none."""
    endings: dict[str, tuple[str, ...]] = {}
    """Endings by a name: ``nackt{adj}`` stands for each of them. ``{age}`` stands for the ages 1 to 17, ``{alone}``
    for one that is all there is in brackets or between two commas."""
    ages: tuple[str, ...] = ()
    """The ages of a minor in words."""
    homographs: tuple[str, ...] = ()
    """Terms that are everyday words of another language; they count only in a text that shows signs of this one."""
    negations: tuple[str, ...] = ()
    """Words before a term (behind it, where they begin with ``-``) that say that it shall be absent."""
    links: tuple[str, ...] = ()
    """Words that do not count as standing between two others: "art of a"."""
    words: tuple[str, ...] = ()
    """Harmless words that hold a term or overlap with one; the longest word at a place is the one that is read."""
    particles: tuple[str, ...] = ()
    """What may follow a noun inside its word, as in Korean."""
    variants: dict[str, str] = {}
    """Characters that are read as another one, such as traditional as simplified."""
    categories: dict[str, Group] = {}
    groups: dict[str, Group] = {}
    contexts: dict[str, tuple[str, ...]] = {}
    """Phrases anywhere in a prompt that show what it is about: art, medicine, food. ``rules.json`` says what for."""

    def phrases(self) -> Iterator[tuple[str, Kind, str]]:
        """Every phrase as it is written in the file, with its kind and the category, group or context it is of."""
        for label, group in (*self.categories.items(), *self.groups.items()):
            yield from ((label, "term", phrase) for phrase in group.terms)
            yield from ((label, "allow", phrase) for phrase in group.allow)
        for label, phrases in self.contexts.items():
            yield from ((label, "context", phrase) for phrase in phrases)


class Combination(_Data):
    """A category that is reached by words of two kinds together, or of three; a kind is a category or a group."""

    id: str
    category: str
    severity: Severity
    first: tuple[str, ...]
    second: tuple[str, ...]
    third: tuple[str, ...] = ()
    """Where there are any: one of these must stand somewhere in the prompt, too."""
    words_between: int | None = None
    """At most so many words between the first two; None: anywhere in the prompt."""
    words_between_in: dict[str, int] = {}
    """Nearer than that where the prompt has a context of this name, as "nude" is no wish in a museum."""
    second_in: Literal["prompt", "negative"] = "prompt"
    """``negative``: the second is an item of the negative prompt, which takes it out of the image."""
    excused: bool = True
    """Whether the category's contexts make it harmless."""


class Rules(_Data):
    """What follows from the words, in whatever language they are."""

    name: str
    version: str
    description: str = ""
    severities: dict[str, Severity]
    """What a category's own terms count as."""
    excuses: dict[str, tuple[str, ...]] = {}
    """The contexts that make a category harmless."""
    combinations: tuple[Combination, ...] = ()
    unfit_for_encodings: tuple[str, ...] = ()
    """Words that, read backwards or in rot13, are words of a listed language; as such they are not looked for."""
    fit_beside_others: tuple[str, ...] = ()
    """Those of them that count all the same beside what makes them a locked category, in a text of their language."""


class Source(_Data):
    """A whole version of the lists."""

    rules: Rules
    languages: tuple[Language, ...]


def read(folder: Path = TERMS) -> Source:
    """The lists of a version, as its files say them; the languages in the order of their names."""
    rules = Rules.model_validate_json((folder / "rules.json").read_bytes())
    files = sorted(path for path in folder.glob("*.json") if path.stem != "rules")
    return Source(rules=rules, languages=tuple(Language.model_validate_json(path.read_bytes()) for path in files))
