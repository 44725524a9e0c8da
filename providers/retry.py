"""When a request may be repeated, and how long to wait first. Pure: time and chance are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Literal

Repeat = Literal["never", "unsent", "idempotent"]
"""``never``. ``unsent``: a paid POST, repeated only when it surely was not processed. ``idempotent``: polls and
downloads, which cost nothing however often they are made."""

PASSING = frozenset({408, 429, 500, 502, 503, 504})
"""Statuses of trouble that may pass."""


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and how patiently a request is repeated. Seconds."""

    attempts: int = 4
    """Tries in all, the first one included."""
    first_s: float = 0.5
    longest_s: float = 8.0
    longest_asked_s: float = 60.0
    """A longer Retry-After than this is not waited for: the answer goes to the caller instead."""

    def pause(self, attempt: int, asked_s: float | None, chance: float) -> float | None:
        """Seconds to wait after try number ``attempt`` (from 1), or None where waiting is pointless.

        Full jitter: anything up to the doubled base, so that many clients that failed together do not return together.
        What the server asks for is waited in full, and a little longer for the same reason.
        """
        if attempt >= self.attempts:
            return None
        if asked_s is not None:
            return asked_s + chance * self.first_s if asked_s <= self.longest_asked_s else None
        return float(chance * min(self.longest_s, self.first_s * 2 ** (attempt - 1)))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds the server asks us to wait (RFC 9110 10.2.3: seconds or an HTTP date), None where it does not say.

    ``retry-after-ms`` is OpenAI's and Azure's finer one; their SDK prefers it too.
    """
    if (finer := _number(headers.get("retry-after-ms"))) is not None:
        return finer / 1000
    text = headers.get("retry-after")
    if text is None:
        return None
    if (seconds := _number(text)) is not None:
        return seconds
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    # A date without a zone is in UTC by the RFC.
    date = date if date.tzinfo else date.replace(tzinfo=timezone.utc)
    return max(0.0, (date - now).total_seconds())


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else -1.0
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
