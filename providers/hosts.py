"""Where a provider is: to which URLs its key may travel, and from which its files come."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from .http import is_safe, origin


@dataclass(frozen=True)
class Hosts:
    """``base`` is where calls are made; its origin is trusted. ``api`` and ``media`` are further domains, with all that
    is below them. A sandbox or gateway has one origin for everything, and no domains."""

    base: str
    api: tuple[str, ...] = ()
    media: tuple[str, ...] = ()

    def is_api(self, url: str) -> bool:
        """Whether the key may travel there."""
        return self._is_own(url, self.api)

    def is_media(self, url: str) -> bool:
        """Whether a result file may be fetched there (without the key)."""
        return self._is_own(url, self.media)

    def _is_own(self, url: str, domains: tuple[str, ...]) -> bool:
        if not is_safe(url):
            return False
        host = urlsplit(url).hostname or ""
        return origin(url) == origin(self.base) or any(host == one or host.endswith(f".{one}") for one in domains)
