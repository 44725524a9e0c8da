"""Rent or own, and from whom: rules that are data (``advice.json``), each with its reason. Pure.

Three answers: ``self-host`` (open weights on GPUs of one's own), ``open-weight`` (the same weights at a provider) and
``closed`` (a provider's own model). A rule may rule an answer out, or speak for some with a weight; the heaviest rule
that tells the winner from the next best answer names the axis that decided.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from ..errors import InvalidInput

Answer = Literal["self-host", "open-weight", "closed"]
Axis = Literal["residency", "control", "volume", "quality", "licensing", "operations"]
Residency = Literal["may leave", "must stay"]
Need = Literal["lora", "controlnet", "latents", "pinned version"]
Quality = Literal["good", "best"]
Licensing = Literal["any", "commercial", "indemnified"]
VolumeKind = Literal["below", "above", "across", "unknown"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Situation(_Frozen):
    """What is known of the one who asks."""

    images_low: int | None = Field(default=None, ge=0)
    """Images a month, at least; None where nobody knows."""
    images_high: int | None = Field(default=None, ge=0)
    residency: Residency = "may leave"
    """Whether prompts and images may be sent to a provider."""
    needs: tuple[Need, ...] = ()
    quality: Quality = "good"
    """``best``: only the best model there is will do."""
    licensing: Licensing = "commercial"
    """What the outputs must come with."""

    def volume(self, crossover: float | None) -> VolumeKind:
        """Where the volume lies: below the crossover, above it, on both sides, or not known."""
        if self.images_low is None or self.images_high is None:
            return "unknown"
        if self.images_low > self.images_high:
            raise InvalidInput(
                f"images: {self.images_low} is more than {self.images_high}.", hint="Give the lower number first."
            )
        if crossover is None or self.images_high <= crossover:
            return "below"
        return "above" if self.images_low > crossover else "across"


class Rule(_Frozen):
    """When ``when`` holds: ``excludes`` some answers, or ``favours`` some with ``weight``. ``reason`` says why."""

    axis: Axis
    when: dict[str, Any]
    """Fields of the situation by name, and ``volume``; a list means any of these."""
    favours: tuple[Answer, ...] = ()
    excludes: tuple[Answer, ...] = ()
    weight: int = Field(default=0, ge=0, le=10)
    reason: str = Field(min_length=20)


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to do and why."""

    answer: Answer
    axis: Axis
    """The one that decided."""
    reasons: tuple[str, ...]
    """Of every rule that spoke for the answer or against another, heaviest first."""
    switching_cost: str
    """What leaving would take."""
    revisit: str
    """When to ask again."""


def advise(situation: Situation, crossover: float | None = None) -> Advice:
    """The best answer for the situation; ``crossover`` is N* in images a month, None where owning never pays.

    Raises InvalidInput where what is asked for cannot be had together, naming the wishes that exclude each other.
    """
    holding = [rule for rule in rules() if _holds(rule, situation, crossover)]
    excluded = {answer: rule for rule in holding for answer in rule.excludes}
    left = [answer for answer in get_args(Answer) if answer not in excluded]
    if not left:
        wishes = "; ".join(dict.fromkeys(f"{rule.axis}: {rule.reason}" for rule in excluded.values()))
        raise InvalidInput(f"No way of making images meets all of this. {wishes}", hint="Give up one of these wishes.")
    scores = {answer: sum(rule.weight for rule in holding if answer in rule.favours) for answer in left}
    answer = max(left, key=lambda each: scores[each])
    speaking = [rule for rule in holding if answer in rule.favours or (rule.excludes and answer not in rule.excludes)]
    speaking.sort(key=lambda rule: -rule.weight)
    texts = data()
    return Advice(
        answer=answer,
        axis=_deciding(speaking, answer, left, scores).axis,
        reasons=tuple(rule.reason for rule in speaking),
        switching_cost=texts["switching_cost"][answer],
        revisit=texts["revisit"][answer],
    )


def _deciding(speaking: list[Rule], answer: Answer, left: list[Answer], scores: dict[Answer, int]) -> Rule:
    """The heaviest rule that tells the answer from the next best one; where no other is left, what ruled them out."""
    if len(left) == 1:
        return next(rule for rule in speaking if rule.excludes)
    second = max((each for each in left if each != answer), key=lambda each: scores[each])
    favouring = [rule for rule in speaking if answer in rule.favours]
    return next((rule for rule in favouring if second not in rule.favours), favouring[0])


@lru_cache(maxsize=1)
def data() -> dict[str, Any]:
    """``advice.json`` as it stands."""
    loaded: dict[str, Any] = json.loads((Path(__file__).parent / "advice.json").read_text(encoding="utf-8"))
    return loaded


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """The rules, checked."""
    return tuple(Rule.model_validate(row) for row in data()["rules"])


def _holds(rule: Rule, situation: Situation, crossover: float | None) -> bool:
    facts = {**situation.model_dump(), "volume": situation.volume(crossover)}
    return all(_matches(name, wanted, facts[name]) for name, wanted in rule.when.items())


def _matches(name: str, wanted: Any, value: Any) -> bool:
    if name == "needs":
        return bool(set(wanted) & set(value))
    return value in wanted if isinstance(wanted, list) else bool(value == wanted)
