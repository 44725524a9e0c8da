"""From a model's numbers to scores of our categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ...errors import BadAnswer
from .description import Description

if TYPE_CHECKING:
    import numpy as np


def scores_of(numbers: np.ndarray[Any, Any] | Sequence[float], what: Description, checker: str) -> dict[str, float]:
    """The score of each category that a label speaks for.

    Labels of a softmax exclude each other, so those of one category are added; of any other the highest counts. Raises
    BadAnswer where the numbers are none that scores can be made of.
    """
    import numpy as np

    values = np.asarray(numbers, dtype=np.float64).reshape(-1)
    if values.size != len(what.labels) or not np.isfinite(values).all():
        raise BadAnswer(f"The {checker} gave {values.size} numbers that are no scores.", provider=checker)
    found = _activated(values, what)
    if what.activation == "none" and not ((found >= -1e-6) & (found <= 1 + 1e-6)).all():
        raise BadAnswer(
            f"The {checker} gave numbers outside of 0 to 1.",
            hint="Set activation to softmax or sigmoid in the file beside it.",
            provider=checker,
        )
    scores: dict[str, float] = {}
    for label, value in zip(what.labels, np.clip(found, 0.0, 1.0), strict=True):
        if (category := what.categories.get(label)) is not None:
            before, score = scores.get(category, 0.0), float(value)
            scores[category] = min(1.0, before + score) if what.activation == "softmax" else max(before, score)
    return scores


def _activated(values: np.ndarray[Any, Any], what: Description) -> np.ndarray[Any, Any]:
    import numpy as np

    if what.activation == "softmax":
        powers = np.exp(values - values.max())
        return np.asarray(powers / powers.sum())
    if what.activation == "sigmoid":
        return np.asarray(1.0 / (1.0 + np.exp(-np.clip(values, -60.0, 60.0))))
    return values
