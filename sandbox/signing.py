"""URLs of files that work without a key, and only for a while: signed, as storage in the cloud signs them."""

from __future__ import annotations

import hashlib
import hmac
import time

_SIGNS = b"sandbox"  # not a secret: it only makes a changed URL fail


def signature(path: str, until: str) -> str:
    """What proves that the path may be fetched until then (seconds since the epoch, in words)."""
    return hmac.new(_SIGNS, f"{path}\n{until}".encode(), hashlib.sha256).hexdigest()


def is_good(path: str, until: str, given: str) -> bool:
    """Whether it was signed here and its time is not over."""
    good = hmac.compare_digest(signature(path, until).encode(), given.encode())
    return good and float(until) > time.time()
