"""Requests per minute, as token buckets in memory. Pure but for the time that is handed in.

Each process counts for itself: this guards load, not money, and a request must not cost a write to the database. With
three replicas a caller gets up to three times as many through.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

MOST_BUCKETS = 100_000
"""Beyond it the one that was not used for longest is forgotten; it would be full again, mostly."""


@dataclass(frozen=True)
class Room:
    """What is left of a limit after a request. Seconds are rounded up."""

    limit: int
    left: int
    full_in_s: int
    """When all of it is there again."""
    retry_after_s: int | None = None
    """When one request is; None: this one was let through."""


class Buckets:
    """One bucket for each name. A full one lets a minute's requests through at once; it fills up evenly."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[tuple[str, ...], tuple[float, float]] = OrderedDict()

    def take(self, name: tuple[str, ...], per_minute: int, now: float) -> Room:
        """Take one request out, where one is there. ``now``: seconds of a clock that only goes forward."""
        tokens, at = self._buckets.pop(name, (float(per_minute), now))
        tokens = min(float(per_minute), tokens + (now - at) * per_minute / 60)
        let_through = tokens >= 1
        tokens -= let_through
        self._buckets[name] = tokens, now
        if len(self._buckets) > MOST_BUCKETS:
            self._buckets.popitem(last=False)
        each = 60 / per_minute
        wait = None if let_through else max(1, math.ceil((1 - tokens) * each))
        return Room(per_minute, int(tokens), math.ceil((per_minute - tokens) * each), wait)


def headers(room: Room) -> dict[str, str]:
    """The headers that tell what is left."""
    told = {
        "RateLimit-Limit": str(room.limit),
        "RateLimit-Remaining": str(room.left),
        "RateLimit-Reset": str(room.full_in_s),
    }
    return told if room.retry_after_s is None else {**told, "Retry-After": str(room.retry_after_s)}


def tighter(one: Mapping[str, str], other: Mapping[str, str]) -> dict[str, str]:
    """Of the headers of two limits those that tell of less; one that has none is wider than any."""
    both = [dict(each) for each in (one, other) if "RateLimit-Remaining" in each]
    return min(both, key=lambda each: int(each["RateLimit-Remaining"])) if both else {**one, **other}
