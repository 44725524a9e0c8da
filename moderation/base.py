"""What a checker is: this file is the specification, and ``tests/contracts/checker.py`` its test.

A checker is one file beside this one, and its class stands in ``registry.py``.

A checker reports scores and never decides: the same scores may pass under one policy and be blocked under another, and
only the policy knows. It keeps nothing of what it was shown and logs none of it.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from typing_extensions import Self

from ..errors import InternalError
from .verdict import Subject

Problem = Literal["not_configured", "failed"]


class JsonClient(Protocol):
    """Whatever can post to a service: bound to its base URL and key, with time limits and retries of its own."""

    async def post_json(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The JSON object answered to a POST of ``body`` to ``path``; raises a :class:`ProviderError` otherwise."""


Connect = Callable[[str], JsonClient | None]
"""Gives a client to the provider of this name; None where there is no key for it."""


@dataclass(frozen=True, slots=True)
class Scores:
    """A checker's answer. A category it did not look for is absent, which is not the same as a score of 0."""

    scores: Mapping[str, float]
    """How surely each category applies, 0 to 1."""
    rules: Mapping[str, str] = field(default_factory=dict)
    """The rule behind a category's score, where the checker has finer ones than ``<checker>/<category>``."""
    model: str = ""
    """The model or list that answered, as it names itself, with its version."""

    def __post_init__(self) -> None:
        for category, score in self.scores.items():
            if not (math.isfinite(score) and 0 <= score <= 1):
                raise InternalError(f"A checker scored {category} at {score}; scores are 0 to 1.")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of asking one checker: its scores, or why there are none."""

    checker: str
    scores: Scores | None = None
    problem: Problem | None = None


class Checker(ABC):
    """Judges texts, images or both.

    Both methods raise :class:`InvalidInput` for what can never be judged (too long, no image type) and a
    :class:`ProviderError` when the service behind the checker does not answer or answers nonsense; a
    :class:`MissingKey` among them means that the checker is not configured. They may be called concurrently.
    """

    name: ClassVar[str]
    """Fixed: policies and rules name the checker by it."""
    subjects: ClassVar[frozenset[Subject]]
    """What it can judge; the moderator asks it about nothing else."""
    local: ClassVar[bool] = False
    """True when nothing leaves this process. Local checkers are asked first; what they block is shown to no service."""

    @classmethod
    @abstractmethod
    def open(cls, connect: Connect) -> Self | None:
        """The checker, ready to be asked; None where it is not set up here. Asks nobody anything yet."""

    @abstractmethod
    async def check_text(self, text: str, negative: str = "") -> Scores:
        """Score a prompt. ``negative`` is what the image shall *not* show: its words are no wish for what they name."""

    @abstractmethod
    async def check_image(self, data: bytes, media_type: str) -> Scores:
        """Score an encoded image, its ``media_type`` given as ``image/png`` and the like."""


def rule_id(checker: str, category: str) -> str:
    """The name of a rule as verdicts carry it: ``rules/sexual_minors`` for ``sexual/minors`` found by ``rules``."""
    return f"{checker}/{category.replace('/', '_')}"
