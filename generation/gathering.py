"""What came of the calls of one generation together: its images in their order, and why any of them is missing.

One call that fails takes nothing from the others, which may be paid for: what is good is handed on, and what is
missing is told with its place, as whoever gave a batch of images counts on their order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import TypeVar

from ..errors import BadAnswer, MintmarkError, ProviderAuth, ProviderError, ProviderRefused
from ..providers.base import Prepared
from ..providers.request import GenerationRequest
from .results import Asked, Image

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One call of a generation, as it is asked. ``of`` counts the requests that it is a part of."""

    request: GenerationRequest
    prepared: Prepared
    of: int


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A call that gave no image, and why."""

    call_id: str
    error: MintmarkError


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One image of those that were asked for. ``image`` is None where the provider's own filter withheld it."""

    number: int
    """From 1, in the order they were asked for."""
    part: Part
    image: Image | MintmarkError | None

    @property
    def seed(self) -> int | None:
        """That it was made with: in the provider's word, else as it was sent for this very image."""
        told = self.image.seed if isinstance(self.image, Image) else None
        return self.part.prepared.seed if told is None else told


def slots(parts: Sequence[Part], outcomes: Sequence[Asked | Failed]) -> list[Slot]:
    """A slot for every image that was asked for, or came."""
    found: list[Slot] = []
    for part, outcome in zip(parts, outcomes, strict=True):
        images = _images(part.request.count, outcome)
        found += [Slot(number=len(found) + place, part=part, image=image) for place, image in enumerate(images, 1)]
    return found


def _images(count: int, outcome: Asked | Failed) -> list[Image | MintmarkError | None]:
    if isinstance(outcome, Failed):
        return [outcome.error] * count
    came = len(outcome.images)
    fewer = BadAnswer(f"The provider gave {came} of the {count} images of this call.", charged="yes")
    return [*outcome.images, *[fewer] * (count - came)]


class Hopeless:
    """What one call of a generation was told that holds for others, too: these are not asked any more."""

    def __init__(self) -> None:
        self._all: ProviderError | None = None
        self._same: dict[int, ProviderError] = {}

    def learn(self, part: Part, error: MintmarkError) -> None:
        """A key or an account that is refused is so for every call; a request, for those that ask the same."""
        if isinstance(error, ProviderAuth) and error.charged == "no":
            self._all = error
        elif isinstance(error, ProviderRefused) and error.charged == "no":
            self._same[part.of] = error

    def why(self, part: Part) -> ProviderError | None:
        """Why this call need not be asked; None where it may be."""
        if (known := self._all or self._same.get(part.of)) is None:
            return None
        told = copy(known)
        told.request_id = None
        return told


async def each_or_why(work: Iterable[Awaitable[T]]) -> list[T | MintmarkError]:
    """What each gives, or its error. Whatever some do, the others still finish: they may be paid for.

    What is no error of ours goes on once all have ended.
    """
    found: list[T | MintmarkError] = []
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException) and not isinstance(result, MintmarkError):
            raise result
        found.append(result)
    return found


def missing(total: int, reasons: Iterable[tuple[int, str]]) -> tuple[str, ...]:
    """In words, which images of ``total`` are missing and why; those with one reason stand together."""
    by_reason: dict[str, list[int]] = {}
    for number, reason in reasons:
        by_reason.setdefault(reason, []).append(number)
    return tuple(
        f"Image{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers))} of {total} "
        f"{'are' if len(numbers) > 1 else 'is'} missing: {reason}"
        for reason, numbers in by_reason.items()
    )
