"""When a delivery is tried again. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

FIRST_S = 5.0
FACTOR = 3.0
LONGEST_S = 6 * 3600.0
GIVEN_UP_AFTER = timedelta(hours=24)


def next_try(
    begun_at: datetime, attempts: int, at: datetime, chance: float, *, asked_s: float = 0.0
) -> datetime | None:
    """When to try after so many failed attempts, the latest of which ended ``at``; None: no more.

    ``chance``: from 0 to 1, so that those who failed together do not come back together. ``asked_s``: how long the
    receiver asked us to wait. The last try is 24 hours after the first.
    """
    last = begun_at + GIVEN_UP_AFTER
    if at >= last:
        return None
    delay = min(FIRST_S * FACTOR ** min(attempts - 1, 20), LONGEST_S) * (0.75 + chance / 2)
    return min(at + timedelta(seconds=max(delay, asked_s)), last)
