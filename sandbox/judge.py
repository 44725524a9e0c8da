"""The sandbox's idea of what is harmful: short word lists and one colour, so that a test can choose any verdict.

Text: a word or phrase of the list gives its category that score. Images: a picture whose mean colour is almost pure
red (255, 0, 0, each within 8) is violence 0.97; every other picture is safe. Nothing is read from metadata.
"""

from __future__ import annotations

import re

import numpy as np

from .brush import Canvas

CATEGORIES: tuple[str, ...] = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip
SEEN_IN_IMAGES = frozenset(
    ("self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "violence", "violence/graphic")
)
FLAGGED_FROM = 0.5
BLOCKED_FROM = 0.9
_SAFE = 0.00001
_RED, _WITHIN = (255, 0, 0), 8
_WORDS: dict[str, tuple[tuple[str, float], ...]] = {
    "harassment": (("you are worthless", 0.92), ("pathetic loser", 0.88)),
    "harassment/threatening": (("i will hurt you", 0.93),),
    "hate": (("subhuman", 0.94),),
    "hate/threatening": (("exterminate them", 0.95),),
    "illicit": (("how to shoplift", 0.9), ("counterfeit money", 0.86)),
    "illicit/violent": (("build a bomb", 0.97), ("pipe bomb", 0.96)),
    "self-harm": (("self-harm", 0.93), ("suicide", 0.9)),
    "self-harm/instructions": (("how to cut myself", 0.94),),
    "self-harm/intent": (("want to die", 0.92),),
    "sexual": (("nsfw", 0.93), ("nude", 0.72), ("naked", 0.74), ("porn", 0.97), ("explicit sex", 0.96)),
    "sexual/minors": (("underage nude", 0.99), ("nude child", 0.99)),
    "violence": (("gore", 0.94), ("murder", 0.78), ("massacre", 0.91), ("beheading", 0.96), ("bloody", 0.62)),
    "violence/graphic": (("gore", 0.95), ("beheading", 0.96), ("dismembered", 0.95)),
}


def text_scores(text: str) -> dict[str, float]:
    """A score of 0..1 for each of the 13 categories."""
    plain = " ".join(re.findall(r"[\w-]+", text.casefold()))
    return {category: _highest(plain, _WORDS[category]) for category in CATEGORIES}


def image_scores(pixels: Canvas) -> dict[str, float]:
    """A score for each category; only those that are scored from pixels can be high."""
    scores = dict.fromkeys(CATEGORIES, _SAFE)
    mean = pixels[..., :3].reshape(-1, 3).sum(axis=0, dtype=np.int64) // (pixels.shape[0] * pixels.shape[1])
    if all(abs(int(value) - want) <= _WITHIN for value, want in zip(mean, _RED, strict=True)):
        scores["violence"] = 0.97
    return scores


def worst(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """The higher score of each category."""
    return {category: max(one[category], other[category]) for category in CATEGORIES}


def reasons(scores: dict[str, float], at_least: float = BLOCKED_FROM) -> list[str]:
    """The categories that reach a threshold."""
    return [category for category in CATEGORIES if scores[category] >= at_least]


def _highest(plain: str, entries: tuple[tuple[str, float], ...]) -> float:
    found = [score for phrase, score in entries if re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", plain)]
    return max(found, default=_SAFE)
