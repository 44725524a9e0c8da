"""Where a provider is: to which URLs its key may travel, and from which its files come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import BadAnswer
from .base import Accepted
from .urls import is_safe, origin

_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
"""A host's name as DNS knows it. With anything else in it, what we read may not be what is looked up: the system's
resolver, for one, stops reading at a NUL."""


@dataclass(frozen=True)
class Hosts:
    """``base`` is where calls are made; its origin is trusted. ``api`` and ``media`` are further domains, with all that
    is below them, on https's own port. A sandbox has one origin for everything, and no domains."""

    base: str
    api: tuple[str, ...] = ()
    media: tuple[str, ...] = ()

    def is_api(self, url: str) -> bool:
        """Whether the key may travel there."""
        return self._is_own(url, self.api)

    def is_media(self, url: str) -> bool:
        """Whether a result file may be fetched there (without the key)."""
        return self._is_own(url, self.media)

    def followed(self, accepted: Accepted, name: str, *, provider: str, title: str) -> str:
        """A URL of the call's handle, as the provider gave it. Raises BadAnswer where the key may not travel there."""
        url = str(accepted.handle.get(name, ""))
        if not self.is_api(url):
            raise BadAnswer(
                f"{title}'s URL {name!r} is not on hosts of its own; the key is not sent there.",
                provider=provider,
                charged="unknown",
                request_id=accepted.request_id,
            )
        return url

    def _is_own(self, url: str, domains: tuple[str, ...]) -> bool:
        if not is_safe(url):
            return False
        if origin(url) == origin(self.base):
            return True
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.port not in (None, 443) or not _NAME.fullmatch(host):
            return False
        return any(host == one or host.endswith(f".{one}") for one in domains)


def base_of(live: str, sandbox: str, sandbox_url: str | None, base_url: str | None) -> str:
    """Where an API is that has one place only: below ``sandbox`` of a sandbox, the user's own gateway, or ``live``."""
    return f"{sandbox_url.rstrip('/')}{sandbox}" if sandbox_url else (base_url or live).rstrip("/")


def below(base_url: str, bare: str) -> str:
    """The base URL without a slash at its end; a bare host, as some vendors name their regions, is followed by
    ``bare``."""
    url = base_url.rstrip("/")
    return url if urlsplit(url).path else f"{url}{bare}"
