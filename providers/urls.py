"""What may be said and done with a URL: where a key may travel, and how its place is told without its secrets. Pure."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

_LONGEST = 4096
_SHOWN = 300
"""Characters of a URL that are told."""
_NO_URL = "what is no URL"


def place(url: str) -> str:
    """Host and path of a URL, for messages: queries and credentials can be secrets.

    Of what is no address in the web nothing is told: it may be a whole picture (``data:``).
    """
    try:
        parts = urlsplit(url[:_LONGEST])
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        # A provider's answer may hold anything where a URL should be, and this is called to report just that.
        return _NO_URL
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return _NO_URL
    told = f"{parts.hostname}{port}{parts.path}"
    return told if len(told) <= _SHOWN else f"{told[:_SHOWN]}…"


@lru_cache(maxsize=4096)
def origin(url: str) -> str:
    """Scheme, host and port of a URL, with the port always written out."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port or {'https': 443, 'http': 80}.get(parts.scheme, 0)}"


@lru_cache(maxsize=4096)
def is_safe(url: str) -> bool:
    """Whether a key may travel there: https, or http to this very machine, and no credentials in the URL."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    if parts.hostname is None or parts.username is not None:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_loopback(host: str | None) -> bool:
    """Whether this name or address is this machine's own."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
