"""What moderation says of one prompt or one image, and how several such sayings become one."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from ..errors import InternalError, OutputBlocked, PolicyError, PromptBlocked

Decision = Literal["allowed", "flagged", "blurred", "review", "blocked"]
Subject = Literal["prompt", "image"]

WORST_LAST: tuple[Decision, ...] = ("allowed", "flagged", "blurred", "review", "blocked")
"""The decisions from mildest to worst."""

CARRIED: frozenset[Decision] = frozenset({"blurred", "review"})
"""What is decided of a prompt and done to what is made of it."""

SHOWN: frozenset[Decision] = frozenset({"allowed", "flagged"})
"""What lets a picture be seen as it is, by whoever asked for it."""

NO_RULE = "none"
"""The rule of a verdict that no rule decided."""


class Shadow(BaseModel):
    """What a policy on trial would have decided of the same thing. It decides nothing."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    policy: str
    decision: Decision
    rule: str
    categories: tuple[str, ...] = ()


class Verdict(BaseModel):
    """One moderation decision, complete enough to be kept, shown and audited without what it was about.

    ``flagged`` lets the work go on and marks it; ``blocked`` stops it. ``blurred``: an image is delivered beyond
    recognition, and so is what is made of such a prompt. ``review``: the work goes on, and what comes of it is withheld
    until a person accepts it. The text or image itself is never in here: only its digest is, and ``explanation`` names
    no matched term in full.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Decision
    subject: Subject
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """SHA-256 of what was judged: an image's bytes, or :func:`prompt_digest`."""
    categories: tuple[str, ...] = ()
    """The categories at or over a threshold of the policy, sorted."""
    scores: dict[str, Annotated[float, Field(ge=0, le=1)]] = {}
    """The highest score any checker gave, by category; a category nobody scored is absent, not 0."""
    rule: str = NO_RULE
    """What decided: ``rules/sexual_minors``, ``openai/violence``, ``image_unchecked``, ``none`` and the like."""
    checker: str
    """The checkers that answered, joined by ``+``; ``none`` where none did."""
    policy: str
    """Name and version, as ``standard@1.0.0``."""
    explanation: str
    """A sentence or two for the person who asked."""
    at: AwareDatetime
    shadow: Shadow | None = None
    """Where a policy runs beside this one, unheard."""

    @model_serializer(mode="wrap")
    def _without_an_empty_shadow(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Who is older than this field can read every verdict that has none.
        told: dict[str, Any] = plain(self)
        if told.get("shadow") is None:
            told.pop("shadow", None)
        return told

    def error(self) -> PolicyError:
        """What to raise where this verdict stops the work."""
        kind, noun = (PromptBlocked, "prompt") if self.subject == "prompt" else (OutputBlocked, "image")
        return kind(f"The {noun} was {self.decision}. {self.explanation} (rule {self.rule}, policy {self.policy})")


def prompt_digest(text: str, negative: str = "") -> str:
    """The digest a prompt's verdict carries: of the text alone, or of both texts where there is a negative prompt.

    The two are joined by a NUL, so that moving words between them changes the digest.
    """
    whole = f"{text}\0{negative}" if negative else text
    # A lone surrogate is no valid UTF-8, but a client can send one as JSON and its prompt still needs a digest.
    return hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()


def image_digest(data: bytes) -> str:
    """The digest an image's verdict carries: of the encoded bytes as they were judged."""
    return hashlib.sha256(data).hexdigest()


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """One verdict for several: the worst decides, scores are maxima, categories and checkers are united.

    The first of the worst gives subject, rule, policy and explanation. The digest stays where all agree on it, else it
    is the SHA-256 of the digests in order, one a line. Raises :class:`InternalError` when there is nothing to combine.
    """
    every = list(verdicts)
    if not every:
        raise InternalError("There is no verdict to combine.")
    worst = max(every, key=lambda verdict: WORST_LAST.index(verdict.decision))
    return worst.model_copy(
        update={
            "digest": _joint_digest([verdict.digest for verdict in every]),
            "categories": tuple(sorted({category for verdict in every for category in verdict.categories})),
            "scores": maxima(verdict.scores for verdict in every),
            "checker": join_names(name for verdict in every for name in verdict.checker.split("+")),
            "at": max(verdict.at for verdict in every),
        }
    )


def carried(prompts: Iterable[Verdict], image: Verdict) -> Verdict:
    """The verdict on an image, with what the verdicts on its prompts ask of whatever is made of them.

    Only where that is worse than its own decision; digest, scores and checkers stay the image's.
    """
    asking = [each for each in prompts if each.subject == "prompt" and each.decision in CARRIED]
    worst = max(asking, key=lambda verdict: WORST_LAST.index(verdict.decision), default=None)
    if worst is None or WORST_LAST.index(worst.decision) <= WORST_LAST.index(image.decision):
        return image
    return image.model_copy(
        update={
            "decision": worst.decision,
            "rule": worst.rule,
            "categories": tuple(sorted({*image.categories, *worst.categories})),
            "explanation": f"Because of its prompt: {worst.explanation}",
        }
    )


def maxima(scores: Iterable[dict[str, float]]) -> dict[str, float]:
    """The highest score of each category, in the categories' order."""
    highest: dict[str, float] = {}
    for each in scores:
        for category, score in each.items():
            highest[category] = max(score, highest.get(category, 0.0))
    return dict(sorted(highest.items()))


def join_names(names: Iterable[str]) -> str:
    """Checker names as a verdict carries them: each once, first seen first; ``none`` only where there is no other."""
    seen = [name for name in dict.fromkeys(names) if name != "none"]
    return "+".join(seen) or "none"


def _joint_digest(digests: list[str]) -> str:
    if len(set(digests)) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
