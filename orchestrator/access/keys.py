"""What an API key is: its text, what of it is kept, what it may. Pure, but for the chance in a new one.

``mm_live_<id>_<secret>``: the id names the key everywhere (job rows, budgets, logs), the secret has 256 bits and is
shown once. Kept is its SHA-256. A slow hash protects what people choose, because that can be guessed; nobody guesses
256 random bits, and a slow hash would only make every request slow.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from ...config import Mode
from ...errors import InvalidInput, NotAuthenticated

Scope = Literal["submit", "read", "publish", "review", "metrics", "admin"]
SCOPES: tuple[Scope, ...] = ("submit", "read", "publish", "review", "metrics", "admin")
"""``admin`` includes all others."""

_PREFIX: dict[Mode, str] = {"live": "mm_live", "sandbox": "mm_test"}
_MODE = {prefix: mode for mode, prefix in _PREFIX.items()}
_LETTERS = string.ascii_letters + string.digits
_ID_LENGTH = 12
_SECRET_LENGTH = 43
"""Of 62 letters each: 256 bits."""
_FORM = re.compile(r"(mm_live|mm_test)_([0-9A-Za-z]{12})_([0-9A-Za-z]{43})")
_MOST = 10**9


@dataclass(frozen=True, kw_only=True)
class KeyLimits:
    """What may be done with a key, and by each end user it serves. None: no limit.

    Requests are counted in memory, in each process on its own: they guard load. Jobs at once and spend are counted in
    the database, in the transaction that accepts the job: they guard money.
    """

    requests_per_minute: int | None = None
    jobs_at_once: int | None = None
    """Accepted and not over yet, whether they wait or run."""
    spend_per_day_microusd: int | None = None
    """Held by the ledger, as the key's budget."""
    user_requests_per_minute: int | None = None
    user_jobs_at_once: int | None = None
    user_spend_per_day_microusd: int | None = None
    velocity: float | None = None
    """How many times its usual jobs an hour the key may order before ``velocity_action``."""
    user_velocity: float | None = None
    """The same of each end user; to hold one is to refuse what is ordered for them until the hour is over."""
    velocity_action: Literal["flag", "hold"] = "flag"

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if isinstance(value, (int, float)) and not 0 < value <= _MOST * 10**6:
                raise InvalidInput(f"The limit {name} is above 0.", hint="Leave it out for no limit.", field=name)

    def as_dict(self) -> dict[str, Any]:
        """What is set, as JSON."""
        told = {name: value for name, value in asdict(self).items() if value is not None}
        if self.velocity is None and self.user_velocity is None:
            del told["velocity_action"]
        return told


@dataclass(frozen=True, kw_only=True)
class Key:
    """An API key as it is kept. Its secret is nowhere."""

    key_id: str
    name: str
    scopes: frozenset[str]
    project: str
    user: str
    limits: KeyLimits
    created_at: datetime
    digest: str = field(repr=False)
    old_digest: str | None = field(default=None, repr=False)
    """Of the secret before the latest rotation, valid until ``old_until``."""
    old_until: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    held_at: datetime | None = None
    """Since when its orders are held, because there were far more than usual; an admin releases it."""
    used_at: datetime | None = None

    def opened_by(self, digest: str, at: datetime) -> bool:
        """Whether the secret of this digest is the key's, or was until a rotation whose grace is not over."""
        # Both are compared in every case, and in constant time: how long it takes tells nothing.
        now = hmac.compare_digest(self.digest, digest)
        before = hmac.compare_digest(self.old_digest or "", digest)
        return now or (before and self.old_until is not None and at < self.old_until)

    def ended(self, at: datetime) -> str | None:
        """Why it is not valid any more, in a word; None where it is."""
        if self.revoked_at is not None and self.revoked_at <= at:
            return "revoked"
        return "expired" if self.expires_at is not None and self.expires_at <= at else None


@dataclass(frozen=True)
class Presented:
    """What a caller sent as its key."""

    mode: Mode
    key_id: str
    digest: str = field(repr=False)


def new_id() -> str:
    """A new key's id."""
    return "".join(secrets.choice(_LETTERS) for _ in range(_ID_LENGTH))


def new_token(mode: Mode, key_id: str) -> str:
    """A new secret, as the caller has to send it. This is the only time that it is there."""
    return f"{_PREFIX[mode]}_{key_id}_{''.join(secrets.choice(_LETTERS) for _ in range(_SECRET_LENGTH))}"


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def presented(header: str) -> Presented:
    """The key in an ``Authorization`` header. Raises NotAuthenticated; the text never has anything of it."""
    scheme, _, token = header.partition(" ")
    match = _FORM.fullmatch(token.strip())
    if scheme.lower() != "bearer" or match is None:
        raise NotAuthenticated("The Authorization header has no API key.", hint="Send: Authorization: Bearer mm_…")
    return Presented(_MODE[match[1]], match[2], digest_of(match[0]))


def scopes_of(words: Iterable[str]) -> frozenset[str]:
    """The scopes named. Raises InvalidInput for one that is none, and for none at all."""
    found = frozenset(words)
    if unknown := found - set(SCOPES):
        raise InvalidInput(f"{min(unknown)!r} is no scope.", hint=f"Scopes: {', '.join(SCOPES)}.", field="scopes")
    if not found:
        raise InvalidInput("A key needs a scope.", hint=f"Scopes: {', '.join(SCOPES)}.", field="scopes")
    return found
