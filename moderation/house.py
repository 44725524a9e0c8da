"""House rules: what an organisation adds to whichever policy holds, in one JSON file of its own.

Its lists stop or let through by word, by digest and by look; a policy on trial runs beside the real one, or for a part
of the people; and whose pictures may be references is said here. No list lets through what is locked.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..errors import BadSetting, FileMissing
from .base import Scores
from .normalize import fold, forms, words
from .policy import LOCKED
from .verdict import Subject, Verdict

TERM_BLOCKED, PROMPT_BLOCKED, IMAGE_BLOCKED, LOOK_BLOCKED = (
    f"house/blocked_{what}" for what in ("term", "prompt", "image", "look")
)
ALLOWED = "house/allowed"
Alike = Callable[[Collection[str]], bool]
"""Whether the image that is being judged looks like one of these."""
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Term = Annotated[str, Field(min_length=2, max_length=200)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Lists(_Data):
    """What is known by name, whichever way it is named."""

    terms: tuple[Term, ...] = ()
    """Words and phrases, in any case. Where they are stopped, also in the disguises that the rules undo."""
    prompts: frozenset[Digest] = frozenset()
    """SHA-256 of whole prompts, as verdicts have it."""
    images: frozenset[Digest] = frozenset()
    """SHA-256 of files."""
    looks: frozenset[Annotated[str, Field(pattern=r"^[0-9a-f]{32,256}$")]] = frozenset()
    """Looks of pictures, in hexadecimal: also of copies that were scaled, cropped a little or saved again."""

    @field_validator("terms")
    @classmethod
    def _with_words(cls, terms: tuple[str, ...]) -> tuple[str, ...]:
        for term in terms:
            if not words(fold(term)).strip():
                raise ValueError(f"{term!r} has no letters")
        return terms


class Canary(_Data):
    """A policy that holds for some already. Who gets it keeps it, in every process, while the percentage grows."""

    policy: str
    percent: Annotated[float, Field(ge=0, le=100)]
    by: Literal["user", "job"] = "user"

    def takes(self, user: str, job_id: str) -> bool:
        """Whether it holds for this user or job."""
        who = user if self.by == "user" else job_id
        place = int.from_bytes(hashlib.sha256(f"{self.policy}\n{self.by}\n{who}".encode()).digest()[:8], "big")
        return place / 2**64 * 100 < self.percent


class House(_Data):
    """The house rules, as their file says them; without a file, none."""

    version: Literal[1] = 1
    """Of this format."""
    block: Lists = Lists()
    allow: Lists = Lists()
    """``terms`` are not read by the rules; prompts and images by digest or look pass, unless what is locked speaks."""
    shadow: str | None = None
    """A policy that judges everything beside the real one and decides nothing."""
    canary: Canary | None = None
    references: Literal["any", "own_uploads"] = "any"
    """``own_uploads``: a run's pictures are uploads of its own key, and never fetched from elsewhere."""

    def policy_for(self, policy: str, user: str, job_id: str) -> str:
        """The policy that holds for this user and job: the one that is set, or the canary's."""
        return self.canary.policy if self.canary is not None and self.canary.takes(user, job_id) else policy

    @property
    def digest(self) -> str:
        """Names these rules: what was decided under others is not handed on."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def policies(self) -> frozenset[str]:
        """Those that the house rules name."""
        return frozenset(name for name in (self.shadow, self.canary and self.canary.policy) if name)

    def stopped_text(self, text: str, digest: str) -> str | None:
        """The rule that stops a prompt here; None: no list of ours does."""
        if digest in self.block.prompts:
            return PROMPT_BLOCKED
        return TERM_BLOCKED if any(found_in(text, self.block.terms)) else None

    def stopped_image(self, digest: str, alike: Alike) -> str | None:
        """The same of an image. Blocks while ``alike`` looks at it."""
        if digest in self.block.images:
            return IMAGE_BLOCKED
        return LOOK_BLOCKED if self.block.looks and alike(self.block.looks) else None

    def unread(self, text: str) -> str:
        """The text without the words that the rules are not to read."""
        return without(text, self.allow.terms) if self.allow.terms else text

    def lets_through(self, subject: Subject, digest: str, alike: Alike) -> bool:
        """Whether a prompt or an image is let through by digest or look. Blocks while ``alike`` looks at it."""
        if subject == "prompt":
            return digest in self.allow.prompts
        return digest in self.allow.images or bool(self.allow.looks and alike(self.allow.looks))

    def lifted(self, verdict: Verdict) -> Verdict:
        """The verdict on what :meth:`lets_through`. What is locked stays as it was decided."""
        if verdict.decision == "allowed" or not LOCKED.keys().isdisjoint(verdict.categories):
            return verdict
        told = f"Your organisation lets it through; without that it would be {verdict.decision} by {verdict.rule}."
        return verdict.model_copy(update={"decision": "allowed", "rule": ALLOWED, "explanation": told})


NO_HOUSE = House()


def load(path: Path | None) -> House:
    """The house rules in this file; none without one. Read again when the file is another.

    Raises FileMissing, and BadSetting naming the field at fault.
    """
    if path is None:
        return NO_HOUSE
    try:
        about = path.stat()
    except OSError as exc:
        raise FileMissing(f"The house rules {path} cannot be read: {exc.strerror}.") from exc
    return _read(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, _changed: int, _size: int) -> House:
    try:
        return House.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as exc:
        raise FileMissing(f"The house rules {path} cannot be read: {exc.strerror}.") from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the whole file"
        raise BadSetting(f"The house rules {path} are wrong at {field}: {first['msg']}.") from exc
    except ValueError as exc:
        raise BadSetting(f"The house rules {path} are no JSON in UTF-8: {exc}.") from exc


def merged(full: Scores, unread: Scores) -> Scores:
    """What the rules found without the allowed words; of what is locked, what they found in the whole text."""
    locked = {category: full.scores[category] for category in LOCKED if category in full.scores}
    kept = {category: score for category, score in unread.scores.items() if category not in LOCKED}
    both = {**kept, **locked}
    rules = {**unread.rules, **full.rules}
    return Scores(
        scores=both,
        rules={category: rules[category] for category in both if category in rules},
        model=full.model,
    )


def found_in(text: str, terms: Iterable[str]) -> Iterable[str]:
    """Those of the terms that stand in the text, as they are or in a disguise that the rules undo."""
    wanted = list(terms)
    if not wanted:
        return []
    plain = _plain(text)
    read = [form.text for form in forms(text)]
    return [
        term
        for term in wanted
        if _pattern(term).search(plain) or (_latin(term) and any(_folded(term) in each for each in read))
    ]


def without(text: str, terms: Iterable[str]) -> str:
    """The text with the terms taken out; the longest first, as one may stand in another."""
    plain = _plain(text)
    for term in sorted(terms, key=len, reverse=True):
        plain = _pattern(term).sub(" ", plain)
    return plain


def _plain(text: str) -> str:
    shown = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFKC", shown).casefold()


def _latin(term: str) -> bool:
    """Whether words of this script have gaps around them, so that the rules' readings can be asked for it."""
    return all(ord(char) < 0x0590 for char in term)


@lru_cache(maxsize=4096)
def _folded(term: str) -> str:
    return words(fold(term))


@lru_cache(maxsize=4096)
def _pattern(term: str) -> re.Pattern[str]:
    plain = _plain(term).strip()
    escaped = r"\s+".join(re.escape(each) for each in plain.split())
    return re.compile(rf"(?<!\w){escaped}(?!\w)" if _latin(plain) else escaped)
