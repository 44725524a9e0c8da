"""How much longer a job will take, told from how long its like took. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

FEWEST = 5
"""Runs of which an estimate is made; of fewer nothing is told."""


def left_s(seconds: Sequence[float], elapsed_s: float, fraction: float) -> float | None:
    """Seconds until the end, of a job that runs for so long and is so far. None where too few runs are known.

    A run that takes longer than usual is told by how far it is, not as over any moment.
    """
    if len(seconds) < FEWEST:
        return None
    usual = statistics.median(seconds)
    if elapsed_s < usual:
        return round(usual - elapsed_s, 1)
    return round(elapsed_s * (1 - fraction) / fraction, 1) if fraction > 0 else None
